//! What an upstream wants back in the next turn of a conversation: signed thinking, signatures of tool calls and texts.
//!
//! Chat Completions clients keep it in the message that it came in. The items of a Response have one place for it, a
//! reasoning item's `encrypted_content`, which clients send back unread. It is not secret: the client of the same
//! conversation would see it in the canonical form too.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Object, take_list};

/// How an `encrypted_content` of ours begins. Whatever else clients send there is another's, and nobody here reads it.
const MARK: &str = "weir.1:";

/// The fields of canonical messages that have to come back.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Carried {
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

/// The request without what this gateway made for earlier turns with other upstreams: one that speaks Responses by
/// itself takes an `encrypted_content` only if it is its own. `None` if there is none, as nearly always.
pub(super) fn without_ours(body: &[u8]) -> Option<String> {
    memchr::memmem::find(body, MARK.as_bytes())?;
    let mut request: Object = serde_json::from_slice(body).ok()?;
    let items = request.get_mut("input")?.as_array_mut()?;
    let is_ours = |item: &Value| item["encrypted_content"].as_str().is_some_and(|content| content.starts_with(MARK));
    items.retain(|item| !is_ours(item));
    serde_json::to_string(&request).ok()
}

impl Carried {
    /// Takes what has to come back out of a message or a delta. That of its tool calls is for [`Carried::add_call`].
    pub(super) fn add(&mut self, delta: &mut Object) {
        join(&mut self.thinking_blocks, take_list(delta, "thinking_blocks"));
        join(&mut self.reasoning_details, take_list(delta, "reasoning_details"));
        if let Some(content) = delta.remove("extra_content").filter(|content| !content.is_null()) {
            self.extra_content = content;
        }
    }

    /// The same of a tool call, which has this id.
    pub(super) fn add_call(&mut self, id: &str, call: &mut Object) {
        if let Some(content) = call.remove("extra_content").filter(|content| !content.is_null()) {
            self.tool_calls.insert(id.to_owned(), content);
        }
    }

    /// Takes over what another reasoning item of the same turn carries.
    pub(super) fn extend(&mut self, other: Self) {
        self.thinking_blocks.extend(other.thinking_blocks);
        self.reasoning_details.extend(other.reasoning_details);
        if !other.extra_content.is_null() {
            self.extra_content = other.extra_content;
        }
        self.tool_calls.extend(other.tool_calls);
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_thoughts() && self.extra_content.is_null() && self.tool_calls.is_empty()
    }

    /// Whether some of this was thought, rather than belonging to a text or a call.
    pub(super) fn has_thoughts(&self) -> bool {
        !self.thinking_blocks.is_empty() || !self.reasoning_details.is_empty()
    }

    /// The `encrypted_content` that says all this, if there is anything.
    pub(super) fn seal(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        Some(format!("{MARK}{}", serde_json::to_string(self).ok()?))
    }

    /// Reads an `encrypted_content`. `None` if it is not one of ours.
    pub(super) fn unseal(sealed: &str) -> Option<Self> {
        serde_json::from_str(sealed.strip_prefix(MARK)?).ok()
    }

    /// Puts everything back into a canonical message of the assistant.
    pub(super) fn restore(mut self, message: &mut Object) {
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
