//! A chat completion, from the canonical request to the answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;

use super::account::Account;
use super::attempt::{Attempt, attempt};
use super::provider::Provider;
use super::resolve::Target;
use super::retry;
use super::snapshot::Snapshot;
use super::stream::Relay;
use crate::chat::request::Peek;
use crate::error::{Cause, Error};
use crate::plugin::{Call, Header, Operation};

/// What a client wants.
pub struct ChatRequest {
    /// The id that stands in the log and in the client's answer.
    pub id: Arc<str>,
    /// The canonical document, as the client sent it.
    pub body: Bytes,
    /// What the host knows of the document.
    pub peek: Peek,
    /// The client's headers.
    pub headers: HeaderMap,
}

/// What the client gets.
pub enum Answer {
    /// A canonical document.
    Whole {
        /// The document.
        body: Bytes,
        /// Headers of the upstream's that clients look for.
        headers: HeaderMap,
    },
    /// A stream whose first chunk is there.
    Stream {
        /// What gives the chunks.
        relay: Box<Relay>,
        /// Headers of the upstream's that clients look for.
        headers: HeaderMap,
    },
}

/// Answers a request for a chat completion, and takes note of it in `account`: for a stream, when it has ended.
pub async fn chat(snapshot: &Snapshot, request: ChatRequest, mut account: Account) -> Result<Answer, (Error, Account)> {
    let target = match snapshot.resolve(&request.peek.model) {
        Ok(target) => target,
        Err(error) => return Err((error, account)),
    };
    account.set_target(&target.provider, &target.model);
    let call = match call(&request, &target) {
        Ok(call) => call,
        Err(error) => return Err((error, account)),
    };
    // A live stream has no limit in all: its parts have theirs.
    let total = if call.stream { None } else { Some(target.provider.timeouts().total) };
    // Pinned here, since it is large: handing it on by value would copy kilobytes.
    let outcome = within(total, pin!(attempts(&request, &target, &call, &mut account))).await;
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

/// Makes attempts until one succeeds, none is left, or the error is one that another attempt would not change.
async fn attempts(
    request: &ChatRequest,
    target: &Target,
    call: &Call,
    account: &mut Account,
) -> Result<Attempt, Error> {
    let provider = &target.provider;
    let retries = provider.retries();
    provider.budget().deposit();
    let mut made = 0;
    loop {
        made += 1;
        account.count_attempt();
        let error = match attempt(request, provider, call).await {
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

fn call(request: &ChatRequest, target: &Target) -> Result<Call, Error> {
    let provider = &target.provider;
    if !provider.supports(Operation::Chat) {
        let message = format!("The provider `{}` has no chat completions.", provider.name());
        return Err(Error::invalid_field("model", message).with_code("unsupported_operation"));
    }
    Ok(Call {
        operation: Operation::Chat,
        model: target.model.clone(),
        stream: request.peek.stream,
        include_usage: request.peek.include_usage,
        request_id: request.id.to_string(),
        headers: forwarded_headers(&request.headers, provider),
    })
}

/// Those of the client's headers that the operator lets through to the provider.
fn forwarded_headers(headers: &HeaderMap, provider: &Provider) -> Vec<Header> {
    let mut forwarded = Vec::new();
    for name in provider.forward_headers() {
        for value in headers.get_all(name) {
            if let Ok(value) = value.to_str() {
                forwarded.push(Header { name: name.as_str().to_owned(), value: value.to_owned() });
            }
        }
    }
    forwarded
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
