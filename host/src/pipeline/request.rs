//! A request, from what the client sent to the answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;

use super::account::Account;
use super::attempt::{Attempt, attempt};
use super::embeddings;
use super::resolve::Target;
use super::retry;
use super::snapshot::Snapshot;
use super::stream::Relay;
use super::work::Work;
use crate::chat::parsable;
use crate::chat::request::Peek;
use crate::dialect;
use crate::error::{Cause, Error};
use crate::plugin::Operation;

/// What a client wants, in its own dialect.
pub struct Request {
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
pub async fn answer(snapshot: &Snapshot, request: Request, mut account: Account) -> Result<Answer, (Error, Account)> {
    let target = match snapshot.resolve(&request.peek.model) {
        Ok(target) => target,
        Err(error) => return Err((error, account)),
    };
    account.set_target(&target.provider, &target.model);
    if let Some(estimate) = estimate(&request, &target) {
        return match estimate {
            Ok(body) => {
                account.succeeded();
                Ok(Answer::Whole { body, headers: HeaderMap::new() })
            }
            Err(error) => Err((error, account)),
        };
    }
    let mut work = match Work::new(request, &target) {
        Ok(work) => work,
        Err(error) => return Err((error, account)),
    };
    // A live stream has no limit in all: its parts have theirs.
    let total = if work.call.stream { None } else { Some(target.provider.timeouts().total) };
    // Pinned here, since it is large: handing it on by value would copy kilobytes.
    let outcome = within(total, pin!(carry_out(&mut work, snapshot, &target, &mut account))).await;
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
        Err(error) => Err((target.provider.scrub(error), account)),
    }
}

/// The size of a prompt where no upstream can tell it.
fn estimate(request: &Request, target: &Target) -> Option<Result<Bytes, Error>> {
    if request.operation != Operation::CountTokens || target.provider.supports(Operation::CountTokens) {
        return None;
    }
    let count = dialect::messages::count_tokens(&request.body);
    Some(count.map(|count| format!(r#"{{"input_tokens":{count}}}"#).into()))
}

async fn carry_out(
    work: &mut Work,
    snapshot: &Snapshot,
    target: &Target,
    account: &mut Account,
) -> Result<Attempt, Error> {
    if work.call.operation == Operation::Embeddings {
        // Boxed: every chat would otherwise make room for what many batches need.
        return Box::pin(embeddings::in_batches(work, snapshot, target, account)).await;
    }
    match attempts(work, snapshot, target, account).await? {
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

/// Makes attempts until one succeeds, none is left, or the error is one that another attempt would not change.
pub(super) async fn attempts(
    work: &mut Work,
    snapshot: &Snapshot,
    target: &Target,
    account: &mut Account,
) -> Result<Attempt, Error> {
    let provider = &target.provider;
    let retries = provider.retries();
    provider.budget().deposit();
    let mut made = 0;
    loop {
        made += 1;
        account.count_attempt();
        let error = match attempt(work, snapshot, provider).await {
            Ok(attempt) => return Ok(attempt),
            Err(error) => error,
        };
        let wait = retry::wait(&error, made, retries);
        let Some(wait) = wait.filter(|_| provider.budget().withdraw()) else {
            // Its retries are spent: the SDK that called us need not start over.
            return Err(if made > 1 { Error { exhausted: true, ..error } } else { error });
        };
        provider.metrics().count_error(error.cause.label());
        provider.metrics().count_retry();
        account.note_retry(&error);
        tokio::time::sleep(wait).await;
    }
}

async fn within<T>(
    limit: Option<Duration>,
    work: Pin<&mut impl Future<Output = Result<T, Error>>>,
) -> Result<T, Error> {
    let Some(limit) = limit else { return work.await };
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = format!("The answer was not complete after {} s.", limit.as_secs_f32());
            Err(Error::new(Cause::Timeout, message))
        }
    }
}
