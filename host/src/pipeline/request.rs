//! A request, from what the client sent to the answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::account::Account;
use super::attempt::{Attempt, Deadline, attempt, within};
use super::ongoing::Ongoing;
use super::policy::Observed;
use super::retry::{self, Step, Trial};
use super::route::{Route, Target};
use super::snapshot::Snapshot;
use super::stream::Relay;
use super::work::Work;
use super::{condense, embeddings, plan};
use crate::chat::parsable;
use crate::chat::request::Peek;
use crate::config::{Key, Retries};
use crate::dialect;
use crate::error::Error;
use crate::plugin::Operation;

/// Tells the client which of several targets has answered.
const TARGET: HeaderName = HeaderName::from_static("x-weir-target");

/// What a client wants, in its own dialect.
#[derive(Clone)]
pub struct Request<'a> {
    /// The id that stands in the log and in the client's answer.
    pub id: Arc<str>,
    /// What it asks for.
    pub operation: Operation,
    /// The document of that operation, as the client sent it.
    pub body: Bytes,
    /// What the host knows of the document.
    pub peek: Peek,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's key, if keys are configured.
    pub key: Option<&'a Key>,
}

/// What the client gets.
pub enum Answer {
    /// A document of the operation.
    Whole {
        /// The document.
        body: Bytes,
        /// What clients look for in headers.
        headers: HeaderMap,
    },
    /// A stream whose first chunk is there.
    Stream {
        /// What gives the chunks.
        relay: Box<Relay>,
        /// What clients look for in headers.
        headers: HeaderMap,
    },
}

/// Answers a request, and takes note of it in `account`: for a stream, when it has ended.
pub async fn answer(
    snapshot: &Snapshot,
    request: Request<'_>,
    mut account: Account,
) -> Result<Answer, (Error, Account)> {
    // Pinned here, since it is large: handing it on by value would copy kilobytes.
    let outcome = pin!(serve(snapshot, &request, &mut account)).await;
    match outcome {
        Ok(Attempt::Whole { body, usage, headers }) => {
            account.set_usage(usage);
            account.succeeded();
            Ok(Answer::Whole { body, headers })
        }
        Ok(Attempt::Stream { mut relay, headers }) => {
            relay.set_account(account);
            Ok(Answer::Stream { relay, headers })
        }
        Err(error) => Err((account.scrub(error), account)),
    }
}

async fn serve(snapshot: &Snapshot, request: &Request<'_>, account: &mut Account) -> Result<Attempt, Error> {
    let route = snapshot.resolve(&request.peek.model)?;
    let plan = plan::make(&route, request).await?;
    let first = &route.targets[plan[0].target];
    account.set_target(&first.provider, &first.model);
    if let Some(estimate) = estimate(request, first) {
        return estimate;
    }
    // A live stream has no limit in all: its parts have theirs.
    let total = if request.peek.stream { None } else { Some(first.provider.timeouts().total) };
    let deadline = total.map(|total| (Instant::now() + total, total));
    let run = Run { snapshot, route: &route, request, deadline };
    within(deadline, pin!(run.carry_out(&plan, account))).await
}

/// The size of a prompt where no upstream can tell it.
fn estimate(request: &Request<'_>, target: &Target) -> Option<Result<Attempt, Error>> {
    if request.operation != Operation::CountTokens || target.provider.supports(Operation::CountTokens) {
        return None;
    }
    let count = dialect::messages::count_tokens(&request.body);
    Some(count.map(|count| {
        let body = format!(r#"{{"input_tokens":{count}}}"#).into();
        Attempt::Whole { body, usage: None, headers: HeaderMap::new() }
    }))
}

/// A request with all that its attempts need.
pub(super) struct Run<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) route: &'a Route,
    pub(super) request: &'a Request<'a>,
    /// When the whole of it has to be done, and how long that is.
    pub(super) deadline: Option<Deadline>,
}

impl Run<'_> {
    async fn carry_out(&self, plan: &[Step], account: &mut Account) -> Result<Attempt, Error> {
        if self.request.operation == Operation::Embeddings {
            // Boxed: every chat would otherwise make room for what many batches need.
            return Box::pin(embeddings::in_batches(self, plan, account)).await;
        }
        let (target, answer) = self.attempts(plan, account).await?;
        Ok(self.named(target, answer))
    }

    /// Makes the attempts of a plan.
    pub(super) async fn attempts(&self, plan: &[Step], account: &mut Account) -> Result<(usize, Attempt), Error> {
        let first = &self.route.targets[plan[0].target].provider;
        first.retry_budget().deposit();
        first.hedge_budget().deposit();
        let targets = &self.route.targets;
        retry::carry_out(self, plan, targets.len(), &mut account.notes(targets, self.request)).await
    }

    /// What tells the policy how an attempt ended, if it wants to know.
    fn observed(&self) -> Option<Observed> {
        let policy = self.route.policy.as_ref()?;
        policy.observed(&self.request.id, self.request.operation)
    }

    /// The answer with the name of the target that gave it, if there was a choice.
    pub(super) fn named(&self, target: usize, mut answer: Attempt) -> Attempt {
        let (Attempt::Whole { headers, .. } | Attempt::Stream { headers, .. }) = &mut answer;
        if self.route.policy.is_some()
            && let Ok(name) = HeaderValue::try_from(self.route.targets[target].name())
        {
            headers.insert(TARGET, name);
        }
        answer
    }
}

impl Trial for Run<'_> {
    type Work = Work;
    type Leave = Ongoing;
    type Answer = Attempt;

    fn retries(&self, target: usize) -> &Retries {
        self.route.targets[target].provider.retries()
    }

    fn may_repeat(&self, target: usize) -> bool {
        self.route.targets[target].provider.retry_budget().withdraw(Instant::now())
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|(deadline, _)| deadline.saturating_duration_since(Instant::now()))
    }

    fn may_hedge(&self, first: usize) -> bool {
        self.route.targets[first].provider.hedge_budget().withdraw(Instant::now())
    }

    fn has_more_room(&self, target: usize, than: usize) -> bool {
        let window = |target: usize| {
            let target = &self.route.targets[target];
            target.provider.facts(&target.model).context_window
        };
        match (window(target), window(than)) {
            (Some(window), Some(small)) => window > small,
            // Nobody knows: another model may have more room, the same one elsewhere will not.
            _ => self.route.targets[target].model != self.route.targets[than].model,
        }
    }

    async fn enter(&self, target: usize) -> Result<Ongoing, Error> {
        Ongoing::begin(&self.route.targets[target], self.observed()).await
    }

    fn enter_beside(&self, target: usize) -> Option<Ongoing> {
        Ongoing::begin_at_once(&self.route.targets[target], self.observed())
    }

    async fn enter_anyway(&self, target: usize) -> Result<Ongoing, Error> {
        Ongoing::begin_anyway(&self.route.targets[target], self.observed()).await
    }

    fn begin(&self, target: usize) -> Result<Work, Error> {
        let target = &self.route.targets[target];
        let mut work = Work::new(self.request, target)?;
        if let Some(condensing) = &self.route.condensing {
            condensing.before(&mut work, self.request, target)?;
        }
        Ok(work)
    }

    fn shorten(&self, target: usize, work: &mut Work, error: &Error) -> bool {
        let condensing = self.route.condensing.as_ref();
        condensing.is_some_and(|condensing| condensing.after(work, self.request, &self.route.targets[target], error))
    }

    async fn attempt(&self, work: &mut Work, step: &Step, ongoing: Ongoing) -> Result<Attempt, Error> {
        let own = step.total.filter(|_| !work.call.stream).map(|total| (Instant::now() + total, total));
        let deadline = match (own, self.deadline) {
            (Some(own), Some(deadline)) => Some(if own.0 < deadline.0 { own } else { deadline }),
            (own, deadline) => own.or(deadline),
        };
        let answer = attempt(work, self.snapshot, step, deadline, ongoing).await?;
        match condense::told(work, answer) {
            Attempt::Whole { body, usage, headers } => {
                let body = match work.dialect()? {
                    Some(mut dialect) => dialect.answer(parsable(&String::from_utf8_lossy(&body)).as_bytes())?,
                    None => body,
                };
                Ok(Attempt::Whole { body, usage, headers })
            }
            stream @ Attempt::Stream { .. } => Ok(stream),
        }
    }
}
