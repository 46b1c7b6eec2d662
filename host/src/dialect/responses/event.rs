//! The server-sent events of a Response: named, and numbered from 0. There is no `[DONE]`.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use serde_json::Value;

/// Where the events of a Response go.
pub(super) struct Events<'a> {
    /// The stream and the number of its next event; nothing if nobody listens.
    stream: Option<(&'a mut BytesMut, &'a mut u64)>,
}

/// The value of a field of an event.
pub(super) enum Field<'a> {
    /// A string.
    Text(&'a str),
    /// A whole number.
    Number(usize),
    /// Anything.
    Json(&'a Value),
    /// What is JSON text already.
    Raw(&'a str),
}

/// Which item an event is about.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: String,
    /// Its index in the output.
    pub(super) index: usize,
}

impl<'a> Events<'a> {
    /// Adds events to `out`. `sequence` is the number of the next one.
    pub(super) fn new(out: &'a mut BytesMut, sequence: &'a mut u64) -> Self {
        Self { stream: Some((out, sequence)) }
    }

    /// For an answer in one piece, which nobody watches.
    pub(super) fn unheard() -> Self {
        Self { stream: None }
    }

    /// Whether somebody listens, so that what costs more than an event is worth making.
    pub(super) fn are_heard(&self) -> bool {
        self.stream.is_some()
    }

    /// Tells an event about the Response.
    pub(super) fn tell(&mut self, kind: &str, fields: &[(&str, Field<'_>)]) {
        self.write(kind, &[], fields);
    }

    /// Tells an event about an item.
    pub(super) fn about(&mut self, place: &Place, kind: &str, fields: &[(&str, Field<'_>)]) {
        let place = [("item_id", Field::Text(&place.id)), ("output_index", Field::Number(place.index))];
        self.write(kind, &place, fields);
    }

    /// Tells that an item begins or is complete: `response.output_item.{step}`.
    pub(super) fn item(&mut self, place: &Place, step: &str, item: &Value) {
        let fields = [("output_index", Field::Number(place.index)), ("item", Field::Json(item))];
        self.write(&format!("response.output_item.{step}"), &[], &fields);
    }

    fn write(&mut self, kind: &str, place: &[(&str, Field<'_>)], fields: &[(&str, Field<'_>)]) {
        let Some((out, sequence)) = &mut self.stream else { return };
        let mut out = (&mut **out).writer();
        // Writing to memory cannot fail.
        let _ = write!(out, "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{sequence}");
        for (name, value) in place.iter().chain(fields) {
            let _ = write!(out, ",\"{name}\":");
            let _ = match value {
                Field::Text(text) => serde_json::to_writer(&mut out, text).map_err(Into::into),
                Field::Json(value) => serde_json::to_writer(&mut out, value).map_err(Into::into),
                Field::Number(number) => write!(out, "{number}"),
                Field::Raw(json) => out.write_all(json.as_bytes()),
            };
        }
        let _ = out.write_all(b"}\n\n");
        **sequence += 1;
    }
}
