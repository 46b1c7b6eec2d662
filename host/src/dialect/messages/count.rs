//! How many tokens a request has, where no upstream can be asked: what is counted in the words of this dialect. What
//! counts how much is said in [`estimate`](crate::chat::estimate).

use serde_json::Value;

use super::given::{missing, parse, wrong};
use crate::chat::estimate::Tally;
use crate::error::Error;

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
        count.tally.separators();
    }
    for message in messages {
        count.content(&message["content"]);
        count.tally.separators();
    }
    for tool in given.get("tools").and_then(Value::as_array).into_iter().flatten() {
        count.text(&tool["name"]);
        count.text(&tool["description"]);
        count.json(&tool["input_schema"]);
        count.tally.separators();
    }
    let format = given.get("output_config").and_then(|config| config.get("format"));
    if let Some(format) = format.or(given.get("output_format")) {
        count.json(&format["schema"]);
    }
    Ok(count.tally.tokens())
}

/// What was counted so far.
#[derive(Default)]
struct Count {
    tally: Tally,
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
            "image" => self.tally.image(),
            "document" => self.document(block),
            "tool_use" => {
                self.text(&block["name"]);
                self.json(&block["input"]);
                self.tally.separators();
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
            _ => self.tally.file(),
        }
    }

    fn text(&mut self, text: &Value) {
        self.tally.text(text.as_str().unwrap_or_default());
    }

    fn json(&mut self, value: &Value) {
        if !value.is_null() {
            self.tally.text(&value.to_string());
        }
    }
}
