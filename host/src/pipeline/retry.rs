//! Whether and when an attempt is made again, and the budget that keeps retries from multiplying an outage.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::Retries;
use crate::error::Error;

/// Thousandths of a retry: what one request adds to the budget is a fraction.
const RETRY: i64 = 1_000;

/// Unused retries add up to this many.
const RESERVE: i64 = 10 * RETRY;

/// How long to wait before the next attempt, after `made` attempts; `None` if there is to be none.
pub(super) fn wait(error: &Error, made: u32, retries: &Retries) -> Option<Duration> {
    if !error.retryable || made >= retries.attempts {
        return None;
    }
    match error.retry_after {
        // A client is better served with the upstream's own word than with a connection that stays silent for long.
        Some(after) if after > retries.max_backoff => None,
        Some(after) => Some(after),
        None => Some(backoff(made, retries)),
    }
}

/// Exponential, with full jitter above half of it, so that clients that failed together do not return together.
fn backoff(made: u32, retries: &Retries) -> Duration {
    let doubled = retries.backoff.saturating_mul(1 << made.saturating_sub(1).min(16));
    doubled.min(retries.max_backoff).mul_f64(fastrand::f64().mul_add(0.5, 0.5))
}

/// Retries that one provider may still make. Every request adds a fraction of one, every second some more, so that a
/// provider that is hardly used may retry too; every retry takes one.
#[derive(Debug)]
pub struct Budget {
    share: i64,
    /// Thousandths of a retry for each second.
    per_second: f64,
    started: Instant,
    /// The second up to which the seconds were counted.
    counted: AtomicU64,
    left: AtomicI64,
}

impl Budget {
    /// A full budget.
    pub(super) fn new(retries: &Retries) -> Self {
        let share = thousandths(retries.budget_ratio.clamp(0.0, 1.0));
        let per_second = retries.budget_min_per_second.max(0.0);
        Self { share, per_second, started: Instant::now(), counted: AtomicU64::new(0), left: AtomicI64::new(RESERVE) }
    }

    /// Takes note of a request.
    pub(super) fn deposit(&self) {
        self.add(self.share);
    }

    /// Takes a retry from the budget, if there is one left.
    pub(super) fn withdraw(&self) -> bool {
        let now = self.started.elapsed().as_secs();
        let counted = self.counted.swap(now, Ordering::Relaxed);
        self.add(thousandths(self.per_second * now.saturating_sub(counted) as f64));
        let take = |left: i64| (left >= RETRY).then_some(left - RETRY);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn add(&self, thousandths: i64) {
        let left = self.left.load(Ordering::Relaxed);
        if left < RESERVE {
            self.left.store(left.saturating_add(thousandths).min(RESERVE), Ordering::Relaxed);
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a float beyond the integers saturates, which is what is meant")]
fn thousandths(retries: f64) -> i64 {
    (retries * RETRY as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    fn retries() -> Retries {
        Retries { attempts: 3, ..Retries::default() }
    }

    #[test]
    fn only_errors_that_may_pass_are_retried() {
        let passing = Error::new(Cause::Unavailable, "busy").retryable(None);
        assert!(wait(&passing, 1, &retries()).is_some());
        assert!(wait(&passing, 2, &retries()).is_some());
        assert_eq!(wait(&passing, 3, &retries()), None);
        assert_eq!(wait(&Error::invalid_request("no"), 1, &retries()), None);
    }

    #[test]
    fn the_upstreams_own_wait_is_kept_to_if_it_is_short() {
        let soon = Error::new(Cause::RateLimit, "slow down").retryable(Some(Duration::from_secs(1)));
        assert_eq!(wait(&soon, 1, &retries()), Some(Duration::from_secs(1)));
        let late = Error::new(Cause::RateLimit, "slow down").retryable(Some(Duration::from_secs(3600)));
        assert_eq!(wait(&late, 1, &retries()), None);
    }

    #[test]
    fn a_budget_runs_out_and_fills_with_requests() {
        let retries = Retries { budget_ratio: 0.5, budget_min_per_second: 0.0, ..retries() };
        let budget = Budget::new(&retries);
        let first = (0..100).filter(|_| budget.withdraw()).count();
        assert_eq!(first, 10);
        (0..4).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 2);
    }

    #[test]
    fn backoff_grows_and_stays_within_its_limit() {
        let retries = retries();
        for made in 1..40 {
            let wait = backoff(made, &retries);
            assert!(wait <= retries.max_backoff && wait >= retries.backoff / 2, "{made}: {wait:?}");
        }
    }
}
