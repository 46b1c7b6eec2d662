//! Canonical answers and chunks as they are read here: the fields that a message is made of.
//!
//! Strings stay as they were written: a delta is copied, escapes and all. What the rules of `chat` do not mention may
//! be of any form, and is left out where it is of none that is known.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chat::finish_reason::FinishReason;
use crate::chat::usage::Usage;
use crate::dialect::carried::Carried;
use crate::error::{Cause, Error};

/// An answer or a chunk.
#[derive(Deserialize, Default)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Option<&'a RawValue>,
}

/// One choice, of which there is one: the dialect cannot ask for more.
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow, default, rename = "delta", alias = "message")]
    pub(super) said: Said<'a>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    native_finish_reason: Option<&'a RawValue>,
    /// The stop sequence that was met, at upstreams that say so.
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

/// A message, or what a chunk adds to it.
#[derive(Deserialize, Default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
    /// A call in the form before tools: there is one, and it has no id.
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) extra_content: Option<&'a RawValue>,
}

/// A tool call, or what a chunk adds to it.
#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) extra_content: Option<&'a RawValue>,
}

/// What is called.
#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// An element of `thinking_blocks`.
#[derive(Deserialize)]
pub(super) struct ThinkingBlock<'a> {
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
    /// Of a redacted one.
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// Parses an answer or a chunk.
pub(super) fn parse(document: &str) -> Result<Document<'_>, Error> {
    serde_json::from_str(document).map_err(|fault| bad_answer(fault.to_string()))
}

/// The error for an answer that is none.
pub(super) fn bad_answer(detail: impl Into<String>) -> Error {
    Error::new(Cause::BadAnswer, "The upstream sent an answer that makes no sense.").with_detail(detail)
}

/// What stands between the quotes of a string, escapes and all. `None` if this is no string, or an empty one.
pub(super) fn body(value: Option<&RawValue>) -> Option<&str> {
    let body = value?.get().strip_prefix('"')?.strip_suffix('"')?;
    Some(body).filter(|body| !body.is_empty())
}

/// The text of a string. `None` if this is no string, or an empty one.
pub(super) fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    match body(value)? {
        plain if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(value?.get()).ok().map(Cow::Owned),
    }
}

impl Document<'_> {
    /// What it cost, if it says so.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::parse(self.usage?.get())
    }
}

impl Choice<'_> {
    /// Why it ended, if it has.
    pub(super) fn finish_reason(&self) -> Option<FinishReason> {
        FinishReason::parse(body(self.finish_reason)?)
    }

    /// The upstream's own word for that.
    pub(super) fn native_finish_reason(&self) -> Option<Cow<'_, str>> {
        text(self.native_finish_reason)
    }

    /// The stop sequence that was met.
    pub(super) fn met(&self) -> Option<Cow<'_, str>> {
        text(self.stop_reason)
    }
}

impl<'a> Said<'a> {
    /// The thinking blocks, if they can be read.
    pub(super) fn thinking_blocks(&self) -> Vec<ThinkingBlock<'a>> {
        self.thinking_blocks.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
    }

    /// Takes note of what the upstream wants back and has no place in a block. That of calls is for [`Call::carry`].
    pub(super) fn carry(&self, carried: &mut Carried) {
        carried.add_details(list(self.reasoning_details));
        carried.add_content(parsed(self.extra_content));
    }

    /// The citations in this dialect's form: those of an address, and those that came in this form.
    pub(super) fn citations(&self) -> Vec<Value> {
        let located = list(self.annotations).into_iter().filter_map(|annotation| {
            let cited = &annotation["url_citation"];
            // What of the source was cited is not known, only where the answer does.
            Some(json!({
                "type": "web_search_result_location",
                "cited_text": "",
                "encrypted_index": "",
                "title": cited["title"].as_str(),
                "url": cited["url"].as_str()?,
            }))
        });
        let own = list(self.citations).into_iter().filter_map(|mut citation| {
            let citation = citation.get_mut("citation")?.take();
            citation["type"].as_str().is_some_and(|kind| kind.ends_with("_location")).then_some(citation)
        });
        located.chain(own).collect()
    }
}

impl Call<'_> {
    /// Takes note of the signature of a call, which has this id.
    pub(super) fn carry(&self, id: &str, carried: &mut Carried) {
        carried.add_call(id, parsed(self.extra_content));
    }
}

/// The elements of a list; none if this is no list.
fn list(value: Option<&RawValue>) -> Vec<Value> {
    value.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
}

fn parsed(value: Option<&RawValue>) -> Value {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}
