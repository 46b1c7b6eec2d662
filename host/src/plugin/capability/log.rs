//! The capability `log`: lines in Weir's own log, cut and rate limited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::super::bindings::provider::weir::plugin::{log, types};
use super::super::instance::State;
use super::Capabilities;

/// A message is cut after so many bytes.
const LONGEST_MESSAGE: usize = 4 << 10;

impl types::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        self.capabilities.write(level, &message);
    }
}

impl Capabilities {
    /// Writes a line if the plugin has not used up its share of this second.
    pub(super) fn write(&self, level: log::Level, message: &str) {
        let Some(dropped) = self.log.take() else { return };
        let (plugin, request_id) = (&*self.plugin, &*self.request_id);
        if dropped > 0 {
            tracing::warn!(plugin, dropped, "the plugin logs too much: lines were dropped");
        }
        let message = cut(message);
        match level {
            log::Level::Debug => tracing::debug!(plugin, request_id, "{message}"),
            log::Level::Info => tracing::info!(plugin, request_id, "{message}"),
            log::Level::Warn => tracing::warn!(plugin, request_id, "{message}"),
            log::Level::Error => tracing::error!(plugin, request_id, "{message}"),
        }
    }
}

/// Lines that a plugin may write in the current second.
#[derive(Debug)]
pub(in super::super) struct LogBudget {
    started: Instant,
    per_second: u64,
    /// The current second in the upper half, the lines written in it in the lower half.
    window: AtomicU64,
    dropped: AtomicU64,
}

impl LogBudget {
    pub(in super::super) fn new(per_second: usize) -> Arc<Self> {
        let (window, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { started: Instant::now(), per_second: per_second as u64, window, dropped })
    }

    /// Takes one line from the budget: `Some` with the number of lines dropped since the last one that was let
    /// through, or `None` if this line is to be dropped too.
    fn take(&self) -> Option<u64> {
        let second = self.started.elapsed().as_secs() & 0xffff_ffff;
        let update = |window: u64| {
            let lines = if window >> 32 == second { window & 0xffff_ffff } else { 0 };
            (lines < self.per_second).then_some((second << 32) | (lines + 1))
        };
        if self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.dropped.swap(0, Ordering::Relaxed))
    }
}

fn cut(message: &str) -> &str {
    let mut end = message.len().min(LONGEST_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_budget_are_dropped_and_counted() {
        let budget = LogBudget::new(3);
        let taken = (0..100).filter(|_| budget.take().is_some()).count();
        // A second may end in between: then there are three more.
        assert!((3..=6).contains(&taken), "{taken} lines were let through");
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let message = "ä".repeat(LONGEST_MESSAGE);
        assert_eq!(cut(&message).len(), LONGEST_MESSAGE);
        assert_eq!(cut("short"), "short");
        let odd = format!("a{message}");
        assert_eq!(cut(&odd).len(), LONGEST_MESSAGE - 1);
    }
}
