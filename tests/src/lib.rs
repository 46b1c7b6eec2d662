//! Weir seen from outside: what the black-box tests in `tests/tests/` are written with.
//!
//! A test starts one or more scripted upstreams ([`Upstream`]), the real `weir` binary ([`Gateway`]) with a [`Config`]
//! that names them, and speaks to it as a client does, by HTTP ([`Client`]) or byte by byte ([`Raw`]). Nothing here
//! knows the inside of the host: what is not visible on a socket, in the log or in a file is not tested here.
//!
//! No test sleeps. A test waits for something that it can see ([`bounded`] says how long at most), or opens a
//! [`Gate`] when the other side may go on.

pub mod chat;
mod client;
mod config;
mod dialect;
pub mod fleet;
mod gateway;
pub mod guests;
mod metrics;
mod raw;
pub mod reply;
mod script;
mod transcript;
mod upstream;

use std::future::Future;
use std::time::Duration;

pub use client::{Answer, Client, ErrorBody, Streaming};
pub use config::{ADMIN_KEY, Config, KEY, MODEL, Provider, UPSTREAM_SECRET};
pub use dialect::{COMPLETION_TOKENS, Dialect, PROMPT_TOKENS};
pub use gateway::{Finished, Gateway, Log, replace, run};
pub use metrics::Metrics;
pub use raw::Raw;
pub use rustix::process::Signal;
pub use script::{Gate, Script, Step};
pub use transcript::{End, ToolCall, Transcript};
pub use upstream::{Recorded, Upstream};

/// How long anything may take that is expected to happen. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that has to happen, and fails the test with `what` if it does not within [`PATIENCE`].
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(PATIENCE, what, future).await
}

/// Waits for something that has to happen within `limit`, and fails the test with `what` if it does not.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen within {limit:?}: {what}"),
    }
}
