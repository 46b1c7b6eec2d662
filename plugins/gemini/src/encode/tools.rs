//! Tools: functions, tools of Google's own, and which of them may or must be called.

use serde_json::{Value, json};
use weir_plugin::Failure;
use weir_plugin::json::{Json, camel_case, object};
use weir_plugin::openai::{ChatRequest, FunctionTool, ToolChoice, ToolUse, reduced_schema, to_json};

use super::generation::Own;
use crate::settings::{Schemas, Settings};

/// What Gemini's subset of OpenAPI has. Anything else in a schema is refused by those that take only this.
pub const OPENAPI: &str = "anyOf default description enum example format items maxItems maxLength maxProperties maximum \
    minItems minLength minProperties minimum nullable pattern properties propertyOrdering required title type";

/// The tools of a request. What is to be said of all of them is added to the `toolConfig`.
pub fn of(request: &ChatRequest, settings: &Settings, own: &mut Own) -> Result<Json, Failure> {
    let (mut tools, mut functions) = (Json::default(), Json::default());
    for (index, tool) in request.tools().iter().enumerate() {
        match (tool.kind.as_deref(), &tool.function) {
            (Some("function") | None, Some(function)) => {
                declare(&mut functions, function, settings.schemas)?;
                let is_strict = function.strict == Some(true);
                own.dropped.extend(is_strict.then(|| format!("tools[{index}].function.strict")));
            }
            (Some("web_search" | "web_search_preview"), _) => own.searches = true,
            // Google's own, named by their type or, as in Gemini's form, by their only field.
            (None, None) if !tool.extra.is_empty() => drop(tools.raw(&to_json(&tool.extra)?)),
            (Some(kind @ ("google_search" | "code_execution" | "url_context" | "google_maps")), _) => {
                tools.open('{').key(&camel_case(kind)).raw(&to_json(&tool.extra)?).close('}');
            }
            _ => return Err(Failure::unsupported(format!("tools[{index}]"), "This provider has no such tool.")),
        }
    }
    if own.searches {
        tools.raw(r#"{"googleSearch":{}}"#);
    }
    if !functions.is_empty() {
        if let Some(choice) = &request.tool_choice {
            let choice = function_calling(choice)?;
            own.tool_config.entry("functionCallingConfig").or_insert(choice);
        }
        own.dropped.extend((request.parallel_tool_calls == Some(false)).then(|| "parallel_tool_calls".to_owned()));
        tools.open('{').within("functionDeclarations", ['[', ']'], &functions).close('}');
    }
    // Calls in pieces are a form of Vertex AI's that no client of the OpenAI API has asked for.
    if let Some(Value::Object(calling)) = own.tool_config.get_mut("functionCallingConfig") {
        calling.retain(|name, _| camel_case(name) != "streamFunctionCallArguments");
    }
    Ok(tools)
}

fn declare(functions: &mut Json, function: &FunctionTool, schemas: Schemas) -> Result<(), Failure> {
    functions.open('{').text("name", function.name.as_deref()).text("description", function.description.as_deref());
    match (schemas, function.parameters.as_deref().filter(|parameters| parameters.get() != "{}")) {
        (_, None) => {}
        (Schemas::Json, Some(schema)) => drop(functions.key("parametersJsonSchema").raw(schema.get())),
        (Schemas::Openapi, Some(schema)) => {
            let schema = reduced_schema(&serde_json::from_str(schema.get()).unwrap_or_default(), OPENAPI);
            // An object without properties is refused; no parameters at all say the same.
            if schema["properties"] != json!({}) {
                functions.key("parameters").raw(&to_json(&schema)?);
            }
        }
    }
    functions.close('}');
    Ok(())
}

/// The `functionCallingConfig` for a client's `tool_choice`.
fn function_calling(choice: &ToolChoice) -> Result<Value, Failure> {
    let invalid = |_| Failure::invalid_field("tool_choice", "There is no such choice of tools.");
    let wish = choice.wish().map_err(invalid)?;
    let mode = match wish.tool_use {
        ToolUse::None => "NONE",
        ToolUse::Required => "ANY",
        // With the usual mode Gemini takes no list. This one leaves the choice to the model as well.
        ToolUse::Auto if wish.allowed.is_some() => "VALIDATED",
        ToolUse::Auto => "AUTO",
    };
    let names = wish.allowed.or(wish.only.map(|name| vec![name]));
    let mut config = object(vec![("mode", mode.into())]);
    config.extend(names.map(|names| ("allowedFunctionNames".to_owned(), names.into())));
    Ok(config.into())
}
