//! The Messages dialect: `POST /v1/messages` and its `count_tokens`, as the official SDKs and coding agents speak it.
//!
//! A request becomes a canonical chat, so that such a client works with any upstream, and what comes back becomes a
//! message with content blocks, or its stream of events. What has no place in a chat is refused by name (server-side
//! tools, MCP servers, containers, uploaded files) or, where it is no more than a hint, left out. An upstream that
//! speaks this dialect by itself is not for here: see [`super::native`].
//!
//! What an upstream needs back in a later turn and the dialect has no place for (the encrypted reasoning of some, the
//! signatures of texts and calls of others) travels in a block of redacted thinking at the end of the message
//! ([`super::carried`]): clients send those back unread.
//!
//! - `request`: the fields of a request, its `conversation` with its `parts`, and its `tools`.
//! - `answer` and `stream`: the way back, whole and in events, out of the `canonical` form and in terms of `reply`.
//! - `failure`: errors in the dialect's shape. `media`: what a request refers to by URL. `count`: how many tokens a
//!   request has, as an estimate.
//!
//! Source: the reference of the Messages API, version 2023-06-01, and the types of its Python SDK.

mod answer;
mod canonical;
mod conversation;
mod count;
mod failure;
mod given;
pub mod media;
mod parts;
mod reply;
mod request;
mod stream;
mod tools;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

pub use self::count::count_tokens;
pub use self::failure::{OVERLOADED, error, is_rate_limit};
use self::reply::Asked;
use self::request::Purpose;
use self::stream::Stream;
use super::{Dialect, Names, Translated, carried};
use crate::error::Error;

/// What the fields of a chat are called here. Messages are in other places, as `system` is not among them.
pub const NAMES: Names = &[
    ("max_completion_tokens", "max_tokens"),
    ("stop", "stop_sequences"),
    ("response_format", "output_config.format"),
    ("reasoning_effort", "output_config.effort"),
    ("user", "metadata.user_id"),
];

/// Translates the body of `POST /v1/messages`. `id` is that of the request: the answer's is made of it, and an error
/// in a stream names it.
///
/// # Errors
/// A 400 that names the field at fault; with the code `unsupported_parameter` where only an upstream of this dialect
/// could do what it asks.
pub fn request(body: &[u8], id: &str) -> Result<Translated, Error> {
    let (document, stop_sequences, dropped) = request::translate(body, Purpose::Answer)?;
    let asked = Asked { request: id.to_owned(), stop_sequences };
    Ok(Translated { document, back: Box::new(Messages { stream: Stream::default(), asked }), dropped })
}

/// What an upstream that speaks Messages by itself gets in place of this body. `None`: the body as it is.
pub fn for_native(body: &[u8]) -> Option<String> {
    if !carried::may_be_in(body) {
        return None;
    }
    let mut request: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    let messages = request.get_mut("messages")?.as_array_mut()?;
    messages.retain_mut(|message| match message.get_mut("content").and_then(Value::as_array_mut) {
        Some(blocks) => {
            let before = blocks.len();
            blocks.retain(|block| !carried::is_ours(&block["data"]));
            // A turn that held nothing else is none.
            blocks.len() == before || !blocks.is_empty()
        }
        None => true,
    });
    serde_json::to_string(&request).ok()
}

/// The canonical chat whose tokens `POST /v1/messages/count_tokens` wants to know. Nobody is asked for an answer to it.
///
/// # Errors
/// As for [`request`], but `max_tokens` may be missing.
pub fn counted(body: &[u8]) -> Result<String, Error> {
    request::translate(body, Purpose::Count).map(|(document, ..)| document)
}

/// The way back of one request.
struct Messages {
    asked: Asked,
    stream: Stream,
}

impl Dialect for Messages {
    fn answer(&mut self, document: &[u8]) -> Result<Bytes, Error> {
        answer::translate(document, &self.asked)
    }

    fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error> {
        self.stream.chunk(chunk, &self.asked, out)
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.stream.end(&self.asked, out);
    }

    fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        let body = failure::error(error, &self.asked.request);
        stream::event(out, "error", format_args!("{body}"));
    }

    fn keep_alive(&self) -> &'static [u8] {
        stream::PING
    }
}

#[cfg(test)]
mod tests;
