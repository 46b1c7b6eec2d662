//! The provider for the Anthropic Messages API.
//!
//! [`encode`] makes an Anthropic request of a canonical one, [`decode`] and [`stream`] make canonical answers and
//! chunks of Anthropic's, [`failure`] reads errors of every shape, and [`settings`] is what an operator can choose.
//! `README.md` says what is supported, field by field.

mod canonical;
mod decode;
mod encode;
mod failure;
mod models;
mod native;
mod settings;
mod stream;
mod wire;

use weir_plugin::{
    Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimit, RateLimitHeader, ResponseHead,
    StreamDecoder, export_provider,
};

pub use crate::native::Relay;
pub use crate::settings::Settings;
pub use crate::stream::Stream;

/// The headers of the rate limits. Tokens are those of prompts and answers together where the account has such a limit.
const RATE_LIMITS: [(&str, RateLimit); 9] = [
    ("anthropic-ratelimit-requests-limit", RateLimit::LimitRequests),
    ("anthropic-ratelimit-requests-remaining", RateLimit::RemainingRequests),
    ("anthropic-ratelimit-requests-reset", RateLimit::ResetRequests),
    ("anthropic-ratelimit-tokens-limit", RateLimit::LimitTokens),
    ("anthropic-ratelimit-input-tokens-limit", RateLimit::LimitTokens),
    ("anthropic-ratelimit-tokens-remaining", RateLimit::RemainingTokens),
    ("anthropic-ratelimit-input-tokens-remaining", RateLimit::RemainingTokens),
    ("anthropic-ratelimit-tokens-reset", RateLimit::ResetTokens),
    ("anthropic-ratelimit-input-tokens-reset", RateLimit::ResetTokens),
];

/// The provider, with its settings.
pub struct Anthropic {
    settings: Settings,
}

impl Provider for Anthropic {
    type Settings = Settings;
    type Decoder = Box<dyn StreamDecoder>;

    fn describe() -> Descriptor {
        Descriptor {
            name: "anthropic".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the Anthropic Messages API, to clients of that API as well.".to_owned(),
            operations: vec![Operation::Chat, Operation::Models, Operation::Messages, Operation::CountTokens],
            rate_limits: RateLimitHeader::list(&RATE_LIMITS),
            settings_schema: settings::SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document).map(Encoded::Send),
            Operation::Models => Ok(Encoded::Send(encode::models(&self.settings, call))),
            Operation::Messages | Operation::CountTokens => {
                native::encode(&self.settings, call, document).map(Encoded::Send)
            }
            other => Err(Failure::no_operation(other)),
        }
    }

    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(failure::of_status(head, body));
        }
        match call.operation {
            Operation::Chat => decode::answer(call, carry == Some(encode::LEGACY), body),
            Operation::Models => models::list(body),
            Operation::Messages | Operation::CountTokens => Err(native::no_answer(body)),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn stream(&self, call: Call, carry: Option<String>, _: ResponseHead, _: Option<Position>) -> Self::Decoder {
        match call.operation {
            Operation::Messages => Box::new(native::Relay),
            _ => Box::new(Stream::new(call, carry.as_deref() == Some(encode::LEGACY))),
        }
    }
}

export_provider!(Anthropic);
