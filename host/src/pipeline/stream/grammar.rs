//! What may follow what in a stream, by operation.

use crate::chat::stream::{self as chat, Verdict};
use crate::chat::usage::Usage;
use crate::dialect::native;
use crate::error::{Cause, Error};
use crate::pipeline::work;
use crate::plugin::Call;

/// The grammar of one stream.
pub(super) enum Grammar {
    /// Canonical chunks, whatever the client speaks.
    Chat(Box<chat::Sequence>),
    /// The events of an upstream that speaks the client's dialect.
    Native(native::Sequence),
}

impl Grammar {
    pub(super) fn of(call: &Call) -> Self {
        match work::native(call.operation) {
            Some(native) => Self::Native(native::Sequence::new(native, call.include_usage)),
            None => Self::Chat(Box::new(chat::Sequence::new(call.include_usage).with_model(&*call.model))),
        }
    }

    /// Judges the next chunk.
    pub(super) fn admit(&mut self, chunk: &[u8]) -> Verdict {
        match self {
            Self::Chat(sequence) => sequence.admit(chunk),
            Self::Native(sequence) => sequence.admit(chunk),
        }
    }

    /// What to send in place of a chunk that does not conform, for this reason.
    pub(super) fn repair(&mut self, chunk: &str, reason: &'static str) -> Result<Vec<String>, Error> {
        match self {
            Self::Chat(sequence) => sequence.repair(chunk),
            Self::Native(sequence) => {
                if let Some(repaired) = sequence.repair(chunk, reason) {
                    return Ok(vec![repaired]);
                }
                let error = Error::new(Cause::BadAnswer, "The upstream sent an event that makes no sense.");
                Err(error.with_detail(reason))
            }
        }
    }

    /// Whether the answer is complete, with the usage chunk that is still owed.
    pub(super) fn end(&mut self) -> Result<Option<String>, Error> {
        match self {
            Self::Chat(sequence) => sequence.end(),
            Self::Native(sequence) => sequence.end().map(|()| None),
        }
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Chat(sequence) => sequence.usage(),
            Self::Native(sequence) => sequence.usage(),
        }
    }

    /// Takes note of the usage in a chunk that goes to a plugin.
    pub(super) fn note_usage(&mut self, chunk: &str) {
        if let Self::Chat(sequence) = self {
            sequence.note_usage(chunk);
        }
    }

    /// Id, time and model of the stream so far.
    pub(super) fn position(&self) -> Option<(&str, u64, &str)> {
        match self {
            Self::Chat(sequence) => sequence.position(),
            Self::Native(_) => None,
        }
    }
}
