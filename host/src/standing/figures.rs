//! What live traffic says of a target: how long its first token and a whole answer take, and how often it fails.

mod average;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::window::{Counts, Window};
use crate::config;
use average::Average;

/// The figures of one target at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// How many attempts have ended since the start, well or badly.
    pub samples: u64,
    /// Those of late.
    pub recent: Counts,
    /// How long the first token takes: a slow one raises it at once, time lowers it, also while there are none, so that
    /// a target that was slow once is tried again.
    pub first_token: Option<Duration>,
    /// How long a whole answer takes: a moving average.
    pub answer: Option<Duration>,
}

impl Figures {
    /// The share of recent attempts that failed, from 0 to 1.
    pub fn error_rate(&self) -> f64 {
        self.recent.error_rate()
    }
}

/// Where they are collected.
#[derive(Debug)]
pub struct Meter {
    samples: AtomicU64,
    recent: Window,
    first_token: Average,
    answer: Average,
}

impl Meter {
    /// Without any figures.
    pub fn new(options: &config::Figures, now: Instant) -> Self {
        Self {
            samples: AtomicU64::new(0),
            recent: Window::new(options.window, now),
            first_token: Average::peak(options.decay, now),
            answer: Average::moving(options.decay, now),
        }
    }

    /// The first token came after this time.
    pub fn first_token(&self, now: Instant, after: Duration) {
        self.first_token.record(now, after);
    }

    /// A whole answer came within this time.
    pub fn answer(&self, now: Instant, within: Duration) {
        self.answer.record(now, within);
    }

    /// An attempt ended.
    pub fn ended(&self, now: Instant, failed: bool) {
        self.samples.fetch_add(1, Ordering::Relaxed);
        self.recent.record(now, failed);
    }

    /// Forgets the recent attempts: what comes next is judged by itself.
    pub fn forget_recent(&self) {
        self.recent.clear();
    }

    /// The attempts of late.
    pub fn recent(&self, now: Instant) -> Counts {
        self.recent.counts(now)
    }

    /// Whether no attempt has ended yet.
    pub fn is_blank(&self) -> bool {
        self.samples.load(Ordering::Relaxed) == 0
    }

    /// The figures as they are.
    pub fn read(&self, now: Instant) -> Figures {
        Figures {
            samples: self.samples.load(Ordering::Relaxed),
            recent: self.recent.counts(now),
            first_token: self.first_token.read(now),
            answer: self.answer.read(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_for_what_was_told() {
        let begun = Instant::now();
        let meter = Meter::new(&config::Figures::default(), begun);
        assert_eq!(meter.read(begun), Figures::default());
        meter.first_token(begun, Duration::from_millis(250));
        meter.answer(begun, Duration::from_secs(2));
        [false, false, false, true].iter().for_each(|failed| meter.ended(begun, *failed));
        let figures = meter.read(begun);
        assert_eq!((figures.samples, figures.error_rate()), (4, 0.25));
        assert_eq!(
            (figures.first_token, figures.answer),
            (Some(Duration::from_millis(250)), Some(Duration::from_secs(2)))
        );
        meter.forget_recent();
        assert_eq!((meter.read(begun).samples, meter.read(begun).recent.total), (4, 0));
    }
}
