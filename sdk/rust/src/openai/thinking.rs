//! What a client wants of a model's thinking, whichever of two APIs it says it in.

use serde_json::Value;

use super::ChatRequest;

/// What a client wants of a model's thinking. See [`ChatRequest::wanted_thinking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedThinking<'r> {
    /// How much: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`, or what the client made up.
    pub effort: Option<&'r str>,
    /// How much at the most, in tokens.
    pub tokens: Option<u64>,
    /// Whether the model is to think, be it as much as it likes.
    pub is_asked: bool,
    /// The field that says so.
    pub field: &'static str,
}

impl ChatRequest<'_> {
    /// What the client wants of the model's thinking: by `reasoning_effort` or, if that is not there, by Anthropic's
    /// `thinking`, whose budget of tokens comes to an effort as well.
    pub fn wanted_thinking(&self) -> WantedThinking<'_> {
        let thinking = self.extra.get("thinking").unwrap_or(&Value::Null);
        let kind = thinking["type"].as_str();
        let tokens = thinking["budget_tokens"].as_u64().filter(|_| kind == Some("enabled"));
        let own = self.reasoning_effort.as_deref();
        let effort = own.or(match (kind, tokens) {
            (Some("disabled"), _) => Some("none"),
            (_, Some(..4096)) => Some("low"),
            (_, Some(4096..16384)) => Some("medium"),
            (_, Some(_)) => Some("high"),
            _ => None,
        });
        let is_asked = effort.map_or(kind == Some("adaptive"), |effort| effort != "none");
        let field = if own.is_some() { "reasoning_effort" } else { "thinking" };
        WantedThinking { effort, tokens, is_asked, field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_is_understood_in_the_words_of_either_api() {
        let cases = [
            ("{}", (None, None, false, "thinking")),
            (r#"{"reasoning_effort":"low"}"#, (Some("low"), None, true, "reasoning_effort")),
            (r#"{"reasoning_effort":"none"}"#, (Some("none"), None, false, "reasoning_effort")),
            (r#"{"thinking":{"type":"disabled"}}"#, (Some("none"), None, false, "thinking")),
            (r#"{"thinking":{"type":"adaptive"}}"#, (None, None, true, "thinking")),
            (r#"{"thinking":{"type":"enabled","budget_tokens":4096}}"#, (Some("medium"), Some(4096), true, "thinking")),
            (r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#, (Some("low"), Some(1024), true, "thinking")),
            (
                r#"{"reasoning_effort":"low","thinking":{"type":"enabled","budget_tokens":99999}}"#,
                (Some("low"), Some(99999), true, "reasoning_effort"),
            ),
            (r#"{"thinking":"much"}"#, (None, None, false, "thinking")),
        ];
        for (document, (effort, tokens, is_asked, field)) in cases {
            let request: ChatRequest = serde_json::from_str(document).unwrap();
            assert_eq!(request.wanted_thinking(), WantedThinking { effort, tokens, is_asked, field }, "{document}");
        }
    }
}
