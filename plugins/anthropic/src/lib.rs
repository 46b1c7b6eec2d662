//! The provider for the Anthropic Messages API, at Anthropic itself, on Vertex AI and on Bedrock.
//!
//! The translation is the SDK's: [`weir_plugin::claude`]. Here is what is said of it to the host, where each [`cloud`]
//! has its models, the list of [`models`], and what an operator can choose: [`settings`]. `README.md` says what is
//! supported, field by field.

mod cloud;
mod models;
mod settings;

use weir_plugin::{
    Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimit, RateLimitHeader, ResponseHead,
    StreamDecoder, claude, export_provider,
};

pub use crate::settings::Settings;

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
            settings_schema: settings::schema(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        let chats = &self.settings.chats;
        let encoded = match call.operation {
            Operation::Chat => claude::chat(chats, call, document)?,
            Operation::Models => Encoded::Send(claude::get(chats, call)),
            Operation::Messages | Operation::CountTokens => claude::native(chats, call, document)?,
            other => return Err(Failure::no_operation(other)),
        };
        match encoded {
            Encoded::Send(request) => cloud::address(&self.settings, call, request).map(Encoded::Send),
            other => Ok(other),
        }
    }

    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(cloud::failure(self.settings.chats.cloud, head, body));
        }
        match call.operation {
            Operation::Models => models::list(body),
            _ => claude::decode(call, carry, body),
        }
    }

    fn stream(&self, call: Call, carry: Option<String>, _: ResponseHead, _: Option<Position>) -> Self::Decoder {
        cloud::decoder(self.settings.chats.cloud, claude::stream(call, carry.as_deref()))
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        Ok(cloud::decoder(self.settings.chats.cloud, claude::unpark(state)?))
    }
}

export_provider!(Anthropic);
