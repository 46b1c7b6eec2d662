//! Everything of a request that is neither conversation nor tools: limits, sampling, formats, reasoning, identity.

use crate::Failure;

use crate::openai::{ChatRequest, JSON_INSTRUCTION, WantedJson, asks_for_something};
use serde_json::{Value, json};

use crate::claude::{ClaudeThinking, Effort, JsonObject, Reasoning, Settings, Unknown};
use crate::json::Json;

/// OpenAI's fields that mean nothing to Anthropic and change nothing that the client would notice, and those that
/// are translated elsewhere. They are never forwarded.
const SILENT: [&str; 14] = [
    "anthropic_beta",
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
    request.expect_one_text()?;
    let json_object = response_format(request) == Some("json_object");
    if json_object && settings.json_object == JsonObject::Refuse {
        let message = "This provider has no JSON mode without a schema; use json_schema.";
        return Err(Failure::unsupported("response_format", message));
    }
    let typed = [
        ("seed", request.seed.is_some()),
        ("logprobs", request.logprobs == Some(true)),
        ("top_logprobs", request.top_logprobs.is_some_and(|count| count > 0)),
        ("presence_penalty", request.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("frequency_penalty", request.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
    ];
    let drops_others = settings.unknown_parameters == Unknown::Drop;
    let is_left_out = |name: &str| UNSUPPORTED.contains(&name) || drops_others && !SILENT.contains(&name);
    let untyped = request.extra.iter().filter(|(name, value)| is_left_out(name) && asks_for_something(name, value));
    let typed = typed.into_iter().filter(|(_, asked)| *asked).map(|(name, _)| name);
    Ok(typed.chain(untyped.map(|(name, _)| name.as_str())).map(str::to_owned).collect())
}

/// Names what is lost to thinking or for want of it, to a scale that ends at 1, and to white space and tiers that
/// Anthropic does not have.
pub fn lost(settings: &Settings, request: &ChatRequest, thought: &Thought) -> Vec<String> {
    let is_fixed = |wish: Option<f64>| thought.derived && wish.is_some_and(|wish| wish < 1.0);
    let is_cut = request.temperature.is_some_and(|temperature| settings.temperature.cuts(temperature));
    let lost = [
        ("temperature", is_cut || is_fixed(request.temperature)),
        ("top_p", is_fixed(request.top_p)),
        ("top_k", thought.derived && request.top_k.is_some()),
        ("stop", request.stop.iter().flat_map(|stop| stop.texts()).any(|text| text.trim().is_empty())),
        ("service_tier", request.service_tier.is_some() && service_tier(request).is_none()),
        ("reasoning_effort", thought.loses_effort),
    ];
    lost.into_iter().filter(|(_, is_lost)| *is_lost).map(|(name, _)| name.to_owned()).collect()
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
    // A model that thinks refuses to have its sampling changed. A client that asks for both by OpenAI's fields, where
    // reasoning models ignore these, gets the thinking.
    let sampling = |value: Option<Value>| value.filter(|_| !thought.derived).map(|value| value.to_string());
    let temperature = request.temperature.map(|temperature| settings.temperature.scaled(temperature));
    let fields = [
        ("max_tokens", Some(thought.max_tokens.to_string())),
        ("temperature", sampling(temperature.map(Value::from))),
        ("top_p", sampling(request.top_p.map(Value::from))),
        ("top_k", sampling(request.top_k.map(Value::from))),
        ("stop_sequences", stop(request).map(|texts| texts.to_string())),
        ("output_config", output_config(request, thought)),
        ("thinking", thought.thinking.clone()),
        ("metadata", user(request).map(|user| json!({"user_id": user}).to_string())),
        ("service_tier", service_tier(request).map(str::to_owned)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            json.key(name).raw(&value);
        }
    }
    if settings.unknown_parameters == Unknown::Forward {
        for (name, value) in request.extra.iter().filter(|(_, value)| !value.is_null()) {
            if !SILENT.contains(&name.as_str()) && !UNSUPPORTED.contains(&name.as_str()) {
                json.key_of(name).raw(&value.to_string());
            }
        }
    }
}

/// What ends the answer. Anthropic refuses texts of white space.
fn stop(request: &ChatRequest) -> Option<Value> {
    let texts = request.stop.iter().flat_map(|stop| stop.texts()).map(|text| text.as_str());
    let native = request.extra.get("stop_sequences").and_then(Value::as_array);
    let texts = texts.chain(native.into_iter().flatten().filter_map(Value::as_str));
    let texts: Vec<_> = texts.filter(|text| !text.trim().is_empty()).collect();
    (!texts.is_empty()).then(|| texts.into())
}

/// The client's own `output_config`, and in it the format and the effort that OpenAI's fields ask for.
fn output_config(request: &ChatRequest, thought: &Thought) -> Option<String> {
    let mut config = request.extra.get("output_config").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(effort) = thought.effort {
        config.entry("effort").or_insert_with(|| effort.into());
    }
    let mut json = Json::default();
    json.open('{');
    if let Some(WantedJson::Schema(schema)) = request.wanted_json().filter(|_| !config.contains_key("format")) {
        json.key("format").open('{').key("type").body("json_schema").key("schema").raw(schema.get()).close('}');
    }
    for (name, value) in &config {
        json.key_of(name).raw(&value.to_string());
    }
    json.close('}');
    Some(json.into_string()).filter(|config| config != "{}")
}

/// Whose request it is, the only metadata that Anthropic has. It must not identify a person: what looks like an address
/// is refused.
fn user<'r>(request: &'r ChatRequest) -> Option<&'r str> {
    let given = request.extra.get("metadata").and_then(|metadata| metadata["user_id"].as_str());
    let user = given.or(request.safety_identifier.as_deref()).or(request.user.as_deref());
    user.filter(|user| !user.is_empty() && !user.contains('@'))
}

/// Anthropic's word for a tier, as JSON.
fn service_tier(request: &ChatRequest) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" | "priority" => Some(r#""auto""#),
        "default" | "standard_only" => Some(r#""standard_only""#),
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
    /// Whether `reasoning_effort` asks for what the model, its settings or the rest of the request do not allow.
    loses_effort: bool,
}

impl Thought {
    /// Decides. `may_think` says whether Anthropic would let the model think, given the tools and the conversation.
    pub fn of(settings: &Settings, request: &ChatRequest, model: &str, may_think: bool) -> Self {
        let limit = request.token_limit();
        let thinking = request.extra.get("thinking").filter(|thinking| !thinking.is_null()).map(Value::to_string);
        let max_tokens = limit.unwrap_or(settings.default_max_tokens);
        let mut thought = Self { max_tokens, effort: None, thinking, derived: false, loses_effort: false };
        let Some(effort) = request.reasoning_effort.as_deref() else { return thought };
        let Some(effort) = Effort::parse(effort) else { return Self { loses_effort: true, ..thought } };
        let form = match (settings.reasoning, ClaudeThinking::of(model)) {
            // Models of other makers think by budget, if at all.
            (Reasoning::Auto, _) if !model.contains("claude") => Reasoning::Budget,
            (Reasoning::Auto, ClaudeThinking::Never) => Reasoning::Drop,
            (Reasoning::Auto, ClaudeThinking::Budget) => Reasoning::Budget,
            (Reasoning::Auto, ClaudeThinking::Adaptive) => Reasoning::Adaptive,
            (form, _) => form,
        };
        let (off, explicit) = (effort.budget == 0, thought.thinking.is_some());
        let (way, may_think) = match form {
            Reasoning::Auto | Reasoning::Drop => (ClaudeThinking::Never, false),
            Reasoning::Budget => (ClaudeThinking::Budget, may_think && !explicit),
            Reasoning::Effort => (ClaudeThinking::Adaptive, false),
            // Not to think is what every model may do.
            Reasoning::Adaptive => (ClaudeThinking::Adaptive, (may_think || off) && !explicit),
        };
        let asked = way.ask(effort, limit, may_think);
        // A budget counts against `max_tokens`: without a limit of the client's, the default is for the answer alone.
        thought.max_tokens += asked.budget.filter(|_| limit.is_none()).unwrap_or(0);
        thought.effort = asked.effort;
        thought.loses_effort = !off && !explicit && asked.effort.is_none() && asked.thinking.is_none();
        thought.derived = asked.thinking.is_some() && !off;
        thought.thinking = asked.thinking.map(|thinking| thinking.to_string()).or(thought.thinking);
        thought
    }
}
