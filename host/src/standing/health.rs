//! What all that is known of a target comes to: one word for a decision, and sentences for an operator.

use std::time::Duration;

use super::breaker::BreakerState;
use super::window::Counts;

/// From so many recent attempts on, this share of failures makes a target degraded.
const ENOUGH: u64 = 10;
const DEGRADED: f64 = 0.1;

/// How well a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing is known yet, or any more.
    Unknown,
    /// It serves.
    Healthy,
    /// It serves, with errors or not all the time.
    Degraded,
    /// It does not serve.
    Unhealthy,
}

impl Health {
    /// As status pages have it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What health is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) breaker: BreakerState,
    pub(super) open_for: Option<Duration>,
    pub(super) cooldown: Option<Duration>,
    pub(super) ejected: Option<Duration>,
    pub(super) credential_refused: bool,
    /// Of the latest check that counts: whether it went well, and whether the provider counts as failing.
    pub(super) check: Option<(bool, bool)>,
    pub(super) recent: Counts,
}

impl Signs {
    pub(super) fn health(&self) -> Health {
        if self.does_not_serve() {
            Health::Unhealthy
        } else if self.serves_badly() {
            Health::Degraded
        } else if self.check.is_some() || self.recent.total > 0 {
            Health::Healthy
        } else {
            Health::Unknown
        }
    }

    fn does_not_serve(&self) -> bool {
        let failing = self.check.is_some_and(|(_, failing)| failing);
        failing || self.breaker == BreakerState::Open
    }

    fn serves_badly(&self) -> bool {
        let bad_check = self.check.is_some_and(|(well, _)| !well);
        let limited = self.cooldown.is_some() || self.ejected.is_some();
        bad_check || limited || self.credential_refused || self.breaker == BreakerState::HalfOpen || self.fails_often()
    }

    fn fails_often(&self) -> bool {
        self.recent.total >= ENOUGH && self.recent.error_rate() >= DEGRADED
    }

    /// Why it is not healthy, the gravest first. `check_error` is what the latest check said.
    pub(super) fn reasons(&self, check_error: Option<&str>) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.credential_refused {
            reasons.push("it refuses the configured credential".to_owned());
        }
        if let Some(left) = self.open_for {
            reasons.push(format!("its circuit breaker is open for another {}", seconds(left)));
        }
        if let Some((well, failing)) = self.check
            && (failing || !well)
        {
            let error = check_error.map_or_else(String::new, |error| format!(": {error}"));
            reasons.push(match (well, failing) {
                (true, _) => "its health checks failed until a moment ago".to_owned(),
                (false, true) => format!("its health checks fail{error}"),
                (false, false) => format!("its last health check failed{error}"),
            });
        }
        if self.breaker == BreakerState::HalfOpen {
            reasons.push("its circuit breaker tries out whether it is back".to_owned());
        }
        if let Some(left) = self.cooldown {
            reasons.push(format!("it wants to be left alone for another {}", seconds(left)));
        }
        if let Some(left) = self.ejected {
            reasons.push(format!("it did far worse than its siblings and is out for another {}", seconds(left)));
        }
        if self.fails_often() {
            let Counts { total, failed } = self.recent;
            reasons.push(format!("{failed} of its last {total} attempts failed"));
        }
        reasons
    }
}

/// Whole seconds, rounded up: `0 s` would say that it is over.
fn seconds(left: Duration) -> String {
    format!("{} s", left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
