//! A client's request: one pass that checks it and notes what the host needs to know, and edits in place.
//!
//! [`Peek::chat`] refuses what no upstream could make sense of of a chat, in the words of the OpenAI API and with the field at
//! fault. What it does not know, it carries: an unknown field is for the upstream to judge. Nothing is translated here.

mod edit;
mod fields;
mod messages;
mod wrong;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::scan::{Kind, Scanner, Text};
use crate::error::Error;
pub use edit::{Edit, edit};
use wrong::{Refusal, Wrong};

/// How long a model's name may be, in bytes.
const MAX_MODEL_BYTES: usize = 256;

/// What the host knows of a request.
#[derive(Debug, Clone, Default)]
pub struct Peek {
    /// The model as the client named it: not empty, at most 256 bytes.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the client wants a usage chunk at the end of the stream.
    pub include_usage: bool,
    /// The number of messages: at least one in a chat, none in other requests.
    pub messages: usize,
    /// The bytes of text in the messages, as an estimate of the prompt's size. Images and files do not count.
    pub text_bytes: usize,
    /// The number of tools, and of functions in the form before tools.
    pub tools: usize,
    /// The number of parts in messages that are images.
    pub images: usize,
    /// `max_completion_tokens`, or else `max_tokens`.
    pub max_tokens: Option<u64>,
    /// The top-level fields in their order, unknown ones and nulls included.
    pub fields: Vec<Field>,
}

/// A top-level field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: Cow<'static, str>,
    /// Where the field stands in the body, from its name to the end of its value.
    pub entry: Range<usize>,
    /// Where its value stands.
    pub value: Range<usize>,
}

impl Peek {
    /// Checks the body of `POST /v1/chat/completions`. A request that names no model is for `default_model`, if there
    /// is one.
    ///
    /// Fails with a 400 that names the field at fault, or line and column where the body is not JSON.
    pub fn chat(body: &[u8], default_model: Option<&str>) -> Result<Self, Error> {
        Self::read(body, default_model, &fields::CHAT, "messages")
    }

    /// Checks what the bodies of all other operations have in common: that this is a JSON object that names a model.
    /// The rest is for whoever speaks their dialect. `required` is the field that a message about an empty body names
    /// beside the model.
    ///
    /// Fails like [`Peek::chat`].
    pub fn other(body: &[u8], default_model: Option<&str>, required: &'static str) -> Result<Self, Error> {
        Self::read(body, default_model, &fields::OTHER, required)
    }

    fn read(
        body: &[u8],
        default_model: Option<&str>,
        fields: &'static [fields::KnownField],
        required: &'static str,
    ) -> Result<Self, Error> {
        if body.iter().all(u8::is_ascii_whitespace) {
            let message =
                format!("The request has no body. Send a JSON object with at least `model` and `{required}`.");
            return Err(Error::invalid_request(message));
        }
        let body = simdutf8::basic::from_utf8(body).map_err(|_| not_utf8(body))?;
        let mut scanner = Scanner::new(body);
        let mut survey = Survey { fields, ..Survey::default() };
        let read = survey
            .read(&mut scanner)
            .and_then(|()| Ok(scanner.finish()?))
            .and_then(|()| survey.conclude(default_model));
        read.map_err(|refusal| refusal.into_error(body))
    }

    /// The field with this name, if the client sent it.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// What one pass over the request finds.
#[derive(Default)]
struct Survey {
    fields: &'static [fields::KnownField],
    peek: Peek,
    max_completion_tokens: Option<u64>,
    has_stream_options: bool,
    logprobs: bool,
    has_top_logprobs: bool,
}

impl Survey {
    fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Refusal> {
        let kind = scanner.peek()?;
        if kind != Kind::Object {
            return Err(Refusal::NotAnObject(kind));
        }
        let mut names = Names::default();
        self.peek.fields.reserve(16);
        scanner.members(|scanner, key| {
            let start = key.offset();
            names.insert(key)?;
            let known = fields::find(self.fields, &key.decode());
            scanner.peek()?;
            let value = scanner.offset();
            match known {
                Some(field) => field.check(scanner, self)?,
                None => scanner.skip()?,
            }
            let name = known.map_or_else(|| Cow::Owned(key.decode().into_owned()), |field| Cow::Borrowed(field.name));
            self.peek.fields.push(Field { name, entry: start..scanner.offset(), value: value..scanner.offset() });
            Ok(())
        })
    }

    /// The rules about what has to be there, and about fields that need each other.
    fn conclude(mut self, default_model: Option<&str>) -> Result<Peek, Refusal> {
        if self.peek.model.is_empty() {
            let model = default_model.ok_or_else(|| Wrong::missing().within("model"))?;
            model.clone_into(&mut self.peek.model);
        }
        let is_chat = std::ptr::eq(self.fields, fields::CHAT.as_slice());
        if is_chat && self.peek.messages == 0 {
            return Err(Wrong::missing().within("messages").into());
        }
        if self.has_stream_options && !self.peek.stream {
            return Err(Wrong::needs("stream").within("stream_options").into());
        }
        if self.has_top_logprobs && !self.logprobs {
            return Err(Wrong::needs("logprobs").within("top_logprobs").into());
        }
        self.peek.max_tokens = self.max_completion_tokens.or(self.peek.max_tokens);
        Ok(self.peek)
    }
}

/// The keys of one object, to find one that comes twice: two readers of the same request might each take another.
#[derive(Default)]
struct Names<'a> {
    few: [&'a str; 12],
    count: usize,
    /// Keys past the first few, and those with escape sequences: a set, so that a million keys take no million steps
    /// each.
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    fn insert(&mut self, key: Text<'a>) -> Result<(), Wrong> {
        let name = key.decode();
        let known = self.few[..self.count].contains(&&*name) || self.many.contains(&name);
        if known {
            return Err(Wrong::duplicate(&name));
        }
        match name {
            Cow::Borrowed(name) if self.count < self.few.len() => {
                self.few[self.count] = name;
                self.count += 1;
            }
            name => {
                self.many.insert(name);
            }
        }
        Ok(())
    }
}

fn not_utf8(body: &[u8]) -> Error {
    let valid = simdutf8::compat::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len);
    Error::invalid_request(format!(
        "The request body is not valid UTF-8: the byte at offset {valid} does not belong there. Send JSON in UTF-8."
    ))
}

#[cfg(test)]
mod tests;
