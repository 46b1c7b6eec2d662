//! For which part of the last 24 hours a target was not unhealthy. Reckoned from the changes, not from samples.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::ticks::Start;

/// Buckets of five minutes, so many that they make 24 hours.
const WIDTH: u64 = 5 * 60 * 1_000;
const BUCKETS: usize = 288;
const DAY: u64 = WIDTH * BUCKETS as u64;

/// The bits of a bucket for the milliseconds that the target was down in it.
const DOWN: u32 = 24;

/// The uptime of one target.
#[derive(Debug)]
pub struct Uptime {
    start: Start,
    /// The change that the time is reckoned from: the millisecond, and in the lowest bit whether the target is down.
    since: AtomicU64,
    /// The millisecond at which being down ends by itself; the largest number if it does not.
    down_until: AtomicU64,
    /// Each the number of its five minutes since the start, and how many milliseconds of them the target was down.
    buckets: Box<[AtomicU64]>,
}

/// A part of a time, from 0 to 1. Displays as `99.95%`, never rounded up: `100.00%` is never down.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Fraction(f64);

impl Fraction {
    /// All of it.
    pub const WHOLE: Self = Self(1.0);

    /// From 0 to 1.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The mean. The whole if there are none.
    pub fn mean(fractions: impl IntoIterator<Item = Self>) -> Self {
        let (sum, count) = fractions.into_iter().fold((0.0, 0.0), |(sum, count), one| (sum + one.0, count + 1.0));
        if count == 0.0 { Self::WHOLE } else { Self(sum / count) }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The small addition makes up for what floats lose: 0.9995 is a little less than that.
        write!(formatter, "{:.2}%", (self.0 * 10_000.0 + 1e-6).floor() / 100.0)
    }
}

impl Uptime {
    /// Up, from now on.
    pub fn new(now: Instant) -> Self {
        Self {
            start: Start::new(now),
            since: AtomicU64::new(0),
            down_until: AtomicU64::new(u64::MAX),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// From now on it is up.
    pub fn up(&self, now: Instant) {
        self.change(now, false, u64::MAX);
    }

    /// From now on it is down, until this time ends, unless somebody says otherwise.
    pub fn down(&self, now: Instant, until: Instant) {
        let until = self.start.milliseconds(until);
        self.change(now, true, until);
    }

    /// The part of the last 24 hours, or of the time since the start if that is shorter, in which it was up.
    pub fn fraction(&self, now: Instant) -> Fraction {
        let now_at = self.start.milliseconds(now);
        let word = self.since.load(Ordering::Acquire);
        let down = self.down_before(now_at) + self.down_since(word, now_at);
        // The bucket that the day began in counts in full or not at all.
        let oldest = (now_at / WIDTH).saturating_sub(BUCKETS as u64 - 1) * WIDTH;
        let length = now_at - oldest;
        if length == 0 { Fraction::WHOLE } else { Fraction(1.0 - down.min(length) as f64 / length as f64) }
    }

    fn change(&self, now: Instant, down: bool, until: u64) {
        let now = self.start.milliseconds(now);
        let before = self.since.load(Ordering::Acquire);
        let (since, was_down) = (before >> 1, before & 1 == 1);
        // Up stays up without a new beginning; what comes late by a hair must not go back in time.
        if now < since || (!down && !was_down) {
            return;
        }
        // Whoever makes the change books what was before it, so that it is booked once.
        let next = now << 1 | u64::from(down);
        let until_before = self.down_until.load(Ordering::Acquire);
        if self.since.compare_exchange(before, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.down_until.store(until, Ordering::Release);
            if was_down {
                self.book(since, now.min(until_before));
            }
        }
    }

    /// Writes a time that it was down into the buckets. Of a time longer than a day, the last day.
    fn book(&self, from: u64, to: u64) {
        let mut from = from.max(to.saturating_sub(DAY));
        while from < to {
            let number = from / WIDTH;
            let end = to.min((number + 1) * WIDTH);
            let add = |word: u64| {
                let counted = if word >> DOWN == number { word & ((1 << DOWN) - 1) } else { 0 };
                Some(number << DOWN | (counted + (end - from)).min(WIDTH))
            };
            // The closure never refuses, so neither does this.
            let _before = self.bucket(number).fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            from = end;
        }
    }

    /// The milliseconds down that are in the buckets.
    fn down_before(&self, now: u64) -> u64 {
        let newest = now / WIDTH;
        let oldest = newest.saturating_sub(BUCKETS as u64 - 1);
        let words = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        words.filter(|word| (oldest..=newest).contains(&(word >> DOWN))).map(|word| word & ((1 << DOWN) - 1)).sum()
    }

    /// The milliseconds down that are not in the buckets yet.
    fn down_since(&self, word: u64, now: u64) -> u64 {
        if word & 1 == 0 {
            return 0;
        }
        let oldest = (now / WIDTH).saturating_sub(BUCKETS as u64 - 1) * WIDTH;
        now.min(self.down_until.load(Ordering::Acquire)).saturating_sub((word >> 1).max(oldest))
    }

    #[allow(clippy::cast_possible_truncation, reason = "a remainder below 288")]
    fn bucket(&self, number: u64) -> &AtomicU64 {
        &self.buckets[(number % BUCKETS as u64) as usize]
    }
}

#[cfg(test)]
mod tests;
