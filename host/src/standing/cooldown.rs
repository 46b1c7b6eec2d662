//! How long a target is to be left alone: it limited the rate, or said itself when it wants to be asked again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::ticks::Start;
use crate::config;

/// The cooldown of one target. Of several, the one that ends last counts; no success ends one early.
#[derive(Debug)]
pub struct Cooldown {
    options: config::Cooldown,
    start: Start,
    /// Milliseconds after the start.
    until: AtomicU64,
}

impl Cooldown {
    /// None yet.
    pub fn new(options: config::Cooldown, now: Instant) -> Self {
        Self { options, start: Start::new(now), until: AtomicU64::new(0) }
    }

    /// Begins one, as long as the target says, or as configured if it does not; never longer than configured.
    pub fn begin(&self, now: Instant, wait: Option<Duration>) {
        let wait = wait.unwrap_or(self.options.default).min(self.options.max);
        self.until.fetch_max(self.start.after(now, wait), Ordering::Relaxed);
    }

    /// How long it lasts yet, if it does.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.start.left(now, self.until.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
