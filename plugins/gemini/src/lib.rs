//! The provider for Google's Gemini API, spoken by the Gemini API itself and by Vertex AI.
//!
//! [`encode`] makes a `generateContent` request of a canonical one, [`decode`] makes canonical answers and chunks of
//! Gemini's, [`embeddings`] and [`models`] are the other operations, [`family`] is what the name of a model tells, and
//! [`settings`] is what an operator can choose. `README.md` says what is supported, field by field. Models of other
//! makers on Vertex AI have APIs of their own, of which none is spoken here.

mod decode;
mod embeddings;
mod encode;
mod failure;
mod family;
mod models;
mod settings;
mod wire;

use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, ResponseHead, export_provider};

pub use crate::decode::{Reader, Stream};
pub use crate::settings::Settings;

/// The provider, with its settings.
pub struct Gemini {
    settings: Settings,
}

impl Provider for Gemini {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "gemini".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks Google's Gemini API, also that of Vertex AI.".to_owned(),
            operations: vec![Operation::Chat, Operation::Embeddings, Operation::Models],
            embedding_inputs: Some(100),
            settings_schema: Settings::schema(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        settings.check()?;
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document),
            Operation::Embeddings => embeddings::encode(&self.settings, call, document).map(Encoded::Send),
            Operation::Models => Ok(Encoded::Send(models::encode(&self.settings, call))),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn decode(&self, call: &Call, _: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(failure::of(head.status, body));
        }
        match call.operation {
            Operation::Chat => decode::answer(call, body),
            Operation::Embeddings => embeddings::decode(call, body),
            Operation::Models => models::decode(body),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn stream(&self, call: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> Stream {
        Stream::new(call, false, Reader::default())
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}

export_provider!(Gemini);
