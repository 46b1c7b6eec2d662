//! A call of a function or of a custom tool.

use serde_json::{Value, json};

use super::Status;
use crate::dialect::responses::event::{Events, Field, Place};
use crate::dialect::responses::{Object, take_text};

/// A call that is being written.
#[derive(Debug)]
pub struct Call {
    place: Place,
    kind: Kind,
    id: String,
    name: String,
    /// The arguments of a function, or what a custom tool is given, as far as it is known.
    input: String,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Function,
    Custom,
}

impl Kind {
    /// The kind of a tool call of the canonical form.
    pub fn of(call: &Object) -> Self {
        if call.contains_key("custom") { Self::Custom } else { Self::Function }
    }

    /// How the ids of such items begin.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Function => "fc",
            Self::Custom => "ctc",
        }
    }

    /// Takes what is called, and the piece of its input, out of a tool call: `{name, arguments}` or `{name, input}`.
    pub fn take(self, call: &mut Object) -> (Option<String>, Option<String>) {
        let (part, input) = match self {
            Self::Function => ("function", "arguments"),
            Self::Custom => ("custom", "input"),
        };
        let Some(Value::Object(mut body)) = call.remove(part) else { return (None, None) };
        (take_text(&mut body, "name"), take_text(&mut body, input))
    }

    /// The type of such an item, the field of its input, and the name of its events.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Function => ("function_call", "arguments", "response.function_call_arguments"),
            Self::Custom => ("custom_tool_call", "input", "response.custom_tool_call_input"),
        }
    }
}

impl Call {
    /// Begins the item at this place.
    pub fn begin(place: Place, kind: Kind, id: String, name: String, events: &mut Events<'_>) -> Self {
        let call = Self { place, kind, id, name, input: String::new() };
        events.item(&call.place, "added", &call.to_json(Status::InProgress));
        call
    }

    /// Adds a piece of the input.
    pub fn add(&mut self, text: &str, events: &mut Events<'_>) {
        if !text.is_empty() {
            self.input.push_str(text);
            let (_, _, event) = self.kind.names();
            events.about(&self.place, &format!("{event}.delta"), &[("delta", Field::Text(text))]);
        }
    }

    /// Ends the item. Returns its index, and how it looks.
    pub fn close(mut self, status: Status, events: &mut Events<'_>) -> (usize, Value) {
        // Clients parse the arguments.
        if self.kind == Kind::Function && status == Status::Completed && self.input.trim().is_empty() {
            self.input.clear();
            self.add("{}", events);
        }
        let (_, input, event) = self.kind.names();
        let fields = [("name", Field::Text(&self.name)), (input, Field::Text(&self.input))];
        events.about(&self.place, &format!("{event}.done"), &fields);
        let item = self.to_json(status);
        events.item(&self.place, "done", &item);
        (self.place.index, item)
    }

    /// The id by which its result is given.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn to_json(&self, status: Status) -> Value {
        let (kind, input, _) = self.kind.names();
        json!({
            "id": self.place.id, "type": kind, "status": status.name(),
            "call_id": self.id, "name": self.name, input: self.input,
        })
    }
}
