//! Errors in the shape of the dialect.

use hyper::header::HeaderName;
use serde_json::json;

use crate::error::{Cause, Error};

/// What agents of this dialect look for in order to shorten a conversation and go on.
const TOO_LONG: &str = "prompt is too long";

/// The status of an upstream that has too much to do, which is no standard one.
pub const OVERLOADED: u16 = 529;

/// Whether a header of this name tells of a rate limit, as upstreams of this dialect do: under names with a prefix of
/// their own. Those of the OpenAI API are passed on to all clients.
pub fn is_rate_limit(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains("-ratelimit-") && !name.starts_with("x-")
}

/// The body of an answer that is an error: `{"type":"error","error":{"type","message"},"request_id"}`. `request` is the
/// id of the request.
pub fn error(error: &Error, request: &str) -> String {
    let message = &error.message;
    let message = match error.cause {
        Cause::ContextLength if !message.contains(TOO_LONG) => format!("{TOO_LONG}: {message}"),
        _ => message.clone(),
    };
    json!({ "type": "error", "error": { "type": kind(error), "message": message }, "request_id": request }).to_string()
}

/// The type that belongs to the status.
fn kind(error: &Error) -> &'static str {
    match error.status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | OVERLOADED => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
