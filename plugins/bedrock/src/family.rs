//! What one maker's models take and another's do not, judged by the model's name. Converse is one API, but it hands
//! much of what it gets to the models as it is.

use weir_plugin::claude::{ClaudeThinking, Effort};
use weir_plugin::openai::ChatRequest;
use weir_plugin::serde_json::{Value, json};

/// Whose model it is, as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    /// Anthropic's.
    Claude,
    /// Amazon's, of the first generation.
    Nova,
    /// Amazon's, from the second generation on: they reason.
    Nova2,
    /// OpenAI's open ones.
    OpenAi,
    /// Alibaba's.
    Qwen,
    /// Mistral's.
    Mistral,
    /// Someone else's.
    Other,
    /// The name does not tell: the ARN of a profile, of imported or of provisioned models.
    #[default]
    Unknown,
}

impl Family {
    /// Judges by the upstream's name of the model.
    pub fn of(model: &str) -> Self {
        const NAMES: [(&str, Family); 7] = [
            ("claude", Family::Claude),
            ("nova-2", Family::Nova2),
            ("nova", Family::Nova),
            ("openai.", Family::OpenAi),
            ("qwen", Family::Qwen),
            ("mistral", Family::Mistral),
            ("arn:", Family::Unknown),
        ];
        let known = NAMES.iter().find(|(name, _)| model.contains(name)).map(|(_, family)| *family);
        // Names of models have their maker's in front of a dot; the id of an own deployment has none.
        known.unwrap_or(if model.contains('.') { Self::Other } else { Self::Unknown })
    }

    /// Whether it knows cache points: others refuse requests with them.
    pub fn caches(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2 | Self::Unknown)
    }

    /// Whether cache points may stand behind tools too.
    pub fn caches_tools(self) -> bool {
        matches!(self, Self::Claude | Self::Unknown)
    }

    /// Where it has `top_k`, for which every maker has a place of its own: see [`ChatRequest::fields`].
    pub fn top_k(self) -> &'static str {
        match self {
            Self::Claude | Self::Mistral | Self::Unknown => "top_k:additionalModelRequestFields.top_k",
            Self::Nova | Self::Nova2 => "top_k:additionalModelRequestFields.inferenceConfig.topK",
            Self::OpenAi | Self::Qwen | Self::Other => "",
        }
    }
}

/// What becomes of `reasoning_effort`, and what that means for the rest of the request.
#[derive(Debug, Default)]
pub struct Reasoning {
    /// Whether it was translated as it is.
    pub passed: bool,
    /// What the model is told of it.
    pub field: Option<(&'static str, Value)>,
    /// `outputConfig.effort`.
    pub effort: Option<&'static str>,
    /// Whether the model refuses to have its sampling changed.
    pub fixes_sampling: bool,
    /// The limit of tokens for thinking and answer together, in place of none.
    pub token_limit: Option<u64>,
}

impl Reasoning {
    /// The tokens of an answer whose client names no limit, besides those that are for thinking.
    const ANSWER_TOKENS: u64 = 4096;

    /// Decides. `may_think` says whether Claude would be let think, given the tools and the conversation.
    pub fn of(request: &ChatRequest, model: &str, may_think: bool) -> Self {
        let Some(effort) = request.reasoning_effort.as_deref().and_then(Effort::parse) else { return Self::default() };
        // Others than Claude know three efforts, Qwen two.
        let plain = match effort.word {
            "low" | "medium" => effort.word,
            _ => "high",
        };
        let field = match (Family::of(model), effort.budget > 0) {
            (Family::Claude, _) => return Self::of_claude(request, model, effort, may_think),
            (Family::Nova2, true) => return Self::of_nova(plain, request.token_limit().is_some()),
            (Family::Nova2, false) => ("reasoningConfig", json!({ "type": "disabled" })),
            (Family::OpenAi, _) => ("reasoning_effort", plain.into()),
            (Family::Qwen, true) => ("reasoning_config", if plain == "low" { "low" } else { "high" }.into()),
            _ => return Self::default(),
        };
        Self { passed: true, field: Some(field), ..Self::default() }
    }

    /// At its highest effort Nova takes neither sampling nor a limit, and a limit is what clients rely on.
    fn of_nova(effort: &str, is_limited: bool) -> Self {
        let highest = effort == "high";
        let passed = !highest || !is_limited;
        let config = json!({ "type": "enabled", "maxReasoningEffort": if passed { effort } else { "medium" } });
        let field = Some(("reasoningConfig", config));
        Self { passed, field, fixes_sampling: highest && !is_limited, ..Self::default() }
    }

    /// What the client says of thinking in Anthropic's own words stands.
    fn of_claude(request: &ChatRequest, model: &str, effort: Effort, may_think: bool) -> Self {
        let own = ["additional_model_request_fields", "additionalModelRequestFields"];
        let mut own = own.into_iter().filter_map(|name| request.extra.get(name)?.get("thinking"));
        let has_own = own.next().or_else(|| request.extra.get("thinking")).is_some_and(|own| !own.is_null());
        let (is_on, limit) = (effort.budget > 0, request.token_limit());
        let asked = ClaudeThinking::of(model).ask(effort, limit, may_think && !has_own);
        Self {
            passed: asked.thinking.is_some() || asked.effort.is_some() || has_own || !is_on,
            effort: asked.effort,
            fixes_sampling: is_on && asked.thinking.is_some(),
            token_limit: asked.budget.filter(|_| limit.is_none()).map(|budget| budget + Self::ANSWER_TOKENS),
            field: asked.thinking.map(|thinking| ("thinking", thinking)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_follows_the_name() {
        for (model, family) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-7-sonnet-v1:0", Family::Claude),
            ("amazon.nova-micro-v1:0", Family::Nova),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("openai.gpt-oss-120b-1:0", Family::OpenAi),
            ("qwen.qwen3-32b-v1:0", Family::Qwen),
            ("mistral.mistral-large-2407-v1:0", Family::Mistral),
            ("meta.llama3-3-70b-instruct-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123", Family::Unknown),
            ("abc123", Family::Unknown),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
