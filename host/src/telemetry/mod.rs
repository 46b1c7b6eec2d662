//! The records: figures for Prometheus and lines in the log. Used by all, uses none.
//!
//! Both are written behind the request: a figure is an atomic addition on a handle that was looked up beforehand, and
//! a log line goes into a queue that a thread of its own empties.

mod format;
mod log;
mod metrics;
mod process;
mod writer;

pub use format::rfc_3339;
pub use log::{LogFormat, LogGuard, LogOptions, start_log};
pub use metrics::{
    Connections, Metrics, OpenConnection, PluginMetrics, PolicyMetrics, ProviderMetrics, Shed, UpstreamConnections,
};
pub use process::resident_bytes;
