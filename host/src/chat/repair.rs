//! What repairing a chunk and repairing a whole answer have in common: the slow path, on parsed JSON.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::finish_reason::FinishReason;
use crate::error::{Cause, Error};

pub(super) type Object = Map<String, Value>;

/// The service tiers that clients know.
pub(super) const SERVICE_TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];

/// The error for a document that cannot be made canonical.
pub(super) fn bad_answer(detail: impl Into<String>) -> Error {
    Error::new(Cause::BadAnswer, "The upstream sent an answer that makes no sense.").with_detail(detail)
}

/// Parses a document. Half of a surrogate pair, which no parser of ours takes, counts as U+FFFD.
pub(super) fn parse(document: &str) -> Option<Value> {
    let parsed = serde_json::from_str(document);
    parsed.or_else(|_| serde_json::from_str(&without_lone_surrogates(document))).ok()
}

/// Parses a document that has to be an object, without the top-level `error` that only says that there is none.
pub(super) fn parse_object(document: &str) -> Result<Object, Error> {
    match parse(document) {
        Some(Value::Object(mut object)) => match object.get("error").map(is_truthy) {
            Some(true) => Err(super::failure::from_document(document)),
            Some(false) => {
                object.remove("error");
                Ok(object)
            }
            None => Ok(object),
        },
        Some(_) => Err(bad_answer("the document is not a JSON object")),
        None => Err(bad_answer("the document is not JSON")),
    }
}

/// Whether an `error` says that there is one.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The id of an answer whose upstream gave none.
pub(super) fn new_answer_id() -> String {
    format!("chatcmpl-{}", random_letters())
}

/// The id of a tool call whose upstream gave none.
pub(super) fn new_call_id() -> String {
    format!("call_{}", random_letters())
}

fn random_letters() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(24).collect()
}

/// Now, in seconds since 1970: the creation time of an answer whose upstream gave none.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The value as text, if it is a string with something in it.
pub(super) fn nonempty(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A whole number that is not negative, also if written as `3.0`.
pub(super) fn whole(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

/// Drops a service tier that clients do not know.
pub(super) fn repair_service_tier(document: &mut Object) {
    let known = |tier: &Value| tier.is_null() || tier.as_str().is_some_and(|tier| SERVICE_TIERS.contains(&tier));
    if document.get("service_tier").is_some_and(|tier| !known(tier)) {
        document.remove("service_tier");
    }
}

/// The finish reason from the closed set, or `None` while there is none. An error if the upstream says it failed.
pub(super) fn repair_finish_reason(value: Option<&Value>) -> Result<Option<FinishReason>, Error> {
    let Some(name) = nonempty(value) else { return Ok(None) };
    match FinishReason::from_foreign(name) {
        Some(reason) => Ok(Some(reason)),
        None => Err(Error::new(Cause::BadAnswer, "The upstream broke off its answer with an error.")
            .with_detail(format!("finish reason {:.40}", name))),
    }
}

/// Gives the text fields of a message or a delta the types and the names that clients expect.
pub(super) fn repair_texts(message: &mut Object) {
    if let Some(content) = message.get_mut("content") {
        let (text, reasoning) = flatten(content.take());
        *content = text.map_or(Value::Null, Value::String);
        if let Some(reasoning) = reasoning {
            message.entry("reasoning_content").or_insert(Value::String(reasoning));
        }
    }
    for name in ["refusal", "reasoning_content"] {
        if message.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            message.remove(name);
        }
    }
    if message.get("reasoning").is_some_and(Value::is_string) {
        let reasoning = message.remove("reasoning").unwrap_or_default();
        let canonical = message.entry("reasoning_content").or_insert(Value::Null);
        if canonical.is_null() {
            *canonical = reasoning;
        }
    }
    for name in ["function_call", "audio"] {
        if message.get(name).is_some_and(|value| !value.is_object() && !value.is_null()) {
            message.remove(name);
        }
    }
}

/// Content as plain text, and the reasoning that was between its parts.
fn flatten(content: Value) -> (Option<String>, Option<String>) {
    match content {
        Value::Null => (None, None),
        Value::String(text) => (Some(text), None),
        Value::Array(parts) => {
            let (mut text, mut reasoning) = (String::new(), String::new());
            for part in &parts {
                collect(part, &mut text, &mut reasoning);
            }
            (Some(text), (!reasoning.is_empty()).then_some(reasoning))
        }
        other => (Some(other.to_string()), None),
    }
}

fn collect(part: &Value, text: &mut String, reasoning: &mut String) {
    match part {
        Value::String(words) => text.push_str(words),
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, text, reasoning)),
        Value::Object(part) => {
            if let Some(words) = part.get("text").and_then(Value::as_str) {
                text.push_str(words);
            }
            if let Some(thoughts) = part.get("thinking") {
                let mut nested = String::new();
                collect(thoughts, &mut nested, reasoning);
                reasoning.push_str(&nested);
            }
        }
        _ => {}
    }
}

/// The tool calls of a message or a delta: a list of objects, taken out of it.
pub(super) fn take_tool_calls(message: &mut Object) -> Vec<Object> {
    let elements = match message.remove("tool_calls") {
        Some(Value::Array(elements)) => elements,
        Some(single @ Value::Object(_)) => vec![single],
        _ => Vec::new(),
    };
    let objects = elements.into_iter().filter_map(|element| match element {
        Value::Object(call) => Some(call),
        _ => None,
    });
    objects.collect()
}

/// The arguments of a call as text: upstreams also send them as an object.
pub(super) fn arguments_text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Gives every object in every list below the value an `index`, as clients need to join lists of several deltas.
pub(super) fn index_lists(value: &mut Value) {
    match value {
        Value::Array(elements) => {
            let alike = elements.iter().all(Value::is_object) || elements.iter().all(is_joinable_scalar);
            if !alike {
                let objects = std::mem::take(elements).into_iter().map(|element| match element {
                    object @ Value::Object(_) => object,
                    other => json!({ "value": other }),
                });
                *elements = objects.collect();
            }
            for (position, element) in elements.iter_mut().enumerate() {
                if let Value::Object(members) = element
                    && !members.get("index").is_some_and(Value::is_u64)
                {
                    members.insert("index".to_owned(), position.into());
                }
                index_lists(element);
            }
        }
        Value::Object(members) => members.values_mut().for_each(index_lists),
        _ => {}
    }
}

fn is_joinable_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// JSON that every parser of ours takes: half of a surrogate pair counts as U+FFFD. Borrowed, as nearly always.
pub fn parsable(json: &str) -> Cow<'_, str> {
    let may_have_one = memchr::memmem::find(json.as_bytes(), b"\\ud").is_some()
        || memchr::memmem::find(json.as_bytes(), b"\\uD").is_some();
    if may_have_one { Cow::Owned(without_lone_surrogates(json)) } else { Cow::Borrowed(json) }
}

/// The text with every lone surrogate escape replaced by that of U+FFFD, which is as long.
fn without_lone_surrogates(text: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut cleaned = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(backslash) = text[at..].find('\\').map(|found| at + found) {
        cleaned.push_str(&text[at..backslash]);
        let (replacement, length) = match (unit(backslash), unit(backslash + 6)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => (None, 12),
            (Some(0xD800..0xE000), _) => (Some("\\ufffd"), 6),
            _ => (None, 1 + text[backslash + 1..].chars().next().map_or(0, char::len_utf8)),
        };
        at = backslash + length;
        cleaned.push_str(replacement.unwrap_or(&text[backslash..at]));
    }
    cleaned.push_str(&text[at..]);
    cleaned
}
