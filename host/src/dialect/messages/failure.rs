//! Errors in the shape of the dialect.

use serde_json::json;

use crate::error::{Cause, Error};

/// What agents of this dialect look for in order to shorten a conversation and go on.
const TOO_LONG: &str = "prompt is too long";

/// The body of an answer that is an error: `{"type":"error","error":{"type","message"},"request_id"}`.
pub fn error(error: &Error) -> String {
    body(error, None)
}

/// The same, with the id of the request if it is known.
pub(super) fn body(error: &Error, request: Option<&str>) -> String {
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
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
