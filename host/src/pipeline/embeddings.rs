//! Embeddings: one request may become several, since upstreams limit how many inputs one may have, and numbers become
//! base64 or the other way round, whichever the client asked for.

use bytes::Bytes;
use hyper::HeaderMap;

use super::account::Account;
use super::attempt::Attempt;
use super::request::attempts;
use super::resolve::Target;
use super::snapshot::Snapshot;
use super::work::Work;
use crate::chat::answer::Departure;
use crate::chat::request::Peek;
use crate::chat::usage::Usage;
use crate::embeddings::{self, Answer};
use crate::error::{Cause, Error};

/// Asks for all inputs, in as many requests as the upstream needs, one after the other.
pub(super) async fn in_batches(
    work: &mut Work,
    snapshot: &Snapshot,
    target: &Target,
    account: &mut Account,
) -> Result<Attempt, Error> {
    let document = std::str::from_utf8(&work.body).map_err(|_| Error::internal("the body was checked before"))?;
    let inputs = embeddings::describe(document)?;
    let most = target.provider.embedding_inputs().unwrap_or(inputs.count.max(1));
    if inputs.count <= most {
        let (answer, usage, headers) = ask(work, snapshot, target, account).await?;
        let body = write(answer.for_inputs(inputs.count)?, inputs.encoding, target).await?;
        return Ok(Attempt::Whole { body, usage, headers });
    }
    let parts = embeddings::split(document, most)?;
    let (mut answers, mut headers) = (Vec::with_capacity(parts.len()), HeaderMap::new());
    for part in parts {
        let peek = Peek::other(part.as_bytes(), Some(&work.peek.model), "input")?;
        let mut part = work.with_document(part.into(), peek);
        let (answer, _, its_headers) = ask(&mut part, snapshot, target, account).await?;
        answers.push(answer);
        headers = its_headers;
    }
    let answer = embeddings::join(answers).for_inputs(inputs.count)?;
    let usage = usage(&answer);
    let body = write(answer, inputs.encoding, target).await?;
    Ok(Attempt::Whole { body, usage, headers })
}

async fn ask(
    work: &mut Work,
    snapshot: &Snapshot,
    target: &Target,
    account: &mut Account,
) -> Result<(Answer, Option<Usage>, HeaderMap), Error> {
    match attempts(work, snapshot, target, account).await? {
        Attempt::Whole { body, usage, headers } => Ok((Answer::parse_shared(body)?, usage, headers)),
        Attempt::Stream { .. } => Err(Error::new(Cause::BadAnswer, "The upstream streamed an answer that is none.")),
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
