//! The Anthropic Messages API as it arrives: answers, blocks, deltas, usage.
//!
//! Every field may be missing, and strings stay raw (see [`crate::json`]), so that a block or event of a kind that
//! nobody knew when this was written is skipped and never fails an answer. What is sent is in [`super::request`].
//!
//! Source: the reference of the Messages API and its streaming events, version 2023-06-01.

use crate::openai::{self, FinishReason, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::string_body;

/// An answer of `POST /v1/messages`, and the `message` of a `message_start` event.
#[derive(Deserialize)]
pub struct Message<'a> {
    /// `msg_…`.
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    /// The model that answered.
    pub model: Option<&'a RawValue>,
    /// The blocks, absent in what is no message.
    #[serde(borrow)]
    pub content: Option<Vec<Block<'a>>>,
    /// Why it ended; `null` in `message_start`.
    pub stop_reason: Option<&'a RawValue>,
    /// More on a refusal.
    pub stop_details: Option<&'a RawValue>,
    /// What it cost.
    pub usage: Option<Usage>,
}

/// A content block of any kind: the fields of those that are translated.
#[derive(Deserialize)]
pub struct Block<'a> {
    /// `text`, `tool_use`, `thinking`, `redacted_thinking`, or one of many kinds that are skipped.
    #[serde(borrow, default, rename = "type")]
    pub kind: Text<'a>,
    /// Of `text`.
    pub text: Option<&'a RawValue>,
    /// Of `text`: a list.
    pub citations: Option<&'a RawValue>,
    /// Of `thinking`.
    pub thinking: Option<&'a RawValue>,
    /// Of `thinking`.
    pub signature: Option<&'a RawValue>,
    /// Of `redacted_thinking`.
    pub data: Option<&'a RawValue>,
    /// Of `tool_use`.
    pub id: Option<&'a RawValue>,
    /// Of `tool_use`.
    pub name: Option<&'a RawValue>,
    /// Of `tool_use`: an object, empty at the start of a streamed block.
    pub input: Option<&'a RawValue>,
}

/// One event of a streamed answer. The SSE event's name is not needed: `type` says the same.
#[derive(Deserialize)]
pub struct StreamEvent<'a> {
    /// `message_start`, `content_block_delta`, ...
    #[serde(borrow, default, rename = "type")]
    pub kind: Text<'a>,
    /// Which block.
    pub index: Option<u64>,
    /// Of `content_block_delta` and `message_delta`.
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    /// Of `content_block_start`.
    #[serde(borrow)]
    pub content_block: Option<Block<'a>>,
    /// Of `message_start`.
    #[serde(borrow)]
    pub message: Option<Message<'a>>,
    /// Of `message_delta`: cumulative.
    pub usage: Option<Usage>,
    /// Of `error`, and of errors that do not say what they are.
    pub error: Option<&'a RawValue>,
}

/// What a `content_block_delta` adds to its block, or a `message_delta` to the message.
#[derive(Deserialize)]
pub struct Delta<'a> {
    /// `text_delta`, `input_json_delta`, ...; absent in a `message_delta`.
    #[serde(borrow, default, rename = "type")]
    pub kind: Text<'a>,
    /// Of `text_delta`.
    pub text: Option<&'a RawValue>,
    /// Of `input_json_delta`.
    pub partial_json: Option<&'a RawValue>,
    /// Of `thinking_delta`.
    pub thinking: Option<&'a RawValue>,
    /// Of `signature_delta`.
    pub signature: Option<&'a RawValue>,
    /// Of `citations_delta`.
    pub citation: Option<&'a RawValue>,
    /// Of `message_delta`.
    pub stop_reason: Option<&'a RawValue>,
    /// Of `message_delta`.
    pub stop_details: Option<&'a RawValue>,
}

/// Tokens. The input figures exclude each other: the prompt is the sum of the three.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    service_tier: Option<Tier>,
}

/// The tier that served the request.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tier {
    Standard,
    Priority,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

crate::parkable!(struct Usage {
    input_tokens, cache_read_input_tokens, cache_creation_input_tokens, output_tokens, output_tokens_details,
    service_tier,
});
crate::parkable!(
    enum Tier {
        Standard {},
        Priority {},
        Unknown {},
    }
);
crate::parkable!(struct OutputDetails { thinking_tokens });

impl Usage {
    /// Takes over what a later event says. All figures are cumulative, and some upstreams repeat one as 0 at the
    /// end, so that the larger figure is the later one.
    pub fn merge(&mut self, later: Self) {
        self.input_tokens = self.input_tokens.max(later.input_tokens);
        self.cache_read_input_tokens = self.cache_read_input_tokens.max(later.cache_read_input_tokens);
        self.cache_creation_input_tokens = self.cache_creation_input_tokens.max(later.cache_creation_input_tokens);
        self.output_tokens = self.output_tokens.max(later.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.service_tier = later.service_tier.or(self.service_tier);
    }

    /// The tier that served the request in OpenAI's words, if it has one for it.
    pub fn service_tier(&self) -> Option<&'static str> {
        match self.service_tier? {
            Tier::Standard => Some("default"),
            Tier::Priority => Some("priority"),
            Tier::Unknown => None,
        }
    }

    /// The usage in OpenAI's terms: the prompt includes what was read from and written to the cache.
    pub fn canonical(&self) -> openai::Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let prompt = self.input_tokens.unwrap_or(0).saturating_add(cached).saturating_add(written);
        let usage = openai::Usage::new(prompt, self.output_tokens.unwrap_or(0));
        let usage = usage.with_cached(cached).with_cache_writes(written);
        match self.output_tokens_details.and_then(|details| details.thinking_tokens) {
            Some(reasoning) => usage.with_reasoning(reasoning),
            None => usage,
        }
    }
}

/// The OpenAI finish reason. `calls` says whether the answer holds tool calls for the client, `legacy` whether the
/// client speaks of functions.
pub fn finish_reason(stop_reason: Option<&RawValue>, calls: bool, legacy: bool) -> FinishReason {
    match FinishReason::from_upstream(string_body(stop_reason).unwrap_or_default()) {
        reason @ (FinishReason::Length | FinishReason::ContentFilter) => reason,
        // Calls decide, not the reason: a turn of server-side tools alone has none, and other upstreams of this
        // dialect end a call with `end_turn`.
        _ if calls && legacy => FinishReason::FunctionCall,
        _ if calls => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

/// Why the model refused, as a string body, if the answer says so.
pub fn refusal<'a>(stop_reason: Option<&RawValue>, stop_details: Option<&'a RawValue>) -> Option<&'a str> {
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow)]
        explanation: Option<&'a RawValue>,
    }
    if string_body(stop_reason) != Some("refusal") {
        return None;
    }
    let details: Details = serde_json::from_str(stop_details?.get()).ok()?;
    string_body(details.explanation).filter(|text| !text.is_empty())
}
