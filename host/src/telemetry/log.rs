//! The log: which lines are written, and in which form.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::format::{Json, dropped_as_json};
use super::writer::Queue;

/// Libraries whose detailed lines would hold URLs or headers, and with them secrets.
const QUIET: [&str; 6] = ["hyper=warn", "hyper_util=warn", "h2=warn", "rustls=warn", "cranelift=warn", "wasmtime=warn"];

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or several for parts of the program with commas
    /// between: `info,weir::plugin=debug`.
    pub level: String,
    /// The form of the lines.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Keeps the log's thread alive. [`LogGuard::flush`] before the process ends.
pub struct LogGuard(Queue);

impl LogGuard {
    /// Waits until every line is written, for two seconds at most.
    pub fn flush(self) {
        let _ = self.0.flush();
    }
}

/// Starts the log, once per process.
pub fn start_log(options: &LogOptions) -> LogGuard {
    let is_text = match options.format {
        LogFormat::Json => false,
        LogFormat::Text => true,
        LogFormat::Auto => std::io::stdout().is_terminal(),
    };
    let queue = Queue::start(if is_text { dropped_as_text } else { dropped_as_json });
    let registry = tracing_subscriber::registry().with(filter(&options.level));
    let started = if is_text {
        let writer = queue.clone();
        registry.with(tracing_subscriber::fmt::layer().with_writer(move || writer.line())).try_init()
    } else {
        registry.with(Json::new(queue.clone())).try_init()
    };
    if let Err(error) = started {
        eprintln!("weir: the log cannot be started: {error}");
    }
    LogGuard(queue)
}

fn dropped_as_text(lines: u64) -> String {
    format!("WARN weir::telemetry: {lines} log lines were dropped\n")
}

/// The operator's filter, with the libraries kept quiet whatever it says.
fn filter(level: &str) -> EnvFilter {
    let directives = std::iter::once(level).chain(QUIET).collect::<Vec<_>>().join(",");
    EnvFilter::builder().parse_lossy(directives)
}
