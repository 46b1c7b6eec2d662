//! Why an answer ended.

use std::fmt;

/// The five reasons that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model was done, or came to a text of `stop`.
    Stop,
    /// The answer reached a limit of tokens.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// A safety system stepped in.
    ContentFilter,
    /// The model calls a function, in the form before `tool_calls`.
    FunctionCall,
}

impl FinishReason {
    /// The reason in the spelling of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::FunctionCall => "function_call",
        }
    }

    /// Understands the spellings of all upstreams that are known, in any case. What nobody knows is a `stop`: a
    /// good answer must not fail because its end has a new name.
    pub fn from_upstream(reason: &str) -> Self {
        match reason.to_ascii_lowercase().as_str() {
            "length"
            | "max_tokens"
            | "model_length"
            | "model_context_window_exceeded"
            | "insufficient_system_resource" => Self::Length,
            "tool_calls" | "tool_use" | "tool_call" => Self::ToolCalls,
            "function_call" => Self::FunctionCall,
            "content_filter"
            | "content_filtered"
            | "refusal"
            | "sensitive"
            | "guardrail_intervened"
            | "safety"
            | "recitation"
            | "language"
            | "blocklist"
            | "prohibited_content"
            | "spii"
            | "model_armor"
            | "image_safety"
            | "image_prohibited_content"
            | "image_recitation" => Self::ContentFilter,
            _ => Self::Stop,
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::FinishReason;

    #[test]
    fn every_upstream_spelling_has_one_meaning_and_the_unknown_is_a_stop() {
        let cases = [
            ("stop", "stop"),
            ("eos", "stop"),
            ("end_turn", "stop"),
            ("a_reason_of_tomorrow", "stop"),
            ("", "stop"),
            ("MAX_TOKENS", "length"),
            ("model_length", "length"),
            ("insufficient_system_resource", "length"),
            ("sensitive", "content_filter"),
            ("TOOL_CALL", "tool_calls"),
            ("tool_use", "tool_calls"),
            ("function_call", "function_call"),
            ("SAFETY", "content_filter"),
            ("refusal", "content_filter"),
        ];
        for (upstream, expected) in cases {
            assert_eq!(FinishReason::from_upstream(upstream).as_str(), expected, "{upstream}");
        }
    }
}
