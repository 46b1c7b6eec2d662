//! The errors of Bedrock: by status and header in place of an answer, by name in the middle of a stream.

use crate::openai;
use crate::{Failure, FailureKind, ResponseHead};
use serde_json::Value;

/// What errors are called, less `Exception` at the end, and the status that they have or would have. The third
/// is given where there is more to it than the status.
const ERRORS: [(&str, u16, Meaning); 22] = [
    ("AccessDenied", 403, None),
    ("Conflict", 400, None),
    ("ExpiredToken", 403, UNAUTHORIZED),
    ("IncompleteSignature", 400, UNAUTHORIZED),
    ("InternalServer", 500, None),
    ("InvalidClientTokenId", 403, UNAUTHORIZED),
    ("InvalidSignature", 403, UNAUTHORIZED),
    ("MissingAuthenticationToken", 403, UNAUTHORIZED),
    ("ModelError", 424, UNAVAILABLE),
    ("ModelNotReady", 429, None),
    ("ModelStreamError", 424, UNAVAILABLE),
    ("ModelTimeout", 408, None),
    ("RequestExpired", 400, UNAUTHORIZED),
    ("ResourceNotFound", 404, None),
    // A quota of the account does not grow by waiting a little.
    ("ServiceQuotaExceeded", 400, Some((FailureKind::RateLimited, false))),
    ("ServiceUnavailable", 503, None),
    ("SignatureDoesNotMatch", 403, UNAUTHORIZED),
    ("Throttling", 429, None),
    ("TooManyRequests", 429, None),
    ("UnknownOperation", 404, None),
    ("UnrecognizedClient", 403, UNAUTHORIZED),
    ("Validation", 400, None),
];

/// What an error is and whether to try again, where that differs from what its status says.
type Meaning = Option<(FailureKind, bool)>;

/// The provider does not know the key, or no longer.
const UNAUTHORIZED: Meaning = Some((FailureKind::Unauthorized, false));
/// The model broke down, which the next one may not.
const UNAVAILABLE: Meaning = Some((FailureKind::Unavailable, true));

/// The failure that an answer with an error status tells of.
pub fn of_answer(head: &ResponseHead, body: &str) -> Failure {
    let header = head.headers.iter().find(|header| header.name == "x-amzn-errortype");
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let name = header.map(|header| header.value.as_str()).or_else(|| type_of(&document)).unwrap_or_default();
    failure(head.status, name, &document, body)
}

/// The failure that an exception or an error in a stream tells of.
pub fn of_event(name: &str, data: &str) -> Failure {
    let document: Value = serde_json::from_str(data).unwrap_or_default();
    // An error that the API has no name for says in its data what it is.
    failure(200, document["code"].as_str().unwrap_or(name), &document, data)
}

/// The failure for a body with a good status that is no answer.
pub fn unreadable(body: &str) -> Failure {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    if type_of(&document).is_some() || message(&document).is_some() {
        return failure(200, type_of(&document).unwrap_or_default(), &document, body);
    }
    let what = if body.trim().is_empty() { "an empty answer" } else { "an answer that cannot be read" };
    Failure::bad_answer(format!("The provider sent {what}."))
}

fn failure(status: u16, name: &str, document: &Value, body: &str) -> Failure {
    // The header goes on with an address, and what stands in a body begins with a namespace.
    let name = name.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let stem = name.strip_suffix("Exception").unwrap_or(name);
    let known = ERRORS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(stem));
    let (meant, special) = known.map_or((500, None), |(_, meant, special)| (*meant, *special));
    let status = if status < 400 { meant } else { status };
    let mut failure = match message(document) {
        Some(message) => Failure::from_status(status, message),
        None => openai::failure(status, body),
    };
    if let Some((kind, retryable)) = special {
        (failure.kind, failure.retryable) = (kind, retryable);
    }
    // An API key that is wrong has no error of its own.
    if failure.kind == FailureKind::Forbidden && failure.message.to_ascii_lowercase().contains("api key") {
        failure.kind = FailureKind::Unauthorized;
    }
    failure.type_ = (!name.is_empty() && name != "error").then(|| {
        // Streams spell the first letter small.
        let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
        first.to_ascii_uppercase() + rest
    });
    match special {
        Some((FailureKind::RateLimited, _)) => failure.used_up(),
        _ => failure,
    }
}

fn message(document: &Value) -> Option<&str> {
    let fields = ["message", "Message", "originalMessage"];
    fields.into_iter().filter_map(|name| document[name].as_str()).find(|text| !text.trim().is_empty())
}

/// The type in a body: of an error, or of what a proxy made of one.
fn type_of(document: &Value) -> Option<&str> {
    [&document["__type"], &document["Output"]["__type"]].into_iter().find_map(Value::as_str)
}
