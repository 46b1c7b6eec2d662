//! The provider for OpenAI's models at Azure, and for those of Azure AI Foundry.
//!
//! Azure speaks the OpenAI API with an accent that [`weir_plugin::dialect`] knows. What is its own is where requests go:
//! to a deployment, by one of three generations of the API ([`settings::Api`]). `README.md` lists what is understood.

mod encode;
mod settings;

use weir_plugin::dialect::{self, EmbeddingNumbers, Stream};
use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, RateLimitHeader, ResponseHead};

pub use settings::Settings;

weir_plugin::export_provider!(AzureOpenAi);

/// The provider, with its settings.
#[derive(Debug)]
pub struct AzureOpenAi {
    settings: Settings,
}

impl Provider for AzureOpenAi {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "azure-openai".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the OpenAI API of Azure OpenAI and Azure AI Foundry.".to_owned(),
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
        match call.operation {
            // What Azure lists is what could be deployed, not what is.
            Operation::Models if !self.settings.own.deployments.is_empty() => {
                encode::deployed(&self.settings).map(Encoded::Answer)
            }
            _ => encode::request(&self.settings, call, document).map(Encoded::Send),
        }
    }

    fn decode(&self, call: &Call, _carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        dialect::decode(call, EmbeddingNumbers::Float, head, body)
    }

    fn stream(&self, call: Call, _: Option<String>, head: ResponseHead, resume: Option<Position>) -> Stream {
        Stream::new(call, &head, resume)
    }

    fn unpark(&self, state: &str) -> Result<Self::Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}
