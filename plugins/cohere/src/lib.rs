//! The provider for the Cohere API: v2 as a rule, and the two older forms of it that some models need.
//!
//! [`encode`] makes requests of v2, [`v1`] those of `/v1/chat` and `/v1/generate`, [`lists`] has embeddings and the
//! list of models. [`answer`] reads answers, whole and streamed, of all three forms, which their shapes tell apart; [`wire`] holds those shapes, and [`settings`] what an operator can choose. `README.md` says what is
//! supported, field by field.

mod answer;
mod encode;
mod lists;
mod settings;
mod v1;
mod wire;

use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimit, RateLimitHeader};
use weir_plugin::{ResponseHead, UpstreamRequest, export_provider, openai};

pub use crate::answer::{Reader, Stream};
pub use crate::settings::Settings;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Cohere {
    settings: Settings,
}

impl Provider for Cohere {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "cohere".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the Cohere v2 API, and v1 chat and generate for models that need them.".to_owned(),
            operations: vec![Operation::Chat, Operation::Embeddings, Operation::Models],
            rate_limits: RateLimitHeader::list(&[
                ("x-trial-endpoint-call-limit", RateLimit::LimitRequests),
                ("x-trial-endpoint-call-remaining", RateLimit::RemainingRequests),
                ("x-endpoint-monthly-call-limit", RateLimit::LimitRequests),
            ]),
            embedding_inputs: Some(96),
            settings_schema: Settings::schema(),
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        let request = match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document)?,
            Operation::Embeddings => lists::embed(&self.settings, call, document)?,
            Operation::Models => UpstreamRequest::get(lists::MODELS_PATH),
            other => return Err(Failure::no_operation(other)),
        };
        Ok(Encoded::Send(request.with_client_headers(call)))
    }

    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(openai::failure(head.status, body));
        }
        match call.operation {
            Operation::Chat => answer::whole(call, openai::is_legacy(carry), body),
            Operation::Embeddings => lists::embeddings(call, body),
            Operation::Models => lists::models(body),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn stream(&self, call: Call, carry: Option<String>, _: ResponseHead, _: Option<Position>) -> Stream {
        Stream::new(call, openai::is_legacy(carry.as_deref()), Reader::default())
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}

export_provider!(Cohere);
