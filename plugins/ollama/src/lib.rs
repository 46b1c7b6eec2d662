//! The provider for Ollama's own API.
//!
//! [`encode`] makes requests of canonical documents, [`decode`] and [`stream`] make canonical documents and chunks of
//! answers, [`wire`] is what both sides of that look like, and [`settings`] is what an operator can choose. Ollama also
//! speaks the OpenAI API; that one has no context size, no model lifetime, no choice of tools and fewer options, which
//! is why this plugin exists. `README.md` says what is supported.

mod decode;
mod encode;
mod settings;
mod stream;
mod wire;

use weir_plugin::openai;
use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, ResponseHead, export_provider};

pub use crate::settings::Settings;
pub use crate::stream::Stream;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Ollama {
    settings: Settings,
}

impl Provider for Ollama {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "ollama".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks Ollama's own API, local or in the cloud.".to_owned(),
            operations: vec![Operation::Chat, Operation::Completions, Operation::Embeddings, Operation::Models],
            settings_schema: Settings::schema(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document),
            Operation::Completions => encode::completion(&self.settings, call, document),
            Operation::Embeddings => encode::embeddings(&self.settings, call, document),
            Operation::Models => Ok(encode::models(call)),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(decode::failure(head.status, body));
        }
        match call.operation {
            Operation::Chat => decode::chat(call, openai::is_legacy(carry), body),
            Operation::Completions => decode::completion(call, body),
            Operation::Embeddings => decode::embeddings(call, body),
            Operation::Models => decode::models(body),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn stream(&self, call: Call, carry: Option<String>, _: ResponseHead, _: Option<Position>) -> Stream {
        Stream::new(call, openai::is_legacy(carry.as_deref()))
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}

export_provider!(Ollama);
