//! Responses, which are relayed as they come: only what is no response at all, and errors, are seen to here.

use serde_json::{Map, Value};

use crate::openai;
use crate::{Call, Event, Failure, Progress, StreamDecoder};

use super::answer::expect;

/// The events after which there are no more.
const LAST: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];

/// The answer, with what is missing of its identity, or the failure that it tells of in spite of its `status`.
pub fn answer(call: &Call, status: u16, body: &str) -> Result<String, Failure> {
    let not_json = |_| Failure::bad_answer("The provider sent something that is not the JSON of an answer.");
    let mut answer: Map<String, Value> = serde_json::from_str(body).map_err(not_json)?;
    // One that failed tells of its error in a field of its own, and is an answer nonetheless.
    if answer.get("object").is_none_or(|object| object != "response") {
        expect(answer.get("output").is_some_and(Value::is_array), "output", &answer, status, body)?;
    }
    let id = || openai::completion_id(call).replacen("chatcmpl-", "resp_", 1);
    complete(&mut answer, "id", || id().into());
    answer.insert("object".to_owned(), "response".into());
    complete(&mut answer, "created_at", || openai::now().into());
    complete(&mut answer, "model", || call.model.as_str().into());
    complete(&mut answer, "status", || "completed".into());
    complete(&mut answer, "output", || Value::Array(Vec::new()));
    openai::to_json(&answer)
}

fn complete(answer: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Value) {
    let field = answer.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = value();
    }
}

/// A stream of events. They are chunks by themselves.
#[derive(Debug)]
pub struct ResponseStream {
    status: u16,
}

crate::parkable!(struct ResponseStream { status });

impl ResponseStream {
    /// Starts. `status` is that of the answer's head.
    pub fn new(status: u16) -> Self {
        Self { status }
    }

    /// The event, under the name that it has one way or the other, and whether it is the last. `None` for what is no
    /// event of the API.
    fn event(&self, name: &str, data: &str) -> Result<Option<(String, bool)>, Failure> {
        let not_json = |_| Failure::bad_answer("The provider sent an event that is not JSON.");
        let mut event: Map<String, Value> = serde_json::from_str(data).map_err(not_json)?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or(name).to_owned();
        if kind == "error" || (kind.is_empty() && event.contains_key("error")) {
            return Err(super::failure::failure(self.status, data));
        }
        if kind.is_empty() {
            return Ok(None);
        }
        let is_last = LAST.contains(&kind.as_str());
        if event.contains_key("type") {
            return Ok(Some((data.to_owned(), is_last)));
        }
        event.insert("type".to_owned(), kind.into());
        Ok(Some((openai::to_json(&event)?, is_last)))
    }
}

impl StreamDecoder for ResponseStream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            let data = match event.data.trim() {
                "" => continue,
                "[DONE]" => return Ok(Progress { chunks, ended: true }),
                data => data,
            };
            if let Some((chunk, is_last)) = self.event(&event.name, data)? {
                chunks.push(chunk);
                if is_last {
                    return Ok(Progress { chunks, ended: true });
                }
            }
        }
        Ok(Progress { chunks, ended: false })
    }
}
