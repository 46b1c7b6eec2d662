//! Errors of Google's APIs. Their shape is one that the SDK reads; this adds what only Google means by it.

use weir_plugin::{Failure, FailureKind, openai};

/// What an error tells, by the status of the answer and its body. A status of 2xx means nothing: an event in the
/// middle of a stream tells by itself what went wrong.
pub fn of(status: u16, body: &str) -> Failure {
    let failure = openai::failure(status, body);
    // A wrong, expired or missing key is a 400 here, and only the reason in the details tells it apart for sure.
    if body.contains("\"API_KEY_INVALID\"") {
        return Failure { kind: FailureKind::Unauthorized, retryable: false, ..failure }.with_code("invalid_api_key");
    }
    // This account cannot do it: a country that is not served, a project without billing. Another provider may.
    if failure.kind == FailureKind::InvalidRequest && body.contains("\"FAILED_PRECONDITION\"") {
        return Failure { kind: FailureKind::Unsupported, ..failure }.with_code("failed_precondition");
    }
    failure
}
