//! Errors that an upstream reports inside a 200 answer: a top-level `error` in a document or in a chunk.
//!
//! The client gets the upstream's own words, in the shape of the OpenAI API. Errors with an HTTP status of their own
//! are not handled here: a plugin maps those.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::error::{Cause, Error};

/// The error that the document reports. Meant for documents whose top-level `error` says something; others give an
/// error without a message of its own.
pub fn from_document(document: &str) -> Error {
    let document = super::repair::parse(document).unwrap_or(Value::Null);
    let empty = Map::new();
    let outside = document.as_object().unwrap_or(&empty);
    let error = outside.get("error").unwrap_or(&Value::Null);
    let inside = error.as_object().unwrap_or(&empty);

    let message = error
        .as_str()
        .or_else(|| text(inside, &["message", "error", "detail"]))
        .or_else(|| text(outside, &["message", "detail"]))
        .unwrap_or("The upstream reported an error without a message.");
    let code = inside.get("code").or_else(|| outside.get("code")).and_then(label);
    let kind = text(inside, &["type"]).map(str::to_owned);
    let status = status([inside, outside]);
    let hint = format!("{} {}", code.as_deref().unwrap_or_default(), kind.as_deref().unwrap_or_default());
    let cause = status.map_or_else(|| cause_of_words(&hint), |status| cause_of_status(status, &hint));

    let mut answer = Error::new(cause, message);
    // An upstream that said 200 and then failed is a bad gateway, unless its error has a better status.
    answer.status = status.unwrap_or(if cause == Cause::Unavailable { StatusCode::BAD_GATEWAY } else { answer.status });
    answer.retryable = matches!(cause, Cause::RateLimit | Cause::Unavailable | Cause::Timeout);
    answer.param = text(inside, &["param"]).map(str::to_owned);
    if let Some(code) = code {
        answer = answer.with_code(code);
    }
    match kind {
        Some(kind) => answer.with_kind(kind),
        None => answer,
    }
}

/// The first of these fields that holds text.
fn text<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| object.get(*name)?.as_str()).filter(|text| !text.is_empty())
}

/// A code as a string: upstreams send numbers, clients expect strings.
fn label(value: &Value) -> Option<String> {
    match value {
        Value::String(label) if !label.is_empty() => Some(label.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn status(objects: [&Map<String, Value>; 2]) -> Option<StatusCode> {
    let fields = objects.into_iter().flat_map(|object| ["status_code", "status", "code"].map(|name| object.get(name)));
    let numbers = fields.flatten().filter_map(|value| match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    });
    numbers.filter(|number| (400..600).contains(number)).find_map(|number| StatusCode::from_u16(number).ok())
}

fn cause_of_status(status: StatusCode, hint: &str) -> Cause {
    match status.as_u16() {
        401 => Cause::Authentication,
        403 => Cause::Permission,
        404 => Cause::NotFound,
        408 | 504 => Cause::Timeout,
        429 => Cause::RateLimit,
        400..500 => match cause_of_words(hint) {
            Cause::Unavailable => Cause::InvalidRequest,
            better => better,
        },
        _ => Cause::Unavailable,
    }
}

fn cause_of_words(hint: &str) -> Cause {
    const WORDS: [(&str, Cause); 8] = [
        ("rate_limit", Cause::RateLimit),
        ("quota", Cause::RateLimit),
        ("context_length", Cause::ContextLength),
        ("content_filter", Cause::ContentFilter),
        ("invalid_api_key", Cause::Authentication),
        ("invalid_request", Cause::InvalidRequest),
        ("not_found", Cause::NotFound),
        ("timeout", Cause::Timeout),
    ];
    WORDS.iter().find(|(word, _)| hint.contains(word)).map_or(Cause::Unavailable, |(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstreams_own_words_and_status_survive() {
        let cases = [
            (r#"{"error":{"message":"Slow down","type":"requests","code":429}}"#, 429, "Slow down", Some("429")),
            (
                r#"{"error":"no such deployment","code":"invalid-argument"}"#,
                502,
                "no such deployment",
                Some("invalid-argument"),
            ),
            (r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, 502, "Overloaded", None),
            (
                r#"{"error":{"message":"bad call","type":"invalid_request_error",
                    "code":"tool_use_failed","status_code":400}}"#,
                400,
                "bad call",
                Some("tool_use_failed"),
            ),
            (
                r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                400,
                "too long",
                Some("context_length_exceeded"),
            ),
            (
                r#"{"error":{"code":"rate_limit_exceeded"}}"#,
                429,
                "The upstream reported an error without a message.",
                Some("rate_limit_exceeded"),
            ),
            (r#"{"error":true}"#, 502, "The upstream reported an error without a message.", None),
        ];
        for (document, status, message, code) in cases {
            let error = from_document(document);
            assert_eq!(error.status.as_u16(), status, "{document}");
            assert_eq!(error.message, message, "{document}");
            assert_eq!(error.code.as_deref(), code, "{document}");
        }
    }
}
