//! Why the server refuses a request before any handler reads it: a status and a sentence for the client.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use hyper::StatusCode;

use crate::error::{Cause, Error};

/// A request that broke the rules of HTTP, or a limit on its form.
///
/// For a broken head, the handler is called in place of the request, with this in [`super::Peer::refusal`]. For a
/// broken body, reading the body fails with an error that holds this: see [`Refusal::within`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with: 400, 405, 408, 431 or 505.
    pub status: StatusCode,
    /// What is wrong, for the client.
    pub message: &'static str,
}

impl Refusal {
    /// A request that does not follow the grammar: 400.
    pub(super) const fn malformed(message: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message }
    }

    /// A head with too many bytes or lines: 431.
    pub(super) const fn head_too_large(message: &'static str) -> Self {
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message }
    }

    /// A request that stopped coming: 408.
    pub(super) const fn too_slow(message: &'static str) -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, message }
    }

    /// Finds the refusal that made reading a request's body fail, if that was the reason.
    pub fn within(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut current = Some(error);
        while let Some(error) = current {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(*refusal);
            }
            // An `io::Error` keeps what it wraps out of its chain of sources.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(refusal) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<Self>()) {
                return Some(*refusal);
            }
            current = error.source();
        }
        None
    }

    /// The same as the error of a read.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match self.status {
            StatusCode::REQUEST_TIMEOUT => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.message)
    }
}

impl StdError for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let cause = match refusal.status {
            StatusCode::REQUEST_TIMEOUT => Cause::Timeout,
            _ => Cause::InvalidRequest,
        };
        Self::new(cause, refusal.message).with_status(refusal.status).with_kind("invalid_request_error")
    }
}
