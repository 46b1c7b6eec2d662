//! Documents and streams of an upstream that speaks a client's dialect by itself. They are relayed as they are; what
//! the host has to know of them is whether they are complete, whether they are errors, and what they cost.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::StatusCode;
use hyper::header::HeaderName;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Dialect;
use crate::chat::answer::Departure;
use crate::chat::failure;
use crate::chat::stream::{Verdict, truncated};
use crate::chat::usage::Usage;
use crate::error::Error;

/// A dialect that is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
}

/// What the host reads of a whole answer or an event. Everything else it only passes on.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow, default)]
    object: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    /// What an event of Responses holds where a whole answer stands for itself.
    #[serde(borrow, default)]
    response: Option<Inner<'a>>,
    /// The same for Messages.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    sequence_number: Option<u64>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// One choice of a chunk of Completions.
#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u32,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

impl Native {
    /// Whether clients of this dialect know a header of the upstream's by this name, besides those that all know.
    pub fn has_header(self, name: &HeaderName) -> bool {
        matches!(self, Self::Messages | Self::CountTokens) && super::messages::is_rate_limit(name)
    }

    /// Whether this status of an upstream that cannot answer at present has a meaning of its own in this dialect.
    pub fn has_status(self, status: StatusCode) -> bool {
        matches!(self, Self::Messages | Self::CountTokens) && status.as_u16() == super::messages::OVERLOADED
    }

    /// Judges a whole answer, and says what it cost if it tells.
    ///
    /// # Errors
    /// What is no answer of this dialect goes to the plugin; what reports an error has failed.
    pub fn admit(self, document: &[u8]) -> Result<Option<Usage>, Departure> {
        let Ok(text) = simdutf8::basic::from_utf8(document) else { return Err(Departure::Departs("not UTF-8")) };
        let Ok(glance) = serde_json::from_str::<Glance<'_>>(text) else {
            return Err(Departure::Departs("not a JSON object"));
        };
        let is_answer = match self {
            Self::Completions => glance.object.as_deref() == Some("text_completion") && glance.choices.is_some(),
            Self::Responses => glance.object.as_deref() == Some("response"),
            Self::Messages => glance.kind.as_deref() == Some("message"),
            Self::CountTokens => glance.input_tokens.is_some(),
        };
        if is_answer {
            return Ok(glance.usage.and_then(|usage| tokens(usage.get())));
        }
        if glance.error.is_some_and(|error| error.get() != "null") {
            return Err(Departure::Failed(failure::from_document(text)));
        }
        Err(Departure::Departs("not an answer of this dialect"))
    }
}

/// Why a chunk of Completions departs that tells of the usage in passing.
const UNASKED_USAGE: &str = "usage beside choices, which the client did not ask for";

/// The state of a stream that is relayed.
#[derive(Debug)]
pub struct Sequence {
    native: Native,
    include_usage: bool,
    /// Whether the upstream has said that the answer is complete.
    complete: bool,
    /// The choices of Completions that have begun, and whether they have ended.
    choices: Vec<(u32, bool)>,
    usage: Option<Usage>,
}

impl Sequence {
    /// The state before the first event. `include_usage`: whether a client of Completions asked for its usage chunk.
    pub fn new(native: Native, include_usage: bool) -> Self {
        Self { native, include_usage, complete: false, choices: Vec::new(), usage: None }
    }

    /// Judges the next event.
    pub fn admit(&mut self, event: &[u8]) -> Verdict {
        let Ok(text) = simdutf8::basic::from_utf8(event) else { return Verdict::Departs("not UTF-8") };
        let Ok(glance) = serde_json::from_str::<Glance<'_>>(text) else { return Verdict::Departs("not a JSON object") };
        match self.native {
            Native::Completions => self.completion(&glance, text),
            Native::Responses => self.response(&glance, text),
            Native::Messages => self.message(&glance, text),
            Native::CountTokens => Verdict::Departs("a count is no stream"),
        }
    }

    fn completion(&mut self, glance: &Glance<'_>, text: &str) -> Verdict {
        if glance.error.is_some_and(|error| error.get() != "null") {
            return Verdict::Failed(failure::from_document(text));
        }
        let choices = glance.choices.and_then(|choices| serde_json::from_str::<Vec<Choice<'_>>>(choices.get()).ok());
        let Some(choices) = choices else { return Verdict::Departs("a chunk without choices") };
        for choice in &choices {
            let has_ended = choice.finish_reason.is_some();
            match self.choices.iter_mut().find(|(index, _)| *index == choice.index) {
                Some((_, ended)) => *ended |= has_ended,
                None => self.choices.push((choice.index, has_ended)),
            }
        }
        self.complete = !self.choices.is_empty() && self.choices.iter().all(|(_, ended)| *ended);
        let usage = glance.usage.and_then(|usage| Usage::parse(usage.get()));
        self.usage = usage.or(self.usage);
        if usage.is_some() && !choices.is_empty() && !self.include_usage {
            return Verdict::Departs(UNASKED_USAGE);
        }
        if choices.is_empty() && !(self.include_usage && usage.is_some()) { Verdict::Drop } else { Verdict::Relay }
    }

    /// What to send in place of an event that departs for this reason: a chunk of Completions without the usage that
    /// nobody asked for. `None` if nothing can be sent.
    pub fn repair(&mut self, event: &str, reason: &str) -> Option<String> {
        let mut chunk: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(event).ok().filter(|_| reason == UNASKED_USAGE)?;
        chunk.remove("usage");
        serde_json::to_string(&chunk).ok()
    }

    fn response(&mut self, glance: &Glance<'_>, text: &str) -> Verdict {
        match glance.kind.as_deref() {
            None if glance.error.is_some() => Verdict::Failed(failure::from_document(text)),
            None => Verdict::Departs("an event without a type"),
            Some("error") => Verdict::Failed(flat_error(text)),
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                self.complete = true;
                self.usage = glance.response.as_ref().and_then(|response| tokens(response.usage?.get()));
                Verdict::Relay
            }
            Some(_) => Verdict::Relay,
        }
    }

    fn message(&mut self, glance: &Glance<'_>, text: &str) -> Verdict {
        let usage = match glance.kind.as_deref() {
            None => return Verdict::Departs("an event without a type"),
            Some("error") => return Verdict::Failed(failure::from_document(text)),
            Some("message_start") => {
                let message = glance.message.and_then(|message| serde_json::from_str::<Inner<'_>>(message.get()).ok());
                message.and_then(|message| message.usage)
            }
            Some("message_stop") => {
                self.complete = true;
                None
            }
            Some(_) => glance.usage,
        };
        if let Some(usage) = usage.and_then(|usage| tokens(usage.get())) {
            self.usage = Some(self.usage.map_or(usage, |before| latest(before, usage)));
        }
        Verdict::Relay
    }

    /// Says whether the answer is complete, once the upstream has nothing more to say.
    ///
    /// # Errors
    /// `Cause::BadAnswer` with code `upstream_stream_truncated` if it is not.
    pub fn end(&self) -> Result<(), Error> {
        if self.complete { Ok(()) } else { Err(truncated()) }
    }

    /// What the upstream said that it cost.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// Token counts in the form of Responses and Messages.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

/// Reads counts of any of the dialects. Messages counts what was cached apart from its `input_tokens`, Responses does
/// not.
fn tokens(usage: &str) -> Option<Usage> {
    let tokens: Tokens = serde_json::from_str(usage).ok()?;
    if tokens.input_tokens.is_none() && tokens.output_tokens.is_none() {
        return Usage::parse(usage).filter(|usage| *usage != Usage::default());
    }
    let read = tokens.cache_read_input_tokens.unwrap_or(0);
    let written = tokens.cache_creation_input_tokens.unwrap_or(0);
    let prompt_tokens = tokens.input_tokens.unwrap_or(0).saturating_add(read).saturating_add(written);
    let completion_tokens = tokens.output_tokens.unwrap_or(0);
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: tokens.total_tokens.unwrap_or(prompt_tokens.saturating_add(completion_tokens)),
        cached_tokens: tokens.input_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(read),
        cache_write_tokens: written,
        reasoning_tokens: tokens.output_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0),
    })
}

/// Two reports of one stream: later counts are those of the whole answer, and what a report leaves out stays.
fn latest(before: Usage, after: Usage) -> Usage {
    let later = |before: u64, after: u64| if after == 0 { before } else { after };
    let prompt_tokens = later(before.prompt_tokens, after.prompt_tokens);
    let completion_tokens = later(before.completion_tokens, after.completion_tokens);
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        cached_tokens: later(before.cached_tokens, after.cached_tokens),
        cache_write_tokens: later(before.cache_write_tokens, after.cache_write_tokens),
        reasoning_tokens: later(before.reasoning_tokens, after.reasoning_tokens),
    }
}

/// The error of an event that is itself one: `{"type":"error","code","message","param"}`.
fn flat_error(event: &str) -> Error {
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    let inner = event.get("error").filter(|error| error.is_object()).unwrap_or(&event);
    failure::from_document(
        &json!({ "error": { "message": inner.get("message"), "code": inner.get("code"),
        "param": inner.get("param") } })
        .to_string(),
    )
}

/// Relays events under their names, as clients of Responses and Messages expect them.
pub struct Named {
    native: Native,
    /// The id of the request.
    request: String,
    last_number: Option<u64>,
}

impl Named {
    /// For one stream of this dialect, in answer to the request of this id.
    pub fn new(native: Native, request: &str) -> Self {
        Self { native, request: request.to_owned(), last_number: None }
    }
}

impl Dialect for Named {
    fn answer(&mut self, document: &[u8]) -> Result<Bytes, Error> {
        Ok(Bytes::copy_from_slice(document))
    }

    fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error> {
        let glance: Option<Glance<'_>> = serde_json::from_str(chunk).ok();
        let name = glance.as_ref().and_then(|glance| glance.kind.as_deref()).unwrap_or("message");
        self.last_number = glance.as_ref().and_then(|glance| glance.sequence_number).or(self.last_number);
        write_event(name, chunk, out);
        Ok(())
    }

    fn end(&mut self, _: &mut BytesMut) {}

    fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        let event = match self.native {
            Native::Messages => super::messages::error(error, &self.request),
            _ => json!({
                "type": "error", "code": error.code, "message": error.message, "param": error.param,
                "sequence_number": self.last_number.map_or(0, |number| number.saturating_add(1)),
            })
            .to_string(),
        };
        write_event("error", &event, out);
    }

    fn keep_alive(&self) -> &'static [u8] {
        match self.native {
            Native::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
            _ => b": keep-alive\n\n",
        }
    }
}

fn write_event(name: &str, data: &str, out: &mut BytesMut) {
    out.reserve(name.len() + data.len() + 16);
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    // A line end can only stand between tokens; inside an event it would start a new field.
    if memchr::memchr2(b'\n', b'\r', data.as_bytes()).is_some() {
        out.put_slice(data.replace(['\n', '\r'], " ").as_bytes());
    } else {
        out.put_slice(data.as_bytes());
    }
    out.put_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
