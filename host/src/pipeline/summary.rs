//! What a policy is shown of a request.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::policy::milliseconds;
use super::request::Request;
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
    let peek = &request.peek;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    RoutingRequest {
        id: request.id.to_string(),
        model: peek.model.clone(),
        operation: request.operation,
        stream: peek.stream,
        key: request.key.map(|key| key.name.clone()),
        key_tags: request.key.map(|key| key.tags.clone()).unwrap_or_default(),
        user: text_of(request, "user").or_else(|| text_of(request, "safety_identifier")),
        tags: tags(&request.headers),
        metadata: metadata(request),
        headers: headers(&request.headers, let_through),
        body_bytes: request.body.len() as u64,
        messages: count(peek.messages),
        prompt_tokens: prompt_tokens(request),
        answer_tokens: peek.max_tokens,
        tools: count(peek.tools),
        images: count(peek.images),
        text: if wants_text { last_text::of_user(&request.body, LONGEST_TEXT) } else { None },
        now_ms: milliseconds(now),
        entropy: fastrand::u64(..),
    }
}

/// About how many tokens the prompt has.
fn prompt_tokens(request: &Request<'_>) -> u64 {
    // Other documents are not canonical; four bytes a token are near enough to choose by.
    let guess = request.body.len() as u64 / 4;
    if request.operation == Operation::Chat { estimate::prompt_tokens(&request.body).unwrap_or(guess) } else { guess }
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

/// The value of a top-level field, if it is a text.
fn text_of(request: &Request<'_>, field: &str) -> Option<String> {
    let field = request.peek.field(field)?;
    serde_json::from_slice(request.body.get(field.value.clone())?).ok()
}

/// The texts in the document's `metadata`.
fn metadata(request: &Request<'_>) -> Vec<Entry> {
    let Some(field) = request.peek.field("metadata") else { return Vec::new() };
    let document = request.body.get(field.value.clone()).unwrap_or_default();
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(document) else { return Vec::new() };
    let texts = fields.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(value) => Some(Entry { name, value }),
        _ => None,
    });
    texts.take(MOST_TAGS).collect()
}
