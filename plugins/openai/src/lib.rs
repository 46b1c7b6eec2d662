//! The provider for the OpenAI API, and for the many upstreams that speak it with an accent.
//!
//! What such upstreams have in common is in [`weir_plugin::dialect`]: which fields of a request are changed, and what
//! becomes of answers and streams that do not conform. Here are the [`settings`] that say how one of them differs, and
//! the requests that follow from those ([`encode`]). `README.md` lists what is understood.

mod citations;
mod encode;
mod settings;

use weir_plugin::dialect;
use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimitHeader, ResponseHead};

use citations::CitedStream;
pub use settings::Settings;

weir_plugin::export_provider!(OpenAi);

/// The provider, with its settings.
#[derive(Debug)]
pub struct OpenAi {
    settings: Settings,
}

impl Provider for OpenAi {
    type Settings = Settings;
    type Decoder = CitedStream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "openai".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the OpenAI API, and repairs what its dialects do differently.".to_owned(),
            operations: dialect::OPERATIONS.to_vec(),
            rate_limits: RateLimitHeader::list(dialect::RATE_LIMITS),
            embedding_inputs: Some(dialect::EMBEDDING_INPUTS),
            settings_schema: settings::schema(),
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        encode::request(&self.settings, call, document).map(Encoded::Send)
    }

    fn decode(&self, call: &Call, _carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        let answer =
            dialect::decode(call, self.settings.own.embedding_numbers, head, body).map_err(|mut failure| {
                failure.retryable &= !self.settings.own.not_retried.contains(&head.status);
                failure
            })?;
        match call.operation {
            Operation::Chat if self.settings.own.citations => citations::annotate(answer),
            _ => Ok(answer),
        }
    }

    fn stream(&self, call: Call, _: Option<String>, head: ResponseHead, resume: Option<Position>) -> CitedStream {
        let cites = self.settings.own.citations && call.operation == Operation::Chat;
        CitedStream::new(dialect::Stream::new(call, &head, resume), cites)
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}
