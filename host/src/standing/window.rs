//! How many attempts there were of late, and how many of them failed: a ring of ten buckets, each one atomic word.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::ticks::{Start, whole_milliseconds};

const BUCKETS: usize = 10;

/// Counts in a bucket that would grow past this are halved, both of them: their ratio is what matters.
const MOST: u64 = (1 << COUNT_BITS) - 1;
const COUNT_BITS: u32 = 20;
const MOST_TAG: u64 = u64::MAX >> (2 * COUNT_BITS);

/// Attempts and failures within a time that moves along. Looks back over nine to ten tenths of that time.
#[derive(Debug)]
pub struct Window {
    start: Start,
    /// How many milliseconds a bucket stands for.
    width: u64,
    buckets: [AtomicU64; BUCKETS],
}

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts.
    pub total: u64,
    /// Those that failed.
    pub failed: u64,
}

impl Counts {
    /// The share of failures, from 0 to 1. 0 without attempts.
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn error_rate(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.failed as f64 / self.total as f64 }
    }
}

impl Window {
    /// An empty window over this time.
    pub fn new(length: Duration, now: Instant) -> Self {
        let width = (whole_milliseconds(length) / BUCKETS as u64).max(1);
        Self { start: Start::new(now), width, buckets: Default::default() }
    }

    /// Counts an attempt.
    pub fn record(&self, now: Instant, failed: bool) {
        let number = self.number(now);
        let add = |word| Some(Bucket::unpack(word).at(number).plus(failed).pack());
        // The closure never refuses, so neither does this.
        let _before = self.bucket(number).fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What was counted of late.
    pub fn counts(&self, now: Instant) -> Counts {
        let newest = self.number(now);
        let buckets = self.buckets.iter().map(|bucket| Bucket::unpack(bucket.load(Ordering::Relaxed)));
        buckets.filter(|bucket| bucket.is_recent(newest)).fold(Counts::default(), |sum, bucket| Counts {
            total: sum.total + bucket.total,
            failed: sum.failed + bucket.failed,
        })
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }

    /// The number of the bucket for a time, counted from the start.
    fn number(&self, now: Instant) -> u64 {
        self.start.milliseconds(now) / self.width
    }

    #[allow(clippy::cast_possible_truncation, reason = "a remainder below ten")]
    fn bucket(&self, number: u64) -> &AtomicU64 {
        &self.buckets[(number % BUCKETS as u64) as usize]
    }
}

/// A word taken apart: the low bits of the bucket's number, so that what a round of the ring ago was counted is known
/// to be old, and the counts.
struct Bucket {
    tag: u64,
    total: u64,
    failed: u64,
}

impl Bucket {
    fn unpack(word: u64) -> Self {
        Self { tag: word >> (2 * COUNT_BITS), total: (word >> COUNT_BITS) & MOST, failed: word & MOST }
    }

    fn pack(&self) -> u64 {
        self.tag << (2 * COUNT_BITS) | self.total << COUNT_BITS | self.failed
    }

    /// The bucket of this number: itself, or an empty one if it is of another round.
    fn at(self, number: u64) -> Self {
        let tag = number & MOST_TAG;
        if self.tag == tag { self } else { Self { tag, total: 0, failed: 0 } }
    }

    /// Whether it is one of the last ones up to the one of this number.
    fn is_recent(&self, newest: u64) -> bool {
        (newest.wrapping_sub(self.tag) & MOST_TAG) < BUCKETS as u64
    }

    fn plus(self, failed: bool) -> Self {
        let halve = u32::from(self.total == MOST);
        Self { total: (self.total >> halve) + 1, failed: (self.failed >> halve) + u64::from(failed), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let begun = Instant::now();
        let window = Window::new(Duration::from_secs(10), begun);
        let at = |seconds| begun + Duration::from_secs(seconds);
        for second in 0..30 {
            window.record(at(second), second % 2 == 0);
        }
        for (second, total, failed) in [(29, 10, 5), (30, 9, 4), (35, 4, 2), (38, 1, 0), (39, 0, 0), (1_000_000, 0, 0)]
        {
            assert_eq!(window.counts(at(second)), Counts { total, failed }, "after {second} s");
        }
        window.record(at(60), true);
        window.clear();
        assert_eq!(window.counts(at(60)), Counts::default());
    }

    #[test]
    fn a_bucket_that_is_full_keeps_its_ratio() {
        let begun = Instant::now();
        let window = Window::new(Duration::from_secs(10), begun);
        for attempt in 0..1_200_000_u32 {
            window.record(begun, attempt.is_multiple_of(4));
        }
        let counts = window.counts(begun);
        assert!(counts.total >= 1 << 19 && (counts.error_rate() - 0.25).abs() < 0.001, "{counts:?}");
    }

    #[test]
    fn threads_lose_no_count() {
        let begun = Instant::now();
        let window = Window::new(Duration::from_secs(10), begun);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let window = &window;
                scope.spawn(move || (0..10_000).for_each(|_| window.record(begun, thread == 0)));
            }
        });
        assert_eq!(window.counts(begun), Counts { total: 40_000, failed: 10_000 });
    }

    #[test]
    fn the_rate_is_the_share_of_failures() {
        for (total, failed, rate) in [(0, 0, 0.0), (4, 1, 0.25), (3, 3, 1.0)] {
            assert!((Counts { total, failed }.error_rate() - rate).abs() < f64::EPSILON);
        }
    }
}
