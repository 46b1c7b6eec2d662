//! The clock that jumps from event to event, and what the gateway does at each: it plans, asks, and takes note.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::Instant;
use weir::config;
use weir::error::Cause;
use weir::pipeline::candidate;
use weir::plugin::{Candidate, PolicyPlugin};
use weir::standing::{Admission, Place, Standing};

use super::figures::Figures;
use super::requests::{Arrival, arrivals};
use super::targets::{Deed, FLEET};

/// The gateway's part in front of the fleet.
pub struct Simulation<'a> {
    policy: &'a PolicyPlugin,
    begun: Instant,
    standings: Vec<Arc<Standing>>,
    /// What happens next: the time, a number that keeps the order of events at the same time, and what it is.
    events: BinaryHeap<Reverse<(Duration, usize)>>,
    /// The requests that are under way, by the number of their next event.
    ongoing: Vec<Option<Ongoing>>,
    figures: Figures,
}

/// A request that is under way.
struct Ongoing {
    request: Arrival,
    /// Whom to ask after this one, the last first.
    rest: Vec<usize>,
    target: usize,
    asked: Duration,
    admission: Admission,
    _place: Place,
    next: Next,
}

/// What happens to a request next.
enum Next {
    FirstToken { whole: Duration },
    End,
    Failure(Cause),
}

impl<'a> Simulation<'a> {
    /// A fleet of which nothing is known, before this policy.
    pub fn new(policy: &'a PolicyPlugin) -> Self {
        let (begun, options) = (Instant::now(), config::Standing::default());
        // The breaker's jitter is the only chance that is not drawn from the requests.
        fastrand::seed(7);
        let standings = FLEET.iter().map(|_| Arc::new(Standing::new(&options, begun))).collect();
        let (events, ongoing, figures) = (BinaryHeap::new(), Vec::new(), Figures::default());
        Self { policy, begun, standings, events, ongoing, figures }
    }

    /// Has so many requests come, and follows each to its end.
    pub async fn run(mut self, requests: usize) -> Result<Figures> {
        for request in arrivals().take(requests) {
            while self.events.peek().is_some_and(|Reverse((at, _))| *at <= request.at) {
                self.step().await;
            }
            let plan = self.plan(&request).await?;
            self.ask(request, plan, request.at).await;
        }
        while !self.events.is_empty() {
            self.step().await;
        }
        Ok(self.figures)
    }

    /// The targets of the policy's plan, the last one first.
    async fn plan(&self, request: &Arrival) -> Result<Vec<usize>> {
        let now = self.begun + request.at;
        let candidate = |(place, (standing, model)): (u32, (&Arc<Standing>, &super::targets::Model))| {
            candidate(place, &standing.view(now), &model.facts())
        };
        let candidates: Vec<Candidate> = (0..).zip(self.standings.iter().zip(&FLEET)).map(candidate).collect();
        let shown = request.shown();
        let plan = self.policy.plan(&shown.id.as_str().into(), &shown, &candidates).await;
        match plan {
            Ok(plan) => Ok(plan.iter().rev().map(|attempt| attempt.candidate as usize).collect()),
            // A refusal is an answer, too.
            Err(weir::plugin::CallError::Failure(_)) => Ok(Vec::new()),
            Err(fault) => Err(anyhow!("the policy failed: {fault:?}")),
        }
    }

    /// Asks the next target that may be asked.
    async fn ask(&mut self, request: Arrival, mut rest: Vec<usize>, at: Duration) {
        let now = self.begun + at;
        while let Some(target) = rest.pop() {
            let standing = &self.standings[target];
            let Ok(admission) = standing.admit(now) else { continue };
            let Ok(place) = standing.enter().await else { continue };
            let in_flight = standing.view(now).in_flight - 1;
            let (after, next) = match FLEET[target].deed(&request, at, in_flight) {
                Deed::Answers { first_token, whole } => (first_token, Next::FirstToken { whole }),
                Deed::Fails(after) => (after, Next::Failure(Cause::Unavailable)),
                Deed::TooLong(after) => (after, Next::Failure(Cause::ContextLength)),
            };
            let ongoing = Ongoing { request, rest, target, asked: at, admission, _place: place, next };
            self.schedule(at + after, ongoing);
            return;
        }
        self.figures.failed();
    }

    fn schedule(&mut self, at: Duration, ongoing: Ongoing) {
        self.events.push(Reverse((at, self.ongoing.len())));
        self.ongoing.push(Some(ongoing));
    }

    /// Lets the next event happen.
    async fn step(&mut self) {
        let Some(Reverse((at, number))) = self.events.pop() else { return };
        let Some(mut ongoing) = self.ongoing[number].take() else { return };
        let now = self.begun + at;
        match ongoing.next {
            Next::FirstToken { whole } => {
                ongoing.admission.first_token(now, at - ongoing.asked);
                let waited = at - ongoing.request.at;
                self.figures.answered(&ongoing.request, ongoing.target, waited.as_secs_f64());
                let end = ongoing.asked + whole;
                self.schedule(end, Ongoing { next: Next::End, ..ongoing });
            }
            Next::End => ongoing.admission.finished(now, at - ongoing.asked),
            Next::Failure(cause) => {
                let Ongoing { request, rest, target, admission, .. } = ongoing;
                let _consequence = admission.failed(now, cause, None);
                // Whoever has no more room than this one is not asked: as in the gateway.
                let room = FLEET[target].facts().context_window;
                let has_room = |target: &usize| FLEET[*target].facts().context_window > room;
                let rest = match cause {
                    Cause::ContextLength => rest.into_iter().filter(has_room).collect(),
                    _ => rest,
                };
                self.ask(request, rest, at).await;
            }
        }
    }
}
