//! A message item: parts of text, and of refusal, with the citations of the text.

use serde_json::{Value, json};

use super::Status;
use crate::dialect::responses::Object;
use crate::dialect::responses::event::{Events, Field, Place};

/// A message, being written or complete.
#[derive(Debug)]
pub struct Message {
    place: Place,
    parts: Vec<Part>,
    /// Citations without an address, an extension.
    citations: Vec<Value>,
    status: Status,
}

/// A part of a message. The last one is being written, as long as the message is.
#[derive(Debug)]
enum Part {
    Text { text: String, annotations: Vec<Value>, logprobs: Vec<Value> },
    Refusal(String),
}

impl Message {
    /// Begins the item at this place.
    pub fn begin(place: Place, events: &mut Events<'_>) -> Self {
        let message = Self { place, parts: Vec::new(), citations: Vec::new(), status: Status::InProgress };
        events.item(&message.place, "added", &message.to_json());
        message
    }

    /// Adds text, with the probabilities of its tokens as far as they are known.
    pub fn say(&mut self, delta: &str, logprobs: Vec<Value>, events: &mut Events<'_>) {
        self.enter(Part::is_text, Part::text, events);
        let content_index = self.parts.len() - 1;
        if let Some(Part::Text { text, logprobs: all, .. }) = self.parts.last_mut() {
            text.push_str(delta);
            let logprobs: Vec<_> = logprobs.into_iter().map(logprob).collect();
            all.extend_from_slice(&logprobs);
            let fields = [
                ("content_index", Field::Number(content_index)),
                ("delta", Field::Text(delta)),
                ("logprobs", Field::Json(&logprobs.into())),
            ];
            events.about(&self.place, "response.output_text.delta", &fields);
        }
    }

    /// Adds to the text of a refusal.
    pub fn refuse(&mut self, delta: &str, events: &mut Events<'_>) {
        self.enter(|part| !part.is_text(), || Part::Refusal(String::new()), events);
        let content_index = self.parts.len() - 1;
        if let Some(Part::Refusal(text)) = self.parts.last_mut() {
            text.push_str(delta);
            let fields = [("content_index", Field::Number(content_index)), ("delta", Field::Text(delta))];
            events.about(&self.place, "response.refusal.delta", &fields);
        }
    }

    /// Adds the source of something in the text. It may become known when the message is complete already.
    pub fn cite(&mut self, source: Value, events: &mut Events<'_>) {
        if self.status == Status::InProgress {
            self.enter(Part::is_text, Part::text, events);
        }
        for (content_index, part) in self.parts.iter_mut().enumerate().rev() {
            if let Part::Text { annotations, .. } = part {
                let annotation = annotation(source);
                let fields = [
                    ("content_index", Field::Number(content_index)),
                    ("annotation_index", Field::Number(annotations.len())),
                    ("annotation", Field::Json(&annotation)),
                ];
                events.about(&self.place, "response.output_text.annotation.added", &fields);
                annotations.push(annotation);
                return;
            }
        }
    }

    /// Adds citations that have no address, as the upstream tells them.
    pub fn add_citations(&mut self, citations: Vec<Value>) {
        self.citations.extend(citations);
    }

    /// Ends the message, once.
    pub fn close(&mut self, status: Status, events: &mut Events<'_>) {
        if self.status == Status::InProgress {
            if self.parts.is_empty() {
                self.enter(Part::is_text, Part::text, events);
            }
            self.leave(events);
            self.status = status;
            events.item(&self.place, "done", &self.to_json());
        }
    }

    /// Whether it is being written.
    pub fn is_open(&self) -> bool {
        self.status == Status::InProgress
    }

    /// Its index in the output.
    pub fn index(&self) -> usize {
        self.place.index
    }

    /// How the message looks.
    pub fn to_json(&self) -> Value {
        let mut item = json!({
            "id": self.place.id, "type": "message", "status": self.status.name(), "role": "assistant",
            "content": self.parts.iter().map(Part::to_json).collect::<Value>(),
        });
        if !self.citations.is_empty() {
            item["citations"] = self.citations.clone().into();
        }
        item
    }

    /// Makes sure that the part being written is of the right kind.
    fn enter(&mut self, fits: impl Fn(&Part) -> bool, new: impl Fn() -> Part, events: &mut Events<'_>) {
        if self.parts.last().is_some_and(&fits) {
            return;
        }
        self.leave(events);
        self.parts.push(new());
        self.tell_part("added", events);
    }

    /// Completes the part being written.
    fn leave(&self, events: &mut Events<'_>) {
        let Some(part) = self.parts.last() else { return };
        let content_index = ("content_index", Field::Number(self.parts.len() - 1));
        match part {
            Part::Text { text, logprobs, .. } => {
                let logprobs = serde_json::to_string(logprobs).unwrap_or_default();
                let fields = [content_index, ("text", Field::Text(text)), ("logprobs", Field::Raw(&logprobs))];
                events.about(&self.place, "response.output_text.done", &fields);
            }
            Part::Refusal(text) => {
                events.about(&self.place, "response.refusal.done", &[content_index, ("refusal", Field::Text(text))]);
            }
        }
        self.tell_part("done", events);
    }

    /// Tells that the part being written begins or is complete.
    fn tell_part(&self, step: &str, events: &mut Events<'_>) {
        if let Some(part) = self.parts.last() {
            let content_index = ("content_index", Field::Number(self.parts.len() - 1));
            let fields = [content_index, ("part", Field::Json(&part.to_json()))];
            events.about(&self.place, &format!("response.content_part.{step}"), &fields);
        }
    }
}

impl Part {
    const fn text() -> Self {
        Self::Text { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() }
    }

    const fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text { text, annotations, logprobs } => {
                json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs })
            }
            Self::Refusal(text) => json!({ "type": "refusal", "refusal": text }),
        }
    }
}

/// An annotation as the Responses API has it: flat, with all that its type demands.
fn annotation(annotation: Value) -> Value {
    let Value::Object(mut annotation) = annotation else { return annotation };
    annotation.remove("index");
    if let Some(Value::Object(citation)) = annotation.remove("url_citation") {
        annotation.extend(citation);
        let defaults = [("title", "".into()), ("start_index", 0.into()), ("end_index", 0.into())];
        for (name, default) in defaults {
            let value = annotation.entry(name).or_insert(Value::Null);
            if value.is_null() {
                *value = default;
            }
        }
    }
    annotation.into()
}

/// The probability of a token, with the lists that clients count on.
fn logprob(mut token: Value) -> Value {
    fn complete(token: &mut Object, name: &str) {
        if !token.get(name).is_some_and(Value::is_array) {
            token.insert(name.to_owned(), json!([]));
        }
    }
    let Some(token_fields) = token.as_object_mut() else { return token };
    complete(token_fields, "bytes");
    complete(token_fields, "top_logprobs");
    for other in token_fields.get_mut("top_logprobs").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(other) = other.as_object_mut() {
            complete(other, "bytes");
        }
    }
    token
}
