//! Why a choice ended: the closed set of the OpenAI API.

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A natural end, or a stop sequence.
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// The model wants tools called.
    ToolCalls,
    /// A safety system cut the answer.
    ContentFilter,
    /// The model wants a function called, in the form before tools.
    FunctionCall,
}

impl FinishReason {
    /// The reason with exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "stop" => Some(Self::Stop),
            "length" => Some(Self::Length),
            "tool_calls" => Some(Self::ToolCalls),
            "content_filter" => Some(Self::ContentFilter),
            "function_call" => Some(Self::FunctionCall),
            _ => None,
        }
    }

    /// The reason that a name from some other vocabulary most likely means. A word that nobody knows means that the
    /// model stopped. `None` if the name says that the answer failed: a failure is never shown as a good end.
    pub fn from_foreign(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "error" | "timeout" | "cancelled" | "abort" | "aborted" => None,
            "model_length" | "max_tokens" | "max_length" | "max_output_tokens" => Some(Self::Length),
            "tool_call" | "tool_use" => Some(Self::ToolCalls),
            "safety" | "refusal" | "content_filtered" => Some(Self::ContentFilter),
            other => Some(Self::parse(other).unwrap_or(Self::Stop)),
        }
    }

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::FunctionCall => "function_call",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_map_to_the_closed_set_and_failures_to_none() {
        let cases = [
            ("stop", Some("stop")),
            ("eos", Some("stop")),
            ("something new", Some("stop")),
            ("model_length", Some("length")),
            ("MAX_TOKENS", Some("length")),
            ("tool_use", Some("tool_calls")),
            ("content_filter", Some("content_filter")),
            ("error", None),
        ];
        for (foreign, expected) in cases {
            assert_eq!(FinishReason::from_foreign(foreign).map(FinishReason::name), expected, "{foreign}");
        }
    }
}
