//! The grammar of a streamed answer as clients see it: which chunk may follow which, and when an answer is complete.
//!
//! A [`Sequence`] stands beside every streamed answer. Chunks that conform are relayed as the bytes they came as
//! (`admit`); what a plugin made is put right where it falls short (`repair`); and only an answer whose every choice
//! has its finish reason ends well (`end`). The rules are those of the strictest public clients: the stream helpers of
//! the official SDKs, which join deltas by their indices and break, or silently join ids and roles twice, where an
//! upstream is careless.
//!
//! Framing and the closing `[DONE]` are not here.

mod check;
mod repair;

use serde_json::Value;

use super::failure;
use super::repair::{Object, new_answer_id, now};
use super::rules::{Departs, reports_error};
use super::usage::Usage;
use crate::error::{Cause, Error};
use check::{Checked, Draft};

/// How many choices and how many tool calls a stream may have. Nobody asks for as many; an upstream that makes more
/// is broken.
const MAX_CHOICES: usize = 256;
const MAX_TOOL_CALLS: usize = 1024;

/// The state of one streamed answer.
#[derive(Debug, Default)]
pub struct Sequence {
    include_usage: bool,
    fallback_model: String,
    identity: Option<Identity>,
    choices: Vec<Choice>,
    tools: Vec<Tool>,
    usage: Option<Usage>,
    /// Whether the client has its usage chunk.
    usage_sent: bool,
    /// The usage chunk that `repair` keeps for the end.
    held_usage: Option<Object>,
    /// Whether some choice or tool call has another index here than at the upstream.
    renumbered: bool,
    /// Room for the next chunk's changes, kept so that a chunk costs no allocation.
    draft: Draft,
}

/// What to do with a chunk.
#[derive(Debug)]
pub enum Verdict {
    /// The chunk conforms: send its bytes as they are.
    Relay,
    /// The chunk conforms, but the client must not see it: usage it did not ask for, or an empty chunk.
    Drop,
    /// The chunk does not conform. The reason is for the log.
    Departs(&'static str),
    /// The chunk carries an error instead of an answer.
    Failed(Error),
}

/// What all chunks of a stream have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    id: String,
    created: u64,
    model: String,
}

impl Identity {
    /// Puts the fields that all chunks share into a chunk.
    fn write(self, chunk: &mut Object) {
        chunk.insert("id".to_owned(), self.id.into());
        chunk.insert("object".to_owned(), "chat.completion.chunk".into());
        chunk.insert("created".to_owned(), self.created.into());
        chunk.insert("model".to_owned(), self.model.into());
    }
}

/// How far a choice has come. Its index in the API is its place in the list.
#[derive(Debug, Clone, Copy, Default)]
struct Choice {
    /// The index that the upstream gave it.
    source: u64,
    finished: bool,
    /// How many tool calls it has.
    tools: u32,
    /// Which of the first 64 tool calls have arguments, one bit each.
    with_arguments: u64,
}

impl Choice {
    /// The first of its tool calls that has no arguments yet.
    fn tool_without_arguments(self) -> Option<u32> {
        let first = self.with_arguments.trailing_ones();
        (first < self.tools.min(u64::BITS)).then_some(first)
    }

    fn note_arguments(&mut self, tool: u32) {
        self.with_arguments |= 1_u64.checked_shl(tool).unwrap_or(0);
    }
}

/// A tool call that was begun.
#[derive(Debug, Clone)]
struct Tool {
    choice: usize,
    index: u32,
    /// The index that the upstream gave it.
    source: u64,
    id: String,
}

/// The upstream has nothing more to say, and the answer is not complete.
pub fn truncated() -> Error {
    let message = "The upstream ended the stream before the answer was complete.";
    Error::new(Cause::BadAnswer, message).with_code("upstream_stream_truncated")
}

impl Sequence {
    /// The state before the first chunk. `include_usage`: whether the client asked for a usage chunk.
    pub fn new(include_usage: bool) -> Self {
        Self { include_usage, ..Self::default() }
    }

    /// The same, with a name for the model in case that the upstream gives none.
    #[must_use]
    pub fn with_model(self, model: impl Into<String>) -> Self {
        Self { fallback_model: model.into(), ..self }
    }

    /// Judges the next chunk. Only `Relay` and `Drop` change the state: a chunk that departs can go to a plugin and
    /// come back through `repair`.
    pub fn admit(&mut self, chunk: &[u8]) -> Verdict {
        let Ok(chunk) = simdutf8::basic::from_utf8(chunk) else { return Verdict::Departs("not UTF-8") };
        match self.check(chunk) {
            Ok(checked) if checked.has_usage_elsewhere => Verdict::Departs("usage inside of another field"),
            checked => self.judge(chunk, checked),
        }
    }

    /// Takes over a chunk that conforms.
    fn judge(&mut self, chunk: &str, checked: Result<Checked<'_>, Departs>) -> Verdict {
        match checked {
            Ok(checked) => self.accept(&checked),
            Err(Departs::Because(reason)) if !reports_error(chunk) => Verdict::Departs(reason),
            Err(_) => Verdict::Failed(failure::from_document(chunk)),
        }
    }

    /// Makes a plugin's chunk conform. Returns the chunks to send: often one, none if there is nothing to say, or
    /// several. Usage is kept for [`Sequence::end`].
    ///
    /// Fails with `Cause::BadAnswer` if this is no chunk at all, and with the upstream's own error if it carries one.
    pub fn repair(&mut self, chunk: &str) -> Result<Vec<String>, Error> {
        // Most of what a plugin makes conforms. Usage goes the long way, because it has to wait, and so does everything
        // once the upstream's numbers are not ours.
        if !self.renumbered
            && let Ok(checked) = self.check(chunk)
            && checked.usage.is_none()
        {
            return match self.accept(&checked) {
                Verdict::Relay => Ok(vec![chunk.to_owned()]),
                _ => Ok(Vec::new()),
            };
        }
        self.repair_parsed(chunk)
    }

    /// Says whether the answer is complete, once the upstream has nothing more to say, and returns the usage chunk if
    /// the client still has to get it. Usage is never invented.
    ///
    /// Fails with `Cause::BadAnswer` and code `upstream_stream_truncated` if no choice appeared, or if one has no
    /// finish reason.
    pub fn end(&mut self) -> Result<Option<String>, Error> {
        if !self.has_finished() {
            return Err(truncated());
        }
        let Some(mut held) = self.held_usage.take().filter(|_| self.include_usage && !self.usage_sent) else {
            return Ok(None);
        };
        self.usage_sent = true;
        self.identity_or(None, None, None).write(&mut held);
        Ok(Some(Value::Object(held).to_string()))
    }

    /// The `id`, `created` and `model` of the stream, once a chunk was relayed.
    pub fn position(&self) -> Option<(&str, u64, &str)> {
        self.identity.as_ref().map(|identity| (&*identity.id, identity.created, &*identity.model))
    }

    /// Takes note of the usage in a chunk that goes to a plugin, so that it is counted even if the plugin does not get
    /// to tell it.
    pub fn note_usage(&mut self, chunk: &str) {
        let usage = super::repair::parse(chunk).and_then(|chunk| Usage::parse(&chunk.get("usage")?.to_string()));
        self.usage = usage.or(self.usage);
    }

    /// The last usage that the upstream reported.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether every choice that appeared, and at least one, has its finish reason.
    pub fn has_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// Takes over what a chunk that conforms has changed.
    fn accept(&mut self, checked: &Checked<'_>) -> Verdict {
        if checked.usage.is_some() {
            self.usage = checked.usage;
        }
        if checked.is_empty || (checked.is_usage && !self.include_usage) {
            return Verdict::Drop;
        }
        self.usage_sent |= checked.is_usage;
        if self.identity.is_none() {
            self.identity = Some(checked.identity());
        }
        std::mem::swap(&mut self.choices, &mut self.draft.choices);
        self.tools.append(&mut self.draft.tools);
        Verdict::Relay
    }

    /// What the stream's chunks have in common, made up as far as neither the chunks so far nor this one tell.
    fn identity_or(&self, id: Option<&str>, created: Option<u64>, model: Option<&str>) -> Identity {
        self.identity.clone().unwrap_or_else(|| Identity {
            id: id.map_or_else(new_answer_id, str::to_owned),
            created: created.unwrap_or_else(now),
            model: model.map_or_else(|| self.fallback_model.clone(), str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests;
