//! Weir's offline provider: it answers by itself, so that Weir can be tried, and clients be tested, without a key, a
//! network or a model. The same request always gets the same answer.
//!
//! It is no model: it quotes. What it takes seriously is the form of the API: limits, stops, tools, schemas, usage.

mod answer;
mod instance;
mod reply;
mod words;

use serde::Deserialize;
use weir_plugin::openai::{self, ChatRequest, Model, ModelList};
use weir_plugin::{
    Call, Descriptor, Encoded, Event, Failure, Operation, Position, Progress, Provider, ResponseHead, StreamDecoder,
};

weir_plugin::export_provider!(Demo);

/// The provider. It keeps nothing.
#[derive(Debug)]
pub struct Demo;

/// There is nothing to set.
#[derive(Debug, Deserialize)]
pub struct Settings {}

impl Provider for Demo {
    type Settings = Settings;
    type Decoder = NoStream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "demo".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Answers by itself, offline, by quoting the request.".to_owned(),
            operations: vec![Operation::Chat, Operation::Models],
            ..Descriptor::default()
        }
    }

    fn new(_settings: Settings) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        match call.operation {
            Operation::Models => {
                let list = ModelList::new(vec![Model::new("demo", 0, "weir")]);
                openai::to_json(&list).map(Encoded::Answer)
            }
            Operation::Chat => {
                let request: ChatRequest = openai::parse(document)?;
                let answer = answer::Answer::to(&request)?;
                if call.stream {
                    return Ok(Encoded::Chunks(answer.chunks(call)));
                }
                answer.document(call).map(Encoded::Answer)
            }
            other => Err(Failure::no_operation(other)),
        }
    }

    fn decode(&self, _: &Call, _: Option<&str>, _: &ResponseHead, _: &str) -> Result<String, Failure> {
        Err(nothing_was_sent())
    }

    fn stream(&self, _: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> NoStream {
        NoStream
    }
}

/// There is no upstream, and so no stream of one.
#[derive(Debug)]
pub struct NoStream;

impl StreamDecoder for NoStream {
    fn push(&mut self, _events: Vec<Event>) -> Result<Progress, Failure> {
        Err(nothing_was_sent())
    }
}

fn nothing_was_sent() -> Failure {
    Failure::internal("the demo provider sends nothing upstream, so there is no answer to translate")
}
