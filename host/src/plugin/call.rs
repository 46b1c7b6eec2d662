//! The one place that every guest call goes through: it bounds the call's time, turns whatever goes wrong into an
//! error of that one request, and counts it.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use wasmtime::Trap;

use super::bindings::types::Failure;
use super::instance::DeadlineExceeded;
use super::limits::WAIT_FACTOR;
use crate::config::PluginLimits;
use crate::error::{Cause, Error};

/// The labels of the functions that the host calls, in the order of their numbers in the metrics.
pub const FUNCTIONS: [&str; 11] = [
    "instantiate",
    "configure",
    "encode",
    "decode",
    "stream-open",
    "stream-push",
    "stream-finish",
    "stream-park",
    "stream-unpark",
    "plan",
    "observe",
];

/// The functions that the host calls, by their label in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Instantiate,
    Configure,
    Encode,
    Decode,
    StreamOpen,
    StreamPush,
    StreamFinish,
    StreamPark,
    StreamUnpark,
    Plan,
    Observe,
}

impl Function {
    pub(super) const fn label(self) -> &'static str {
        FUNCTIONS[self as usize]
    }
}

/// Why a call gave no result.
#[derive(Debug)]
pub enum CallError {
    /// The plugin says so: what is wrong with the request, or with the upstream's answer.
    Failure(Failure),
    /// The plugin itself failed.
    Fault(Fault),
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A failure of the plugin itself. It never reaches past the request at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It executed for longer than its deadline.
    Deadline,
    /// It executed, slept and waited for its turn, for longer than some deadlines together.
    Overtime,
    /// It asked for more memory than it may have.
    Memory,
    /// It trapped: a panic, an overflow of its stack, a broken invariant. The text is wasmtime's.
    Trap(String),
    /// It returned more than it may.
    Output,
    /// As many instances as it may have are busy.
    Busy,
    /// It has failed so often that it is out of service for this long.
    Quarantined(Duration),
}

impl Fault {
    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Deadline | Self::Overtime => "deadline",
            Self::Memory => "memory",
            Self::Trap(_) => "trap",
            Self::Output => "output",
            Self::Busy => "busy",
            Self::Quarantined(_) => "quarantined",
        }
    }

    /// Whether the guest is to blame, so that it counts towards quarantine.
    pub(super) const fn is_guests(&self) -> bool {
        matches!(self, Self::Deadline | Self::Overtime | Self::Memory | Self::Trap(_) | Self::Output)
    }

    /// The answer to the client, naming the plugin, which the operator knows by its configured name.
    pub fn into_error(self, plugin: &str) -> Error {
        let (message, code) = match &self {
            Self::Deadline | Self::Overtime => {
                (format!("The plugin `{plugin}` ran over its deadline."), "plugin_deadline")
            }
            Self::Memory => (format!("The plugin `{plugin}` ran out of the memory it may use."), "plugin_memory"),
            Self::Trap(_) => (format!("The plugin `{plugin}` failed."), "plugin_trap"),
            Self::Output => (format!("The plugin `{plugin}` returned more than it may."), "plugin_output"),
            Self::Busy => (format!("All instances of the plugin `{plugin}` are busy."), "plugin_busy"),
            Self::Quarantined(_) => {
                (format!("The plugin `{plugin}` keeps failing and is out of service for now."), "plugin_quarantined")
            }
        };
        let error = Error::new(Cause::Plugin, message).with_code(code);
        match self {
            Self::Trap(detail) => error.with_detail(detail),
            Self::Busy => Error { status: hyper::StatusCode::SERVICE_UNAVAILABLE, ..error },
            Self::Quarantined(wait) => {
                Error { status: hyper::StatusCode::SERVICE_UNAVAILABLE, retry_after: Some(wait), ..error }
            }
            _ => error,
        }
    }
}

/// Awaits a guest call within its time. What it returns as an error makes the instance unusable.
pub(super) async fn bounded<T>(
    limits: &PluginLimits,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> (Result<T, Fault>, Duration) {
    let started = Instant::now();
    // Epochs bound the time that a guest executes; this bounds the time that it sleeps or waits for its turn. The
    // timer is only registered if the call does not return at once.
    let outcome = tokio::time::timeout(limits.call_deadline.saturating_mul(WAIT_FACTOR), pin!(call)).await;
    let result = match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(fault(&error)),
        Err(_) => Err(Fault::Overtime),
    };
    (result, started.elapsed())
}

fn fault(error: &wasmtime::Error) -> Fault {
    if error.is::<DeadlineExceeded>() {
        return Fault::Deadline;
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Fault::Trap("the plugin overflowed its stack".into());
    }
    Fault::Trap(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_its_own_label() {
        let last = Function::Observe;
        assert_eq!(last as usize + 1, FUNCTIONS.len());
        assert_eq!(last.label(), "observe");
        assert_eq!(Function::StreamFinish.label(), "stream-finish");
        assert_eq!(Function::Instantiate.label(), "instantiate");
    }

    #[test]
    fn a_fault_tells_the_client_which_plugin_and_keeps_the_trap_for_the_log() {
        let error = Fault::Trap("wasm trap: unreachable".into()).into_error("acme");
        assert!(error.message.contains("acme") && !error.message.contains("unreachable"));
        assert_eq!(error.detail.as_deref(), Some("wasm trap: unreachable"));
        assert_eq!(error.status, 500);
    }

    #[test]
    fn a_quarantined_plugin_is_503_with_the_time_to_wait() {
        let error = Fault::Quarantined(Duration::from_secs(3)).into_error("acme");
        assert_eq!((error.status.as_u16(), error.retry_after), (503, Some(Duration::from_secs(3))));
    }
}
