//! What active checks say: somebody asks the provider now and then, and tells the answer here. Nothing of this is on
//! the path of a request but one read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use crate::config;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 200;

/// The results of the checks of a provider, which hold for all its targets.
#[derive(Debug)]
pub struct Checks {
    options: config::HealthChecks,
    latest: ArcSwapOption<Check>,
}

/// The latest check, and what it and those before it come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When its answer came.
    pub at: SystemTime,
    /// How long that took.
    pub took: Duration,
    /// Why it failed; `None` if it did not.
    pub error: Option<String>,
    /// How many in a row ended as it did.
    pub in_a_row: u32,
    /// Whether the provider counts as failing: from `fall` bad ones in a row until `rise` good ones.
    pub failing: bool,
    told: Instant,
}

impl Checks {
    /// None made yet.
    pub fn new(options: config::HealthChecks) -> Self {
        Self { options, latest: ArcSwapOption::empty() }
    }

    /// Takes note of a check that ended `now` and took so long. The reason may be shown to operators: it must hold no
    /// secret and no prompt. Returns whether the provider counts as failing.
    pub fn checked(&self, now: Instant, took: Duration, result: Result<(), String>) -> bool {
        let error = result.err().map(|reason| reason.chars().take(LONGEST_REASON).collect::<String>());
        let at = SystemTime::now();
        let mut failing = false;
        self.latest.rcu(|before| {
            let before = before.as_deref();
            let same = before.filter(|before| before.error.is_some() == error.is_some());
            let in_a_row = same.map_or(1, |before| before.in_a_row.saturating_add(1));
            failing = match (before.is_some_and(|before| before.failing), &error) {
                (false, Some(_)) => in_a_row >= self.options.fall,
                (true, None) => in_a_row < self.options.rise,
                (failing, _) => failing,
            };
            Some(Arc::new(Check { at, took, error: error.clone(), in_a_row, failing, told: now }))
        });
        failing
    }

    /// The latest one, however old.
    pub fn latest(&self) -> Option<Arc<Check>> {
        self.latest.load_full()
    }

    /// The latest one, if it still counts.
    pub fn current(&self, now: Instant) -> Option<Arc<Check>> {
        let latest = self.latest.load();
        let current = latest.as_ref().filter(|check| self.counts(check, now));
        current.map(Arc::clone)
    }

    /// Forgets what was found: the next check begins from nothing.
    pub fn clear(&self) {
        self.latest.store(None);
    }

    /// What the latest one that counts says, in few instructions: whether it was well, and whether the provider fails.
    pub(super) fn summary(&self, now: Instant) -> Option<(bool, bool)> {
        let latest = self.latest.load();
        let current = latest.as_ref().filter(|check| self.counts(check, now));
        current.map(|check| (check.error.is_none(), check.failing))
    }

    /// Until when the provider counts as failing if no other check comes; `None` if it does not.
    pub(super) fn failing_until(&self, now: Instant) -> Option<Instant> {
        let latest = self.latest.load();
        let failing = latest.as_ref().filter(|check| check.failing && self.counts(check, now));
        failing.and_then(|check| check.told.checked_add(self.options.ttl))
    }

    fn counts(&self, check: &Check, now: Instant) -> bool {
        now.saturating_duration_since(check.told) < self.options.ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Checks {
        Checks::new(config::HealthChecks { rise: 2, fall: 3, ..config::HealthChecks::default() })
    }

    #[test]
    fn a_provider_fails_after_so_many_bad_checks_and_is_back_after_so_many_good_ones() {
        // Each letter is a check, `+` well and `-` badly; below it whether the provider counts as failing after it.
        let checks = checks();
        let now = Instant::now();
        let results = "+-+--+---+--+-+++--";
        let expected = "........!!!!!!!....";
        let found: String = results
            .chars()
            .map(|result| if result == '+' { Ok(()) } else { Err("503".to_owned()) })
            .map(|result| if checks.checked(now, Duration::ZERO, result) { '!' } else { '.' })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_result_counts_until_it_is_too_old_or_cleared() {
        let (checks, now) = (checks(), Instant::now());
        assert_eq!(checks.summary(now), None);
        checks.checked(now, Duration::from_millis(20), Ok(()));
        assert_eq!(checks.summary(now + Duration::from_secs(299)), Some((true, false)));
        assert_eq!(checks.summary(now + Duration::from_secs(300)), None);
        assert_eq!(checks.latest().map(|check| check.took), Some(Duration::from_millis(20)));
        checks.clear();
        assert_eq!(checks.latest(), None);
    }

    #[test]
    fn a_long_reason_is_cut() {
        let (checks, now) = (checks(), Instant::now());
        checks.checked(now, Duration::ZERO, Err("é".repeat(10_000)));
        assert_eq!(checks.current(now).unwrap().error.as_ref().unwrap().chars().count(), LONGEST_REASON);
    }
}
