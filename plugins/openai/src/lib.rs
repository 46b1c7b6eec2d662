//! The provider for the OpenAI API, and for the many upstreams that speak it with an accent.
//!
//! The canonical form inside Weir is OpenAI's own, so a request is the client's document with a few fields changed
//! ([`encode`]), and an answer that conforms is relayed by the host without asking this plugin. What does not conform
//! comes here: whole answers to [`answer`], streams to [`stream`], fields of the wrong shape to [`straighten`].
//! `README.md` lists what is understood.

mod answer;
mod encode;
mod models;
mod settings;
mod straighten;
mod stream;

use weir_plugin::{Call, Descriptor, Encoded, Failure, Operation, Position, Provider, ResponseHead, openai};

pub use settings::Settings;
pub use stream::Stream;

weir_plugin::export_provider!(OpenAi);

/// The provider, with its settings.
#[derive(Debug)]
pub struct OpenAi {
    settings: Settings,
}

impl Provider for OpenAi {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "openai".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the OpenAI Chat Completions API, and repairs what its dialects do differently.".to_owned(),
            operations: vec![Operation::Chat, Operation::Models],
            settings_schema: settings::SCHEMA.to_owned(),
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        match call.operation {
            Operation::Chat => encode::chat(&self.settings, call, document).map(Encoded::Send),
            Operation::Models => Ok(Encoded::Send(encode::models(&self.settings, call))),
        }
    }

    fn decode(&self, call: &Call, _carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        // Some upstreams keep the connection alive with blanks before the document.
        let body = body.trim_start_matches('\u{feff}').trim();
        if !(200..300).contains(&head.status) {
            return Err(openai::failure(head.status, body));
        }
        match call.operation {
            Operation::Chat => answer::answer(call, head.status, body),
            Operation::Models => models::list(head.status, body),
        }
    }

    fn stream(&self, call: Call, _: Option<String>, head: ResponseHead, resume: Option<Position>) -> Stream {
        Stream::new(call, head.status, resume)
    }
}
