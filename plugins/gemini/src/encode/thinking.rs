//! How much the model is to think: OpenAI's `reasoning_effort` as a budget of tokens or as a level.

use serde_json::{Value, json};
use weir_plugin::openai::ChatRequest;

use crate::family::{self, Thinking};
use crate::settings::{Reasoning, Settings, Thoughts};

/// The `thinkingConfig` of a request, if it needs one. `Err` names the field that the model has nothing like.
///
/// Anthropic's `thinking` is understood as well: a budget as it is where the model takes one, as an effort elsewhere.
pub fn config(request: &ChatRequest, settings: &Settings, model: &str) -> Result<Option<Value>, &'static str> {
    let thinking = match settings.reasoning {
        Reasoning::Auto => family::thinking(model),
        Reasoning::Budget => Thinking::Budget,
        Reasoning::Level => Thinking::Level,
        Reasoning::Drop => Thinking::No,
    };
    let field = request.extra.get("thinking").unwrap_or(&Value::Null);
    let kind = field["type"].as_str();
    let tokens = field["budget_tokens"].as_u64().filter(|_| kind == Some("enabled"));
    let effort = request.reasoning_effort.as_deref().or(match (kind, tokens) {
        (Some("disabled"), _) => Some("none"),
        (Some("enabled"), Some(..4096)) => Some("low"),
        (Some("enabled"), Some(4096..16384)) => Some("medium"),
        (Some("enabled"), Some(_)) => Some("high"),
        _ => None,
    });
    let is_asked = effort.is_some_and(|effort| effort != "none") || effort.is_none() && kind == Some("adaptive");
    let unknown = || if request.reasoning_effort.is_some() { "reasoning_effort" } else { "thinking" };
    let mut config = match (effort, tokens, thinking) {
        (_, _, Thinking::No) if is_asked => return Err(unknown()),
        (_, _, Thinking::No) => return Ok(None),
        (None, _, _) => json!({}),
        (_, Some(tokens), Thinking::Budget) => json!({ "thinkingBudget": tokens }),
        (Some(effort), _, Thinking::Budget) => json!({ "thinkingBudget": budget(effort, model).ok_or_else(unknown)? }),
        (Some(effort), _, Thinking::Level) => json!({ "thinkingLevel": level(effort, model).ok_or_else(unknown)? }),
    };
    let is_shown = match settings.thoughts {
        Thoughts::Asked => is_asked,
        Thoughts::Always => effort != Some("none"),
        Thoughts::Never => false,
    };
    if is_shown {
        config["includeThoughts"] = true.into();
    }
    Ok(Some(config).filter(|config| *config != json!({})))
}

/// The budgets that Google's own OpenAI endpoint gives for an effort. Pro cannot do without thinking.
fn budget(effort: &str, model: &str) -> Option<u32> {
    Some(match effort {
        "none" if model.contains("-pro") => 128,
        "none" => 0,
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" | "xhigh" | "max" => 24576,
        _ => return None,
    })
}

/// The level for an effort: the nearest that the model has.
fn level(effort: &str, model: &str) -> Option<&'static str> {
    Some(match effort {
        "none" | "minimal" if model.contains("-pro") => "LOW",
        "none" | "minimal" => "MINIMAL",
        "low" => "LOW",
        "medium" if model.contains("gemini-3-pro") => "HIGH",
        "medium" => "MEDIUM",
        "high" | "xhigh" | "max" => "HIGH",
        _ => return None,
    })
}
