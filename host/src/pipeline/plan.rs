//! Which targets are asked for a request, and in which order: what a policy is shown, and what becomes of its plan.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use tokio::time::Instant;

use super::draw;
use super::policy::milliseconds;
use super::request::Request;
use super::retry::Step;
use super::route::{Route, Target};
use super::work;
use crate::chat::{estimate, last_text};
use crate::config::ModelInfo;
use crate::error::Error;
use crate::plugin::{Breaker, Candidate, Entry, Header, Health, Operation, PlannedAttempt, Prices, RoutingRequest};
use crate::standing;

/// The plan where there is nothing to decide.
static ONLY: [Step; 1] = [Step { target: 0, first_byte: None, idle: None, total: None, hedge: None }];

/// The client's own words for a request, with commas between.
const TAGS: HeaderName = HeaderName::from_static("x-weir-tags");

/// Headers that begin so are for policies.
const FOR_POLICIES: &str = "x-weir-";

/// How many endpoints of one provider are asked for one request.
const MOST_ENDPOINTS: usize = 4;

/// Limits of what a policy is shown of what a client controls.
const MOST_TAGS: usize = 32;
const MOST_HEADERS: usize = 32;
const LONGEST_TEXT: usize = 16 << 10;

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
    let shown = shown(route, request, policy.wants_text());
    let steps = match policy.plan(&request.id, &shown, &candidates).await? {
        Some(plan) => plan.iter().map(|attempt| step(attempt, &able)).collect(),
        None => by_priority(&route.targets, &able),
    };
    Ok(Cow::Owned(steps))
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

/// What a policy is shown of a request.
fn shown(route: &Route, request: &Request<'_>, wants_text: bool) -> RoutingRequest {
    let peek = &request.peek;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    RoutingRequest {
        id: request.id.to_string(),
        model: peek.model.clone(),
        operation: request.operation,
        stream: peek.stream,
        key: request.key.map(|key| key.name.clone()),
        key_tags: request.key.map(|key| key.tags.clone()).unwrap_or_default(),
        user: text_of(request, "user").or_else(|| text_of(request, "safety_identifier")),
        tags: tags(&request.headers),
        metadata: metadata(request),
        headers: headers(&request.headers, &route.headers),
        body_bytes: request.body.len() as u64,
        messages: count(peek.messages),
        prompt_tokens: prompt_tokens(request),
        answer_tokens: peek.max_tokens,
        tools: count(peek.tools),
        images: count(peek.images),
        text: if wants_text { last_text::of_user(&request.body, LONGEST_TEXT) } else { None },
        now_ms: milliseconds(now),
        entropy: fastrand::u64(..),
    }
}

/// About how many tokens the prompt has.
fn prompt_tokens(request: &Request<'_>) -> u64 {
    // Other documents are not canonical; four bytes a token are near enough to choose by.
    let guess = request.body.len() as u64 / 4;
    if request.operation == Operation::Chat { estimate::prompt_tokens(&request.body).unwrap_or(guess) } else { guess }
}

fn tags(headers: &HeaderMap) -> Vec<String> {
    let given = headers.get_all(TAGS).iter().filter_map(|value| value.to_str().ok());
    let tags = given.flat_map(|tags| tags.split(',')).map(str::trim).filter(|tag| !tag.is_empty());
    tags.take(MOST_TAGS).map(str::to_owned).collect()
}

fn headers(headers: &HeaderMap, let_through: &[HeaderName]) -> Vec<Header> {
    let is_shown = |name: &HeaderName| name.as_str().starts_with(FOR_POLICIES) || let_through.contains(name);
    let shown = headers.iter().filter(|(name, _)| is_shown(name)).filter_map(|(name, value)| {
        Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    });
    shown.take(MOST_HEADERS).collect()
}

/// The value of a top-level field, if it is a text.
fn text_of(request: &Request<'_>, field: &str) -> Option<String> {
    let field = request.peek.field(field)?;
    serde_json::from_slice(request.body.get(field.value.clone())?).ok()
}

/// The texts in the document's `metadata`.
fn metadata(request: &Request<'_>) -> Vec<Entry> {
    let Some(field) = request.peek.field("metadata") else { return Vec::new() };
    let document = request.body.get(field.value.clone()).unwrap_or_default();
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(document) else { return Vec::new() };
    let texts = fields.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(value) => Some(Entry { name, value }),
        _ => None,
    });
    texts.take(MOST_TAGS).collect()
}
