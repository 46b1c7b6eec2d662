//! What can go wrong on the way to an upstream and back, as [`Error`]s: one place for their words. No URL, header or
//! body is quoted in any of them.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use hyper::StatusCode;
use hyper_util::client::legacy;

use super::connections::Full;
use super::encoding::DecodeError;
use crate::error::{Cause, Error};

/// How long a client is told to wait for a connection when all are in use.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// A plugin's request that cannot be sent. The reason goes to the log.
pub(super) fn request_refused(reason: impl Into<String>) -> Error {
    Error::new(Cause::Plugin, "The provider's plugin made a request that cannot be sent.").with_detail(reason)
}

/// A request that has to be signed, and a provider without credentials. An operator has to act.
pub(super) fn nothing_to_sign_with(provider: &str) -> Error {
    let text = format!(
        "The provider `{provider}` has neither AWS credentials nor an API key: its configuration needs `aws`, with a \
         `region`, an `access_key_id` and a `secret_access_key`, or an `api_key`."
    );
    Error::new(Cause::Authentication, text)
}

/// The call failed before the head of an answer was there. It is worth another try unless the upstream did answer.
pub(super) fn before_answer(provider: &str, error: &legacy::Error) -> Error {
    let detail = chain(error);
    let found = |test: fn(&hyper::Error) -> bool| causes(error).filter_map(<dyn StdError>::downcast_ref).any(test);
    let timed_out = causes(error)
        .filter_map(<dyn StdError>::downcast_ref::<io::Error>)
        .any(|error| error.kind() == io::ErrorKind::TimedOut);
    if causes(error).any(<dyn StdError>::is::<Full>) {
        let text = format!("The upstream of provider `{provider}` has as many connections as it may have.");
        let error = Error::new(Cause::Overloaded, text).with_code("target_full").with_detail(detail);
        return Error { retry_after: Some(WHEN_FULL), ..error };
    }
    let failure = if error.is_connect() && timed_out {
        let text = format!("The upstream of provider `{provider}` could not be reached in time.");
        Error::new(Cause::Timeout, text).retryable(None)
    } else if error.is_connect() {
        let text = format!("The upstream of provider `{provider}` could not be reached.");
        Error::new(Cause::Connection, text).retryable(None)
    } else if found(hyper::Error::is_parse) {
        Error::new(Cause::BadAnswer, format!("The upstream of provider `{provider}` did not answer in valid HTTP."))
    } else if found(hyper::Error::is_timeout) || timed_out {
        Error::new(Cause::Timeout, format!("The upstream of provider `{provider}` went silent.")).retryable(None)
    } else {
        let text = format!("The upstream of provider `{provider}` closed the connection before it answered.");
        Error::new(Cause::Connection, text).retryable(None)
    };
    failure.with_detail(detail)
}

/// A redirect. Following it would take the prompt and the credential to where the operator did not send them.
pub(super) fn redirect(status: StatusCode, host: Option<&str>) -> Error {
    let detail = format!("status {} to host {}", status.as_u16(), host.unwrap_or("(none given)"));
    Error::new(Cause::BadAnswer, "The upstream answered with a redirect, which is not followed.").with_detail(detail)
}

/// A change of protocol that nobody asked for.
pub(super) fn switched_protocols() -> Error {
    Error::new(Cause::BadAnswer, "The upstream answered with a change of protocol, which was not asked for.")
}

/// The body broke off.
pub(super) fn during_answer(error: &hyper::Error) -> Error {
    Error::new(Cause::BadAnswer, "The upstream ended its answer early.").with_detail(chain(error))
}

/// Nothing more came.
pub(super) fn idle(time: Duration) -> Error {
    let detail = format!("no byte of the body for {} ms", time.as_millis());
    Error::new(Cause::Timeout, "The upstream stopped sending in the middle of its answer.").with_detail(detail)
}

/// The body is larger than what may be held.
pub(super) fn body_too_large(limit: usize) -> Error {
    Error::new(Cause::BadAnswer, format!("The upstream's answer is larger than {limit} bytes."))
}

/// One event is larger than what may be held.
pub(super) fn event_too_large(limit: usize) -> Error {
    Error::new(Cause::BadAnswer, format!("The upstream sent an event that is larger than {limit} bytes."))
}

/// An event with bytes that are no text.
pub(super) fn not_utf8() -> Error {
    Error::new(Cause::BadAnswer, "The upstream sent an event that is not valid UTF-8.")
}

/// A binary frame that did not arrive as it was sent. The reason goes to the log.
pub(super) fn damaged_frame(reason: &str) -> Error {
    Error::new(Cause::BadAnswer, "The upstream sent an event that is damaged.").with_detail(reason)
}

/// The end of the stream inside a binary frame.
pub(super) fn cut_frame() -> Error {
    Error::new(Cause::BadAnswer, "The upstream ended its answer early.").with_detail("the last frame is cut off")
}

/// A `Content-Encoding` that nobody asked for and nobody can read.
pub(super) fn unknown_encoding(name: &str) -> Error {
    let text = format!("The upstream's answer has the content encoding `{name}`, which is not supported.");
    Error::new(Cause::BadAnswer, text)
}

/// The body could not be decompressed.
pub(super) fn decoding(error: &DecodeError, limit: usize) -> Error {
    match error {
        DecodeError::TooLarge => body_too_large(limit),
        DecodeError::Truncated => {
            Error::new(Cause::BadAnswer, "The upstream ended its answer early.").with_detail(error.to_string())
        }
        DecodeError::Corrupt(_) => Error::new(Cause::BadAnswer, "The upstream's answer could not be decompressed.")
            .with_detail(error.to_string()),
    }
}

/// An error and what is behind it.
pub(super) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error and what is behind it in one line. Errors that repeat the text of their source are said once.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error).map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}
