//! What `reasoning_effort` means to Claude models: the same wherever they are served, and different from one
//! generation to the next.

use serde_json::{Value, json};

/// The way in which a Claude model is asked to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaudeThinking {
    /// It cannot.
    Never,
    /// With a budget of tokens: `{"type":"enabled","budget_tokens":n}`.
    Budget,
    /// As much as it takes for an effort: `{"type":"adaptive"}`, and the effort in a field of its own.
    Adaptive,
}

impl ClaudeThinking {
    /// Judges by the name of a Claude model, whatever stands around it (`us.anthropic.claude-sonnet-4-5-...-v1:0`).
    /// Old ones are a list that does not grow; every newer one takes an effort.
    pub fn of(model: &str) -> Self {
        const NEVER: [&str; 7] = [
            "claude-2",
            "claude-3-5",
            "claude-3-haiku",
            "claude-3-opus",
            "claude-3-sonnet",
            "claude-instant",
            "claude-v",
        ];
        const BY_BUDGET: [&str; 9] = [
            "claude-3-7",
            "haiku-4-5",
            "opus-4-0",
            "opus-4-1",
            "opus-4-2025",
            "opus-4-5",
            "sonnet-4-0",
            "sonnet-4-2025",
            "sonnet-4-5",
        ];
        let named = |names: &[&str]| names.iter().any(|name| model.contains(name));
        if named(&NEVER) {
            Self::Never
        } else if named(&BY_BUDGET) {
            Self::Budget
        } else {
            Self::Adaptive
        }
    }
}

/// What a model is told of an effort.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thinking {
    /// `thinking`.
    pub thinking: Option<Value>,
    /// `effort`, which stands in a field of its own.
    pub effort: Option<&'static str>,
    /// The tokens that are for thinking, which count against the limit of the answer.
    pub budget: Option<u64>,
}

impl ClaudeThinking {
    /// How to ask for an effort, with an answer of at most `limit` tokens. `may_think` says whether the model can be
    /// let think, given the tools, the conversation, and what the client says of `thinking` itself.
    pub fn ask(self, effort: Effort, limit: Option<u64>, may_think: bool) -> Thinking {
        let is_on = effort.budget > 0;
        match self {
            Self::Never => Thinking::default(),
            Self::Budget => {
                let budget = effort.budget_within(limit).filter(|_| may_think);
                let thinking = budget.map(|budget| json!({"type": "enabled", "budget_tokens": budget}));
                Thinking { thinking, effort: None, budget }
            }
            Self::Adaptive => {
                let thinking = json!({"type": if is_on { "adaptive" } else { "disabled" }});
                let effort = is_on.then_some(effort.word);
                Thinking { thinking: may_think.then_some(thinking), effort, budget: None }
            }
        }
    }
}

/// What a client means with `reasoning_effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Claude's own word for it: `low`, `medium`, `high`, `xhigh` or `max`.
    pub word: &'static str,
    /// The tokens that it stands for. With `none`, which asks for no thinking at all, 0.
    pub budget: u64,
}

impl Effort {
    /// Understands the efforts of the OpenAI API. `None` for what is none of them.
    pub fn parse(effort: &str) -> Option<Self> {
        let (word, budget) = match effort {
            "none" => ("low", 0),
            "minimal" => ("low", 1024),
            "low" => ("low", 2048),
            "medium" => ("medium", 8192),
            "high" => ("high", 16384),
            "xhigh" => ("xhigh", 32768),
            "max" => ("max", 32768),
            _ => return None,
        };
        Some(Self { word, budget })
    }

    /// The budget for an answer of at most `limit` tokens, against which thinking counts: it leaves at least a fifth
    /// for the answer itself. `None` if that is less than the 1024 tokens that Claude asks for at least.
    pub fn budget_within(self, limit: Option<u64>) -> Option<u64> {
        let budget = limit.map_or(self.budget, |limit| self.budget.min(limit / 5 * 4));
        (budget >= 1024).then_some(budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_thinking_follows_the_model() {
        for (model, thinking) in [
            ("claude-3-haiku-20240307", ClaudeThinking::Never),
            ("claude-3-5-sonnet-latest", ClaudeThinking::Never),
            ("anthropic.claude-v2:1", ClaudeThinking::Never),
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", ClaudeThinking::Budget),
            ("claude-sonnet-4-20250514", ClaudeThinking::Budget),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", ClaudeThinking::Budget),
            ("claude-opus-4-8", ClaudeThinking::Adaptive),
            ("claude-sonnet-5", ClaudeThinking::Adaptive),
        ] {
            assert_eq!(ClaudeThinking::of(model), thinking, "{model}");
        }
    }

    #[test]
    fn each_generation_is_asked_in_its_own_words() {
        let adaptive = |kind: &str| Some(json!({ "type": kind }));
        let enabled = |budget: u64| Some(json!({"type": "enabled", "budget_tokens": budget}));
        for (way, effort, limit, may_think, thinking, word) in [
            (ClaudeThinking::Never, "high", None, true, None, None),
            (ClaudeThinking::Budget, "low", None, true, enabled(2048), None),
            (ClaudeThinking::Budget, "low", Some(2000), true, enabled(1600), None),
            (ClaudeThinking::Budget, "low", Some(1000), true, None, None),
            (ClaudeThinking::Budget, "none", None, true, None, None),
            (ClaudeThinking::Budget, "low", None, false, None, None),
            (ClaudeThinking::Adaptive, "max", None, true, adaptive("adaptive"), Some("max")),
            (ClaudeThinking::Adaptive, "max", None, false, None, Some("max")),
            (ClaudeThinking::Adaptive, "none", None, true, adaptive("disabled"), None),
        ] {
            let asked = way.ask(Effort::parse(effort).unwrap(), limit, may_think);
            let budget = thinking.as_ref().and_then(|thinking| thinking["budget_tokens"].as_u64());
            assert_eq!(asked, Thinking { thinking, effort: word, budget }, "{way:?} {effort}");
        }
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        for (effort, limit, budget) in [
            ("medium", None, Some(8192)),
            ("medium", Some(5000), Some(4000)),
            ("high", Some(1200), None),
            ("none", None, None),
            ("minimal", Some(100_000), Some(1024)),
        ] {
            assert_eq!(Effort::parse(effort).unwrap().budget_within(limit), budget, "{effort} in {limit:?}");
        }
        assert_eq!(Effort::parse("much"), None);
    }
}
