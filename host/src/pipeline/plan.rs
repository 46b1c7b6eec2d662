//! Which targets are asked for a request, and in which order: what a policy is shown of them, and what becomes of its
//! plan. What it is shown of the request is in `summary`.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::Instant;

use super::draw;
use super::policy::{Policy, milliseconds};
use super::request::Request;
use super::retry::Step;
use super::route::{Route, Target};
use super::{summary, work};
use crate::config::ModelInfo;
use crate::error::{Cause, Error};
use crate::plugin::{Breaker, Candidate, Health, PlannedAttempt, Prices};
use crate::standing;

/// The plan where there is nothing to decide.
static ONLY: [Step; 1] = [Step { target: 0, first_byte: None, idle: None, total: None, hedge: None }];

/// How many endpoints of one provider are asked for one request.
const MOST_ENDPOINTS: usize = 4;

/// Plans a request: asks the policy, or keeps to the order of priority where there is none or it fails.
///
/// # Errors
/// No target can do what is asked for, or the policy refuses the request.
pub(super) async fn make(route: &Route, request: &Request<'_>) -> Result<Cow<'static, [Step]>, Error> {
    let Some(policy) = &route.policy else {
        // Whoever carries the plan out says what is missing if a target cannot do it.
        return Ok(if route.targets.len() == 1 {
            Cow::Borrowed(&ONLY)
        } else {
            Cow::Owned(in_turn(&route.targets, route.turn))
        });
    };
    let able: Vec<usize> = (0..route.targets.len())
        .filter(|index| work::can_do(&route.targets[*index].provider, request.operation))
        .collect();
    if able.is_empty() {
        return Err(work::lacking(&route.targets[0].provider, request.operation));
    }
    let now = Instant::now();
    let candidates: Vec<Candidate> = able
        .iter()
        .map(|index| {
            let target = &route.targets[*index];
            candidate(target.place, &target.standing.view(now), &target.provider.facts(&target.model))
        })
        .collect();
    let steps = match planned(policy, route, request, &able, &candidates).await? {
        Some(plan) => plan.iter().map(|attempt| step(attempt, &able)).collect(),
        None => by_priority(&route.targets, &able),
    };
    Ok(Cow::Owned(steps))
}

/// What the policy plans. One that finds the prompt too long is asked once more with what is left of it when it is made
/// shorter, if that can be.
async fn planned(
    policy: &Policy,
    route: &Route,
    request: &Request<'_>,
    able: &[usize],
    candidates: &[Candidate],
) -> Result<Option<Vec<PlannedAttempt>>, Error> {
    let mut shown = summary::of(request, &route.headers, policy.wants_text());
    let planned = policy.plan(&request.id, &shown, candidates).await;
    if let Err(error) = &planned
        && error.cause == Cause::ContextLength
        && let Some(condensing) = &route.condensing
        && let Some(tokens) = condensing.tokens_after(request, able.iter().map(|index| &route.targets[*index]))
    {
        shown.prompt_tokens = tokens;
        return policy.plan(&request.id, &shown, candidates).await;
    }
    planned
}

/// Endpoints of one provider: the preferred ones in turn, as often as their weights say, then the others. A few are
/// enough for one request.
fn in_turn(targets: &[Target], turn: usize) -> Vec<Step> {
    let now = Instant::now();
    // Those that do not serve come last: a client would wait for them, and might not wait for the next.
    let rank: Vec<_> = targets
        .iter()
        .map(|target| (target.standing.health(now) == standing::Health::Unhealthy, target.priority))
        .collect();
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|index| rank[*index]);
    let preferred = order.partition_point(|index| rank[*index] == rank[order[0]]);
    let weight = |index: &usize| targets[*index].provider.member().map_or(1, |member| member.weight);
    let weights: Vec<u32> = order[..preferred].iter().map(weight).collect();
    order[..preferred].rotate_left(draw::in_turn(turn, &weights));
    order.into_iter().take(MOST_ENDPOINTS).map(|target| Step { target, ..Step::default() }).collect()
}

/// The order of priority, which needs no plugin.
fn by_priority(targets: &[Target], able: &[usize]) -> Vec<Step> {
    let mut order = able.to_vec();
    order.sort_by_key(|index| targets[*index].priority);
    order.into_iter().map(|target| Step { target, ..Step::default() }).collect()
}

fn step(attempt: &PlannedAttempt, able: &[usize]) -> Step {
    let limit = |limit: Option<u64>| limit.map(Duration::from_millis);
    Step {
        // Checked when the plan came in.
        target: able.get(attempt.candidate as usize).copied().unwrap_or_default(),
        first_byte: limit(attempt.first_byte_ms),
        idle: limit(attempt.idle_ms),
        total: limit(attempt.total_ms),
        hedge: limit(attempt.hedge_ms),
    }
}

/// How a target stands and what is known of its model, as policies see it. `place` is its place in the configured list.
pub fn candidate(place: u32, view: &standing::View, facts: &ModelInfo) -> Candidate {
    let average = |average: Option<Duration>| average.map(|average| average.as_secs_f64() * 1e3);
    Candidate {
        target: place,
        health: match view.health {
            standing::Health::Unknown => Health::Unknown,
            standing::Health::Healthy => Health::Healthy,
            standing::Health::Degraded => Health::Degraded,
            standing::Health::Unhealthy => Health::Unhealthy,
        },
        breaker: match view.breaker {
            standing::BreakerState::Closed => Breaker::Closed,
            standing::BreakerState::HalfOpen => Breaker::HalfOpen,
            standing::BreakerState::Open => Breaker::Open,
        },
        cooldown_ms: milliseconds(view.cooldown.max(view.ejected).unwrap_or_default()),
        in_flight: view.in_flight,
        queued: view.queued,
        limit: view.limit,
        samples: view.figures.samples,
        error_rate: view.figures.error_rate(),
        answer_ms: average(view.figures.answer),
        first_token_ms: average(view.figures.first_token),
        prices: facts.prices.map(|prices| Prices { input: prices.input, output: prices.output }),
        context_window: facts.context_window,
        max_output_tokens: facts.max_output_tokens,
        takes_images: (!facts.input_modalities.is_empty())
            .then(|| facts.input_modalities.iter().any(|modality| modality == "image")),
    }
}
