//! What is said in a conversation, as Converse wants it: with a block for each thing. Blank text is left out: it is
//! refused.

use weir_plugin::Failure;
use weir_plugin::json::{Json, to_text};
use weir_plugin::openai::{Called, Content, Message, MessageWriter, Part, Place, Text, Thought, plain_id, to_json};
use weir_plugin::serde_json::{Map, Value, json};

use super::media::Library;
use crate::family::Family;

/// Writes the messages of a normalized request.
#[derive(Default)]
pub struct Writer {
    /// Whose model it is.
    pub family: Family,
    /// The media so far. If there are any that the host has to fetch first, the rest is not complete.
    pub library: Library,
    /// The names of the tools that were called, each once.
    pub calls: Vec<String>,
}

impl MessageWriter for Writer {
    const ALTERNATES: bool = true;

    /// Cache points stand behind what they end; that of the message itself behind its last part.
    fn content(&mut self, json: &mut Json, message: &Message, place: Place) -> Result<(), Failure> {
        let caches = self.family.caches() && message.role.as_deref() != Some("tool");
        let mut cached = json.as_str().len();
        let mut mark = |json: &mut Json, extra| {
            // It needs something before it, and one is enough.
            if let Some(point) = cache_point(extra).filter(|_| caches && json.as_str().len() > cached) {
                cached = json.raw(&point).as_str().len();
            }
        };
        match &message.content {
            None => {}
            Some(Content::Text(content)) => text(json, content),
            Some(Content::Parts(parts)) => {
                for (at, part) in parts.iter().enumerate() {
                    self.part(json, part, place.element("content", at))?;
                    mark(json, &part.extra);
                }
            }
        }
        mark(json, &message.extra);
        Ok(())
    }

    fn thought(&mut self, json: &mut Json, thought: Thought) {
        json.open('{').key("reasoningContent").open('{');
        match thought {
            Thought::Signed { text, signature } => {
                let json = json.key("reasoningText").open('{').key("text").string(text);
                json.key("signature").string(signature).close('}')
            }
            Thought::Redacted(data) => json.key("redactedContent").string(data),
        };
        json.close('}').close('}');
    }

    fn call(&mut self, json: &mut Json, call: &Called) {
        let name = call.name.unwrap_or_default();
        if !self.calls.iter().any(|known| known == name) {
            self.calls.push(name.to_owned());
        }
        let id = tool_use_id(call.id.unwrap_or_default());
        json.open('{').key("toolUse").open('{').key("toolUseId").string(&id).key("name").string(name);
        json.key("input").raw(call.arguments.get()).close('}').close('}');
    }

    fn result(&mut self, json: &mut Json, message: &Message, id: &str, place: Place) -> Result<(), Failure> {
        json.open('{').key("toolResult").open('{').key("toolUseId").string(&tool_use_id(id)).key("content").open('[');
        self.content(json, message, place)?;
        json.close(']');
        if message.extra.get("is_error") == Some(&Value::Bool(true)) {
            json.key("status").body("error");
        }
        json.close('}').close('}');
        // A result cannot hold a cache point, but one can stand behind it.
        let parts = match &message.content {
            Some(Content::Parts(parts)) => &parts[..],
            _ => &[],
        };
        let mut marks = parts.iter().map(|part| &part.extra).chain([&message.extra]).filter_map(cache_point);
        if let Some(point) = marks.next_back().filter(|_| self.family.caches()) {
            json.raw(&point);
        }
        Ok(())
    }
}

impl Writer {
    fn part(&mut self, json: &mut Json, part: &Part, place: Place) -> Result<(), Failure> {
        match part.kind.as_deref() {
            Some("text") => text(json, part.text.as_deref().unwrap_or_default()),
            Some("image_url" | "input_audio" | "file" | "video_url") => self.library.write(json, part, place)?,
            // A block in the form of Converse, which is known by its one field.
            None => {
                json.raw(&to_json(part)?);
            }
            Some(other) => {
                return Err(place.unsupported(format!("This provider does not take parts of type `{other}`.")));
            }
        }
        Ok(())
    }
}

/// What a client's `cache_control` is here.
pub fn cache_point(extra: &Map<String, Value>) -> Option<String> {
    let control = extra.get("cache_control").filter(|control| !control.is_null())?;
    let mut point = json!({ "type": "default" });
    if let Some(ttl) = control.get("ttl") {
        point["ttl"] = ttl.clone();
    }
    Some(to_text(&json!({ "cachePoint": point })))
}

/// Writes a block of text, unless it is blank.
pub fn text(json: &mut Json, text: &str) {
    if !text.trim().is_empty() {
        json.open('{').key("text").string(text).close('}');
    }
}

/// The id of a call in the characters that Converse allows.
fn tool_use_id(id: &str) -> Text<'_> {
    plain_id(id, "_.:-", 64)
}
