//! How many tokens a request has, where no upstream can be asked: an estimate, and no more.
//!
//! Four bytes of text count as a token, which is about right for English prose, a little low for code and other
//! languages. Text is all that a model reads as such: instructions, what was said, names, descriptions and schemas of
//! tools, inputs and results of their calls. Each message, call and tool adds a few tokens for what separates them, and
//! an image or a document a fixed figure. Thinking of earlier turns does not count: upstreams leave it out.

use serde_json::Value;

use super::given::{missing, parse, wrong};
use crate::error::Error;

const BYTES_PER_TOKEN: u64 = 4;
/// For what separates a message, a call or a tool from the next.
const SEPARATORS: u64 = 4;
/// For an image of about a megapixel.
const IMAGE: u64 = 1600;
/// For a document whose text is not known: a page or two.
const DOCUMENT: u64 = 3000;

/// The tokens that the body of `POST /v1/messages/count_tokens` has, as an estimate.
///
/// # Errors
/// A 400 if this is no object with a list of messages.
pub fn count_tokens(body: &[u8]) -> Result<u64, Error> {
    let given = parse(body)?;
    let messages = match given.get("messages") {
        Some(Value::Array(messages)) => messages,
        Some(_) => return Err(wrong("messages", "Input should be a list")),
        None => return Err(missing("messages")),
    };
    let mut count = Count::default();
    if let Some(system) = given.get("system") {
        count.content(system);
        count.fixed += SEPARATORS;
    }
    for message in messages {
        count.content(&message["content"]);
        count.fixed += SEPARATORS;
    }
    for tool in given.get("tools").and_then(Value::as_array).into_iter().flatten() {
        count.text(&tool["name"]);
        count.text(&tool["description"]);
        count.json(&tool["input_schema"]);
        count.fixed += SEPARATORS;
    }
    let format = given.get("output_config").and_then(|config| config.get("format"));
    if let Some(format) = format.or(given.get("output_format")) {
        count.json(&format["schema"]);
    }
    Ok(count.bytes.div_ceil(BYTES_PER_TOKEN) + count.fixed)
}

/// What was counted so far.
#[derive(Default)]
struct Count {
    bytes: u64,
    fixed: u64,
}

impl Count {
    fn content(&mut self, content: &Value) {
        match content {
            Value::Array(blocks) => blocks.iter().for_each(|block| self.block(block)),
            text => self.text(text),
        }
    }

    fn block(&mut self, block: &Value) {
        match block["type"].as_str().unwrap_or_default() {
            "image" => self.fixed += IMAGE,
            "document" => self.document(block),
            "tool_use" => {
                self.text(&block["name"]);
                self.json(&block["input"]);
                self.fixed += SEPARATORS;
            }
            "thinking" | "redacted_thinking" => {}
            // Text, results of tools, search results.
            _ => {
                ["text", "title", "source"].iter().for_each(|name| self.text(&block[*name]));
                self.content(&block["content"]);
            }
        }
    }

    fn document(&mut self, document: &Value) {
        self.text(&document["title"]);
        self.text(&document["context"]);
        let source = &document["source"];
        match source["type"].as_str() {
            Some("text") => self.text(&source["data"]),
            Some("content") => self.content(&source["content"]),
            _ => self.fixed += DOCUMENT,
        }
    }

    fn text(&mut self, text: &Value) {
        self.bytes += text.as_str().map_or(0, str::len) as u64;
    }

    fn json(&mut self, value: &Value) {
        if !value.is_null() {
            self.bytes += value.to_string().len() as u64;
        }
    }
}
