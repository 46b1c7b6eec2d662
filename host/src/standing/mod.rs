//! How each target stands: what live traffic and checks say of it, and whether it may be asked now.
//!
//! A [`Standing`] holds all of it for one target. An attempt asks it for an [`Admission`], takes a [`Place`], and says
//! at the end how it went; policies and status pages read a [`View`] of it. [`Budget`], [`Speed`] and [`eject`] belong
//! to the same subject and stand for themselves.
//!
//! Nothing here does any IO, starts a task or looks at a clock: the time is given, and only waiting for a place takes
//! any. Nothing takes a lock: all state is in atomics, each of them right by itself, and what has to agree stands in
//! one word. Choosing a target and making the attempts is `pipeline`'s.

mod admission;
mod blame;
mod breaker;
mod budget;
mod checks;
mod cooldown;
mod figures;
mod gate;
mod health;
mod outlier;
mod speed;
#[cfg(test)]
mod tests;
mod ticks;
mod uptime;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub use admission::{Admission, Consequence, Reason, Refusal};
pub use blame::Blame;
pub use breaker::{BreakerState, BreakerView};
pub use budget::Budget;
pub use checks::{Check, Checks};
pub use figures::Figures;
pub use gate::{Full, Place};
pub use health::Health;
pub use outlier::eject;
pub use speed::Speed;
pub use uptime::Fraction;
pub use window::Counts;

use breaker::Breaker;
use cooldown::Cooldown;
use figures::Meter;
use gate::Gate;
use health::Signs;
use outlier::Ejection;
use uptime::Uptime;

use crate::config;

/// How one target stands.
#[derive(Debug)]
pub struct Standing {
    breaker: Breaker,
    cooldown: Cooldown,
    ejection: Ejection,
    gate: Arc<Gate>,
    meter: Meter,
    checks: Arc<Checks>,
    uptime: Uptime,
    credential_refused: AtomicBool,
}

/// How a target stands at one time: what a policy sees of it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// What all of it comes to.
    pub health: Health,
    /// Whether its breaker lets requests through.
    pub breaker: BreakerState,
    /// How long it wants to be left alone yet.
    pub cooldown: Option<Duration>,
    /// How long it is out yet for doing worse than its siblings.
    pub ejected: Option<Duration>,
    /// Requests that it works on.
    pub in_flight: u32,
    /// Requests that wait for a place at it.
    pub queued: u32,
    /// The most that it works on at once, if there is a limit.
    pub limit: Option<u32>,
    /// What live traffic says of it.
    pub figures: Figures,
}

impl Standing {
    /// A target of which nothing is known, and which is checked by itself.
    pub fn new(options: &config::Standing, now: Instant) -> Self {
        Self::with_checks(options, Arc::new(Checks::new(options.health_checks.clone())), now)
    }

    /// The same, for one of several targets of a provider that is checked for all of them.
    pub fn with_checks(options: &config::Standing, checks: Arc<Checks>, now: Instant) -> Self {
        Self {
            breaker: Breaker::new(options.breaker.clone(), now),
            cooldown: Cooldown::new(options.cooldown.clone(), now),
            ejection: Ejection::new(options.outliers.clone(), now),
            gate: Arc::new(Gate::new(options.concurrency.clone())),
            meter: Meter::new(&options.figures, now),
            checks,
            uptime: Uptime::new(now),
            credential_refused: AtomicBool::new(false),
        }
    }

    /// Asks whether an attempt may be made now.
    ///
    /// # Errors
    /// What stands against it, and when to ask again.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Admission, Refusal> {
        if let Some(retry_after) = self.cooldown.left(now) {
            return Err(Refusal { reason: Reason::Cooldown, retry_after });
        }
        if let Some(retry_after) = self.ejection.left(now) {
            return Err(Refusal { reason: Reason::Outlier, retry_after });
        }
        // Last, as it may give out a place that has to be given back.
        match self.breaker.admit(now) {
            Ok(pass) => Ok(Admission::new(Arc::clone(self), Some(pass))),
            Err(retry_after) => Err(Refusal { reason: Reason::Breaker, retry_after }),
        }
    }

    /// An attempt that is made whatever stands against it, because there is nobody else to ask. How it ends goes into
    /// the figures; the breaker is not told.
    pub fn admit_anyway(self: &Arc<Self>) -> Admission {
        Admission::new(Arc::clone(self), None)
    }

    /// Takes a place among the requests that the target works on, or waits for one. Once admitted: to wait in vain is
    /// an attempt that said nothing about the target.
    ///
    /// # Errors
    /// Too many wait already, or the wait was too long.
    pub async fn enter(&self) -> Result<Place, Full> {
        self.gate.enter().await
    }

    /// Takes a place if there is one now: for a hedged request, which is not worth waiting for.
    pub fn try_enter(&self) -> Option<Place> {
        self.gate.try_enter()
    }

    /// Takes note of a check that ended now and took so long. Returns whether it counts as failing. Targets that share
    /// the [`Checks`] are to [`settle`](Self::settle) then.
    pub fn checked(&self, now: Instant, took: Duration, result: Result<(), String>) -> bool {
        let failing = self.checks.checked(now, took, result);
        self.settle(now);
        failing
    }

    /// What live traffic says of it.
    pub fn figures(&self, now: Instant) -> Figures {
        self.meter.read(now)
    }

    /// Whether no attempt has ever said anything of it.
    pub fn is_blank(&self) -> bool {
        self.meter.is_blank() && !self.credential_refused.load(Ordering::Relaxed)
    }

    /// How well it is.
    pub fn health(&self, now: Instant) -> Health {
        self.signs(now, self.meter.recent(now)).health()
    }

    /// Why it is not healthy, in sentences without a capital, the gravest first. For operators.
    pub fn reasons(&self, now: Instant) -> Vec<String> {
        let check = self.checks.current(now);
        self.signs(now, self.meter.recent(now)).reasons(check.as_ref().and_then(|check| check.error.as_deref()))
    }

    /// What a policy sees.
    pub fn view(&self, now: Instant) -> View {
        let figures = self.meter.read(now);
        let signs = self.signs(now, figures.recent);
        View {
            health: signs.health(),
            breaker: signs.breaker,
            cooldown: signs.cooldown,
            ejected: signs.ejected,
            in_flight: self.gate.in_flight(),
            queued: self.gate.queued(),
            limit: self.gate.limit(),
            figures,
        }
    }

    /// What a status page says of its breaker.
    pub fn breaker(&self, now: Instant) -> BreakerView {
        self.breaker.view(now)
    }

    /// The latest check, however old.
    pub fn latest_check(&self) -> Option<Arc<Check>> {
        self.checks.latest()
    }

    /// The part of the last 24 hours (or of the time that Weir knows it, if that is shorter) in which it was not
    /// unhealthy.
    pub fn uptime(&self, now: Instant) -> Fraction {
        self.settle(now);
        self.uptime.fraction(now)
    }

    /// Books whether it is unhealthy from now on. Everything that is told to this standing does so by itself; it is to
    /// be called for what is not: a check of its provider that another target was told of.
    pub fn settle(&self, now: Instant) {
        let breaker = self.breaker.open_for(now).map(|left| now + left);
        let check = self.checks.failing_until(now);
        match breaker.max(check) {
            Some(until) => self.uptime.down(now, until),
            None => self.uptime.up(now),
        }
    }

    fn signs(&self, now: Instant, recent: Counts) -> Signs {
        Signs {
            breaker: self.breaker.state(now),
            open_for: self.breaker.open_for(now),
            cooldown: self.cooldown.left(now),
            ejected: self.ejection.left(now),
            credential_refused: self.credential_refused.load(Ordering::Relaxed),
            check: self.checks.summary(now),
            recent,
        }
    }

    /// Notes whether the credential is refused. Returns whether that is new.
    fn refuses_credential(&self, refuses: bool) -> bool {
        // Reads first: a store on every request would bounce the cache line between cores.
        let known = self.credential_refused.load(Ordering::Relaxed) == refuses;
        !known && self.credential_refused.swap(refuses, Ordering::Relaxed) != refuses
    }

    fn ejected_for(&self, now: Instant) -> Option<Duration> {
        self.ejection.left(now)
    }

    /// Takes it out for a while. It is judged by what comes after that.
    fn eject(&self, now: Instant) {
        self.ejection.begin(now);
        self.meter.forget_recent();
    }
}
