//! The fields of a request besides its conversation and its tools.
//!
//! | Messages | canonical |
//! |---|---|
//! | `max_tokens`, required but for a count | `max_completion_tokens`: both count what the model thinks |
//! | `stop_sequences` | `stop` |
//! | `thinking` | carried as it is, and as `reasoning_effort`, see below |
//! | `output_config.effort` | `reasoning_effort`, before what a budget says |
//! | `output_config.format`, formerly `output_format` | `response_format`, strict if the schema allows it |
//! | `metadata.user_id` | `user`, cut to 64 characters |
//! | `service_tier` | `auto`, and `default` for `standard_only` |
//! | `mcp_servers`, `container`, `inference_geo` | refused |
//! | `context_management`, `speed` | left out, and the client is told so |
//! | `diagnostics` | left out: it changes no answer |
//! | all others (`model`, `stream`, `temperature`, `top_p`, `top_k`, …) | the same |
//!
//! A budget of less than 4096 tokens is a `low` effort, of less than 16384 a `medium` one, and from there on a `high`
//! one. `disabled` thinking is the effort `none`; `adaptive` thinking leaves the effort to the upstream.

use serde_json::{Value, json};

use super::given::{Object, kind, missing, parse, take, take_object, text_of, unsupported, wrong};
use super::{conversation, tools};
use crate::error::Error;

/// Asks for what only an upstream of this dialect has.
const REFUSED: [(&str, &str); 3] = [
    ("mcp_servers", "MCP servers are not available with this model; give their tools in `tools`"),
    ("container", "Containers are not available with this model"),
    ("inference_geo", "The place of inference cannot be chosen with this model"),
];

/// Wishes that mean nothing to other upstreams.
const WISHES: [&str; 2] = ["context_management", "speed"];

/// The longest name of a user that upstreams take, in characters.
const LONGEST_USER: usize = 64;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message.
    Answer,
    /// How many tokens it has: no answer has to be limited.
    Count,
}

/// Translates a body. Returns the canonical document, the stop sequences that it asks for, and the fields that are left
/// out though they ask for something.
pub(super) fn translate(body: &[u8], purpose: Purpose) -> Result<(String, Vec<String>, Vec<&'static str>), Error> {
    let mut given = parse(body)?;
    refuse(&mut given)?;
    let mut canonical = Object::new();
    if let Some(model) = given.remove("model") {
        canonical.insert("model".to_owned(), model);
    }
    let messages = given.remove("messages").ok_or_else(|| missing("messages"))?;
    let messages = conversation::translate(given.remove("system"), messages)?;
    canonical.insert("messages".to_owned(), messages.into());
    tools::translate(&mut given, &mut canonical)?;
    limits(&mut given, &mut canonical, purpose)?;
    let stop_sequences = stop(&mut given, &mut canonical)?;
    reasoning_and_format(&mut given, &mut canonical)?;
    identity(&mut given, &mut canonical);
    // What is left has the same name in both, or no name here.
    given.remove("diagnostics");
    let asks = |value: Value| value.as_object().is_none_or(|wishes| !wishes.is_empty());
    let dropped = WISHES.into_iter().filter(|name| given.remove(*name).is_some_and(asks)).collect();
    for (name, value) in given {
        canonical.entry(name).or_insert(value);
    }
    if canonical.get("stream") == Some(&Value::Bool(true)) {
        canonical.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    Ok((Value::Object(canonical).to_string(), stop_sequences, dropped))
}

fn refuse(given: &mut Object) -> Result<(), Error> {
    for (name, reason) in REFUSED {
        match given.remove(name) {
            None => {}
            // An empty list asks for nothing.
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(_) => return Err(unsupported(name, reason)),
        }
    }
    Ok(())
}

fn limits(given: &mut Object, canonical: &mut Object, purpose: Purpose) -> Result<(), Error> {
    match given.remove("max_tokens") {
        Some(limit @ Value::Number(_)) => {
            canonical.insert("max_completion_tokens".to_owned(), limit);
            Ok(())
        }
        Some(_) => Err(wrong("max_tokens", "Input should be a valid integer")),
        None if purpose == Purpose::Count => Ok(()),
        None => Err(missing("max_tokens")),
    }
}

fn stop(given: &mut Object, canonical: &mut Object) -> Result<Vec<String>, Error> {
    let sequences: Vec<String> = match given.remove("stop_sequences").map(serde_json::from_value) {
        Some(Ok(sequences)) => sequences,
        Some(Err(_)) => return Err(wrong("stop_sequences", "Input should be a list of strings")),
        None => Vec::new(),
    };
    if !sequences.is_empty() {
        canonical.insert("stop".to_owned(), json!(sequences));
    }
    Ok(sequences)
}

fn reasoning_and_format(given: &mut Object, canonical: &mut Object) -> Result<(), Error> {
    let mut config = match given.remove("output_config") {
        Some(Value::Object(config)) => config,
        Some(_) => return Err(wrong("output_config", "Input should be an object")),
        None => Object::new(),
    };
    let effort = effort(given.get("thinking"), text_of(&config, "effort")).map(str::to_owned);
    if let Some(effort) = effort {
        canonical.insert("reasoning_effort".to_owned(), effort.into());
    }
    let former = given.remove("output_format");
    for (path, format) in [("output_config.format", take(&mut config, "format")), ("output_format", former)] {
        if let Some(format) = format {
            canonical.insert("response_format".to_owned(), response_format(format, path)?);
        }
    }
    Ok(())
}

/// How much to think: see the top of the page.
fn effort<'a>(thinking: Option<&Value>, effort: Option<&'a str>) -> Option<&'a str> {
    let budget = thinking.and_then(|thinking| thinking["budget_tokens"].as_u64()).unwrap_or(0);
    match thinking.and_then(|thinking| thinking["type"].as_str()) {
        Some("disabled") => Some("none"),
        _ if effort.is_some() => effort,
        Some("enabled") if budget < 4096 => Some("low"),
        Some("enabled") if budget < 16384 => Some("medium"),
        Some("enabled") => Some("high"),
        _ => None,
    }
}

fn response_format(format: Value, path: &str) -> Result<Value, Error> {
    let Value::Object(mut format) = format else { return Err(wrong(path, "Input should be an object")) };
    if kind(&format) != "json_schema" {
        return Err(wrong(format_args!("{path}.type"), "Input should be 'json_schema'"));
    }
    let schema = Value::Object(take_object(&mut format, "schema", path)?);
    let strict = is_closed(&schema);
    Ok(json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": strict } }))
}

/// Whether each object of a schema is closed and each of its properties required. Strict formats of other upstreams
/// take no other schema; this dialect is always strict, and takes optional properties as well.
fn is_closed(schema: &Value) -> bool {
    let closed = |object: &Object| {
        let Some(Value::Object(properties)) = object.get("properties") else { return kind(object) != "object" };
        let required = object.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let all = properties.keys().all(|name| required.iter().any(|required| required == name));
        all && object.get("additionalProperties") == Some(&Value::Bool(false))
    };
    match schema {
        Value::Object(object) => closed(object) && object.values().all(is_closed),
        Value::Array(list) => list.iter().all(is_closed),
        _ => true,
    }
}

/// Who asks, and in which tier: hints both.
fn identity(given: &mut Object, canonical: &mut Object) {
    let metadata = given.remove("metadata");
    if let Some(user) = metadata.as_ref().and_then(|metadata| metadata["user_id"].as_str()) {
        // The end of a longer one tells sessions apart, not users, and upstreams refuse it.
        let user: String = user.chars().take(LONGEST_USER).collect();
        canonical.insert("user".to_owned(), user.into());
    }
    let tier = match given.remove("service_tier").as_ref().and_then(Value::as_str) {
        Some("auto") => "auto",
        Some("standard_only") => "default",
        _ => return,
    };
    canonical.insert("service_tier".to_owned(), tier.into());
}
