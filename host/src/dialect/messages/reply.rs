//! What whole and streamed messages have in common: blocks, the end, the usage, the identity.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::canonical::Choice;
use crate::chat::finish_reason::FinishReason;
use crate::chat::usage;

/// What the way back has to know of the request.
pub(super) struct Asked {
    /// The request's id.
    pub(super) request: String,
    /// The stop sequences that it named.
    pub(super) stop_sequences: Vec<String>,
}

impl Asked {
    /// The id of the message, made of that of the request.
    fn message_id(&self) -> String {
        self.id("msg")
    }

    /// The id of a call for which the upstream gives none.
    pub(super) fn call_id(&self) -> String {
        self.id("toolu")
    }

    fn id(&self, prefix: &str) -> String {
        let id = self.request.strip_prefix("req_").unwrap_or(&self.request);
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{prefix}_{id}")
    }
}

/// A message: whole, or as it begins.
#[derive(serde::Serialize)]
pub(super) struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: Cow<'a, str>,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    ending: Ending,
    usage: Usage,
}

impl<'a> Message<'a> {
    /// A message with what makes it up.
    pub(super) fn new(
        asked: &Asked,
        model: Cow<'a, str>,
        content: Vec<Block<'a>>,
        ending: Ending,
        usage: Usage,
    ) -> Self {
        Self { id: asked.message_id(), kind: "message", role: "assistant", model, content, ending, usage }
    }
}

/// A content block: whole, or as it begins.
#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Value>,
        /// The signature that some upstreams put on a text.
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_content: Option<&'a RawValue>,
    },
    Thinking {
        thinking: Cow<'a, str>,
        /// Empty if the upstream signs nothing: the dialect's clients require one.
        signature: Cow<'a, str>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Input,
        /// The signature that some upstreams put on a call, and want back with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_content: Option<&'a RawValue>,
    },
}

/// The input of a tool.
pub(super) enum Input {
    /// None, or none yet.
    Empty,
    /// An object.
    Object(Box<RawValue>),
    /// What the model wrote is no object: the client gets it as text in one, under a name that no tool expects, so
    /// that it does not act on it and the model can be told.
    Invalid(String),
}

impl Input {
    /// The input that the arguments of a call stand for.
    pub(super) fn of(arguments: &str) -> Self {
        match arguments.trim() {
            "" | "{}" | "null" => Self::Empty,
            object if object.starts_with('{') => {
                serde_json::from_str(object).map_or_else(|_| Self::Invalid(arguments.to_owned()), Self::Object)
            }
            _ => Self::Invalid(arguments.to_owned()),
        }
    }
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_map(Some(0))?.end(),
            Self::Object(object) => object.serialize(serializer),
            Self::Invalid(text) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("INVALID_JSON", text)?;
                map.end()
            }
        }
    }
}

/// Why a message ended.
#[derive(Default, serde::Serialize)]
pub(super) struct Ending {
    stop_reason: Option<&'static str>,
    stop_sequence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<Refusal>,
}

/// More on a refusal.
#[derive(serde::Serialize)]
struct Refusal {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: Option<String>,
}

impl Ending {
    /// The end of a choice. `called` says whether the message calls tools, `refusal` how the model declined.
    pub(super) fn of(choice: &Choice<'_>, called: bool, refusal: Option<String>, asked: &Asked) -> Self {
        let reason = choice.finish_reason().unwrap_or(FinishReason::Stop);
        if reason == FinishReason::ContentFilter || refusal.is_some() {
            let details = Refusal { kind: "refusal", category: None, explanation: refusal };
            return Self { stop_reason: Some("refusal"), stop_sequence: None, stop_details: Some(details) };
        }
        let (stop_reason, stop_sequence) = match reason {
            FinishReason::Length => ("max_tokens", None),
            // Calls decide: upstreams may end them with a plain stop.
            _ if called => ("tool_use", None),
            _ => match stop_sequence(choice, asked) {
                Some(sequence) => ("stop_sequence", sequence),
                None => ("end_turn", None),
            },
        };
        Self { stop_reason: Some(stop_reason), stop_sequence, stop_details: None }
    }
}

/// Whether a stop sequence ended the choice, and which, as far as that is known. Most upstreams do not tell it from the
/// natural end.
fn stop_sequence(choice: &Choice<'_>, asked: &Asked) -> Option<Option<String>> {
    let sequences = &asked.stop_sequences;
    if let Some(sequence) = choice.met().and_then(|met| sequences.iter().find(|sequence| **sequence == met)) {
        return Some(Some(sequence.clone()));
    }
    (choice.native_finish_reason()? == "stop_sequence").then(|| match sequences.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    })
}

/// The tokens. The figures of the input exclude each other.
#[derive(Clone, Default, serde::Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Clone, serde::Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl Usage {
    /// The same, with the tier that served the request, if the dialect has a word for it.
    pub(super) fn with_service_tier(self, tier: Option<&str>) -> Self {
        let service_tier = match tier {
            Some("default") => Some("standard"),
            Some("priority") => Some("priority"),
            _ => None,
        };
        Self { service_tier, ..self }
    }
}

impl From<usage::Usage> for Usage {
    fn from(usage: usage::Usage) -> Self {
        let cached = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
        let reasoning = Some(usage.reasoning_tokens).filter(|tokens| *tokens > 0);
        Self {
            input_tokens: usage.prompt_tokens.saturating_sub(cached),
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cached_tokens,
            output_tokens: usage.completion_tokens,
            output_tokens_details: reasoning.map(|thinking_tokens| OutputDetails { thinking_tokens }),
            service_tier: None,
        }
    }
}
