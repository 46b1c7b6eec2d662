//! Canonical answers and chunks as completions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::logprobs::{Given, Legacy};
use crate::error::{Cause, Error};

/// What the way back has to know of the request.
pub(super) struct Asked {
    /// The prompt, if it is to stand in front.
    pub(super) echo: Option<String>,
    /// The length of the prompt, in characters.
    pub(super) offset: usize,
    /// How many likely tokens to name beside each.
    pub(super) logprobs: Option<u64>,
    /// Whether a stream is to tell its usage.
    pub(super) include_usage: bool,
}

/// Makes completions of what comes back.
pub(super) struct Answers {
    asked: Asked,
    id: String,
    /// Where the next token of each choice of a stream stands, in characters. A choice that is here has begun.
    offsets: BTreeMap<u64, usize>,
}

/// An answer or a chunk.
#[derive(Deserialize)]
struct Canonical<'a> {
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    system_fingerprint: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default, rename = "delta", alias = "message")]
    said: Said<'a>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

/// What the model said. What it thought has no place in a completion.
#[derive(Deserialize, Default)]
struct Said<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    fn text(self) -> Cow<'a, str> {
        match (self.content, self.refusal) {
            (Some(content), Some(refusal)) => content + refusal,
            (content, refusal) => content.or(refusal).unwrap_or_default(),
        }
    }
}

/// A completion, whole or a chunk.
#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: Option<&'a RawValue>,
    model: Option<&'a RawValue>,
    choices: Vec<Completed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Completed<'a> {
    text: Cow<'a, str>,
    index: u64,
    logprobs: Option<Legacy<'a>>,
    finish_reason: Option<&'static str>,
}

impl Answers {
    /// Those of a request.
    pub(super) fn new(asked: Asked, request: &str) -> Self {
        let id = request.strip_prefix("req_").unwrap_or(request);
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        Self { asked, id: format!("cmpl-{id}"), offsets: BTreeMap::new() }
    }

    /// A whole answer as a completion.
    pub(super) fn whole(&mut self, document: &[u8]) -> Result<Vec<u8>, Error> {
        let mut canonical: Canonical = serde_json::from_slice(document).map_err(bad_answer)?;
        let choices = std::mem::take(&mut canonical.choices);
        let choices = choices.into_iter().map(|choice| self.complete(choice)).collect();
        serde_json::to_vec(&self.completion(&canonical, choices)).map_err(|fault| Error::internal(fault.to_string()))
    }

    /// A chunk as one of a completion. `None` if it says nothing that a completion would.
    pub(super) fn chunk(&mut self, chunk: &str) -> Result<Option<String>, Error> {
        let mut canonical: Canonical = serde_json::from_str(chunk).map_err(bad_answer)?;
        if !self.asked.include_usage {
            canonical.usage = None;
        }
        let choices = std::mem::take(&mut canonical.choices);
        let choices = choices.into_iter().map(|choice| self.complete(choice));
        let choices: Vec<_> = choices.filter(Completed::says_something).collect();
        if choices.is_empty() && canonical.usage.is_none() {
            return Ok(None);
        }
        let chunk = serde_json::to_string(&self.completion(&canonical, choices));
        chunk.map(Some).map_err(|fault| Error::internal(fault.to_string()))
    }

    fn completion<'a>(&'a self, canonical: &Canonical<'a>, choices: Vec<Completed<'a>>) -> Completion<'a> {
        Completion {
            id: &self.id,
            object: "text_completion",
            created: canonical.created,
            model: canonical.model,
            choices,
            usage: canonical.usage,
            system_fingerprint: canonical.system_fingerprint,
        }
    }

    /// Makes a choice, or what a chunk adds to one, that of a completion.
    fn complete<'a>(&mut self, choice: Choice<'a>) -> Completed<'a> {
        let echo = self.asked.echo.as_ref().filter(|_| !self.offsets.contains_key(&choice.index));
        let mut text = choice.said.text();
        if let Some(prompt) = echo {
            text = Cow::Owned(format!("{prompt}{text}"));
        }
        let offset = self.offsets.entry(choice.index).or_insert(self.asked.offset);
        let given = choice.logprobs.and_then(|logprobs| serde_json::from_str::<Given>(logprobs.get()).ok());
        let logprobs = self.asked.logprobs.and_then(|count| Legacy::of(given?, count, offset));
        let finish_reason = choice.finish_reason.map(|reason| match &*reason {
            "length" => "length",
            "content_filter" => "content_filter",
            // A completion calls no tools.
            _ => "stop",
        });
        Completed { text, index: choice.index, logprobs, finish_reason }
    }
}

impl Completed<'_> {
    fn says_something(&self) -> bool {
        !self.text.is_empty() || self.logprobs.is_some() || self.finish_reason.is_some()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn bad_answer(fault: serde_json::Error) -> Error {
    Error::new(Cause::BadAnswer, "The upstream sent an answer that makes no sense.").with_detail(fault.to_string())
}
