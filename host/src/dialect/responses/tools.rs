//! Tools and the choice among them: flat in the Responses API, nested in the canonical form.

use serde_json::{Value, json};

use super::request::unsupported;
use super::{Object, nonempty};
use crate::error::Error;

/// What a tool or a choice of the Responses API says of features that Chat Completions have not got.
const NOT_FORWARDED: [&str; 4] = ["defer_loading", "allowed_callers", "output_schema", "async"];

/// Puts `tools` and `tool_choice` into the canonical form.
///
/// # Errors
/// A 400 naming the tool that is wrong, or that would have to run here.
pub(super) fn canonical(fields: &mut Object) -> Result<(), Error> {
    let tools = match fields.remove("tools") {
        None => Vec::new(),
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(Error::invalid_field("tools", "tools is not a list.")),
    };
    let none = tools.is_empty();
    if !none {
        let tools = tools.into_iter().enumerate().map(|(index, tool)| canonical_tool(tool, index));
        fields.insert("tools".to_owned(), tools.collect::<Result<Vec<_>, _>>()?.into());
    }
    if let Some(choice) = fields.remove("tool_choice") {
        let choice = canonical_choice(choice)?;
        // Without tools there is nothing to choose. Clients say so all the same, and Chat Completions would refuse it.
        if !(none && matches!(choice.as_str(), Some("auto" | "none"))) {
            fields.insert("tool_choice".to_owned(), choice);
        }
    }
    if none {
        fields.remove("parallel_tool_calls");
    }
    Ok(())
}

/// The tool as a Response tells it: as it was sent, with the defaults that took effect.
pub(super) fn echo(tool: &Value) -> Value {
    let mut tool = tool.clone();
    if tool["type"] == "function"
        && let Some(tool) = tool.as_object_mut()
    {
        for (name, default) in [("parameters", Value::Null), ("strict", Value::Bool(false))] {
            let value = tool.entry(name).or_insert(Value::Null);
            if value.is_null() {
                *value = default;
            }
        }
    }
    tool
}

fn canonical_tool(tool: Value, index: usize) -> Result<Value, Error> {
    let Value::Object(mut tool) = tool else {
        return Err(Error::invalid_field(format!("tools[{index}]"), "A tool is an object."));
    };
    let kind = tool.remove("type");
    let (kind, inner): (_, &[&str]) = match kind.as_ref().and_then(Value::as_str) {
        Some("function") => ("function", &["name", "description", "parameters", "strict"]),
        Some("custom") => ("custom", &["name", "description", "format"]),
        other => return Err(unknown_tool(other, index)),
    };
    if nonempty(tool.get("name")).is_none() {
        return Err(Error::invalid_field(format!("tools[{index}].name"), "The tool has no name."));
    }
    let mut body = Object::new();
    for &name in inner {
        if let Some(value) = tool.remove(name).filter(|value| !value.is_null()) {
            let value = if name == "format" { canonical_format(value) } else { value };
            body.insert(name.to_owned(), value);
        }
    }
    let mut outer = Object::new();
    outer.insert("type".to_owned(), kind.into());
    outer.insert(kind.to_owned(), body.into());
    // Extensions such as `cache_control` belong to the tool as a whole.
    tool.retain(|name, value| !value.is_null() && !NOT_FORWARDED.contains(&name.as_str()));
    outer.extend(tool);
    Ok(outer.into())
}

fn unknown_tool(kind: Option<&str>, index: usize) -> Error {
    let param = format!("tools[{index}].type");
    match kind {
        Some(kind) => unsupported(
            param,
            format!(
                "Tools of type {kind:.64} are run by the provider, and this model's provider is not spoken to in the \
                 Responses API. Tools of type function and custom work with every provider that has tools."
            ),
        ),
        None => Error::invalid_field(param, "The tool has no type."),
    }
}

/// The format of a custom tool's input: a grammar is nested once more in the canonical form.
fn canonical_format(format: Value) -> Value {
    match format {
        Value::Object(mut grammar) if grammar.get("type").is_some_and(|kind| kind == "grammar") => {
            grammar.remove("type");
            json!({ "type": "grammar", "grammar": grammar })
        }
        other => other,
    }
}

fn canonical_choice(choice: Value) -> Result<Value, Error> {
    let wrong = || {
        let message = "tool_choice is none, auto or required, or an object of type function, custom or allowed_tools.";
        Error::invalid_field("tool_choice", message)
    };
    match choice {
        Value::String(mode) if matches!(mode.as_str(), "none" | "auto" | "required") => Ok(mode.into()),
        Value::Object(mut choice) => match choice.get("type").and_then(Value::as_str) {
            Some("function" | "custom") => named(&choice, "tool_choice"),
            Some("allowed_tools") => {
                let Some(Value::Array(tools)) = choice.remove("tools") else {
                    return Err(Error::invalid_field("tool_choice.tools", "tool_choice.tools is not a list."));
                };
                let tools = tools.iter().enumerate().map(|(index, tool)| {
                    let place = format!("tool_choice.tools[{index}]");
                    named(tool.as_object().ok_or_else(wrong)?, &place)
                });
                let tools = tools.collect::<Result<Vec<_>, _>>()?;
                let mode = choice.remove("mode").unwrap_or_else(|| "auto".into());
                Ok(json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } }))
            }
            Some(kind) => {
                Err(unsupported("tool_choice", format!("Tools of type {kind:.64} are run by the provider, not here.")))
            }
            None => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// A tool that is named in a choice, `{type, name}`, in the canonical form.
fn named(tool: &Object, place: &str) -> Result<Value, Error> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "function" | "custom") {
        return Err(unsupported(place, format!("Tools of type {kind:.64} are run by the provider, not here.")));
    }
    let Some(name) = nonempty(tool.get("name")) else {
        return Err(Error::invalid_field(format!("{place}.name"), "The chosen tool has no name."));
    };
    Ok(json!({ "type": kind, kind: { "name": name } }))
}
