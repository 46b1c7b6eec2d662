//! Upstreams that speak the OpenAI API, each with an accent of its own: what plugins for them share.
//!
//! The canonical form inside Weir is OpenAI's own, so a request is the client's document with a few fields changed
//! ([`Changes`]), and an answer that conforms is relayed by the host without asking the plugin. What does not conform
//! is made to here: whole answers by [`decode`], streams by [`Stream`]. Paths and credentials are the plugins' own.

mod answer;
mod chat_stream;
mod completions;
mod embeddings;
mod failure;
mod fields;
mod identity;
mod messages;
mod models;
mod reasoning_details;
mod request;
mod responses;
mod straighten;

use crate::{Call, Event, Failure, Operation, Position, Progress, RateLimit, ResponseHead, StreamDecoder};

pub use embeddings::EmbeddingNumbers;
pub use request::{CHANGES_SCHEMA, Changed, Changes, Settings, StreamUsage};
pub use straighten::text_of;

/// The operations that the API has.
pub const OPERATIONS: [Operation; 5] =
    [Operation::Chat, Operation::Models, Operation::Embeddings, Operation::Completions, Operation::Responses];

/// How many inputs one request for embeddings may have at OpenAI and most others.
pub const EMBEDDING_INPUTS: u32 = 2048;

/// The headers in which upstreams tell of rate limits, OpenAI's own first.
pub const RATE_LIMITS: &[(&str, RateLimit)] = &[
    ("x-ratelimit-limit-requests", RateLimit::LimitRequests),
    ("x-ratelimit-remaining-requests", RateLimit::RemainingRequests),
    ("x-ratelimit-reset-requests", RateLimit::ResetRequests),
    ("x-ratelimit-limit-tokens", RateLimit::LimitTokens),
    ("x-ratelimit-remaining-tokens", RateLimit::RemainingTokens),
    ("x-ratelimit-reset-tokens", RateLimit::ResetTokens),
    // A proxy that passes on what its own upstream said.
    ("llm_provider-x-ratelimit-limit-requests", RateLimit::LimitRequests),
    ("llm_provider-x-ratelimit-remaining-requests", RateLimit::RemainingRequests),
    ("llm_provider-x-ratelimit-reset-requests", RateLimit::ResetRequests),
    ("llm_provider-x-ratelimit-limit-tokens", RateLimit::LimitTokens),
    ("llm_provider-x-ratelimit-remaining-tokens", RateLimit::RemainingTokens),
    ("llm_provider-x-ratelimit-reset-tokens", RateLimit::ResetTokens),
    // One limit, which is of requests.
    ("x-ratelimit-limit", RateLimit::LimitRequests),
    ("x-ratelimit-remaining", RateLimit::RemainingRequests),
    ("x-ratelimit-reset", RateLimit::ResetRequests),
    ("x-tokenlimit-limit", RateLimit::LimitTokens),
    ("x-tokenlimit-remaining", RateLimit::RemainingTokens),
    ("x-tokenlimit-reset", RateLimit::ResetTokens),
    // Several windows, of which the shortest is the one that is met first.
    ("x-ratelimit-limit-requests-minute", RateLimit::LimitRequests),
    ("x-ratelimit-remaining-requests-minute", RateLimit::RemainingRequests),
    ("x-ratelimit-reset-requests-minute", RateLimit::ResetRequests),
    ("x-ratelimit-limit-tokens-minute", RateLimit::LimitTokens),
    ("x-ratelimit-remaining-tokens-minute", RateLimit::RemainingTokens),
    ("x-ratelimit-reset-tokens-minute", RateLimit::ResetTokens),
    ("x-ratelimit-limit-requests-day", RateLimit::LimitRequests),
    ("x-ratelimit-remaining-requests-day", RateLimit::RemainingRequests),
    ("x-ratelimit-reset-requests-day", RateLimit::ResetRequests),
];

/// Makes an answer of any status canonical.
///
/// # Errors
/// What the upstream says went wrong, in whichever form it says so, or what makes no sense of what it sent.
pub fn decode(call: &Call, numbers: EmbeddingNumbers, head: &ResponseHead, body: &str) -> Result<String, Failure> {
    // Some upstreams keep the connection alive with blanks before the document.
    let body = body.trim_start_matches('\u{feff}').trim();
    if !(200..300).contains(&head.status) {
        return Err(failure::failure(head.status, body));
    }
    match call.operation {
        Operation::Chat => answer::answer(call, head.status, body),
        Operation::Models => models::list(head.status, body),
        Operation::Embeddings => embeddings::list(call, numbers, head.status, body),
        Operation::Completions => completions::answer(call, head.status, body),
        Operation::Responses => responses::answer(call, head.status, body),
        other => Err(Failure::no_operation(other)),
    }
}

/// A stream that does not conform, made to.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    // The state of a chat is many times as large as that of the others.
    Chat { stream: Box<chat_stream::ChatStream> },
    Completions { stream: completions::CompletionStream },
    Responses { stream: responses::ResponseStream },
}

crate::parkable!(struct Stream { 0 });
crate::parkable!(enum Kind { Chat { stream }, Completions { stream }, Responses { stream } });

impl Stream {
    /// Starts. `resume` is given when the host has relayed the first chunks by itself.
    pub fn new(call: Call, head: &ResponseHead, resume: Option<Position>) -> Self {
        Self(match call.operation {
            Operation::Completions => {
                Kind::Completions { stream: completions::CompletionStream::new(call, head.status, resume) }
            }
            Operation::Responses => Kind::Responses { stream: responses::ResponseStream::new(head.status) },
            _ => Kind::Chat { stream: Box::new(chat_stream::ChatStream::new(call, head.status, resume)) },
        })
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        match &mut self.0 {
            Kind::Chat { stream } => stream.push(events),
            Kind::Completions { stream } => stream.push(events),
            Kind::Responses { stream } => stream.push(events),
        }
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        match &mut self.0 {
            Kind::Chat { stream } => stream.finish(),
            Kind::Completions { stream } => stream.finish(),
            Kind::Responses { stream } => stream.finish(),
        }
    }

    fn park(&self) -> Option<String> {
        crate::park(self)
    }
}
