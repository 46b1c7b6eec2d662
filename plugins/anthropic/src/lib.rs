//! The provider for the Anthropic Messages API.
//!
//! [`encode`] makes an Anthropic request of a canonical one, [`decode`] and [`stream`] make canonical answers and
//! chunks of Anthropic's, [`failure`] reads errors of every shape, and [`settings`] is what an operator can choose.
//! `README.md` says what is supported, field by field.

mod canonical;
mod decode;
mod encode;
mod failure;
mod json;
mod models;
mod settings;
mod stream;
mod wire;

use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, ResponseHead, export_provider};

pub use crate::settings::Settings;
pub use crate::stream::Stream;

/// The provider, with its settings.
pub struct Anthropic {
    settings: Settings,
}

impl Provider for Anthropic {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "anthropic".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the Anthropic Messages API.".to_owned(),
            operations: vec![Operation::Chat, Operation::Models],
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
            other => Err(Failure::no_operation(other)),
        }
    }

    fn stream(&self, call: Call, carry: Option<String>, _: ResponseHead, _: Option<Position>) -> Stream {
        Stream::new(call, carry.as_deref() == Some(encode::LEGACY))
    }
}

export_provider!(Anthropic);
