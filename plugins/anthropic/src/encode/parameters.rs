//! Everything of a request that is neither conversation nor tools: limits, sampling, formats, reasoning, identity.

use weir_plugin::Failure;
use weir_plugin::openai::ChatRequest;
use weir_plugin::serde_json::{Map, Value};

use crate::json::Json;
use crate::settings::{JsonObject, Reasoning, Settings, Temperature, Unknown};

/// What JSON mode without a schema asks for: Anthropic has no such mode.
const JSON_INSTRUCTION: &str = "Answer with one valid JSON object and nothing else: no explanation, no code fence.";

/// OpenAI's fields that mean nothing to Anthropic and change nothing that the client would notice, and those that
/// are translated elsewhere. They are never forwarded.
const SILENT: [&str; 16] = [
    "anthropic_beta",
    "function_call",
    "functions",
    "metadata",
    "modalities",
    "moderation",
    "output_config",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stop_sequences",
    "store",
    "stream_options",
    "system",
    "thinking",
];

/// OpenAI's fields that would change the answer, were there anything like them.
const UNSUPPORTED: [&str; 4] = ["audio", "logit_bias", "verbosity", "web_search_options"];

/// Fails for what cannot be done, and names what has to be left out.
pub fn check(settings: &Settings, request: &ChatRequest) -> Result<Vec<String>, Failure> {
    if request.n.is_some_and(|n| n > 1) {
        return Err(Failure::unsupported("n", "This provider gives one answer to a request."));
    }
    let modalities = request.extra.get("modalities").and_then(Value::as_array);
    if modalities.is_some_and(|list| list.iter().any(|modality| modality != "text")) {
        return Err(Failure::unsupported("modalities", "This provider answers with text only."));
    }
    let json_object = response_format(request) == Some("json_object");
    if json_object && settings.json_object == JsonObject::Refuse {
        let message = "This provider has no JSON mode without a schema; use json_schema.";
        return Err(Failure::unsupported("response_format", message));
    }
    let typed = [
        ("seed", request.seed.is_some()),
        ("logprobs", request.logprobs == Some(true)),
        ("top_logprobs", request.top_logprobs.is_some()),
        ("presence_penalty", request.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("frequency_penalty", request.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
    ];
    let untyped = UNSUPPORTED.map(|name| (name, request.extra.get(name).is_some_and(|value| !value.is_null())));
    Ok(typed.into_iter().chain(untyped).filter(|(_, asked)| *asked).map(|(name, _)| name.to_owned()).collect())
}

fn response_format<'r>(request: &'r ChatRequest) -> Option<&'r str> {
    request.response_format.as_ref()?.kind.as_deref()
}

/// Writes `system`: what leads the conversation, what the client gave in Anthropic's own field, and the JSON mode.
pub fn system(json: &mut Json, request: &ChatRequest, mut blocks: Json) {
    match request.extra.get("system") {
        Some(Value::String(text)) => super::parts::text(&mut blocks, text, None),
        Some(Value::Array(list)) => list.iter().for_each(|block| {
            blocks.raw(&block.to_string());
        }),
        _ => {}
    }
    if response_format(request) == Some("json_object") {
        super::parts::text(&mut blocks, JSON_INSTRUCTION, None);
    }
    if !blocks.is_empty() {
        json.key("system").open('[').raw(blocks.as_str()).close(']');
    }
}

/// Writes the fields besides `model`, `messages`, `system` and the tools.
pub fn write(json: &mut Json, settings: &Settings, request: &ChatRequest, thought: &Thought) {
    json.key("max_tokens").number(thought.max_tokens);
    sampling(json, settings, request, thought);
    stop(json, request);
    output_config(json, request, thought);
    if let Some(thinking) = &thought.thinking {
        json.key("thinking").raw(thinking);
    }
    metadata(json, request);
    if let Some(tier) = service_tier(request) {
        json.key("service_tier").body(tier);
    }
    if settings.unknown_parameters == Unknown::Forward {
        for (name, value) in request.extra.iter().filter(|(_, value)| !value.is_null()) {
            if !SILENT.contains(&name.as_str()) && !UNSUPPORTED.contains(&name.as_str()) {
                json.key_of(name).raw(&value.to_string());
            }
        }
    }
}

fn sampling(json: &mut Json, settings: &Settings, request: &ChatRequest, thought: &Thought) {
    // A model that thinks refuses to have its sampling changed. A client that asks for both by OpenAI's fields, where
    // reasoning models ignore these, gets the thinking.
    if let Some(temperature) = request.temperature.filter(|_| !thought.derived) {
        let temperature = match settings.temperature {
            Temperature::Clamp => temperature.min(1.0),
            Temperature::Scale => temperature / 2.0,
            Temperature::Forward => temperature,
        };
        json.key("temperature").raw(&Value::from(temperature).to_string());
    }
    if let Some(top_p) = request.top_p.filter(|_| !thought.derived) {
        json.key("top_p").raw(&Value::from(top_p).to_string());
    }
    if let Some(top_k) = request.top_k.filter(|_| !thought.derived) {
        json.key("top_k").number(top_k);
    }
}

fn stop(json: &mut Json, request: &ChatRequest) {
    let texts = request.stop.as_ref().map(|stop| stop.texts()).unwrap_or_default();
    let native = request.extra.get("stop_sequences").and_then(Value::as_array);
    let native = native.into_iter().flatten().filter_map(Value::as_str);
    // Anthropic refuses those of white space.
    let mut texts =
        texts.iter().map(|text| text.as_str()).chain(native).filter(|text| !text.trim().is_empty()).peekable();
    if texts.peek().is_some() {
        json.key("stop_sequences").open('[');
        texts.for_each(|text| {
            json.string(text);
        });
        json.close(']');
    }
}

/// Writes `output_config`: the client's own, and in it the format and the effort that OpenAI's fields ask for.
fn output_config(json: &mut Json, request: &ChatRequest, thought: &Thought) {
    let mut config = match request.extra.get("output_config") {
        Some(Value::Object(config)) => config.clone(),
        _ => Map::new(),
    };
    if let Some(effort) = thought.effort {
        config.entry("effort").or_insert_with(|| effort.into());
    }
    let schema = request.response_format.as_ref().and_then(|format| format.json_schema.as_ref()?.schema.as_ref());
    let schema = schema.filter(|_| response_format(request) == Some("json_schema") && !config.contains_key("format"));
    if config.is_empty() && schema.is_none() {
        return;
    }
    json.key("output_config").open('{');
    if let Some(schema) = schema {
        json.key("format").open('{').key("type").body("json_schema").key("schema").raw(schema.get()).close('}');
    }
    for (name, value) in &config {
        json.key_of(name).raw(&value.to_string());
    }
    json.close('}');
}

/// Writes `metadata.user_id`, the only metadata that Anthropic has.
fn metadata(json: &mut Json, request: &ChatRequest) {
    let given = request.extra.get("metadata").and_then(|metadata| metadata["user_id"].as_str());
    let user = given.or(request.safety_identifier.as_deref()).or(request.user.as_deref());
    // It must not identify a person: Anthropic refuses what looks like an address.
    if let Some(user) = user.filter(|user| !user.is_empty() && !user.contains('@')) {
        json.key("metadata").open('{').key("user_id").string(user).close('}');
    }
}

fn service_tier(request: &ChatRequest) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" | "priority" => Some("auto"),
        "default" | "standard_only" => Some("standard_only"),
        _ => None,
    }
}

/// How much the model is to think, and how many tokens there are for it and the answer.
pub struct Thought {
    max_tokens: u64,
    effort: Option<&'static str>,
    thinking: Option<String>,
    /// Whether the model thinks because of `reasoning_effort`, and not by the client's own `thinking`.
    derived: bool,
}

impl Thought {
    /// Decides. `may_think` says whether Anthropic would let the model think, given the tools and the conversation.
    pub fn of(settings: &Settings, request: &ChatRequest, model: &str, may_think: bool) -> Self {
        let asked = request.token_limit();
        let thinking = request.extra.get("thinking").filter(|thinking| !thinking.is_null()).map(Value::to_string);
        let explicit = thinking.is_some();
        let max_tokens = asked.unwrap_or(settings.default_max_tokens);
        let mut thought = Self { max_tokens, effort: None, thinking, derived: false };
        let Some((effort, budget)) = request.reasoning_effort.as_deref().and_then(effort) else { return thought };
        let form = match settings.reasoning {
            Reasoning::Auto => form_for(model),
            form => form,
        };
        let off = budget == 0;
        match form {
            Reasoning::Auto | Reasoning::Drop => {}
            Reasoning::Adaptive if off && !explicit => thought.thinking = Some(r#"{"type":"disabled"}"#.to_owned()),
            Reasoning::Effort | Reasoning::Adaptive => {
                thought.effort = Some(effort).filter(|_| !off);
                if form == Reasoning::Adaptive && !explicit && !off && may_think {
                    thought.thinking = Some(r#"{"type":"adaptive"}"#.to_owned());
                    thought.derived = true;
                }
            }
            Reasoning::Budget if !explicit && !off && may_think => thought.budget(asked, budget),
            Reasoning::Budget => {}
        }
        thought
    }

    /// Sets a budget. It counts against `max_tokens`, so a client's limit leaves at least a fifth for the answer, and
    /// without one the default is for the answer alone. Less than 1024 tokens Anthropic does not take.
    fn budget(&mut self, asked: Option<u64>, budget: u64) {
        let budget = asked.map_or(budget, |limit| budget.min(limit / 5 * 4));
        if budget < 1024 {
            return;
        }
        if asked.is_none() {
            self.max_tokens += budget;
        }
        self.thinking = Some(format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#));
        self.derived = true;
    }
}

/// Anthropic's word for an effort, and a budget in tokens. `none` has the budget 0.
fn effort(effort: &str) -> Option<(&'static str, u64)> {
    match effort {
        "none" => Some(("low", 0)),
        "minimal" => Some(("low", 1024)),
        "low" => Some(("low", 2048)),
        "medium" => Some(("medium", 8192)),
        "high" => Some(("high", 16384)),
        "xhigh" => Some(("xhigh", 32768)),
        "max" => Some(("max", 32768)),
        _ => None,
    }
}

/// The form that a model understands. Old ones are a list that does not grow, and those of other makers think by
/// budget if at all; every newer Claude takes an effort.
fn form_for(model: &str) -> Reasoning {
    const WITHOUT: [&str; 5] = ["claude-2", "claude-instant", "claude-3-haiku", "claude-3-opus", "claude-3-sonnet"];
    const BY_BUDGET: [&str; 9] = [
        "claude-3-7",
        "opus-4-0",
        "opus-4-1",
        "opus-4-2025",
        "opus-4-5",
        "sonnet-4-0",
        "sonnet-4-2025",
        "sonnet-4-5",
        "haiku-4-5",
    ];
    let named = |names: &[&str]| names.iter().any(|name| model.contains(name));
    if named(&WITHOUT) || named(&["claude-3-5"]) {
        Reasoning::Drop
    } else if named(&BY_BUDGET) || !model.contains("claude") {
        Reasoning::Budget
    } else {
        Reasoning::Adaptive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_reasoning_follows_the_model() {
        for (model, form) in [
            ("claude-3-haiku-20240307", Reasoning::Drop),
            ("claude-3-5-sonnet-latest", Reasoning::Drop),
            ("claude-3-7-sonnet-20250219", Reasoning::Budget),
            ("claude-sonnet-4-20250514", Reasoning::Budget),
            ("claude-haiku-4-5-20251001", Reasoning::Budget),
            ("claude-opus-4-8", Reasoning::Adaptive),
            ("claude-sonnet-5", Reasoning::Adaptive),
            ("smollm2", Reasoning::Budget),
        ] {
            assert_eq!(form_for(model), form, "{model}");
        }
    }
}
