//! The provider for Mistral's API: the OpenAI dialect of `api.mistral.ai`.
//!
//! Answers are of the dialect that [`weir_plugin::dialect`] knows, with an [`accent`]. Requests are not: a field that
//! Mistral does not know is an error, thoughts are parts of the content, and ids of tool calls have nine characters.
//! [`encode`] rewrites them to that, and [`failure`] reads errors, which come in layers. `README.md` lists what is
//! understood.

mod accent;
mod encode;
mod failure;
mod models;
mod settings;

use std::borrow::Cow;

use weir_plugin::dialect::{self, EmbeddingNumbers};
use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimit, RateLimitHeader};
use weir_plugin::{ResponseHead, UpstreamRequest, export_provider};

use crate::accent::Accent;
pub use crate::accent::Stream;
pub use crate::settings::Settings;

/// The headers in which Mistral tells of its limits, the shortest windows first.
const RATE_LIMITS: [(&str, RateLimit); 11] = [
    ("x-ratelimit-limit-req-minute", RateLimit::LimitRequests),
    ("x-ratelimit-limit-req-10-second", RateLimit::LimitRequests),
    ("x-ratelimit-remaining-req-minute", RateLimit::RemainingRequests),
    ("x-ratelimit-remaining-req-10-second", RateLimit::RemainingRequests),
    ("x-ratelimit-limit-tokens-minute", RateLimit::LimitTokens),
    ("x-ratelimit-limit-tokens-month", RateLimit::LimitTokens),
    ("ratelimitbysize-limit", RateLimit::LimitTokens),
    ("x-ratelimit-remaining-tokens-minute", RateLimit::RemainingTokens),
    ("x-ratelimit-remaining-tokens-month", RateLimit::RemainingTokens),
    ("ratelimitbysize-remaining", RateLimit::RemainingTokens),
    ("ratelimitbysize-reset", RateLimit::ResetTokens),
];

/// How many inputs a request for embeddings may have.
const EMBEDDING_INPUTS: u32 = 256;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Mistral {
    settings: Settings,
}

impl Provider for Mistral {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "mistral".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks Mistral's API: chats, gaps in code to fill, and embeddings.".to_owned(),
            operations: vec![Operation::Chat, Operation::Completions, Operation::Embeddings, Operation::Models],
            rate_limits: RateLimitHeader::list(&RATE_LIMITS),
            embedding_inputs: Some(EMBEDDING_INPUTS),
            settings_schema: Settings::schema(),
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        let request = match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document),
            Operation::Completions => encode::completion(call, document),
            Operation::Embeddings => encode::embeddings(call, document),
            Operation::Models => Ok(UpstreamRequest::get("/models").with_client_headers(call)),
            other => Err(Failure::no_operation(other)),
        };
        request.map(Encoded::Send)
    }

    fn decode(&self, call: &Call, _carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(failure::failure(head.status, body));
        }
        let body = match call.operation {
            Operation::Models => models::with_modalities(body),
            Operation::Embeddings => Cow::Borrowed(body),
            _ => Accent::default().straighten(body),
        };
        dialect::decode(call, EmbeddingNumbers::Float, head, &body)
    }

    fn stream(&self, call: Call, _: Option<String>, head: ResponseHead, resume: Option<Position>) -> Stream {
        Stream::new(call, &head, resume)
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}

export_provider!(Mistral);
