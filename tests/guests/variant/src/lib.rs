//! A small provider plugin whose answer can be changed in its binary: what hot reload is tested with.
//!
//! Its answer to every request is [`ANSWER`], which stands in the data section and nowhere else, so that a test makes
//! as many versions of the component as it likes without a compiler. A stream is that answer in as many chunks as the
//! upstream sends events, so that a stream shows which version it runs on from its first chunk to its last.

use std::hint::black_box;

use weir_plugin::serde::de::IgnoredAny;
use weir_plugin::{
    Auth, Call, Descriptor, Encoded, Event, Failure, Position, Progress, Provider, RequestBody, ResponseHead,
    StreamDecoder, UpstreamRequest, export_provider,
};

/// What the plugin answers. The tests look for these letters in the binary and write others in their place.
static ANSWER: [u8; 16] = *b"WEIR-VARIANT-000";

/// The plugin.
pub struct Variant;

/// The translation of one stream.
pub struct Decoder {
    begun: bool,
}

impl Provider for Variant {
    type Settings = IgnoredAny;
    type Decoder = Decoder;

    fn describe() -> Descriptor {
        Descriptor {
            name: "variant".into(),
            version: "0.1.0".into(),
            summary: "Answers with what stands in its binary.".into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            ..Descriptor::default()
        }
    }

    fn new(_: IgnoredAny) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn encode(&self, _: &Call, document: &str) -> Result<Encoded, Failure> {
        Ok(Encoded::Send(UpstreamRequest {
            auth: Auth::None,
            ..UpstreamRequest::post("/chat/completions", RequestBody::Document(document.to_owned()))
        }))
    }

    fn decode(&self, _: &Call, _: Option<&str>, _: &ResponseHead, _: &str) -> Result<String, Failure> {
        let choice = format!(
            r#"{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}"#,
            answer()
        );
        Ok(format!(
            r#"{{"id":"chatcmpl-v","object":"chat.completion","created":1,"model":"variant","choices":[{choice}]}}"#
        ))
    }

    fn stream(&self, _: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> Decoder {
        Decoder { begun: false }
    }

    fn unpark(&self, state: &str) -> Result<Decoder, Failure> {
        weir_plugin::unpark(state)
    }
}

impl StreamDecoder for Decoder {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::new();
        for event in events {
            if event.data == "[DONE]" {
                chunks.push(chunk("{}", r#""stop""#));
                return Ok(Progress { chunks, ended: true });
            }
            let role = if self.begun { "" } else { r#""role":"assistant","# };
            self.begun = true;
            chunks.push(chunk(&format!(r#"{{{role}"content":"{};"}}"#, answer()), "null"));
        }
        Ok(Progress { chunks, ended: false })
    }

    fn park(&self) -> Option<String> {
        weir_plugin::park(self)
    }
}

weir_plugin::parkable!(struct Decoder { begun });

fn answer() -> &'static str {
    // Hidden from the optimizer, which would otherwise spread the letters over the code.
    std::str::from_utf8(black_box(&ANSWER)).unwrap_or("not UTF-8")
}

fn chunk(delta: &str, finish_reason: &str) -> String {
    let choice = format!(r#"{{"index":0,"delta":{delta},"finish_reason":{finish_reason}}}"#);
    format!(
        r#"{{"id":"chatcmpl-v","object":"chat.completion.chunk","created":1,"model":"variant","choices":[{choice}]}}"#
    )
}

export_provider!(Variant);
