//! A reasoning item. What a model thought is told as the summary, which is what clients show; what an upstream wants
//! back of it is sealed in `encrypted_content`.

use serde_json::{Value, json};

use crate::dialect::carried::Carried;
use crate::dialect::responses::event::{Events, Field, Place};

/// A reasoning item that is being written.
#[derive(Debug)]
pub struct Reasoning {
    place: Place,
    text: String,
}

impl Reasoning {
    /// Begins the item at this place.
    pub fn begin(place: Place, events: &mut Events<'_>) -> Self {
        let reasoning = Self { place, text: String::new() };
        events.item(&reasoning.place, "added", &reasoning.to_json(None));
        reasoning
    }

    /// Adds to what was thought.
    pub fn think(&mut self, text: &str, events: &mut Events<'_>) {
        if self.text.is_empty() {
            self.tell_part("added", "", events);
        }
        self.text.push_str(text);
        let fields = [("summary_index", Field::Number(0)), ("delta", Field::Text(text))];
        events.about(&self.place, "response.reasoning_summary_text.delta", &fields);
    }

    /// Ends the item, with what it has to bring back. Returns its index, and how it looks.
    pub fn close(self, carried: &Carried, events: &mut Events<'_>) -> (usize, Value) {
        if !self.text.is_empty() {
            let fields = [("summary_index", Field::Number(0)), ("text", Field::Text(&self.text))];
            events.about(&self.place, "response.reasoning_summary_text.done", &fields);
            self.tell_part("done", &self.text, events);
        }
        let item = self.to_json(carried.seal());
        events.item(&self.place, "done", &item);
        (self.place.index, item)
    }

    fn tell_part(&self, step: &str, text: &str, events: &mut Events<'_>) {
        let part = json!({ "type": "summary_text", "text": text });
        let fields = [("summary_index", Field::Number(0)), ("part", Field::Json(&part))];
        events.about(&self.place, &format!("response.reasoning_summary_part.{step}"), &fields);
    }

    /// There is no status: the API refuses one when the item is sent back to it.
    fn to_json(&self, sealed: Option<String>) -> Value {
        let mut item = json!({ "id": self.place.id, "type": "reasoning", "summary": [] });
        if !self.text.is_empty() {
            item["summary"] = json!([{ "type": "summary_text", "text": self.text }]);
        }
        if let Some(sealed) = sealed {
            item["encrypted_content"] = sealed.into();
        }
        item
    }
}
