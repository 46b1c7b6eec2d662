//! What an upstream wants back in the next turn of a conversation: signed thinking, signatures of tool calls and texts.
//!
//! Chat Completions clients keep it in the message that it came in. The other dialects have one place for it that
//! clients send back unread: the `encrypted_content` of a reasoning item in Responses, the `data` of a block of
//! redacted thinking in Messages. It is not secret: the client of the same conversation would see it in the canonical
//! form too.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object.
type Object = Map<String, Value>;

/// How a text of ours begins. Whatever else clients send there is another's, and nobody here reads it.
const MARK: &str = "weir.1:";

/// The fields of canonical messages that have to come back.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Carried {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Value>,
    /// That of the message.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    extra_content: Value,
    /// The `extra_content` of tool calls, by their ids.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    tool_calls: Object,
}

/// Whether a body may hold a text of ours. Hardly any does: this is quick.
pub fn may_be_in(body: &[u8]) -> bool {
    memchr::memmem::find(body, MARK.as_bytes()).is_some()
}

/// Whether this is a text of ours. An upstream that speaks the client's dialect by itself must not get it: it takes only
/// its own.
pub fn is_ours(text: &Value) -> bool {
    text.as_str().is_some_and(|text| text.starts_with(MARK))
}

impl Carried {
    /// Adds the `thinking_blocks` of a message or a delta.
    pub fn add_thinking(&mut self, blocks: Vec<Value>) {
        join(&mut self.thinking_blocks, blocks);
    }

    /// Adds the `reasoning_details` of a message or a delta.
    pub fn add_details(&mut self, details: Vec<Value>) {
        join(&mut self.reasoning_details, details);
    }

    /// Adds the `extra_content` of a message or a delta.
    pub fn add_content(&mut self, content: Value) {
        if !content.is_null() {
            self.extra_content = content;
        }
    }

    /// Adds the `extra_content` of a tool call, which has this id.
    pub fn add_call(&mut self, id: &str, content: Value) {
        if !content.is_null() {
            self.tool_calls.insert(id.to_owned(), content);
        }
    }

    /// Takes over what another text of the same turn carries.
    pub fn extend(&mut self, other: Self) {
        self.thinking_blocks.extend(other.thinking_blocks);
        self.reasoning_details.extend(other.reasoning_details);
        if !other.extra_content.is_null() {
            self.extra_content = other.extra_content;
        }
        self.tool_calls.extend(other.tool_calls);
    }

    /// Whether there is nothing to carry.
    pub fn is_empty(&self) -> bool {
        !self.has_thoughts() && self.extra_content.is_null() && self.tool_calls.is_empty()
    }

    /// Whether some of this was thought, rather than belonging to a text or a call.
    pub fn has_thoughts(&self) -> bool {
        !self.thinking_blocks.is_empty() || !self.reasoning_details.is_empty()
    }

    /// The text that says all this, if there is anything.
    pub fn seal(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        Some(format!("{MARK}{}", serde_json::to_string(self).ok()?))
    }

    /// Reads such a text. `None` if it is not one of ours.
    pub fn unseal(sealed: &str) -> Option<Self> {
        serde_json::from_str(sealed.strip_prefix(MARK)?).ok()
    }

    /// Puts everything back into a canonical message of the assistant.
    pub fn restore(mut self, message: &mut Object) {
        for (name, list) in [("thinking_blocks", self.thinking_blocks), ("reasoning_details", self.reasoning_details)] {
            if !list.is_empty() {
                message.insert(name.to_owned(), list.into());
            }
        }
        if !self.extra_content.is_null() {
            message.insert("extra_content".to_owned(), self.extra_content);
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten();
        for call in calls.filter_map(Value::as_object_mut) {
            let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
            if let Some(content) = self.tool_calls.remove(id) {
                call.insert("extra_content".to_owned(), content);
            }
        }
    }
}

/// Joins the elements of a delta's list to those before: an element with an index that was there already goes on.
fn join(list: &mut Vec<Value>, elements: Vec<Value>) {
    for element in elements {
        let index = element.get("index").filter(|index| index.is_u64());
        let known = list.iter_mut().find(|known| index.is_some() && known.get("index") == index);
        match (known, element) {
            (Some(Value::Object(known)), Value::Object(element)) => go_on(known, element),
            (_, element) => list.push(element),
        }
    }
}

fn go_on(known: &mut Object, element: Object) {
    for (name, value) in element {
        match (known.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more))
                if matches!(name.as_str(), "thinking" | "text" | "summary" | "data" | "signature") =>
            {
                text.push_str(&more);
            }
            (_, value) => drop(known.insert(name, value)),
        }
    }
}
