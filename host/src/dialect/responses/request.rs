//! The fields of a request, as those of a canonical one. Fields that mean the same in both APIs, and those that nobody
//! here understands, stay as they are.

use serde_json::{Value, json};

use super::{Object, input, tools};
use crate::error::Error;

/// Fields that need a store, or somebody who works while the client is away, and what to do instead.
const STATEFUL: [(&str, &str); 4] = [
    ("previous_response_id", "Responses are not stored here: send the items of the earlier turns in input."),
    ("conversation", "Conversations are not stored here: send the items of the earlier turns in input."),
    ("prompt", "Prompts are not stored here: send the text in instructions and input."),
    ("background", "Nothing runs in the background here: ask without it, with stream for a long answer."),
];

/// Fields of Chat Completions that have another name here. Carried on, they would contradict what is made here.
const FOREIGN: [(&str, &str); 4] = [
    ("messages", "The messages of a Response are its input."),
    ("functions", "The functions of a Response are its tools."),
    ("function_call", "The choice of functions of a Response is its tool_choice."),
    ("n", "A Response is always one answer."),
];

/// Fields that are dealt with here alone, or that nobody can fulfil: see [`dropped`].
///
/// `store` wants nothing that is done here: no upstream of Chat Completions keeps Responses.
const NOT_FORWARDED: [&str; 6] = ["store", "background", "n", "truncation", "context_management", "max_tool_calls"];

/// What one can have included and gets here.
const INCLUDED: [&str; 2] = ["message.output_text.logprobs", "reasoning.encrypted_content"];

/// The fields that are left out though they ask for something.
pub(super) fn dropped(fields: &Object) -> Vec<&'static str> {
    let asks = |name: &str| match (name, fields.get(name)) {
        (_, None | Some(Value::Null)) => false,
        ("truncation", Some(value)) => value == "auto",
        ("include", Some(value)) => {
            let known = |name: &Value| name.as_str().is_some_and(|name| INCLUDED.contains(&name));
            value.as_array().is_some_and(|names| !names.iter().all(known))
        }
        (_, Some(value)) => value.as_array().is_none_or(|list| !list.is_empty()),
    };
    ["context_management", "include", "max_tool_calls", "truncation"].into_iter().filter(|name| asks(name)).collect()
}

/// The canonical request that a request stands for.
///
/// # Errors
/// A 400 that names the field at fault.
pub(super) fn canonical(mut fields: Object) -> Result<Object, Error> {
    // Many clients write every field that they do not use as null.
    fields.retain(|_, value| !value.is_null());
    refuse(&fields)?;
    for name in NOT_FORWARDED {
        fields.remove(name);
    }
    let messages = input::messages(fields.remove("instructions"), fields.remove("input"))?;
    fields.insert("messages".to_owned(), messages.into());
    tools::canonical(&mut fields)?;
    limit(&mut fields)?;
    text(&mut fields)?;
    reasoning(&mut fields)?;
    logprobs(&mut fields)?;
    stream(&mut fields)?;
    Ok(fields)
}

fn refuse(fields: &Object) -> Result<(), Error> {
    for (name, message) in STATEFUL {
        if fields.get(name).is_some_and(|value| *value != Value::Bool(false)) {
            return Err(unsupported(name, message));
        }
    }
    for (name, message) in FOREIGN {
        if fields.get(name).is_some_and(|value| name != "n" || value.as_u64() != Some(1)) {
            return Err(unsupported(name, message));
        }
    }
    Ok(())
}

/// The error for a field that asks for what is not done here.
pub(super) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Error {
    Error::invalid_field(param, message).with_code("unsupported_parameter")
}

fn limit(fields: &mut Object) -> Result<(), Error> {
    let Some(limit) = fields.remove("max_output_tokens") else { return Ok(()) };
    if limit.as_u64().is_none_or(|limit| limit == 0) {
        return Err(Error::invalid_field("max_output_tokens", "max_output_tokens is not a whole number above 0."));
    }
    fields.insert("max_completion_tokens".to_owned(), limit);
    Ok(())
}

/// `text`: the form of the answer and how long-winded it is.
fn text(fields: &mut Object) -> Result<(), Error> {
    let mut text = take_object(fields, "text")?;
    if let Some(verbosity) = text.remove("verbosity") {
        fields.insert("verbosity".to_owned(), verbosity);
    }
    let mut format = take_object(&mut text, "format").map_err(|error| error.with_param("text.format"))?;
    let response_format = match format.get("type").and_then(Value::as_str) {
        None if format.is_empty() => return Ok(()),
        Some("text") => return Ok(()),
        Some("json_object") => json!({ "type": "json_object" }),
        Some("json_schema") => {
            format.remove("type");
            json!({ "type": "json_schema", "json_schema": format })
        }
        _ => {
            let message = "The type of a format is text, json_object or json_schema.";
            return Err(Error::invalid_field("text.format.type", message));
        }
    };
    fields.insert("response_format".to_owned(), response_format);
    Ok(())
}

/// `reasoning`: how much of it. Its text is always told, whether or not the client asks for a summary. Extensions
/// (`max_tokens`, `exclude`) stay where they are, for upstreams that know them.
fn reasoning(fields: &mut Object) -> Result<(), Error> {
    let mut reasoning = take_object(fields, "reasoning")?;
    if let Some(effort) = reasoning.remove("effort") {
        fields.insert("reasoning_effort".to_owned(), effort);
    }
    reasoning.retain(|name, _| !matches!(name.as_str(), "summary" | "generate_summary" | "context" | "mode"));
    if !reasoning.is_empty() {
        fields.insert("reasoning".to_owned(), reasoning.into());
    }
    Ok(())
}

/// `include` and `top_logprobs`. The rest of what one can have included belongs to tools that are refused, or, as
/// `reasoning.encrypted_content`, is always there.
fn logprobs(fields: &mut Object) -> Result<(), Error> {
    let include = match fields.remove("include") {
        Some(Value::Array(include)) => include,
        Some(_) => return Err(Error::invalid_field("include", "include is not a list.")),
        None => Vec::new(),
    };
    let few = fields.get("top_logprobs").is_none_or(|top| top.as_u64() == Some(0));
    if few {
        fields.remove("top_logprobs");
    }
    if !few || include.iter().any(|name| name == "message.output_text.logprobs") {
        fields.insert("logprobs".to_owned(), true.into());
    }
    Ok(())
}

/// A stream asks for its usage chunk: the last event tells the usage.
fn stream(fields: &mut Object) -> Result<(), Error> {
    let mut options = take_object(fields, "stream_options")?;
    match fields.get("stream") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            options.insert("include_usage".to_owned(), true.into());
            fields.insert("stream_options".to_owned(), options.into());
        }
        Some(_) => return Err(Error::invalid_field("stream", "stream is neither true nor false.")),
    }
    Ok(())
}

/// Takes a field that has to be an object out of another, without the nulls in it. Empty if it is not there.
fn take_object(fields: &mut Object, name: &str) -> Result<Object, Error> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(Object::new()),
        Some(Value::Object(mut object)) => {
            object.retain(|_, value| !value.is_null());
            Ok(object)
        }
        Some(_) => Err(Error::invalid_field(name, format!("{name} is not an object."))),
    }
}
