//! The tools that a request offers, and whether one must be called.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use weir_plugin::Failure;
use weir_plugin::openai::Tool;

use super::take;

/// Rewrites the tools of a request, and the choice among them, which is in `fields`. Mistral has tools of its own besides
/// functions, such as image generation, which go as they are. `None` if there are no tools.
pub fn rewrite<'a>(
    mut tools: Vec<Tool<'a>>,
    fields: &mut Map<String, Value>,
) -> Result<Option<Vec<Tool<'a>>>, Failure> {
    if tools.is_empty() {
        // What is said of tools without any is refused.
        take(fields, "tool_choice parallel_tool_calls");
        return Ok(None);
    }
    for (place, tool) in tools.iter_mut().enumerate() {
        if tool.kind.as_deref() == Some("custom") {
            return Err(Failure::unsupported(format!("tools[{place}]"), "This provider has no custom tools."));
        }
        if let Some(function) = &mut tool.function {
            // Mistral wants a schema also of a function that takes nothing.
            let nothing = || RawValue::from_string(r#"{"type":"object","properties":{}}"#.to_owned()).ok();
            function.parameters = function.parameters.take().or_else(nothing);
            function.extra.clear();
            tool.extra.clear();
            tool.kind = Some("function".into());
        }
    }
    if let Some(choice) = fields.get_mut("tool_choice") {
        *choice = choose(choice, &mut tools)?;
    }
    Ok(Some(tools))
}

/// Rewrites the choice of a tool. A choice of some tools leaves out the others.
fn choose(choice: &Value, tools: &mut Vec<Tool<'_>>) -> Result<Value, Failure> {
    // Both words are taken today; older deployments know the one.
    let word = |word: &Value| if *word == "required" { "any".into() } else { word.clone() };
    fn name(tool: &Value) -> Option<&str> {
        tool["function"]["name"].as_str().or(tool["name"].as_str())
    }
    match choice["type"].as_str() {
        None => Ok(word(choice)),
        Some("custom") => Err(Failure::unsupported("tool_choice", "This provider has no custom tools.")),
        Some("allowed_tools") => {
            let allowed = &choice["allowed_tools"];
            let names: Vec<_> = allowed["tools"].as_array().into_iter().flatten().filter_map(name).collect();
            let own_name = |tool: &Tool| tool.function.as_ref()?.name.as_deref().map(|name| names.contains(&name));
            tools.retain(|tool| own_name(tool) == Some(true));
            Ok(word(&allowed["mode"]))
        }
        Some(_) => Ok(json!({ "type": "function", "function": { "name": name(choice) } })),
    }
}
