//! The legacy dialect `POST /v1/completions`, mapped onto a chat for upstreams that have no completions of their own.
//!
//! The prompt becomes the message of a user, and what the assistant says to it the completion. What a chat cannot do is
//! refused by name: several prompts, prompts of token numbers, a `suffix`, the best of several.
//!
//! - `request`: the way there. `answer`: the way back, whole and in chunks. `logprobs`: the legacy form of those.

mod answer;
mod logprobs;
mod request;

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use self::answer::Answers;
use super::{Dialect, Names, Translated};
use crate::error::Error;

/// What the fields of a chat are called here.
pub const NAMES: Names =
    &[("messages", "prompt"), ("max_completion_tokens", "max_tokens"), ("top_logprobs", "logprobs")];

/// Translates the body of `POST /v1/completions`. `id` is that of the request: the answer's is made of it.
///
/// # Errors
/// A 400 that names the field at fault; with the code `unsupported_parameter` for what a chat cannot do.
pub fn request(body: &[u8], id: &str) -> Result<Translated, Error> {
    let (document, asked) = request::translate(body)?;
    Ok(Translated { document, back: Box::new(Completions { answers: Answers::new(asked, id) }), dropped: Vec::new() })
}

/// The way back of one request.
struct Completions {
    answers: Answers,
}

impl Dialect for Completions {
    fn answer(&mut self, document: &[u8]) -> Result<Bytes, Error> {
        self.answers.whole(document).map(Bytes::from)
    }

    fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error> {
        if let Some(chunk) = self.answers.chunk(chunk)? {
            data(out, &chunk);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut BytesMut) {
        data(out, "[DONE]");
    }

    fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        data(out, &error.to_json());
        data(out, "[DONE]");
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }
}

/// Adds an event.
fn data(out: &mut BytesMut, data: &str) {
    // Writing into memory cannot fail.
    let _ = write!(out, "data: {data}\n\n");
}

#[cfg(test)]
mod tests;
