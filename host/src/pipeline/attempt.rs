//! One attempt: the plugin encodes, the host sends, and what comes back is a whole answer, a stream whose first chunk
//! is there, or an error.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderName;
use hyper::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::ongoing::Ongoing;
use super::provider::Provider;
use super::retry::Step;
use super::snapshot::Snapshot;
use super::stream::Relay;
use super::work::{self, Work};
use super::{beside, dropped, embeddings, failure, form, media};
use crate::chat::answer::{self, Departure};
use crate::chat::request::{Edit, edit};
use crate::chat::scan;
use crate::chat::usage::Usage;
use crate::config::Timeouts;
use crate::error::{Cause, Error};
use crate::plugin::{
    self, Auth, Call, Encoded, FieldEdit, Operation, RequestBody, ResponseHead, ResponseMode, UpstreamRequest,
};
use crate::upstream::{Credential, Framing, Incoming, Outgoing, RetryHint};

/// An error's body is not read past this, in bytes: its text goes into one message.
const LARGEST_ERROR_BODY: usize = 256 << 10;

/// The longest text of an upstream that goes into a message, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 4 << 10;

/// What a good attempt gave.
pub(super) enum Attempt {
    Whole { body: Bytes, usage: Option<Usage>, headers: HeaderMap },
    Stream { relay: Box<Relay>, headers: HeaderMap },
}

/// What an answer in one piece gave where a stream was asked for.
enum Piece {
    /// The events of a stream, one a line, which stand to be read.
    Lines,
    /// A whole answer that conforms.
    Answer(String),
}

/// When something has to be done, and how long that was from when it began.
pub(super) type Deadline = (Instant, Duration);

/// Makes one attempt, and tells how it ended. For a stream it returns when the first chunk is there.
pub(super) async fn attempt(
    work: &mut Work,
    snapshot: &Snapshot,
    step: &Step,
    deadline: Option<Deadline>,
    mut ongoing: Ongoing,
) -> Result<Attempt, Error> {
    let provider = ongoing.target().provider.clone();
    let timeouts = timeouts(provider.timeouts(), step);
    match within(deadline, pin!(make(work, snapshot, &provider, &timeouts))).await {
        Ok(Attempt::Stream { mut relay, headers }) => {
            ongoing.answering();
            relay.set_ongoing(ongoing);
            Ok(Attempt::Stream { relay, headers })
        }
        Ok(Attempt::Whole { body, usage, headers }) => {
            ongoing.succeeded(usage);
            Ok(Attempt::Whole { body, usage, headers })
        }
        Err(error) => {
            ongoing.failed(&error);
            Err(provider.scrub(error))
        }
    }
}

/// The provider's time limits, with those of a plan that are shorter.
fn timeouts(own: &Timeouts, step: &Step) -> Timeouts {
    let shorter = |own: Duration, planned: Option<Duration>| planned.map_or(own, |planned| planned.min(own));
    Timeouts { first_byte: shorter(own.first_byte, step.first_byte), idle: shorter(own.idle, step.idle), ..own.clone() }
}

/// What comes of it before the deadline.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    work: Pin<&mut impl Future<Output = Result<T, Error>>>,
) -> Result<T, Error> {
    let Some((deadline, limit)) = deadline else { return work.await };
    match tokio::time::timeout_at(deadline, work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = format!("The answer was not complete after {} s.", limit.as_secs_f32());
            Err(Error::new(Cause::Timeout, message))
        }
    }
}

async fn make(
    work: &mut Work,
    snapshot: &Snapshot,
    provider: &Provider,
    timeouts: &Timeouts,
) -> Result<Attempt, Error> {
    let mut encoded = encode(work, provider).await?;
    if let Encoded::Fetch(urls) = encoded {
        // Boxed, since it is rare and large: every request would otherwise make room for it.
        Box::pin(media::put_inline(work, snapshot, provider, &urls)).await?;
        encoded = encode(work, provider).await?;
    }
    match (encoded, work.call.stream) {
        (Encoded::Send(upstream), _) => send(work, provider, timeouts, upstream).await,
        (Encoded::Answer(document), false) => whole(document, None, &work.call, HeaderMap::new()),
        (Encoded::Chunks(chunks), true) => {
            let relay = Relay::local(chunks, work).await?;
            Ok(Attempt::Stream { relay: Box::new(relay), headers: HeaderMap::new() })
        }
        (Encoded::Fetch(_), _) => Err(failure::broken_plugin(provider, "it has media fetched a second time")),
        _ => Err(failure::broken_plugin(provider, "it answered in one piece what was to be streamed, or vice versa")),
    }
}

async fn encode(work: &Work, provider: &Provider) -> Result<Encoded, Error> {
    let document = std::str::from_utf8(&work.body).map_err(|_| Error::internal("the body was checked before"))?;
    let encoded = provider.plugin().encode(&work.id, &work.call, document).await;
    // What an upstream says later is told in its own words.
    encoded.map_err(|error| work.error(failure::of_call(provider, error)))
}

async fn send(
    work: &mut Work,
    provider: &Provider,
    timeouts: &Timeouts,
    mut upstream: UpstreamRequest,
) -> Result<Attempt, Error> {
    let notice = dropped::judge(provider, &work.dropped(&upstream.dropped))?;
    let body = match &upstream.body {
        RequestBody::None => Bytes::new(),
        RequestBody::Document(document) => Bytes::copy_from_slice(document.as_bytes()),
        RequestBody::Forward(edits) => edited(provider, work, edits)?,
    };
    let outgoing = outgoing(provider, &work.call, &mut upstream, body)?;
    let mut exchange = Exchange { work, provider, timeouts, upstream: &upstream };
    let incoming = exchange.send(outgoing).await?;
    if !incoming.status.is_success() {
        return Err(exchange.refused(incoming).await);
    }
    let mut headers = beside::of_answer(provider, exchange.work.call.operation, &incoming.headers);
    headers.extend(notice);
    if exchange.work.call.stream {
        exchange.stream(incoming, headers).await
    } else {
        exchange.whole(incoming, headers).await
    }
}

/// The client's document with a plugin's changes, which are checked: the result is spliced, not parsed again.
fn edited(provider: &Provider, work: &Work, edits: &[FieldEdit]) -> Result<Bytes, Error> {
    for value in edits.iter().filter_map(|edit| edit.value.as_deref()) {
        scan::validate(value).map_err(|_| failure::broken_plugin(provider, "a field that it sets is not JSON"))?;
    }
    let edits: Vec<Edit<'_>> =
        edits.iter().map(|edit| Edit { name: &edit.name, value: edit.value.as_deref() }).collect();
    Ok(edit(&work.body, &work.peek, &edits))
}

/// One request to an upstream and what belongs to it.
struct Exchange<'a> {
    work: &'a mut Work,
    provider: &'a Provider,
    timeouts: &'a Timeouts,
    upstream: &'a UpstreamRequest,
}

impl Exchange<'_> {
    async fn send(&self, outgoing: Outgoing) -> Result<Incoming, Error> {
        let endpoint = self.provider.endpoint()?;
        let limit = self.timeouts.first_byte;
        let sent = Instant::now();
        let sending = pin!(endpoint.send(outgoing));
        match tokio::time::timeout(limit, sending).await {
            Ok(incoming) => {
                self.provider.metrics().observe_response_time(sent.elapsed());
                incoming
            }
            Err(_) => Err(failure::silent(self.provider, limit)),
        }
    }

    /// The error that an upstream's answer with a status other than 2xx stands for.
    async fn refused(&self, incoming: Incoming) -> Error {
        let (status, hint) = (incoming.status, RetryHint::from_headers(&incoming.headers));
        let head = head(incoming.status, &incoming.headers);
        let operation = self.work.call.operation;
        let headers = beside::of_error(self.provider, operation, &incoming.headers);
        // A body that cannot be read is no reason to lose the status.
        let body = incoming.whole(LARGEST_ERROR_BODY, self.timeouts.idle).await.unwrap_or_default();
        let error = match self.decode(&head, &body).await {
            Err(plugin::CallError::Failure(refusal)) => failure::of_upstream(refusal, Some(status), hint),
            Err(fault) => failure::of_call(self.provider, fault),
            Ok(_) => failure::broken_plugin(self.provider, "it took an error for an answer"),
        };
        beside::with_status(error, operation, status).with_headers(headers)
    }

    async fn whole(&self, mut incoming: Incoming, headers: HeaderMap) -> Result<Attempt, Error> {
        let (status, its_headers) = (incoming.status, std::mem::take(&mut incoming.headers));
        let limits = self.provider.limits();
        let body = incoming.whole(limits.answer_bytes, self.timeouts.idle).await.map_err(unseen)?;
        if self.upstream.response == ResponseMode::Forward
            && let Ok(usage) = admit(self.work.call.operation, &body)
        {
            return Ok(Attempt::Whole { body, usage, headers });
        }
        match self.decode(&head(status, &its_headers), &body).await {
            Ok(document) => whole(document, Some(status), &self.work.call, headers),
            Err(error) => Err(failure::of_answer(self.provider, error, &head_status(status))),
        }
    }

    async fn stream(&mut self, mut incoming: Incoming, headers: HeaderMap) -> Result<Attempt, Error> {
        let mut framing = match self.upstream.framing {
            plugin::Framing::Sse => Framing::Sse,
            plugin::Framing::Ndjson => Framing::Ndjson,
            plugin::Framing::AwsEventStream => Framing::AwsEventStream,
        };
        // Boxed, like what follows from it: both are rare.
        if !form::is_stream(&incoming.headers, self.upstream.framing)
            && !Box::pin(self.is_mislabelled(&mut incoming)).await?
        {
            match Box::pin(self.in_one_piece(&mut incoming)).await? {
                Piece::Lines => framing = Framing::Ndjson,
                Piece::Answer(document) => {
                    // All that the answer says goes into one chunk, which the grammar makes conform.
                    let relay = Box::pin(Relay::local(vec![document], self.work)).await?;
                    return Ok(Attempt::Stream { relay: Box::new(relay), headers });
                }
            }
        }
        let head = head(incoming.status, &incoming.headers);
        let events = incoming.events(framing, self.provider.limits().event_bytes)?;
        let relay = Relay::open(self.provider, self.timeouts, self.work, self.upstream, head, events).await;
        let relay = relay.map_err(unseen)?;
        Ok(Attempt::Stream { relay: Box::new(relay), headers })
    }

    /// Whether an answer by another name is a stream of events all the same: no document begins like one.
    async fn is_mislabelled(&self, incoming: &mut Incoming) -> Result<bool, Error> {
        if self.upstream.framing != plugin::Framing::Sse {
            return Ok(false);
        }
        let first = incoming.first_byte(LARGEST_ERROR_BODY, self.timeouts.idle).await?;
        Ok(matches!(first, Some(b':' | b'a'..=b'z')))
    }

    /// Reads an answer in one piece to a request for a stream. Often it is an error with status 200, or a page of HTML;
    /// but some upstreams give their events as a list, and some do not stream at all.
    async fn in_one_piece(&self, incoming: &mut Incoming) -> Result<Piece, Error> {
        let (status, head) = (incoming.status, head(incoming.status, &incoming.headers));
        let body = incoming.read(self.provider.limits().answer_bytes, self.timeouts.idle).await.map_err(unseen)?;
        if let Some(lines) = form::lines_of_list(&body) {
            incoming.put_back(lines);
            return Ok(Piece::Lines);
        }
        let document = self.decode(&head, &body).await;
        let document = document.map_err(|error| failure::of_answer(self.provider, error, &head_status(status)))?;
        if !matches!(self.work.call.operation, Operation::Chat | Operation::Completions) {
            let message = "The upstream answered in one piece where a stream was asked for.";
            return Err(Error::new(Cause::BadAnswer, message));
        }
        conforming(document, Some(status), &self.work.call).map(|(document, _)| Piece::Answer(document))
    }

    async fn decode(&self, head: &ResponseHead, body: &[u8]) -> Result<String, plugin::CallError> {
        let body = String::from_utf8_lossy(body);
        let carry = self.upstream.carry.as_deref();
        self.provider.plugin().decode(&self.work.id, &self.work.call, carry, head, &body).await
    }
}

/// Judges a whole answer, and says what it cost if it tells.
fn admit(operation: Operation, document: &[u8]) -> Result<Option<Usage>, Departure> {
    match work::native(operation) {
        Some(native) => native.admit(document),
        None if operation == Operation::Embeddings => embeddings::admit(document),
        None => answer::admit(document).map(|summary| summary.usage),
    }
}

fn whole(document: String, status: Option<StatusCode>, call: &Call, headers: HeaderMap) -> Result<Attempt, Error> {
    let (document, usage) = conforming(document, status, call)?;
    Ok(Attempt::Whole { body: document.into(), usage, headers })
}

/// A plugin's document as the client gets it, made to conform where it does not; and what it cost.
fn conforming(document: String, status: Option<StatusCode>, call: &Call) -> Result<(String, Option<Usage>), Error> {
    match admit(call.operation, document.as_bytes()) {
        Ok(usage) => Ok((document, usage)),
        Err(Departure::Departs(reason)) if call.operation == Operation::Chat => {
            tracing::debug!(status = status.map(|status| status.as_u16()), "an answer is repaired: {reason}");
            let document = answer::repair(&document, &call.model)?;
            let usage = admit(call.operation, document.as_bytes()).map_err(no_answer)?;
            Ok((document, usage))
        }
        Err(departure) => Err(no_answer(departure)),
    }
}

fn no_answer(departure: Departure) -> Error {
    match departure {
        Departure::Failed(error) => error,
        Departure::Departs(reason) => {
            Error::new(Cause::BadAnswer, "The upstream's answer is not what was asked for.").with_detail(reason)
        }
    }
}

/// What a plugin wants sent. Path and headers are taken out of it: nobody needs them there any more.
pub(super) fn outgoing(
    provider: &Provider,
    call: &Call,
    upstream: &mut UpstreamRequest,
    body: Bytes,
) -> Result<Outgoing, Error> {
    let method = Method::from_bytes(upstream.method.as_bytes())
        .map_err(|_| failure::broken_plugin(provider, "its request has no valid method"))?;
    let credential = match &upstream.auth {
        Auth::None => Credential::None,
        Auth::Bearer => Credential::Bearer,
        Auth::Query(parameter) => Credential::Query(parameter.clone()),
        Auth::AwsSigv4(service) => Credential::AwsSigv4 { service: service.clone() },
        Auth::Header(name) => {
            let name = HeaderName::from_bytes(name.as_bytes());
            Credential::Header(
                name.map_err(|_| failure::broken_plugin(provider, "its credential's header is invalid"))?,
            )
        }
    };
    let headers = std::mem::take(&mut upstream.headers).into_iter().map(|header| (header.name, header.value)).collect();
    Ok(Outgoing {
        method,
        path: std::mem::take(&mut upstream.path),
        headers,
        body,
        credential,
        accept_stream: call.stream,
        request_id: call.request_id.clone(),
    })
}

/// The head of an answer, as plugins get it.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> ResponseHead {
    let headers = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?.to_owned();
        Some(plugin::Header { name: name.as_str().to_owned(), value })
    });
    ResponseHead { status: status.as_u16(), headers: headers.collect() }
}

/// An answer that broke off before the client had any of it: another attempt may do better.
fn unseen(error: Error) -> Error {
    match error.cause {
        Cause::BadAnswer | Cause::Connection | Cause::Timeout => Error { retryable: true, ..error },
        _ => error,
    }
}

/// A good status that came with a bad body tells the client nothing.
fn head_status(status: StatusCode) -> Option<StatusCode> {
    (!status.is_success()).then_some(status)
}
