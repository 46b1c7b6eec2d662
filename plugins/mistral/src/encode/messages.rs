//! The conversation: OpenAI's messages, without what Mistral does not know, and with thoughts as parts.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use weir_plugin::Failure;
use weir_plugin::openai::{Text, is_web, take_fields};

use crate::settings::{PastThoughts, Settings};

/// How long the id of a tool call is.
const ID_LENGTH: usize = 9;

weir_plugin::document! {
    /// A message of any role.
    pub struct Turn<'a> {
        /// `system`, `user`, `assistant` or `tool`.
        role: Text<'a>,
        /// A text, which stays as it stands in the request, or a list of parts.
        content: Box<RawValue>,
        /// With the role `tool`: the function's name.
        name: Text<'a>,
        /// With the role `tool`: the call that this is the result of.
        tool_call_id: Text<'a>,
        /// The calls that the assistant made.
        tool_calls: Vec<Value>,
        /// Whether the answer is to go on from what the assistant says here.
        prefix: bool,
        /// What the assistant thought.
        reasoning_content: Text<'a>,
        /// What the assistant said when it declined.
        refusal: Text<'a>,
    }
}

/// Rewrites the messages of a request.
pub fn rewrite<'a>(settings: &Settings, messages: Vec<Turn<'a>>) -> Result<Vec<Turn<'a>>, Failure> {
    let last = messages.len().saturating_sub(1);
    let rewritten = messages.into_iter().enumerate().map(|(place, mut message)| {
        let mut content = message.content.take();
        if let Some(parts) = content.as_deref().filter(|content| content.get().starts_with('[')) {
            content = raw(&rewritten_parts(place, parts)?);
        }
        let mut turn = Turn { role: message.role.take(), ..Turn::default() };
        match turn.role.as_deref() {
            Some("developer") => turn.role = Some("system".into()),
            Some("tool") => {
                turn.name = message.name.take();
                turn.tool_call_id = message.tool_call_id.take().map(|id| tool_id(&id).into());
            }
            Some("assistant") => {
                content = content.or_else(|| raw(&message.refusal.take()?));
                let sends = |thoughts: &Text| settings.past_thoughts == PastThoughts::Send && !thoughts.is_empty();
                if let Some(thoughts) = message.reasoning_content.take().filter(sends) {
                    content = raw(&with_thoughts(&thoughts, content.as_deref()));
                }
                turn.tool_calls = tool_calls(place, message.tool_calls.take().unwrap_or_default())?;
                // A conversation that ends with the assistant is to be gone on with: Mistral wants to be told so.
                let is_begun = place == last && turn.tool_calls.is_none();
                turn.prefix = message.prefix.or(is_begun.then_some(true));
            }
            Some("function") => {
                let message = "This provider has 'tools', not the older 'functions'.";
                return Err(Failure::unsupported(format!("messages[{place}].role"), message));
            }
            _ => {}
        }
        turn.content = content.or_else(|| raw(&""));
        Ok(turn)
    });
    rewritten.collect()
}

fn raw(content: &impl serde::Serialize) -> Option<Box<RawValue>> {
    to_raw_value(content).ok()
}

fn rewritten_parts(message: usize, parts: &RawValue) -> Result<Vec<Value>, Failure> {
    let parts: Vec<Value> = serde_json::from_str(parts.get()).unwrap_or_default();
    let parts = parts.into_iter().enumerate();
    parts.map(|(at, part)| self::part(part, || format!("messages[{message}].content[{at}]"))).collect()
}

/// What the assistant said, after what it thought.
fn with_thoughts(thoughts: &str, content: Option<&RawValue>) -> Vec<Value> {
    let mut parts = vec![json!({ "type": "thinking", "thinking": [{ "type": "text", "text": thoughts }] })];
    match content.and_then(|content| serde_json::from_str(content.get()).ok()) {
        Some(Value::Array(more)) => parts.extend(more),
        Some(Value::String(text)) if !text.is_empty() => parts.push(json!({ "type": "text", "text": text })),
        _ => {}
    }
    parts
}

/// The calls that the assistant made. `None` if there are none.
fn tool_calls(message: usize, mut calls: Vec<Value>) -> Result<Option<Vec<Value>>, Failure> {
    for (at, call) in calls.iter_mut().enumerate() {
        let Some(function) = call.get("function") else {
            let field = format!("messages[{message}].tool_calls[{at}]");
            return Err(Failure::unsupported(field, "This provider has no custom tools."));
        };
        let arguments = function["arguments"].as_str().filter(|arguments| !arguments.trim().is_empty());
        let function = json!({ "name": function["name"], "arguments": arguments.unwrap_or("{}") });
        let id = tool_id(call["id"].as_str().unwrap_or_default());
        *call = json!({ "id": id, "type": "function", "function": function });
    }
    Ok((!calls.is_empty()).then_some(calls))
}

/// A part of a content. Those of Mistral's own kinds stay: `document_url`, `reference`, `thinking`.
fn part(mut part: Value, field: impl Fn() -> String) -> Result<Value, Failure> {
    let text = |text: &Value| json!({ "type": "text", "text": text.as_str().unwrap_or_default() });
    match part["type"].as_str() {
        Some("text") => Ok(text(&part["text"])),
        Some("refusal") => Ok(text(&part["refusal"])),
        Some("image_url") => {
            let image = part["image_url"].as_object_mut().map(|image| take_fields(image, "url detail"));
            let image = image.map_or_else(|| part["image_url"].take(), Value::Object);
            Ok(json!({ "type": "image_url", "image_url": image }))
        }
        Some("input_audio") if part["input_audio"].is_object() => {
            Ok(json!({ "type": "input_audio", "input_audio": part["input_audio"]["data"] }))
        }
        Some("file") if part["file"].is_object() => file(&part["file"]).ok_or_else(|| {
            Failure::invalid_field(format!("{}.file", field()), "A file needs 'file_data' or 'file_id'.")
        }),
        _ => {
            part.as_object_mut().and_then(|part| part.shift_remove("cache_control"));
            Ok(part)
        }
    }
}

/// A file: an image, a document, or one that was uploaded before.
fn file(file: &Value) -> Option<Value> {
    let Some(data) = file["file_data"].as_str().filter(|data| !data.is_empty()) else {
        return Some(json!({ "type": "file", "file_id": file["file_id"].as_str()? }));
    };
    if data.starts_with("data:image/") {
        return Some(json!({ "type": "image_url", "image_url": data }));
    }
    let is_address = data.starts_with("data:") || is_web(data);
    let url = if is_address { data.to_owned() } else { format!("data:application/pdf;base64,{data}") };
    let mut document = json!({ "type": "document_url", "document_url": url });
    if let Some(name) = file["filename"].as_str() {
        document["document_name"] = name.into();
    }
    Some(document)
}

/// The id of a call as Mistral wants it: nine letters and digits. One of another provider becomes a hash of itself
/// (FNV-1a), which is the same in the call and in its result, and in every later request.
fn tool_id(id: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let digits = std::iter::successors(Some(hash), |hash| Some(hash / 62)).take(ID_LENGTH);
    digits.map(|hash| char::from(ALPHABET[(hash % 62) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::tool_id;

    #[test]
    fn ids_are_kept_if_they_fit_and_are_hashed_to_nine_characters_if_not() {
        assert_eq!(tool_id("aB3dE6gH9"), "aB3dE6gH9");
        let foreign = ["", "call_1", "call_2", "toolu_01A09q90qw90lq917835lq9", "aB3dE6gH_", "aB3dE6gH99", "é"];
        let ids: HashSet<_> = foreign.iter().map(|id| tool_id(id)).collect();
        assert_eq!(ids.len(), foreign.len());
        assert!(ids.iter().all(|id| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{ids:?}");
    }
}
