//! What is known of one answer so far, and what its end says.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use weir_plugin::openai::FinishReason;

use super::{signed, sources};
use crate::wire::{self, Candidate};

/// One answer.
#[derive(Default)]
pub struct Choice {
    /// Its place among those that were asked for.
    pub index: u32,
    /// Its text, which sources point into.
    pub text: String,
    /// How many tools it calls.
    pub calls: u32,
    /// How many pictures it has.
    pub images: u32,
    /// What the model needs back with the text. The last one holds.
    pub signature: Option<String>,
    /// Why it ended, once that is known.
    reason: Option<String>,
    /// The same in words, if the words say more.
    words: Option<String>,
    /// Whether it stands for a prompt that was blocked.
    is_blocked: bool,
    grounding: Option<Box<RawValue>>,
    citations: Vec<Box<RawValue>>,
}

impl Choice {
    /// An answer that has just begun.
    pub fn new(index: u32) -> Self {
        Self { index, ..Self::default() }
    }

    /// What stands for the answer to a prompt that was blocked.
    pub fn blocked(reason: &RawValue, words: Option<&str>) -> Self {
        let reason = Some(reason.get().trim_matches('"').to_owned());
        Self { reason, words: words.map(str::to_owned), is_blocked: true, ..Self::default() }
    }

    /// Takes note of what is said about the answer as a whole.
    pub fn note(&mut self, candidate: &Candidate) {
        if let Some(reason) = candidate.finish_reason.map(wire::reason) {
            self.reason = Some(reason.to_owned());
            // Behind an ordinary end Gemini only says that it is one.
            self.words = candidate.finish_message.as_deref().filter(|_| reason != "STOP").map(str::to_owned);
        }
        if let Some(grounding) = candidate.grounding_metadata {
            self.grounding = Some(grounding.to_owned());
        }
        self.citations.extend(candidate.citation_metadata.map(ToOwned::to_owned));
    }

    /// Whether the upstream said why it ended.
    pub fn has_ended(&self) -> bool {
        self.reason.is_some()
    }

    /// Why it ended. Gemini has no reason of its own for calls, and many for answers that it withholds.
    pub fn finish_reason(&self) -> FinishReason {
        let reason = self.reason.as_deref().unwrap_or_default();
        match FinishReason::from_upstream(reason) {
            _ if self.is_blocked || reason.starts_with("IMAGE_") => FinishReason::ContentFilter,
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            other => other,
        }
    }

    /// Why the answer was withheld, in words.
    pub fn refusal(&self) -> Option<&str> {
        self.words.as_deref().filter(|_| self.finish_reason() == FinishReason::ContentFilter)
    }

    /// The fields of a message that are known when it is complete.
    pub fn closing(&self) -> Map<String, Value> {
        let mut fields = sources::of(&self.text, self.grounding.as_deref(), &self.citations);
        if let Some(signature) = &self.signature {
            fields.insert("extra_content".to_owned(), signed(signature));
        }
        fields
    }

    /// The fields of a choice that keep what the upstream itself says of the end.
    pub fn native(&self) -> Map<String, Value> {
        let fields = [("native_finish_reason", &self.reason), ("native_finish_message", &self.words)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect()
    }
}
