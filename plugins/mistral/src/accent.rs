//! What is Mistral's alone in its answers, brought into a form that the dialect knows.

use std::borrow::Cow;

use serde_json::{Map, Value};
use weir_plugin::dialect;
use weir_plugin::{Call, Event, Failure, Position, Progress, ResponseHead, StreamDecoder};

use crate::failure;

/// Words of which there is at least one in every document that is not of the dialect: lists as content, an id that is
/// the word `null`, a misspelt count, and errors in layers.
const SIGNS: &str = r#""text" "thinking" "reference" "null" "prompt_token_details" "detail" "raw_status_code""#;

/// Brings the documents of one answer into the form of the dialect.
#[derive(Debug, Default)]
pub struct Accent {
    /// How many sources were cited so far.
    citations: usize,
}

impl Accent {
    /// An answer or a chunk in the form of the dialect. What is none is left as it is.
    pub fn straighten<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        if !SIGNS.split(' ').any(|sign| text.contains(sign)) {
            return Cow::Borrowed(text);
        }
        let Ok(mut document) = serde_json::from_str::<Value>(text) else { return Cow::Borrowed(text) };
        if document.get("choices").is_none() {
            failure::flatten(&mut document);
        }
        if let Some(usage) = document.get_mut("usage").and_then(Value::as_object_mut)
            && let Some(details) = usage.shift_remove("prompt_token_details").filter(|details| !details.is_null())
        {
            usage.insert("prompt_tokens_details".to_owned(), details);
        }
        for choice in document.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
            for name in ["message", "delta"] {
                if let Some(message) = choice.get_mut(name).and_then(Value::as_object_mut) {
                    self.message(message);
                }
            }
        }
        Cow::Owned(document.to_string())
    }

    fn message(&mut self, message: &mut Map<String, Value>) {
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(id) = call.get_mut("id").filter(|id| *id == "null") {
                *id = Value::Null;
            }
        }
        let Some(Value::Array(parts)) =
            message.get_mut("content").filter(|content| content.is_array()).map(Value::take)
        else {
            return;
        };
        let (mut content, mut thoughts, mut citations) = (String::new(), String::new(), Vec::new());
        for mut part in parts {
            match (part.get("thinking"), part.get("text")) {
                (Some(thinking), _) => thoughts.push_str(&dialect::text_of(thinking)),
                (None, Some(text)) => content.push_str(&dialect::text_of(text)),
                (None, None) => {
                    let Value::Object(fields) = &mut part else { continue };
                    // Clients join the lists of several chunks by the index of each element.
                    fields.insert("index".to_owned(), self.citations.into());
                    self.citations += 1;
                    citations.push(part);
                }
            }
        }
        message.insert("content".to_owned(), content.into());
        if !thoughts.is_empty() {
            message.insert("reasoning_content".to_owned(), thoughts.into());
        }
        if !citations.is_empty() {
            message.insert("citations".to_owned(), citations.into());
        }
    }
}

/// A stream in the form of the dialect.
#[derive(Debug)]
pub struct Stream {
    accent: Accent,
    dialect: dialect::Stream,
}

weir_plugin::parkable!(struct Stream { accent, dialect });
weir_plugin::parkable!(struct Accent { citations });

impl Stream {
    /// Starts. `resume` is given when the host has relayed the first chunks by itself.
    pub fn new(call: Call, head: &ResponseHead, resume: Option<Position>) -> Self {
        Self { accent: Accent::default(), dialect: dialect::Stream::new(call, head, resume) }
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, mut events: Vec<Event>) -> Result<Progress, Failure> {
        for event in &mut events {
            if let Cow::Owned(straight) = self.accent.straighten(&event.data) {
                event.data = straight;
            }
        }
        self.dialect.push(events)
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        self.dialect.finish()
    }

    fn park(&self) -> Option<String> {
        weir_plugin::park(self)
    }
}
