//! `POST /v1/responses` of the OpenAI API, as far as it keeps nothing: a request becomes a canonical one, and its answer
//! a Response object or the events of one.
//!
//! Nothing is stored here. What needs a store (an earlier response, a conversation, a stored prompt or file, work in the
//! background) and tools that run at OpenAI are refused with a 400 that names the field. `store` may be sent; every
//! Response says `"store": false`. `truncation` and `context_management` may be sent as well: they only ask to shorten
//! what does not fit, and here such a request fails with `context_length_exceeded`. The client is told that they, and
//! other wishes that nobody here can fulfil, are left out.
//!
//! In: `request` has the fields, `tools` the tools, `input` the items, which become messages, `parts` their content.
//! Out: `output` sorts what chunks say into items (`item`) and tells of them in events (`event`); `response` is the
//! object around them. A whole answer is one chunk that nobody watches. What an upstream needs back in a later turn
//! travels in the `encrypted_content` of reasoning items ([`super::carried`]), asked for or not: clients that send their items
//! back lose nothing.

mod event;
mod input;
mod item;
mod output;
mod parts;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod tools;

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{Dialect, Names, Translated, carried};
use crate::error::{Cause, Error};
use event::Events;
use output::Output;
use response::{Echo, Identity};

type Object = Map<String, Value>;

/// What the fields of a chat are called here.
pub const NAMES: Names = &[
    ("messages", "input"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format", "text.format"),
    ("verbosity", "text.verbosity"),
    ("reasoning_effort", "reasoning.effort"),
];

/// Translates the body of a request, which is a JSON object in UTF-8. `id`: that of the request; the ids in the answer
/// are made of it.
///
/// # Errors
/// `Cause::InvalidRequest` naming the field that is wrong, or that asks for what is not done here.
pub fn request(body: &[u8], id: &str) -> Result<Translated, Error> {
    let fields: Object = serde_json::from_slice(body)
        .map_err(|error| Error::invalid_request(format!("The body is not a JSON object: {error}.")))?;
    let output = Output::new(Echo::of(&fields), Identity::new(id));
    let dropped = request::dropped(&fields);
    let document = Value::Object(request::canonical(fields)?).to_string();
    Ok(Translated { document, back: Box::new(Responses { output, sequence: 0 }), dropped })
}

/// What an upstream that speaks Responses by itself gets in place of this body. `None`: the body as it is.
pub fn for_native(body: &[u8]) -> Option<String> {
    if !carried::may_be_in(body) {
        return None;
    }
    let mut request: Object = serde_json::from_slice(body).ok()?;
    let items = request.get_mut("input")?.as_array_mut()?;
    items.retain(|item| !carried::is_ours(&item["encrypted_content"]));
    serde_json::to_string(&request).ok()
}

/// Tells one client of the Responses API what became of its request.
struct Responses {
    output: Output,
    /// The number of the next event.
    sequence: u64,
}

impl Dialect for Responses {
    fn answer(&mut self, document: &[u8]) -> Result<Bytes, Error> {
        let mut answer = parse(document)?;
        if let Some(choices) = answer.get_mut("choices").and_then(Value::as_array_mut) {
            for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
                let message = choice.remove("message").unwrap_or_default();
                choice.insert("delta".to_owned(), message);
            }
        }
        let mut events = Events::unheard();
        self.output.chunk(answer, &mut events);
        Ok(self.output.finish(&mut events).into())
    }

    fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error> {
        let chunk = parse(chunk.as_bytes())?;
        self.output.chunk(chunk, &mut Events::new(out, &mut self.sequence));
        Ok(())
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.output.end(&mut Events::new(out, &mut self.sequence));
    }

    fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        self.output.fail(error, &mut Events::new(out, &mut self.sequence));
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }
}

fn parse(document: &[u8]) -> Result<Object, Error> {
    serde_json::from_slice(document).map_err(|error| {
        Error::new(Cause::BadAnswer, "The upstream sent an answer that makes no sense.").with_detail(error.to_string())
    })
}

/// The value as text, if it is a string with something in it.
fn nonempty(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Takes a field that is text out of an object. Anything else there counts as nothing.
fn take_text(object: &mut Object, name: &str) -> Option<String> {
    match object.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Takes a field that is a list out of an object. Anything else there counts as an empty one.
fn take_list(object: &mut Object, name: &str) -> Vec<Value> {
    match object.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}
