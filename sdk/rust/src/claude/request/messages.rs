//! The conversation: who says what, in blocks as Anthropic wants them.

use crate::Failure;
use crate::openai::{Called, Content, Message, MessageWriter, Place, Text, Thought, plain_id};
use serde_json::Value;

use super::parts;
use crate::json::Json;

/// Writes messages in Anthropic's form.
pub struct Writer;

impl MessageWriter for Writer {
    const ALTERNATES: bool = false;

    /// A cache mark on the message itself is one on its last block.
    fn content(&mut self, json: &mut Json, message: &Message, place: Place) -> Result<(), Failure> {
        let mark = message.extra.get("cache_control");
        match (&message.content, &message.refusal) {
            (None, Some(refusal)) => parts::text(json, refusal, mark),
            (None, None) => {}
            (Some(Content::Text(text)), _) => parts::text(json, text, mark),
            (Some(Content::Parts(list)), _) => {
                for (at, part) in list.iter().enumerate() {
                    let mark = mark.filter(|_| at + 1 == list.len());
                    parts::part(json, part, mark, place.element("content", at))?;
                }
            }
        }
        Ok(())
    }

    fn thought(&mut self, json: &mut Json, thought: Thought) {
        match thought {
            Thought::Signed { text, signature } => {
                json.open('{').key("type").body("thinking").key("thinking").string(text);
                json.key("signature").string(signature).close('}');
            }
            Thought::Redacted(data) => {
                json.open('{').key("type").body("redacted_thinking").key("data").string(data).close('}');
            }
        }
    }

    fn call(&mut self, json: &mut Json, call: &Called) {
        json.open('{').key("type").body("tool_use").key("id").string(&tool_id(call.id.unwrap_or_default()));
        json.key("name").string(call.name.unwrap_or_default()).key("input").raw(call.arguments.get());
        parts::mark(json, call.extra.get("cache_control"));
        json.close('}');
    }

    /// What is no text, an image for instance, is a result as well.
    fn result(&mut self, json: &mut Json, message: &Message, id: &str, place: Place) -> Result<(), Failure> {
        json.open('{').key("type").body("tool_result").key("tool_use_id").string(&tool_id(id));
        match &message.content {
            Some(Content::Text(text)) if !text.is_empty() => {
                json.key("content").string(text);
            }
            Some(Content::Parts(list)) if !list.is_empty() => {
                json.key("content").open('[');
                for (at, part) in list.iter().enumerate() {
                    parts::part(json, part, None, place.element("content", at))?;
                }
                json.close(']');
            }
            _ => {}
        }
        if let Some(Value::Bool(is_error)) = message.extra.get("is_error") {
            json.key("is_error").raw(if *is_error { "true" } else { "false" });
        }
        parts::mark(json, message.extra.get("cache_control"));
        json.close('}');
        Ok(())
    }
}

/// The id of a call in the characters that Anthropic allows.
fn tool_id(id: &str) -> Text<'_> {
    plain_id(id, "_-", usize::MAX)
}
