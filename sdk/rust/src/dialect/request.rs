//! A request to the upstream: the client's document with a few fields changed. The document is not parsed here unless
//! there is a field to look for, and then no deeper than need be.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::openai::{self, asks_for_something, push_json_string};
use crate::{Call, Failure, FieldEdit, Operation};

use super::fields::Fields;
use super::messages;

/// What an upstream wants to be different in a request.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// Fields that the upstream refuses, and that are left out.
    pub drop_parameters: Vec<String>,
    /// All fields of a chat that the upstream takes; others are left out. Absent: it takes whatever there is.
    pub known_parameters: Option<Vec<String>>,
    /// Fields of a chat that cannot be left out without changing what is asked for: the request is refused.
    pub refuse_parameters: Vec<String>,
    /// Fields of a chat that the upstream calls by another name.
    pub rename_parameters: BTreeMap<String, String>,
    /// Fields of messages, their parts and tool calls, and of tools, that the upstream does not take.
    pub drop_from_messages: Vec<String>,
    /// Whether the upstream knows the role `developer`. If not, it is told `system`.
    pub developer_role: bool,
    /// Whether streams are asked to tell what they cost.
    pub stream_usage: StreamUsage,
}

/// A plugin's own settings, and the [`Changes`] that stand in the same object.
#[derive(Debug, Deserialize)]
pub struct Settings<T> {
    /// The plugin's own.
    #[serde(flatten)]
    pub own: T,
    /// Those of the dialect.
    #[serde(flatten)]
    pub changes: Changes,
}

/// Whether streams are asked to tell what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamUsage {
    /// Always, so that usage is counted even if the client does not want it.
    Auto,
    /// Only if the client wants it: for upstreams that refuse `stream_options`.
    Never,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            drop_parameters: Vec::new(),
            known_parameters: None,
            refuse_parameters: Vec::new(),
            rename_parameters: BTreeMap::new(),
            drop_from_messages: Vec::new(),
            developer_role: true,
            stream_usage: StreamUsage::Auto,
        }
    }
}

/// The properties of [`Changes`] in a JSON Schema of settings.
pub const CHANGES_SCHEMA: &str = r#"
    "drop_parameters": {
      "description": "Request fields that the upstream refuses, and that are left out.",
      "type": "array", "items": { "type": "string" }
    },
    "known_parameters": {
      "description": "All fields of a chat that the upstream takes, besides model, messages and stream; others are left out.",
      "type": "array", "items": { "type": "string" }
    },
    "refuse_parameters": {
      "description": "Fields of a chat for which a request is refused, as leaving them out would change its meaning.",
      "type": "array", "items": { "type": "string" }
    },
    "rename_parameters": {
      "description": "Fields of a chat that the upstream calls by another name: the client's name, and the upstream's.",
      "type": "object", "additionalProperties": { "type": "string" }
    },
    "drop_from_messages": {
      "description": "Fields of messages, their parts and tool calls, and of tools, that the upstream does not take.",
      "type": "array", "items": { "type": "string" }
    },
    "developer_role": {
      "description": "Whether the upstream knows the role developer (true by default). If not, it is told system.",
      "type": "boolean"
    },
    "stream_usage": {
      "description": "auto: streams are always asked what they cost. never: only if the client asks.",
      "enum": ["auto", "never"]
    }"#;

/// What there is to change, and what is lost by it.
#[derive(Debug, Default)]
pub struct Changed {
    /// The changes to the document.
    pub edits: Vec<FieldEdit>,
    /// See [`crate::UpstreamRequest::dropped`].
    pub dropped: Vec<String>,
}

impl Changes {
    /// Makes the changes for a document of any operation, to an upstream that calls the model `model`.
    ///
    /// # Errors
    /// If the document is no object, or if the client asks for something by a field to be refused.
    pub fn apply(&self, call: &Call, model: &str, document: &str) -> Result<Changed, Failure> {
        let mut changed = Changed::default();
        let mut name = String::with_capacity(model.len() + 2);
        push_json_string(&mut name, model);
        changed.put("model", name);
        let is_chat = call.operation == Operation::Chat;
        let streams = call.stream && matches!(call.operation, Operation::Chat | Operation::Completions);
        let asks_usage = streams
            && !call.include_usage
            && self.stream_usage == StreamUsage::Auto
            && !self.drop_parameters.iter().any(|name| name == "stream_options");
        let reads = is_chat && (self.reads_chats() || mentions_thinking(document));
        if !asks_usage && self.drop_parameters.is_empty() && !reads {
            return Ok(changed);
        }
        let fields = Fields::read(document)?;
        for name in &self.drop_parameters {
            changed.leave_out(name, fields.get(name));
        }
        if is_chat {
            self.chat(&fields, &mut changed)?;
        }
        if asks_usage {
            changed.put("stream_options", with_usage(fields.get("stream_options"))?);
        }
        Ok(changed)
    }

    /// Whether chats have to be looked into for anything but fields to be dropped.
    fn reads_chats(&self) -> bool {
        let has_lists = [&self.refuse_parameters, &self.drop_from_messages].into_iter().any(|list| !list.is_empty());
        has_lists || self.known_parameters.is_some() || !self.rename_parameters.is_empty() || !self.developer_role
    }

    fn chat(&self, fields: &Fields<'_>, changed: &mut Changed) -> Result<(), Failure> {
        if let Some(value) = foreign_thinking(fields) {
            // Beside an effort it only says the same in more words.
            let says_more = fields.get("reasoning_effort").is_none_or(|effort| effort == "null");
            changed.leave_out("thinking", says_more.then_some(value));
        }
        for name in &self.refuse_parameters {
            if fields.get(name).is_some_and(|value| asks(name, value)) {
                return Err(Failure::unsupported(name.as_str(), format!("This provider does not support '{name}'.")));
            }
        }
        if let Some(known) = &self.known_parameters {
            let is_known =
                |name: &str| matches!(name, "model" | "messages" | "stream") || known.iter().any(|known| known == name);
            let unknown =
                fields.iter().filter(|(name, _)| !is_known(name) && !self.rename_parameters.contains_key(*name));
            unknown.for_each(|(name, value)| changed.leave_out(name, Some(value)));
        }
        for (from, to) in &self.rename_parameters {
            let Some(value) = fields.get(from) else { continue };
            changed.edits.push(edit(from, None));
            // Of both names, the newer one counts, or else the upstream's own.
            let is_newer = to == "max_tokens" || fields.get(to).is_none_or(|value| value == "null");
            if value != "null" && is_newer {
                changed.put(to, value.to_owned());
            }
        }
        let rules = messages::Rules { drop: &self.drop_from_messages, developer_role: self.developer_role };
        for (name, nested) in [("messages", messages::NESTED), ("tools", &[][..])] {
            let value = fields.get(name).filter(|_| !rules.is_empty());
            if let Some(value) = value.and_then(|value| rules.list(value, nested)) {
                changed.put(name, value);
            }
        }
        Ok(())
    }
}

impl Changed {
    fn put(&mut self, name: &str, value: String) {
        self.edits.push(edit(name, Some(value)));
    }

    /// Takes a field out, and tells of it if the client asked for something by it.
    fn leave_out(&mut self, name: &str, value: Option<&str>) {
        self.edits.push(edit(name, None));
        // The host gives embeddings in the encoding that the client asked for, whatever the upstream did.
        if name != "encoding_format" && value.is_some_and(|value| asks(name, value)) {
            self.dropped.push(name.to_owned());
        }
    }
}

/// Whether there may be a field `thinking`. This looks at every request in full: of the letters of that word, `k` is
/// the rarest in most texts.
fn mentions_thinking(document: &str) -> bool {
    const NAME: &[u8] = b"\"thinking\"";
    const BEFORE_K: usize = 5;
    let document = document.as_bytes();
    memchr::memchr_iter(b'k', document)
        .filter_map(|k| document.get(k.checked_sub(BEFORE_K)?..))
        .any(|rest| rest.starts_with(NAME))
}

/// A client's `thinking` in Anthropic's words, which no upstream of this dialect knows: those that have a field of this
/// name know `enabled` and `disabled` alone, and the latter is said by an effort as well.
fn foreign_thinking<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    let value = fields.get("thinking")?;
    let thinking: Value = serde_json::from_str(value).ok()?;
    let says_off = thinking["type"] == "disabled" && fields.get("reasoning_effort") == Some("\"none\"");
    let is_foreign = says_off || thinking["type"] == "adaptive" || thinking.get("budget_tokens").is_some();
    is_foreign.then_some(value)
}

fn asks(name: &str, value: &str) -> bool {
    serde_json::from_str(value).is_ok_and(|value: Value| asks_for_something(name, &value))
}

/// The client's `stream_options`, if any, with a demand for usage.
fn with_usage(options: Option<&str>) -> Result<String, Failure> {
    let mut options: Map<String, Value> = match options {
        None | Some("null") => Map::new(),
        Some(options) => serde_json::from_str(options)
            .map_err(|_| Failure::invalid_field("stream_options", "'stream_options' must be an object."))?,
    };
    options.insert("include_usage".to_owned(), true.into());
    openai::to_json(&options)
}

fn edit(name: &str, value: Option<String>) -> FieldEdit {
    FieldEdit { name: name.to_owned(), value }
}
