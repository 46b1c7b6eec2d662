//! How much the model is to think: OpenAI's `reasoning_effort` as a budget of tokens or as a level.

use serde_json::{Map, Value};
use weir_plugin::json::object;
use weir_plugin::openai::{ChatRequest, WantedThinking};

use crate::family::{self, Thinking};
use crate::settings::{Reasoning, Settings, Thoughts};

/// The `thinkingConfig` of a request, empty if it needs none. `Err` names the field that the model has nothing like.
///
/// Anthropic's `thinking` is understood as well: a budget as it is where the model takes one, as an effort elsewhere.
pub fn config(request: &ChatRequest, settings: &Settings, model: &str) -> Result<Map<String, Value>, &'static str> {
    let thinking = match settings.reasoning {
        Reasoning::Auto => family::thinking(model),
        Reasoning::Budget => Thinking::Budget,
        Reasoning::Level => Thinking::Level,
        Reasoning::Drop => Thinking::No,
    };
    let WantedThinking { effort, tokens, is_asked, field } = request.wanted_thinking();
    let how_much = match (effort, tokens, thinking) {
        (_, _, Thinking::No) if is_asked => return Err(field),
        (_, _, Thinking::No) => return Ok(Map::new()),
        (None, _, _) => None,
        (_, Some(tokens), Thinking::Budget) => Some(("thinkingBudget", tokens.into())),
        (Some(effort), _, Thinking::Budget) => Some(("thinkingBudget", budget(effort, model).ok_or(field)?.into())),
        (Some(effort), _, Thinking::Level) => Some(("thinkingLevel", level(effort, model).ok_or(field)?.into())),
    };
    let is_shown = match settings.thoughts {
        Thoughts::Asked => is_asked,
        Thoughts::Always => effort != Some("none"),
        Thoughts::Never => false,
    };
    let shown = is_shown.then(|| ("includeThoughts", true.into()));
    Ok(object(how_much.into_iter().chain(shown).collect()))
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
