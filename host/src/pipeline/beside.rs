//! What an upstream says beside its answer, as the client gets it: headers, and statuses that only clients of one
//! dialect understand.

use hyper::header::HeaderName;
use hyper::{HeaderMap, StatusCode};

use super::provider::Provider;
use super::work;
use crate::error::{Cause, Error};
use crate::plugin::Operation;
use crate::upstream::normalised_rate_limits;

/// How long the upstream says that it took, in milliseconds.
const PROCESSING_TIME: HeaderName = HeaderName::from_static("openai-processing-ms");

/// Where upstreams say by which id they know the request, and where clients are told: the names of the former are those
/// of the gateway's own id.
const REQUEST_IDS: [HeaderName; 2] = [HeaderName::from_static("request-id"), HeaderName::from_static("x-request-id")];
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// The upstream's word on whether to ask again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The headers that clients look for: the rate limits under the names of the OpenAI API, and under those of the dialect
/// that the upstream shares with the client; the time it took; its own id of the request.
pub(super) fn of_answer(provider: &Provider, operation: Operation, headers: &HeaderMap) -> HeaderMap {
    let mut passed = normalised_rate_limits(headers, provider.rate_limits());
    if let Some(took) = headers.get(PROCESSING_TIME) {
        passed.insert(PROCESSING_TIME, took.clone());
    }
    if let Some(id) = REQUEST_IDS.iter().find_map(|name| headers.get(name)) {
        passed.insert(UPSTREAM_REQUEST_ID, id.clone());
    }
    if let Some(native) = work::native(operation) {
        let own = headers.iter().filter(|(name, _)| native.has_header(name));
        passed.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    }
    passed
}

/// The same of an error, which also says whether to ask again.
pub(super) fn of_error(provider: &Provider, operation: Operation, headers: &HeaderMap) -> HeaderMap {
    let mut passed = of_answer(provider, operation, headers);
    if let Some(word) = headers.get(SHOULD_RETRY) {
        passed.insert(SHOULD_RETRY, word.clone());
    }
    passed
}

/// The error with the upstream's own status, if that means something to clients of the operation's dialect alone.
pub(super) fn with_status(error: Error, operation: Operation, status: StatusCode) -> Error {
    let means_something = work::native(operation).is_some_and(|native| native.has_status(status));
    if error.cause == Cause::Unavailable && means_something { error.with_status(status) } else { error }
}
