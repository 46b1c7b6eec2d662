//! One attempt that is under way: the leave to make it, and what is told of it when it ends, however it does.

use std::time::{Duration, Instant};

use super::policy::Observed;
use super::route::Target;
use crate::chat::usage::Usage;
use crate::config::Member;
use crate::error::{Cause, Error};
use crate::standing::{Admission, BreakerState, Consequence, Full, Place, Refusal};

/// How long a client is told to wait for a place at a target that has none.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// An attempt that is under way. Dropping it tells that it was cancelled.
pub(super) struct Ongoing {
    target: Target,
    /// `None` once it has been told how it ended.
    admission: Option<Admission>,
    /// Its place among the requests that the target works on.
    place: Option<Place>,
    /// What a policy is told of it, if one wants to know.
    observed: Option<Observed>,
    began: Instant,
    first_token: Option<Duration>,
}

impl Ongoing {
    /// Asks for leave to make an attempt at a target; waits for a place if there is a queue.
    ///
    /// # Errors
    /// 503 with the time to wait, if the target is out of service or full.
    pub(super) async fn begin(target: &Target, observed: Option<Observed>) -> Result<Self, Error> {
        let admission = target.standing.admit(tokio::time::Instant::now());
        let admission = admission.map_err(|refusal| out_of_service(target, refusal))?;
        Self::queue(target, admission, observed).await
    }

    /// The same though the target wants to be left alone or keeps failing, since there is no other: only a breaker that is
    /// configured as strict refuses.
    ///
    /// # Errors
    /// As for [`begin`](Self::begin).
    pub(super) async fn begin_anyway(target: &Target, observed: Option<Observed>) -> Result<Self, Error> {
        let (standing, now) = (&target.standing, tokio::time::Instant::now());
        let is_strict = target.provider.config().standing.breaker.strict;
        let admission = match standing.admit(now) {
            Ok(admission) => admission,
            Err(_) if !is_strict || standing.breaker(now).state == BreakerState::Closed => standing.admit_anyway(),
            Err(refusal) => return Err(out_of_service(target, refusal)),
        };
        Self::queue(target, admission, observed).await
    }

    /// The same without waiting for anything.
    pub(super) fn begin_at_once(target: &Target, observed: Option<Observed>) -> Option<Self> {
        let admission = target.standing.admit(tokio::time::Instant::now()).ok()?;
        let place = target.standing.try_enter()?;
        Some(Self::new(target, admission, place, observed))
    }

    async fn queue(target: &Target, admission: Admission, observed: Option<Observed>) -> Result<Self, Error> {
        let place = target.standing.enter().await.map_err(|reason| full(target, &reason))?;
        Ok(Self::new(target, admission, place, observed))
    }

    fn new(target: &Target, admission: Admission, place: Place, observed: Option<Observed>) -> Self {
        let (admission, place) = (Some(admission), Some(place));
        target.provider.metrics().count_attempt();
        Self { target: target.clone(), admission, place, observed, began: Instant::now(), first_token: None }
    }

    /// Whom it asks.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The answer has begun.
    pub(super) fn answering(&mut self) {
        let after = self.began.elapsed();
        self.first_token = Some(after);
        if let Some(admission) = &mut self.admission {
            admission.first_token(tokio::time::Instant::now(), after);
        }
    }

    /// The answer is complete.
    pub(super) fn succeeded(mut self, usage: Option<Usage>) {
        if let Some(admission) = self.admission.take() {
            admission.finished(tokio::time::Instant::now(), self.began.elapsed());
        }
        self.observe(None, false, usage);
    }

    /// It failed, before the answer had begun or in the middle of it.
    pub(super) fn failed(mut self, error: &Error) {
        let Some(admission) = self.admission.take() else { return };
        let consequence = admission.failed(tokio::time::Instant::now(), error.cause, error.retry_after);
        self.report(consequence, error);
        self.observe(Some(error.cause), false, None);
    }

    fn report(&self, consequence: Consequence, error: &Error) {
        let (provider, model) = (self.target.provider.name(), &self.target.model);
        let endpoint = self.target.provider.member().map(Member::label).unwrap_or_default();
        let error_type = error.cause.label();
        match consequence {
            Consequence::None => {}
            Consequence::BreakerOpened => tracing::warn!(
                provider,
                provider_endpoint = endpoint,
                model,
                error_type,
                "the target keeps failing and gets no requests for a while"
            ),
            Consequence::CredentialRefused => tracing::error!(
                provider,
                provider_endpoint = endpoint,
                model,
                "the upstream refuses the configured credential"
            ),
        }
    }

    fn observe(&mut self, failure: Option<Cause>, cancelled: bool, usage: Option<Usage>) {
        if let Some(observed) = self.observed.take() {
            observed.tell(self.target.place, failure, cancelled, self.first_token, self.began.elapsed(), usage);
        }
    }
}

impl Drop for Ongoing {
    /// The client has left, or another attempt was quicker.
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.cancelled(tokio::time::Instant::now());
            self.observe(None, true, None);
        }
        drop(self.place.take());
    }
}

fn out_of_service(target: &Target, refusal: Refusal) -> Error {
    let message = format!("The target `{}` gets no requests for now: {}.", target.name(), refusal.reason);
    let error = Error::new(Cause::Unavailable, message).with_code("target_out_of_service");
    Error { retry_after: Some(refusal.retry_after), ..error }
}

fn full(target: &Target, reason: &Full) -> Error {
    let message = format!("The target `{}` has as many requests as it may have: {reason}.", target.name());
    let error = Error::new(Cause::Overloaded, message).with_code("target_full");
    Error { retry_after: Some(WHEN_FULL), ..error }
}
