//! Whether and when an attempt is made again, and the budget that keeps retries from multiplying an outage.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::config::Retries;
use crate::error::Error;

/// Thousandths of a retry: what one request adds to the budget is a fraction.
const RETRY: i64 = 1_000;

/// A provider that is hardly used may still retry this often in a row.
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

/// Retries that one provider may still make. Every request adds a fraction of one, every retry takes one.
#[derive(Debug)]
pub struct Budget {
    share: i64,
    left: AtomicI64,
}

impl Budget {
    /// A budget of `ratio` retries for each request.
    pub(super) fn new(ratio: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "a ratio of at most 1")]
        let share = (ratio.clamp(0.0, 1.0) * RETRY as f64) as i64;
        Self { share, left: AtomicI64::new(RESERVE) }
    }

    /// Takes note of a request.
    pub(super) fn deposit(&self) {
        let left = self.left.load(Ordering::Relaxed);
        if left < RESERVE {
            self.left.store((left + self.share).min(RESERVE), Ordering::Relaxed);
        }
    }

    /// Takes a retry from the budget, if there is one left.
    pub(super) fn withdraw(&self) -> bool {
        let take = |left: i64| (left >= RETRY).then_some(left - RETRY);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
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
        let budget = Budget::new(0.5);
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
