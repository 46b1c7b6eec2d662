//! Chat requests as clients send them.

use serde_json::{Value, json};

use crate::config::MODEL;

/// A request with one user message.
#[must_use]
pub fn request(text: &str) -> Value {
    request_to(MODEL, text)
}

/// A request with one user message to this model.
#[must_use]
pub fn request_to(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }], "max_tokens": 256 })
}

/// A streamed request with one user message.
#[must_use]
pub fn stream(text: &str) -> Value {
    stream_to(MODEL, text)
}

/// A streamed request with one user message to this model.
#[must_use]
pub fn stream_to(model: &str, text: &str) -> Value {
    with(request_to(model, text), "stream", json!(true))
}

/// Streamed or not.
#[must_use]
pub fn request_as(stream: bool, text: &str) -> Value {
    if stream { self::stream(text) } else { request(text) }
}

/// A streamed request that asks for usage at its end.
#[must_use]
pub fn stream_with_usage(text: &str) -> Value {
    with(stream(text), "stream_options", json!({ "include_usage": true }))
}

/// The same request with one more field, or another value for one.
#[must_use]
pub fn with(mut request: Value, field: &str, value: Value) -> Value {
    request[field] = value;
    request
}

/// The definition of a tool without parameters of any interest.
#[must_use]
pub fn tool(name: &str) -> Value {
    json!({ "type": "function", "function": {
        "name": name,
        "description": "What the tests call.",
        "parameters": { "type": "object", "properties": { "city": { "type": "string" } } },
    } })
}
