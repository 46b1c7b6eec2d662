//! The provider for Amazon Bedrock: chats by the Converse API, embeddings by `InvokeModel`.
//!
//! [`encode`] makes a Converse request of a canonical one, [`decode`] makes canonical answers and chunks of what comes
//! back, [`embeddings`] speaks the forms of Titan and Cohere, [`invoke`] that of Nova, [`family`] knows what one maker's
//! models take and another's do not, and [`settings`] is what an operator can choose. `README.md` says what is
//! supported, field by field.

mod decode;
mod embeddings;
mod encode;
mod family;
mod invoke;
mod settings;
mod wire;

use weir_plugin::{Auth, Call, Descriptor, Encoded, Failure, Framing, Operation, Position, Provider, ResponseHead};
use weir_plugin::{RequestBody, UpstreamRequest, bedrock, export_provider, openai, path_segment};

pub use crate::decode::{Reader, Stream};
pub use crate::settings::Settings;

/// The provider, with its settings.
pub struct Bedrock {
    settings: Settings,
}

impl Provider for Bedrock {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "bedrock".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the Converse API of Amazon Bedrock.".to_owned(),
            operations: vec![Operation::Chat, Operation::Embeddings],
            // Titan takes one text at a time.
            embedding_inputs: Some(1),
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
            Operation::Embeddings => embeddings::encode(call, document).map(Encoded::Send),
            other => Err(Failure::no_operation(other)),
        }
    }

    fn decode(&self, call: &Call, carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(bedrock::of_answer(head, body));
        }
        match call.operation {
            Operation::Chat => decode::answer(call, openai::is_legacy(carry), body),
            Operation::Embeddings => embeddings::decode(call, head, body),
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

/// A request to do something with a model.
fn request(call: &Call, action: &str, body: String) -> UpstreamRequest {
    let path = format!("/model/{}/{action}", path_segment(&call.model));
    let request = UpstreamRequest {
        auth: Auth::AwsSigv4("bedrock".to_owned()),
        framing: Framing::AwsEventStream,
        ..UpstreamRequest::post(path, RequestBody::Document(body))
    };
    request.with_client_headers(call)
}

export_provider!(Bedrock);
