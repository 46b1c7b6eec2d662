//! What a policy is shown of a request. Each dialect has its own way to write an image, a limit or a user, and a policy
//! need not know any: it sees the chat that the request stands for. What upstreams are sent is not touched by that.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::HeaderName;
use serde::de::IgnoredAny;

use super::canonical::Canonical;
use super::policy::milliseconds;
use super::request::Request;
use crate::chat::prompts::Prompts;
use crate::chat::request::Peek;
use crate::chat::{estimate, last_text};
use crate::plugin::{Entry, Header, Operation, RoutingRequest};

/// The client's own words for a request, with commas between.
const TAGS: HeaderName = HeaderName::from_static("x-weir-tags");

/// Headers that begin so are for policies.
const FOR_POLICIES: &str = "x-weir-";

/// Limits of what a policy is shown of what a client controls.
const MOST_TAGS: usize = 32;
const MOST_HEADERS: usize = 32;
const LONGEST_TEXT: usize = 16 << 10;

/// What a policy is shown of a request.
pub(super) fn of(request: &Request<'_>, let_through: &[HeaderName], wants_text: bool) -> RoutingRequest {
    let said = Said::of(request, if wants_text { LONGEST_TEXT } else { 0 });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    RoutingRequest {
        id: request.id.to_string(),
        model: request.peek.model.clone(),
        operation: request.operation,
        stream: request.peek.stream,
        key: request.key.map(|key| key.name.clone()),
        key_tags: request.key.map(|key| key.tags.clone()).unwrap_or_default(),
        user: said.user,
        tags: tags(&request.headers),
        metadata: metadata(request),
        headers: headers(&request.headers, let_through),
        body_bytes: request.body.len() as u64,
        messages: count(said.messages),
        prompt_tokens: said.prompt_tokens,
        answer_tokens: said.answer_tokens,
        tools: count(said.tools),
        images: count(said.images),
        text: said.text.filter(|_| wants_text),
        now_ms: milliseconds(now),
        entropy: fastrand::u64(..),
    }
}

/// About how many tokens the prompt has, whatever its dialect.
pub(super) fn prompt_tokens(request: &Request<'_>) -> u64 {
    Said::of(request, 0).prompt_tokens
}

/// What a document says and wants, whatever its dialect.
#[derive(Default)]
struct Said {
    user: Option<String>,
    messages: usize,
    prompt_tokens: u64,
    answer_tokens: Option<u64>,
    tools: usize,
    images: usize,
    text: Option<String>,
}

impl Said {
    /// Of a text no more than `longest` bytes.
    fn of(request: &Request<'_>, longest: usize) -> Self {
        match request.operation {
            Operation::Chat => Self::in_chat(&request.body, &request.peek, longest),
            Operation::Completions => Self::in_prompts(request, "prompt", longest),
            Operation::Embeddings => Self::in_prompts(request, "input", longest),
            Operation::Messages | Operation::Responses | Operation::CountTokens | Operation::Models => {
                Self::translated(request, longest)
            }
        }
    }

    fn in_chat(document: &[u8], peek: &Peek, longest: usize) -> Self {
        Self {
            user: user(document, peek),
            messages: peek.messages,
            // Four bytes a token are near enough to choose by.
            prompt_tokens: estimate::prompt_tokens(document).unwrap_or(document.len() as u64 / 4),
            answer_tokens: peek.max_tokens,
            tools: peek.tools,
            images: peek.images,
            text: if longest > 0 { last_text::of_user(document, longest) } else { None },
        }
    }

    /// `field` is where such a document has its prompts.
    fn in_prompts(request: &Request<'_>, field: &str, longest: usize) -> Self {
        let prompts = value(&request.body, &request.peek, field).map(|value| Prompts::read(value, longest));
        let Prompts { longest_tokens, text } = prompts.unwrap_or_default();
        let limit = value(&request.body, &request.peek, "max_tokens");
        Self {
            user: user(&request.body, &request.peek),
            prompt_tokens: longest_tokens,
            answer_tokens: limit.and_then(|limit| limit.parse().ok()),
            text,
            ..Self::default()
        }
    }

    fn translated(request: &Request<'_>, longest: usize) -> Self {
        let (body, peek) = (&request.body, &request.peek);
        let Some(chat) = Canonical::of(request) else {
            let (user, prompt_tokens) = (user(body, peek), body.len() as u64 / 4);
            return Self { user, prompt_tokens, ..Self::default() };
        };
        let mut said = Self::in_chat(&chat.document, &chat.peek, longest);
        if chat.is_part {
            let tools = value(body, peek, "tools").unwrap_or_default();
            said.tools = serde_json::from_str::<Vec<IgnoredAny>>(tools).map_or(0, |tools| tools.len());
            said.prompt_tokens += tools.len() as u64 / 4;
            said.user = said.user.or_else(|| user(body, peek));
        }
        said
    }
}

/// The value of a top-level field, as it stands in the document.
fn value<'a>(document: &'a [u8], peek: &Peek, field: &str) -> Option<&'a str> {
    let value = document.get(peek.field(field)?.value.clone())?;
    std::str::from_utf8(value).ok()
}

/// The end user whom a document names.
fn user(document: &[u8], peek: &Peek) -> Option<String> {
    let text = |field| serde_json::from_str(value(document, peek, field)?).ok();
    text("user").or_else(|| text("safety_identifier"))
}

fn tags(headers: &HeaderMap) -> Vec<String> {
    let given = headers.get_all(TAGS).iter().filter_map(|value| value.to_str().ok());
    let tags = given.flat_map(|tags| tags.split(',')).map(str::trim).filter(|tag| !tag.is_empty());
    tags.take(MOST_TAGS).map(str::to_owned).collect()
}

fn headers(headers: &HeaderMap, let_through: &[HeaderName]) -> Vec<Header> {
    let is_shown = |name: &HeaderName| name.as_str().starts_with(FOR_POLICIES) || let_through.contains(name);
    let shown = headers.iter().filter(|(name, _)| is_shown(name)).filter_map(|(name, value)| {
        Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    });
    shown.take(MOST_HEADERS).collect()
}

/// The texts in the document's `metadata`.
fn metadata(request: &Request<'_>) -> Vec<Entry> {
    let Some(metadata) = value(&request.body, &request.peek, "metadata") else { return Vec::new() };
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(metadata) else { return Vec::new() };
    let texts = fields.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(value) => Some(Entry { name, value }),
        _ => None,
    });
    texts.take(MOST_TAGS).collect()
}

#[cfg(test)]
mod tests;
