//! Turns what plugins and upstreams say of failures into the one error type.

use std::time::Duration;

use hyper::StatusCode;

use super::attempt::LONGEST_MESSAGE;
use super::provider::Provider;
use crate::error::{Cause, Error};
use crate::plugin::{CallError, Failure, FailureKind};
use crate::upstream::RetryHint;

/// The error of a plugin call that concerns no upstream answer.
pub(super) fn of_call(provider: &Provider, error: CallError) -> Error {
    match error {
        CallError::Failure(failure) => of_upstream(failure, None, RetryHint::default()),
        CallError::Fault(fault) => provider.plugin().fault_error(fault),
    }
}

/// The error of a plugin call about an answer that began well.
pub(super) fn of_answer(provider: &Provider, error: CallError, status: &Option<StatusCode>) -> Error {
    match error {
        CallError::Failure(failure) => of_upstream(failure, *status, RetryHint::default()),
        CallError::Fault(fault) => provider.plugin().fault_error(fault),
    }
}

/// The error for a failure that a plugin reports, with what the upstream's status and headers add to it.
pub(super) fn of_upstream(failure: Failure, upstream: Option<StatusCode>, hint: RetryHint) -> Error {
    let cause = cause(failure.kind);
    if failure.kind == FailureKind::Internal {
        let error = Error::new(Cause::Plugin, "The provider's plugin failed while it handled this request.");
        return error.with_detail(failure.message);
    }
    let mut error = Error::new(cause, cut(failure.message));
    error.status = status(failure.kind, upstream).unwrap_or(error.status);
    if let Some(code) = failure.code {
        error = error.with_code(code);
    }
    if let Some(kind) = failure.type_ {
        error = error.with_kind(kind);
    }
    error.param = failure.param;
    // The upstream's own word on whether to try again goes first.
    error.retryable = hint.should_retry.unwrap_or(failure.retryable);
    error.retry_after = hint.after.or(failure.retry_after_ms.map(Duration::from_millis));
    error
}

/// The upstream sent no answer in time.
pub(super) fn silent(provider: &Provider, limit: Duration) -> Error {
    let message =
        format!("The provider `{}` did not begin to answer within {} s.", provider.name(), limit.as_secs_f32());
    Error::new(Cause::Timeout, message).retryable(None)
}

/// The plugin broke the contract.
pub(super) fn broken_plugin(provider: &Provider, detail: &str) -> Error {
    let name = &provider.plugin().generation().name;
    Error::new(Cause::Plugin, format!("The plugin `{name}` broke its contract.")).with_detail(detail)
}

fn cause(kind: FailureKind) -> Cause {
    match kind {
        FailureKind::InvalidRequest => Cause::InvalidRequest,
        FailureKind::Unsupported => Cause::Unsupported,
        FailureKind::Unauthorized => Cause::Authentication,
        FailureKind::Forbidden => Cause::Permission,
        FailureKind::NotFound => Cause::NotFound,
        FailureKind::RateLimited => Cause::RateLimit,
        FailureKind::ContextLengthExceeded => Cause::ContextLength,
        FailureKind::Unavailable => Cause::Unavailable,
        FailureKind::Blocked => Cause::ContentFilter,
        FailureKind::BadAnswer => Cause::BadAnswer,
        FailureKind::Internal => Cause::Plugin,
    }
}

/// The upstream's status where it says more than the kind of failure does. A 4xx stays a 4xx: SDKs would repeat a 5xx.
fn status(kind: FailureKind, upstream: Option<StatusCode>) -> Option<StatusCode> {
    let upstream = upstream?;
    match kind {
        FailureKind::InvalidRequest | FailureKind::Unsupported | FailureKind::Blocked => {
            upstream.is_client_error().then_some(upstream)
        }
        FailureKind::Unavailable => match upstream.as_u16() {
            408 | 500 | 502..=504 => Some(upstream),
            _ => None,
        },
        _ => None,
    }
}

fn cut(mut message: String) -> String {
    let mut end = message.len().min(LONGEST_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind) -> Failure {
        Failure {
            kind,
            message: "text".into(),
            code: None,
            type_: None,
            param: None,
            retryable: false,
            retry_after_ms: None,
        }
    }

    #[test]
    fn the_status_follows_the_kind_and_keeps_the_upstreams_where_it_says_more() {
        let cases = [
            (FailureKind::InvalidRequest, Some(422), 422),
            (FailureKind::InvalidRequest, Some(402), 402),
            (FailureKind::InvalidRequest, None, 400),
            (FailureKind::Unauthorized, Some(400), 401),
            (FailureKind::RateLimited, Some(400), 429),
            (FailureKind::ContextLengthExceeded, Some(500), 400),
            (FailureKind::Unavailable, Some(529), 503),
            (FailureKind::Unavailable, Some(500), 500),
            (FailureKind::Unavailable, Some(504), 504),
            (FailureKind::BadAnswer, Some(400), 502),
        ];
        for (kind, upstream, expected) in cases {
            let upstream = upstream.and_then(|status: u16| StatusCode::from_u16(status).ok());
            let error = of_upstream(failure(kind), upstream, RetryHint::default());
            assert_eq!(error.status.as_u16(), expected, "{kind:?} {upstream:?}");
        }
    }

    #[test]
    fn an_internal_failure_keeps_its_text_from_the_client() {
        let error = of_upstream(failure(FailureKind::Internal), None, RetryHint::default());
        assert!(!error.message.contains("text"));
        assert_eq!(error.detail.as_deref(), Some("text"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("é".repeat(LONGEST_MESSAGE)).len(), LONGEST_MESSAGE);
    }
}
