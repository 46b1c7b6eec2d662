//! Holds a plugin to its word when what it gets is wrong: it answers or fails, it never panics, and what it gives is
//! something that a client can read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::case::Parked;
use super::mutants::{self, Dice};
use super::rules;
use super::show::Outcome;
use crate::{Call, Encoded, Event, Failure, Operation, Provider, RequestBody, ResponseHead};

/// How often each file of a case is made wrong.
const TIMES: usize = 100;

/// A client's document that is wrong in one place.
pub(super) fn encode<P: Provider>(provider: &P, call: &Call, document: &str, dice: &mut Dice) -> Result<(), String> {
    for _ in 0..TIMES {
        let wrong = mutants::document(document, dice);
        let encoded = caught(&wrong, || provider.encode(call, &wrong))?;
        rules::encoded(call.operation, &encoded)
            .and_then(|()| sendable(&encoded))
            .map_err(|problem| told(problem, &wrong))?;
    }
    Ok(())
}

/// An upstream's answer that is wrong in one place.
pub(super) fn decode<P: Provider>(
    provider: &P,
    call: &Call,
    carry: Option<&str>,
    head: &ResponseHead,
    body: &str,
    dice: &mut Dice,
) -> Result<(), String> {
    for _ in 0..TIMES {
        let wrong = mutants::document(body, dice);
        let answer = caught(&wrong, || provider.decode(call, carry, head, &wrong))?;
        rules::answer(call.operation, answer.as_deref()).map_err(|problem| told(problem, &wrong))?;
    }
    Ok(())
}

/// An upstream's stream with wrong events, in batches of any size, between which the decoder is parked. `run` gives what
/// becomes of a stream.
pub(super) fn stream(
    operation: Operation,
    resumed: bool,
    events: &[Event],
    dice: &mut Dice,
    run: impl Fn(Vec<Vec<Event>>, Parked) -> Outcome,
) -> Result<(), String> {
    for _ in 0..TIMES {
        let wrong = mutants::stream(events, dice);
        let shown = || wrong.iter().map(|event| format!("{}: {}\n", event.name, event.data)).collect::<String>();
        let batches = mutants::batches(&wrong, dice);
        let single = wrong.iter().map(|event| vec![event.clone()]).collect();
        let (whole, outcome) = caught(&shown(), || (run(single, Parked::Never), run(batches, Parked::Always)))?;
        if whole.to_string() != outcome.to_string() {
            return Err(told(
                "the chunks depend on how the events are batched, or on whether the decoder is parked".to_owned(),
                &shown(),
            ));
        }
        rules::chunks(operation, &outcome.chunks, resumed).map_err(|problem| told(problem, &shown()))?;
    }
    Ok(())
}

/// What cannot be sent upstream as it is.
fn sendable(encoded: &Result<Encoded, Failure>) -> Result<(), String> {
    let Ok(Encoded::Send(request)) = encoded else { return Ok(()) };
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let good = match &request.body {
        RequestBody::None => true,
        RequestBody::Document(document) => is_json(document),
        RequestBody::Forward(edits) => edits.iter().filter_map(|edit| edit.value.as_deref()).all(is_json),
    };
    if good { Ok(()) } else { Err("the body is no JSON".to_owned()) }
}

/// The result, or what was given when it panicked.
fn caught<T>(given: &str, call: impl FnOnce() -> T) -> Result<T, String> {
    // What a call that panicked left behind is not looked at again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| told("it panics".to_owned(), given))
}

fn told(problem: String, given: &str) -> String {
    format!("{problem}\nwhen given\n{given}")
}
