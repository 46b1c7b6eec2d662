//! Log probabilities: of a chat an object for each token, of a completion a list for each field.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Those of a chat's choice.
#[derive(Deserialize)]
pub(super) struct Given<'a> {
    #[serde(borrow)]
    content: Option<Vec<Token<'a>>>,
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow)]
    logprob: &'a RawValue,
    #[serde(borrow)]
    top_logprobs: Option<Vec<Likely<'a>>>,
}

#[derive(Deserialize)]
struct Likely<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
    logprob: Value,
}

/// Those of a completion.
#[derive(Serialize)]
pub(super) struct Legacy<'a> {
    tokens: Vec<Cow<'a, str>>,
    token_logprobs: Vec<&'a RawValue>,
    /// By token. The token itself is among them even if it is none of the likeliest. Absent if none were asked for.
    top_logprobs: Option<Vec<Map<String, Value>>>,
    /// Where each token stands in the prompt and the completion together, in characters.
    text_offset: Vec<usize>,
}

impl<'a> Legacy<'a> {
    /// The same in the legacy form, with this many likely tokens beside each. `offset` is where the first token stands,
    /// and then where the next one would. `None` if there are none.
    pub(super) fn of(given: Given<'a>, count: u64, offset: &mut usize) -> Option<Self> {
        let content = given.content.filter(|content| !content.is_empty())?;
        let mut top_logprobs = (count > 0).then(|| Vec::with_capacity(content.len()));
        let mut tokens = Vec::with_capacity(content.len());
        let mut token_logprobs = Vec::with_capacity(content.len());
        let mut text_offset = Vec::with_capacity(content.len());
        for Token { token, logprob, top_logprobs: likely } in content {
            if let Some(list) = &mut top_logprobs {
                let likely = likely.unwrap_or_default().into_iter();
                let mut likely: Map<_, _> = likely.map(|likely| (likely.token.into_owned(), likely.logprob)).collect();
                if let (false, Ok(logprob)) = (likely.contains_key(&*token), serde_json::from_str(logprob.get())) {
                    likely.insert(token.clone().into_owned(), logprob);
                }
                list.push(likely);
            }
            text_offset.push(*offset);
            *offset += token.chars().count();
            tokens.push(token);
            token_logprobs.push(logprob);
        }
        Some(Self { tokens, token_logprobs, top_logprobs, text_offset })
    }
}
