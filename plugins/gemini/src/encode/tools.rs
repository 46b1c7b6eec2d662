//! Tools: functions, tools of Google's own, and which of them may or must be called.

use serde_json::{Map, Value, json};
use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, FunctionTool, NamedTool, ToolChoice};

use super::generation::{Own, camel};
use crate::settings::{Schemas, Settings};
use crate::wire::{FunctionDeclaration, Tool};

/// What Gemini's subset of OpenAPI has. Anything else in a schema is refused by those that take only this.
const OPENAPI: [&str; 21] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
];

/// The tools of a request, and its `toolConfig`, which is empty if there is nothing to say.
pub fn of<'a>(
    request: &'a ChatRequest<'_>,
    settings: &Settings,
    own: &mut Own,
) -> Result<(Vec<Tool<'a>>, Map<String, Value>), Failure> {
    let mut tools = Vec::new();
    let mut functions = Vec::new();
    for (index, tool) in request.tools().iter().enumerate() {
        match (tool.kind.as_deref(), &tool.function) {
            (Some("function") | None, Some(function)) => functions.push(declaration(function, settings.schemas)?),
            (Some("web_search" | "web_search_preview"), _) => own.searches = true,
            // Google's own, named by their type or, as in Gemini's form, by their only field.
            (None, None) if !tool.extra.is_empty() => {
                tools.push(Tool { extra: tool.extra.clone(), ..Tool::default() });
            }
            (Some(kind @ ("google_search" | "code_execution" | "url_context" | "google_maps")), _) => {
                let options = Value::Object(tool.extra.clone());
                tools.push(Tool { extra: Map::from_iter([(camel(kind), options)]), ..Tool::default() });
            }
            _ => return Err(Failure::unsupported(format!("tools[{index}]"), "This provider has no such tool.")),
        }
    }
    if own.searches {
        tools.push(Tool { extra: Map::from_iter([("googleSearch".to_owned(), json!({}))]), ..Tool::default() });
    }
    let mut config = std::mem::take(&mut own.tool_config);
    if !functions.is_empty() {
        if let Some(choice) = choice(request)? {
            config.entry("functionCallingConfig").or_insert(choice);
        }
        if request.parallel_tool_calls == Some(false) {
            own.dropped.push("parallel_tool_calls".to_owned());
        }
        tools.push(Tool { function_declarations: Some(functions), ..Tool::default() });
    }
    // Calls in pieces are a form of Vertex AI's that no client of the OpenAI API has asked for.
    if let Some(Value::Object(calling)) = config.get_mut("functionCallingConfig") {
        calling.retain(|name, _| camel(name) != "streamFunctionCallArguments");
    }
    Ok((tools, config))
}

fn declaration<'a>(function: &'a FunctionTool<'_>, schemas: Schemas) -> Result<FunctionDeclaration<'a>, Failure> {
    let mut declaration = FunctionDeclaration {
        name: function.name.as_deref().map(Into::into),
        description: function.description.as_deref().map(Into::into),
        ..FunctionDeclaration::default()
    };
    let Some(parameters) = function.parameters.as_deref().filter(|parameters| parameters.get() != "{}") else {
        return Ok(declaration);
    };
    match schemas {
        Schemas::Json => declaration.parameters_json_schema = Some(parameters),
        Schemas::Openapi => {
            let schema =
                serde_json::from_str(parameters.get()).map_err(|error| Failure::internal(error.to_string()))?;
            // An object without properties is refused; no parameters at all say the same.
            declaration.parameters = Some(openapi(&schema)).filter(|schema| schema["properties"] != json!({}));
        }
    }
    Ok(declaration)
}

/// The `functionCallingConfig` for a client's `tool_choice`, if it asks for anything but what is usual.
fn choice(request: &ChatRequest) -> Result<Option<Value>, Failure> {
    let invalid = || Failure::invalid_field("tool_choice", "There is no such choice of tools.");
    let config = match &request.tool_choice {
        None => return Ok(None),
        Some(ToolChoice::Text(mode)) => json!({ "mode": self::mode(mode, "AUTO").ok_or_else(invalid)? }),
        Some(ToolChoice::Named(tool)) => match (&tool.allowed_tools, tool.tool_name()) {
            (Some(allowed), _) => {
                let names = allowed.tools.iter().flatten().filter_map(NamedTool::tool_name);
                // With the usual mode Gemini takes no list. This one leaves the choice to the model as well.
                let mode = self::mode(allowed.mode.as_deref().unwrap_or("auto"), "VALIDATED").ok_or_else(invalid)?;
                json!({ "mode": mode, "allowedFunctionNames": names.collect::<Value>() })
            }
            (None, Some(name)) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
            (None, None) => return Err(invalid()),
        },
    };
    Ok(Some(config))
}

fn mode(choice: &str, auto: &'static str) -> Option<&'static str> {
    match choice {
        "auto" => Some(auto),
        "none" => Some("NONE"),
        "required" | "any" => Some("ANY"),
        _ => None,
    }
}

/// A JSON Schema in the subset of OpenAPI: what it does not have is left out, and a type that may be null is nullable.
pub fn openapi(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut reduced = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("type", Value::Array(types)) => {
                let kind = types.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
                reduced.insert("type".to_owned(), kind);
                if types.iter().any(|kind| kind == "null") {
                    reduced.insert("nullable".to_owned(), true.into());
                }
            }
            ("type", _) => drop(reduced.insert(name.clone(), value.clone())),
            // Only texts can be enumerated.
            ("const", Value::String(_)) => drop(reduced.insert("enum".to_owned(), json!([value]))),
            ("enum", Value::Array(values)) if !values.iter().all(Value::is_string) => {}
            ("properties", Value::Object(properties)) => {
                let properties = properties.iter().map(|(name, schema)| (name.clone(), openapi(schema)));
                reduced.insert(name.clone(), Value::Object(properties.collect()));
            }
            ("anyOf" | "oneOf", Value::Array(list)) => {
                reduced.insert("anyOf".to_owned(), list.iter().map(openapi).collect());
            }
            ("items", _) => drop(reduced.insert(name.clone(), openapi(value))),
            (known, _) if OPENAPI.contains(&known) => drop(reduced.insert(name.clone(), value.clone())),
            _ => {}
        }
    }
    Value::Object(reduced)
}
