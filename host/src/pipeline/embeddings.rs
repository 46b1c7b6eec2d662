//! Embeddings: one request may become several, since upstreams limit how many inputs one may have, and numbers become
//! base64 or the other way round, whichever the client asked for.

use bytes::Bytes;
use hyper::HeaderMap;

use super::account::Account;
use super::attempt::Attempt;
use super::request::{Request, Run};
use super::retry::Step;
use super::route::Target;
use crate::chat::answer::Departure;
use crate::chat::request::Peek;
use crate::chat::usage::Usage;
use crate::embeddings::{self, Answer};
use crate::error::{Cause, Error};

/// Asks for all inputs, in as many requests as the upstream needs, one after the other. Whoever answers the first
/// answers all of them: vectors of different models cannot be compared.
pub(super) async fn in_batches(run: &Run<'_>, plan: &[Step], account: &mut Account) -> Result<Attempt, Error> {
    let document =
        std::str::from_utf8(&run.request.body).map_err(|_| Error::internal("the body was checked before"))?;
    let inputs = embeddings::describe(document)?;
    let targets = plan.iter().map(|step| &run.route.targets[step.target]);
    let most = targets.filter_map(|target| target.provider.embedding_inputs()).min().unwrap_or(usize::MAX);
    if inputs.count <= most {
        let Batch { target, answer, usage, headers } = ask(run, plan, account).await?;
        let body = write(answer.for_inputs(inputs.count)?, inputs.encoding, &run.route.targets[target]).await?;
        return Ok(run.named(target, Attempt::Whole { body, usage, headers }));
    }
    let (mut answers, mut headers, mut plan) = (Vec::new(), HeaderMap::new(), plan.to_vec());
    for part in embeddings::split(document, most)? {
        let peek = Peek::other(part.as_bytes(), Some(&run.request.peek.model), "input")?;
        let request = Request { body: part.into(), peek, ..run.request.clone() };
        let batch = ask(&Run { request: &request, ..*run }, &plan, account).await?;
        plan.retain(|step| step.target == batch.target);
        answers.push(batch.answer);
        headers = batch.headers;
    }
    let target = plan[0].target;
    let answer = embeddings::join(answers).for_inputs(inputs.count)?;
    let usage = usage(&answer);
    let body = write(answer, inputs.encoding, &run.route.targets[target]).await?;
    Ok(run.named(target, Attempt::Whole { body, usage, headers }))
}

/// The answer to one of the requests.
struct Batch {
    target: usize,
    answer: Answer,
    usage: Option<Usage>,
    headers: HeaderMap,
}

async fn ask(run: &Run<'_>, plan: &[Step], account: &mut Account) -> Result<Batch, Error> {
    match run.attempts(plan, account).await? {
        (target, Attempt::Whole { body, usage, headers }) => {
            Ok(Batch { target, answer: Answer::parse_shared(body)?, usage, headers })
        }
        (_, Attempt::Stream { .. }) => {
            Err(Error::new(Cause::BadAnswer, "The upstream streamed an answer that is none."))
        }
    }
}

/// Writes the answer aside: turning millions of numbers into base64 would keep others waiting.
async fn write(answer: Answer, encoding: embeddings::Encoding, target: &Target) -> Result<Bytes, Error> {
    let model = target.model.clone();
    let writing = tokio::task::spawn_blocking(move || answer.write(encoding, &model));
    writing.await.map_err(|error| Error::internal(error.to_string()))?
}

/// Judges what an upstream or a plugin answered.
pub(super) fn admit(document: &[u8]) -> Result<Option<Usage>, Departure> {
    match Answer::parse(document) {
        Ok(answer) => Ok(usage(&answer)),
        Err(_) => Err(Departure::Departs("not a list of embeddings")),
    }
}

fn usage(answer: &Answer) -> Option<Usage> {
    let prompt_tokens = answer.prompt_tokens()?;
    Some(Usage { prompt_tokens, total_tokens: prompt_tokens, ..Usage::default() })
}
