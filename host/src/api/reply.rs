//! An answer on its way out: its headers, and a body that is whole or a stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::Place;
use crate::dialect::messages;
use crate::error::Error;
use crate::pipeline::{Account, Relay};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the document of an error looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As in the OpenAI API.
    OpenAi,
    /// As in the Messages API.
    Messages,
}

/// An answer.
pub(super) struct Reply(Response<ReplyBody>);

/// The body of an answer.
pub struct ReplyBody {
    content: Content,
    /// Given back when the body has ended or is dropped.
    place: Option<Place>,
}

enum Content {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Reply {
    /// An answer with this body and no headers yet.
    pub(super) fn new(status: StatusCode, body: Bytes) -> Self {
        let mut response = Response::new(ReplyBody::of(Content::Whole(Some(body))));
        *response.status_mut() = status;
        Self(response)
    }

    /// A JSON document that is already text.
    pub(super) fn document(body: Bytes) -> Self {
        Self::new(StatusCode::OK, body).with_header(header::CONTENT_TYPE, JSON)
    }

    /// A JSON document.
    pub(super) fn json(status: StatusCode, document: &Value) -> Self {
        Self::new(status, document.to_string().into()).with_header(header::CONTENT_TYPE, JSON)
    }

    /// An error in the shape of the OpenAI API.
    pub(super) fn error(error: &Error) -> Self {
        Self::error_as(error.to_json(), error)
    }

    /// An error that this document tells.
    fn error_as(document: String, error: &Error) -> Self {
        let mut reply = Self::new(error.status, document.into()).with_header(header::CONTENT_TYPE, JSON);
        let headers = reply.0.headers_mut();
        headers.extend(error.headers.as_deref().cloned().unwrap_or_default());
        if let Some(after) = error.retry_after {
            set_retry_after(headers, after);
        }
        if error.exhausted {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        // What is left of a body that was refused unread would be taken for the next request.
        if error.status == StatusCode::PAYLOAD_TOO_LARGE || error.status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }

    /// The same for a request whose account is to be closed.
    pub(super) fn failed(shape: Shape, error: Error, account: Account) -> Self {
        let document = match shape {
            Shape::OpenAi => error.to_json(),
            Shape::Messages => messages::error(&error, account.request_id()),
        };
        let reply = Self::error_as(document, &error);
        account.failed(&error);
        reply
    }

    /// A stream of server-sent events.
    pub(super) fn stream(relay: Box<Relay>) -> Self {
        let events = unfold(relay, |mut relay| async move { relay.next().await.map(|bytes| (bytes, relay)) });
        let mut response = Response::new(ReplyBody::of(Content::Stream(Box::pin(events))));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx would otherwise hold events back until its buffer is full.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Self(response)
    }

    /// The same answer with one more header.
    #[must_use]
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// The same answer with more headers.
    #[must_use]
    pub(super) fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers_mut().extend(headers);
        self
    }

    /// The same answer, which keeps its request's place until its body has ended or is dropped.
    #[must_use]
    pub(super) fn holding(mut self, place: Place) -> Self {
        self.0.body_mut().place = Some(place);
        self
    }

    pub(super) fn into_response(self) -> Response<ReplyBody> {
        self.0
    }
}

fn set_retry_after(headers: &mut HeaderMap, after: Duration) {
    // Whole seconds for everybody, rounded up, and the exact time for the SDKs that know it.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    headers.insert("retry-after-ms", HeaderValue::from(milliseconds));
}

impl ReplyBody {
    /// No body.
    pub(super) fn empty() -> Self {
        Self::of(Content::Whole(None))
    }

    fn of(content: Content) -> Self {
        Self { content, place: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Stream(events) => events.as_mut().poll_next(context),
        };
        if let Poll::Ready(None) = next {
            self.place = None;
        }
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
