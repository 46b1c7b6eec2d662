//! One attempt at a target, from the moment it may be made to the word on how it ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Standing;
use super::blame::Blame;
use super::breaker::Pass;
use crate::error::Cause;

/// Why a target may not be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What stands against it.
    pub reason: Reason,
    /// When it makes sense to ask again.
    pub retry_after: Duration,
}

/// What stands against asking a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It limited the rate, or said when to come back.
    #[error("it wants to be left alone")]
    Cooldown,
    /// It failed too often.
    #[error("its circuit breaker is open")]
    Breaker,
    /// Its siblings do far better.
    #[error("it is taken out for doing far worse than its siblings")]
    Outlier,
}

/// What a failure led to, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing but what the figures say.
    None,
    /// The breaker opened.
    BreakerOpened,
    /// The target took the credential before, or was not asked before, and refuses it now: a person has to see to it.
    CredentialRefused,
}

/// An attempt that may be made. One of [`finished`](Self::finished), [`failed`](Self::failed) and
/// [`cancelled`](Self::cancelled) ends it. Dropped without any of them it says nothing about the target, and a probe
/// gives its place back.
#[derive(Debug)]
#[must_use = "an admission that is dropped at once is an attempt that was not made"]
pub struct Admission {
    standing: Arc<Standing>,
    /// What it is to the breaker, until that was told. `None` too if it was made against the breaker's word.
    pass: Option<Pass>,
    /// Whether the first token has come.
    answering: bool,
}

impl Admission {
    pub(super) fn new(standing: Arc<Standing>, pass: Option<Pass>) -> Self {
        Self { standing, pass, answering: false }
    }

    /// Whether it is one of the few that find out whether the target is back.
    pub fn is_probe(&self) -> bool {
        matches!(self.pass, Some(Pass::Probe(_)))
    }

    /// The first token, or the head of a whole answer, came `after` the request was sent. A probe has done its work
    /// with that: a stream may go on for long.
    pub fn first_token(&mut self, now: Instant, after: Duration) {
        self.answering = true;
        self.standing.meter.first_token(now, after);
        if let Some(probe @ Pass::Probe(_)) = self.pass {
            self.standing.breaker.succeeded(now, probe);
            self.pass = Some(Pass::Regular);
            self.standing.settle(now);
        }
    }

    /// The whole answer came within this time.
    pub fn finished(self, now: Instant, within: Duration) {
        self.standing.meter.answer(now, within);
        self.served(now);
    }

    /// The attempt failed. `retry_after` is what the target said about when to come back, whatever the cause.
    pub fn failed(mut self, now: Instant, cause: Cause, retry_after: Option<Duration>) -> Consequence {
        let standing = Arc::clone(&self.standing);
        let blame = Blame::of(cause);
        let mut consequence = Consequence::None;
        if blame == Blame::Limit || (blame == Blame::Target && retry_after.is_some()) {
            standing.cooldown.begin(now, retry_after);
        }
        if matches!(blame, Blame::Target | Blame::Credential) {
            standing.meter.ended(now, true);
            let refused = blame == Blame::Credential;
            let told = |pass| match refused {
                true => standing.breaker.refused(now, pass),
                false => standing.breaker.failed(now, pass),
            };
            if self.pass.take().is_some_and(told) {
                consequence = Consequence::BreakerOpened;
            }
        }
        if blame == Blame::Credential && standing.refuses_credential(true) {
            consequence = Consequence::CredentialRefused;
        }
        standing.settle(now);
        consequence
    }

    /// The client left, or another attempt was quicker. What had begun to answer has served.
    pub fn cancelled(self, now: Instant) {
        if self.answering {
            self.served(now);
        }
    }

    fn served(mut self, now: Instant) {
        let standing = Arc::clone(&self.standing);
        standing.meter.ended(now, false);
        let closed = self.pass.take().is_some_and(|pass| standing.breaker.succeeded(now, pass));
        standing.refuses_credential(false);
        if closed {
            standing.settle(now);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.standing.breaker.undecided(pass);
        }
    }
}
