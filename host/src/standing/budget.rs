//! How many attempts may be made beyond the first ones: budgets that keep retries, and requests that are doubled, from
//! multiplying the load on an upstream that is slow or failing already.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::time::Instant;

use super::ticks::Start;
use crate::config;

/// Thousandths of an attempt: what one request adds to a budget is a fraction.
const ATTEMPT: i64 = 1_000;

/// Retries that are not made add up to so many, hedged requests to so many.
const RETRIES: i64 = 10 * ATTEMPT;
const HEDGES: i64 = 3 * ATTEMPT;

/// Attempts that may still be made. Every request adds a fraction of one, every second some more, so that a provider
/// that is hardly used may retry too; every attempt takes one. It never holds more than its reserve, so that in any
/// time at most `ratio × requests + rate × seconds + reserve` are made.
#[derive(Debug)]
pub struct Budget {
    share: i64,
    /// Thousandths of an attempt for each second.
    per_second: f64,
    reserve: i64,
    start: Start,
    /// The second up to which the seconds were counted.
    counted: AtomicU64,
    left: AtomicI64,
}

impl Budget {
    /// A full budget of retries.
    pub fn of_retries(retries: &config::Retries, now: Instant) -> Self {
        Self::new(retries.budget_ratio, retries.budget_min_per_second, RETRIES, now)
    }

    /// A full budget of second requests beside the first ones.
    pub fn of_hedges(hedging: &config::Hedging, now: Instant) -> Self {
        // Who wants none of them means the first as well.
        let reserve = if hedging.ratio > 0.0 { HEDGES } else { 0 };
        Self::new(hedging.ratio, 0.0, reserve, now)
    }

    fn new(ratio: f64, per_second: f64, reserve: i64, now: Instant) -> Self {
        Self {
            share: thousandths(ratio.clamp(0.0, 1.0)),
            per_second: per_second.max(0.0),
            reserve,
            start: Start::new(now),
            counted: AtomicU64::new(0),
            left: AtomicI64::new(reserve),
        }
    }

    /// Takes note of a request.
    pub fn deposit(&self) {
        self.add(self.share);
    }

    /// Takes an attempt from the budget, if there is one left.
    pub fn withdraw(&self, now: Instant) -> bool {
        let second = self.start.milliseconds(now) / 1_000;
        // The largest counts, so that no second is counted twice when threads come in another order than their times.
        let seconds = second.saturating_sub(self.counted.fetch_max(second, Ordering::Relaxed));
        if seconds > 0 {
            self.add(thousandths(self.per_second * seconds as f64));
        }
        let take = |left: i64| (left >= ATTEMPT).then_some(left - ATTEMPT);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn add(&self, thousandths: i64) {
        let add = |left: i64| (left < self.reserve).then(|| left.saturating_add(thousandths).min(self.reserve));
        // Refused when it is full, as it mostly is: then there is nothing to do, and nothing is written.
        let _before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a float beyond the integers saturates, which is what is meant")]
fn thousandths(attempts: f64) -> i64 {
    (attempts * ATTEMPT as f64) as i64
}

#[cfg(test)]
mod tests;
