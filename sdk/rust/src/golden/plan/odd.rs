//! Requests and candidates with figures that make no sense, in any number: a policy plans or refuses, and never panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::rules;
use crate::golden::mutants::Dice;
use crate::routing::{Attempt, Breaker, Candidate, Health, Policy, Prices, Request};
use crate::{Failure, Header};

/// How often a case is made wrong.
const TIMES: usize = 300;

const FIGURES: [f64; 10] =
    [0.0, -0.0, -1.0, 0.5, 1e-300, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE];
const COUNTS: [u64; 6] = [0, 1, 2, 1000, u64::MAX - 1, u64::MAX];
const SMALL_COUNTS: [u32; 5] = [0, 1, 7, u32::MAX - 1, u32::MAX];
const TEXTS: [&str; 6] = ["", " ", "odd", "é\u{0}🙂", "task:", "x-weir-task"];
const HEALTH: [Health; 4] = [Health::Unknown, Health::Healthy, Health::Degraded, Health::Unhealthy];
const BREAKERS: [Breaker; 3] = [Breaker::Closed, Breaker::HalfOpen, Breaker::Open];

/// Plans the case many times over with something wrong in it.
pub(super) fn mistreat<P: Policy>(
    policy: &P,
    name: &str,
    request: &Request,
    candidates: &[Candidate],
) -> Result<(), String> {
    let mut dice = Dice::new(name);
    for _ in 0..TIMES {
        let request = odd_request(request, &mut dice);
        let candidates = odd_candidates(candidates, &mut dice);
        let told = |problem: String| format!("{problem}\nwhen given\n{request:#?}\n{candidates:#?}");
        let plan = || policy.plan(&request, &candidates);
        // What a call that panicked left behind is not looked at again.
        let (first, second) =
            catch_unwind(AssertUnwindSafe(|| (plan(), plan()))).map_err(|_| told("it panics".to_owned()))?;
        rules::plan(&first, candidates.len()).map_err(told)?;
        if shown(&first) != shown(&second) {
            return Err(told("the same request gives another plan".to_owned()));
        }
    }
    Ok(())
}

fn shown(plan: &Result<Vec<Attempt>, Failure>) -> String {
    format!("{plan:?}")
}

/// Another one than `was`, now and then.
fn odd<T: Copy>(was: T, odd: &[T], dice: &mut Dice) -> T {
    if dice.below(4) > 0 { was } else { dice.pick(odd).copied().unwrap_or(was) }
}

fn odd_option<T: Copy>(was: Option<T>, odd: &[T], dice: &mut Dice) -> Option<T> {
    match dice.below(6) {
        0 => None,
        1 => dice.pick(odd).copied(),
        _ => was,
    }
}

fn odd_text(was: Option<String>, dice: &mut Dice) -> Option<String> {
    match dice.below(6) {
        0 => None,
        1 => dice.pick(&TEXTS).map(|text| (*text).to_owned()),
        _ => was,
    }
}

fn odd_request(was: &Request, dice: &mut Dice) -> Request {
    let mut request = was.clone();
    request.model = odd_text(Some(request.model), dice).unwrap_or_default();
    request.user = odd_text(request.user, dice);
    request.key = odd_text(request.key, dice);
    request.text = odd_text(request.text, dice);
    request.stream ^= dice.below(4) == 0;
    request.body_bytes = odd(request.body_bytes, &COUNTS, dice);
    request.prompt_tokens = odd(request.prompt_tokens, &COUNTS, dice);
    request.answer_tokens = odd_option(request.answer_tokens, &COUNTS, dice);
    request.tools = odd(request.tools, &SMALL_COUNTS, dice);
    request.images = odd(request.images, &SMALL_COUNTS, dice);
    request.now_ms = odd(request.now_ms, &COUNTS, dice);
    request.entropy = odd(request.entropy, &COUNTS, dice);
    let names: Vec<String> = request.headers.iter().map(|header| header.name.clone()).collect();
    request.headers.extend(names.into_iter().map(|name| Header::new(name, TEXTS[dice.below(TEXTS.len())])));
    if dice.below(4) == 0 {
        request.headers.clear();
        request.metadata.clear();
        request.tags = TEXTS.map(str::to_owned).to_vec();
    }
    request
}

/// Between one and nine of the candidates, in any order and some of them twice, and now and then a hundred.
fn odd_candidates(were: &[Candidate], dice: &mut Dice) -> Vec<Candidate> {
    let count = if dice.below(20) == 0 { 100 } else { 1 + dice.below(9) };
    (0..count)
        .map(|_| {
            let was = dice.pick(were).copied().unwrap_or_default();
            odd_candidate(was, dice)
        })
        .collect()
}

fn odd_candidate(was: Candidate, dice: &mut Dice) -> Candidate {
    let prices = Prices { input: odd(1.0, &FIGURES, dice), output: odd(1.0, &FIGURES, dice) };
    Candidate {
        target: odd(was.target, &SMALL_COUNTS, dice),
        health: odd(was.health, &HEALTH, dice),
        breaker: odd(was.breaker, &BREAKERS, dice),
        cooldown_ms: odd(was.cooldown_ms, &COUNTS, dice),
        in_flight: odd(was.in_flight, &SMALL_COUNTS, dice),
        queued: odd(was.queued, &SMALL_COUNTS, dice),
        limit: odd_option(was.limit, &SMALL_COUNTS, dice),
        samples: odd(was.samples, &COUNTS, dice),
        error_rate: odd(was.error_rate, &FIGURES, dice),
        answer_ms: odd_option(was.answer_ms, &FIGURES, dice),
        first_token_ms: odd_option(was.first_token_ms, &FIGURES, dice),
        prices: odd_option(was.prices, &[prices], dice),
        context_window: odd_option(was.context_window, &COUNTS, dice),
        max_output_tokens: odd_option(was.max_output_tokens, &COUNTS, dice),
        takes_images: odd_option(was.takes_images, &[true, false], dice),
    }
}
