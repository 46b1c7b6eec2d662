//! All of trying again: which attempts follow which, after what wait, beside which other, and when it is enough.
//!
//! A plan says whom to ask in which order. Its steps are made one after the other until one succeeds, or fails in a way
//! that no other target would change. A target that was asked before is asked again only if its error may pass, after a
//! wait, and within the budget that keeps retries from multiplying an outage; another target costs no budget, as it
//! has not failed this request. What an attempt is, and how targets stand, is not known here: see [`Trial`].

use std::time::Duration;

use futures_util::future::{Either, select};

use crate::config::Retries;
use crate::error::{Cause, Error};

/// One step of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Whom to ask: the number of a target.
    pub(super) target: usize,
    /// Time limits that are shorter than the provider's own.
    pub(super) first_byte: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) total: Option<Duration>,
    /// After so much silence the next step is begun beside this one.
    pub(super) hedge: Option<Duration>,
}

/// What a plan is carried out with.
pub(super) trait Trial {
    /// What a target is asked to do. Kept from one attempt at it to the next.
    type Work;
    /// The leave to make one attempt. Dropped unused, it is given back.
    type Leave;
    /// What a good attempt gives.
    type Answer;

    /// When attempts at this target are made again.
    fn retries(&self, target: usize) -> &Retries;

    /// Takes one more attempt at the same target from the budget of its provider.
    fn may_repeat(&self, target: usize) -> bool;

    /// How long all of it may take yet, if there is a limit.
    fn time_left(&self) -> Option<Duration>;

    /// Takes one attempt beside another from the budget for that, which is that of the provider whom the plan asks
    /// first: every request of its adds to it.
    fn may_hedge(&self, first: usize) -> bool;

    /// Whether a prompt that was too long for one target may fit another.
    fn has_more_room(&self, target: usize, than: usize) -> bool;

    /// Asks for leave to make an attempt at this target; waits its turn if there is a queue.
    ///
    /// # Errors
    /// The target is out of service or full: another one may not be.
    fn enter(&self, target: usize) -> impl Future<Output = Result<Self::Leave, Error>>;

    /// The same for an attempt beside another, which is not worth waiting for. `None` if it cannot be made at once.
    fn enter_beside(&self, target: usize) -> Option<Self::Leave>;

    /// The same where nobody else is left to ask: also at a target that wants to be left alone or keeps failing.
    ///
    /// # Errors
    /// The target is full, or its operator wants nobody to be let through.
    fn enter_anyway(&self, target: usize) -> impl Future<Output = Result<Self::Leave, Error>>;

    /// Makes ready what this target is asked to do.
    ///
    /// # Errors
    /// The target cannot do it: another one may.
    fn begin(&self, target: usize) -> Result<Self::Work, Error>;

    /// Makes what this target is asked to do shorter, for which its prompt was too long. Says whether it did.
    fn shorten(&self, target: usize, work: &mut Self::Work, error: &Error) -> bool;

    /// Makes one attempt. Dropping it cancels it.
    fn attempt(
        &self,
        work: &mut Self::Work,
        step: &Step,
        leave: Self::Leave,
    ) -> impl Future<Output = Result<Self::Answer, Error>>;
}

/// Takes note of what is done, as it is done.
pub(super) trait Notes {
    /// An attempt begins, perhaps beside another.
    fn begun(&mut self, target: usize, is_hedge: bool);
    /// A target was not asked, or could not answer, and something else is done about it.
    fn failed(&mut self, target: usize, error: &Error, follows: Follows);
    /// Of two attempts beside each other this one is kept.
    fn kept(&mut self, target: usize);
}

/// What follows an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// Another target is asked.
    Other,
    /// The same one is asked again.
    Same,
}

/// Carries out a plan with at least one step. Says which target gave the answer.
pub(super) async fn carry_out<T: Trial>(
    trial: &T,
    plan: &[Step],
    targets: usize,
    notes: &mut impl Notes,
) -> Result<(usize, T::Answer), Error> {
    let tried = (0..targets).map(|_| Tried { work: None, attempts: 0, is_shortened: false, error: None }).collect();
    Run { trial, plan, tried, attempts: 0, last: None, notes }.carried_out().await
}

/// A plan that is being carried out.
struct Run<'a, T: Trial, N> {
    trial: &'a T,
    plan: &'a [Step],
    /// What became of each target so far.
    tried: Vec<Tried<T::Work>>,
    attempts: u32,
    /// The target whose error was the last, and when it is worth another try of the client's.
    last: Option<usize>,
    notes: &'a mut N,
}

struct Tried<W> {
    work: Option<W>,
    attempts: u32,
    /// Whether its prompt was made shorter. Once is enough.
    is_shortened: bool,
    error: Option<Error>,
}

/// Whether a step is made.
enum Turn {
    Now,
    After(Duration),
    Not,
}

impl<'a, T: Trial, N: Notes> Run<'a, T, N> {
    async fn carried_out(mut self) -> Result<(usize, T::Answer), Error> {
        loop {
            let before = self.attempts;
            for (position, step) in self.plan.iter().enumerate() {
                match self.turn(step.target) {
                    Turn::Not => continue,
                    Turn::Now => self.passed_on(Follows::Other),
                    Turn::After(wait) => {
                        self.passed_on(Follows::Same);
                        tokio::time::sleep(wait).await;
                    }
                }
                let beside = self.plan.get(position + 1).filter(|next| next.target != step.target);
                match self.step(step, beside).await {
                    Some(answer) => return Ok(answer),
                    None if self.is_final() => return Err(self.error()),
                    None => {}
                }
            }
            if let Some(step) = self.shortened() {
                self.passed_on(Follows::Same);
                if let Some(answer) = self.step(step, None).await {
                    return Ok(answer);
                }
            }
            if self.attempts == before {
                return self.anyway().await;
            }
        }
    }

    /// A step whose target had no room for the prompt, which has been made shorter since, as nobody else had more.
    fn shortened(&mut self) -> Option<&'a Step> {
        let plan = self.plan;
        plan.iter().find(|step| {
            let tried = &mut self.tried[step.target];
            let (Some(error), Some(work), false) = (&tried.error, &mut tried.work, tried.is_shortened) else {
                return false;
            };
            tried.is_shortened = error.cause == Cause::ContextLength && self.trial.shorten(step.target, work, error);
            tried.is_shortened
        })
    }

    /// What is left to do when the plan is at its end: if nobody could be asked, somebody is asked all the same who
    /// only wants to be left alone. The client is better served with an answer, or with the upstream's own refusal.
    async fn anyway(mut self) -> Result<(usize, T::Answer), Error> {
        let plan = if self.attempts == 0 { self.plan } else { &[] };
        for step in plan {
            let tried = &self.tried[step.target];
            // One that is full has been waited for.
            if tried.error.as_ref().is_none_or(|error| error.cause != Cause::Unavailable) {
                continue;
            }
            let Ok(mut work) = self.trial.begin(step.target) else { continue };
            let Ok(leave) = self.trial.enter_anyway(step.target).await else { continue };
            self.begun(step.target, false);
            let outcome = self.trial.attempt(&mut work, step, leave).await;
            return match self.settle(step.target, work, outcome) {
                Some(answer) => Ok(answer),
                None => Err(self.error()),
            };
        }
        Err(self.error())
    }

    /// Whether this target is to be asked now, as things stand.
    fn turn(&self, target: usize) -> Turn {
        if let Some(last) = self.last
            && self.tried[last].error.as_ref().is_some_and(|error| error.cause == Cause::ContextLength)
            && !self.trial.has_more_room(target, last)
        {
            return Turn::Not;
        }
        let tried = &self.tried[target];
        let Some(error) = &tried.error else { return Turn::Now };
        // A target that could not be asked, for its own sake or for what it lacks, is not asked again.
        if tried.attempts == 0 {
            return Turn::Not;
        }
        let most = self.trial.retries(target).attempts.max(u32::try_from(self.plan.len()).unwrap_or(u32::MAX));
        // What was said is worth more to the client than that the time was over while nobody was asked.
        let in_time = |wait: &Duration| self.trial.time_left().is_none_or(|left| *wait < left);
        match wait(error, tried.attempts, self.trial.retries(target)).filter(in_time) {
            Some(wait) if self.attempts < most && self.trial.may_repeat(target) => Turn::After(wait),
            _ => Turn::Not,
        }
    }

    /// Makes a step, and `beside` beside it if it is to be.
    async fn step(&mut self, step: &Step, beside: Option<&Step>) -> Option<(usize, T::Answer)> {
        let (mut work, leave) = self.ready(step.target).await?;
        let hedge = step.hedge.zip(beside).filter(|(_, beside)| self.tried[beside.target].error.is_none());
        let Some((delay, beside)) = hedge else {
            let outcome = self.trial.attempt(&mut work, step, leave).await;
            return self.settle(step.target, work, outcome);
        };
        let trial = self.trial;
        // Boxed, since hedging is rare: every attempt would otherwise make room for a second one.
        let mut attempt = Box::pin(async move {
            let outcome = trial.attempt(&mut work, step, leave).await;
            (work, outcome)
        });
        if let Ok((work, outcome)) = tokio::time::timeout(delay, &mut attempt).await {
            return self.settle(step.target, work, outcome);
        }
        let Some((mut work, leave)) = self.ready_beside(beside.target) else {
            let (work, outcome) = attempt.await;
            return self.settle(step.target, work, outcome);
        };
        let other = Box::pin(async move {
            let outcome = trial.attempt(&mut work, beside, leave).await;
            (work, outcome)
        });
        // The one that is not awaited to its end is dropped, which cancels it.
        let (first, (work, outcome), rest) = match select(attempt, other).await {
            Either::Left((ended, other)) => (step.target, ended, Either::Right((beside.target, other))),
            Either::Right((ended, attempt)) => (beside.target, ended, Either::Left((step.target, attempt))),
        };
        if let Some(answer) = self.settle(first, work, outcome) {
            self.notes.kept(first);
            return Some(answer);
        }
        let (second, (work, outcome)) = match rest {
            Either::Left((target, attempt)) => (target, attempt.await),
            Either::Right((target, attempt)) => (target, attempt.await),
        };
        let answer = self.settle(second, work, outcome)?;
        self.notes.kept(second);
        Some(answer)
    }

    /// What an attempt at this target needs, if it can be made.
    async fn ready(&mut self, target: usize) -> Option<(T::Work, T::Leave)> {
        let work = match self.tried[target].work.take() {
            Some(work) => Ok(work),
            None => self.trial.begin(target),
        };
        let ready = match work {
            // Where there is no other, a cooldown that ends a moment later must not turn the upstream's word into ours.
            Ok(work) if self.tried.len() == 1 => self.trial.enter_anyway(target).await.map(|leave| (work, leave)),
            Ok(work) => self.trial.enter(target).await.map(|leave| (work, leave)),
            Err(error) => Err(error),
        };
        match ready {
            Ok(ready) => {
                self.begun(target, false);
                Some(ready)
            }
            Err(error) => {
                self.keep_error(target, error);
                None
            }
        }
    }

    /// The same for an attempt beside another. If it cannot be made, the target's turn may still come.
    fn ready_beside(&mut self, target: usize) -> Option<(T::Work, T::Leave)> {
        let work = self.trial.begin(target).ok()?;
        let first = self.plan.first()?.target;
        let leave = if self.trial.may_hedge(first) { self.trial.enter_beside(target)? } else { return None };
        self.begun(target, true);
        Some((work, leave))
    }

    fn begun(&mut self, target: usize, is_hedge: bool) {
        self.tried[target].attempts += 1;
        self.attempts += 1;
        self.notes.begun(target, is_hedge);
    }

    fn settle(
        &mut self,
        target: usize,
        work: T::Work,
        outcome: Result<T::Answer, Error>,
    ) -> Option<(usize, T::Answer)> {
        match outcome {
            Ok(answer) => Some((target, answer)),
            Err(error) => {
                self.tried[target].work = Some(work);
                self.keep_error(target, error);
                None
            }
        }
    }

    fn keep_error(&mut self, target: usize, error: Error) {
        self.tried[target].error = Some(error);
        self.last = Some(target);
    }

    /// Tells what is done about the last error.
    fn passed_on(&mut self, follows: Follows) {
        if let Some(target) = self.last
            && let Some(error) = &self.tried[target].error
        {
            self.notes.failed(target, error, follows);
        }
    }

    /// Whether the last error is one that no other target would change.
    fn is_final(&self) -> bool {
        let error = self.last.and_then(|target| self.tried[target].error.as_ref());
        error.is_some_and(|error| !is_the_targets(error))
    }

    /// What the client is told: what the last target that was really asked said, else why none could be asked.
    fn error(self) -> Error {
        let attempts = self.attempts;
        let last = self.last;
        let mut errors: Vec<(bool, bool, Error)> = Vec::new();
        for (target, tried) in self.tried.into_iter().enumerate() {
            if let Some(error) = tried.error {
                errors.push((tried.attempts > 0, Some(target) == last, error));
            }
        }
        let error = errors.into_iter().max_by_key(|(was_asked, is_last, _)| (*was_asked, *is_last));
        let Some((_, _, error)) = error else { return Error::internal("a plan without steps") };
        // Its retries are spent: the SDK that called us need not start over.
        if attempts > 1 { Error { exhausted: true, ..error } } else { error }
    }
}

/// Whether an error may be this one target's, so that another one may do better.
fn is_the_targets(error: &Error) -> bool {
    match error.cause {
        // The request is at fault, unless the status tells of this target: of a conflict or a lock there, of a model that
        // is gone, of its own limit of size, of having come to the wrong one.
        Cause::InvalidRequest => matches!(error.status.as_u16(), 409 | 410 | 413 | 421 | 423),
        // It is refused for what it says, or nobody waits for it any more.
        Cause::ContentFilter | Cause::ClientClosed | Cause::Internal => false,
        Cause::Unsupported
        | Cause::Authentication
        | Cause::Permission
        | Cause::NotFound
        | Cause::RateLimit
        | Cause::ContextLength
        | Cause::Unavailable
        | Cause::Timeout
        | Cause::BadAnswer
        | Cause::Connection
        | Cause::Plugin
        | Cause::Overloaded => true,
    }
}

/// How long to wait before the next attempt at the same target, after `made` attempts; `None` if there is to be none.
fn wait(error: &Error, made: u32, retries: &Retries) -> Option<Duration> {
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

#[cfg(test)]
mod tests;
