//! A provider plugin that does everything wrong, on request.
//!
//! The name of the model says where and what: `encode-spin`, `decode-trap`, `push-garbage`, `finish-recurse`. What
//! goes with it (a path, a header, an address) is the text of the last message. Any other name is the behaviour of a
//! good plugin that speaks the canonical form with its upstream.

mod misdeeds;

use serde_json::{Value, json};
use weir_plugin::serde::Deserialize;
use weir_plugin::{
    Call, Descriptor, Encoded, Event, Failure, Header, Position, Progress, Provider, RequestBody, ResponseHead,
    StreamDecoder, UpstreamRequest, export_provider,
};

/// The settings choose what goes wrong before there is a request.
#[derive(Debug, Deserialize)]
#[serde(crate = "weir_plugin::serde")]
pub struct Settings {
    /// What `configure` does.
    #[serde(default)]
    configure: Option<String>,
}

/// The state of a decoder that it cannot read itself.
const GARBAGE: &str = "\0 this is {no state";

/// The plugin.
pub struct Hostile;

/// The translation of one stream.
pub struct Decoder {
    model: String,
}

impl Provider for Hostile {
    type Settings = Settings;
    type Decoder = Decoder;

    fn describe() -> Descriptor {
        Descriptor {
            name: "hostile".into(),
            version: "0.1.0".into(),
            summary: "Does everything wrong, on request.".into(),
            settings_schema: json!({
                "type": "object",
                "properties": { "configure": { "type": "string" } },
                "additionalProperties": false,
            })
            .to_string(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        match settings.configure.as_deref() {
            None => Ok(Self),
            Some("refuse") => Err(Failure::invalid_request("these settings are refused on principle")),
            Some(misdeed) => {
                misdeeds::commit(misdeed);
                Ok(Self)
            }
        }
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        let text = last_message(document);
        let mut request = good_request(document);
        match call.model.strip_prefix("encode-") {
            None => {}
            Some("path") => request.path = text,
            Some("method") => request.method = text,
            Some("header") => request.headers.push(header(&text)),
            Some("many-headers") => {
                request.headers.extend((0..100_000).map(|number| header(&format!("x-{number}: y"))))
            }
            Some("garbage") => return Ok(Encoded::Answer("this is {no JSON".into())),
            Some("not-a-chat") => return Ok(Encoded::Answer(json!({ "hello": "world" }).to_string())),
            Some("not-an-object") => return Ok(Encoded::Answer("[]".into())),
            Some("nul") => return Ok(Encoded::Answer("\0".into())),
            Some("garbage-chunks") => return Ok(Encoded::Chunks(vec!["{}".into(), "no JSON".into(), "[1".into()])),
            Some("no-chunks") => return Ok(Encoded::Chunks(Vec::new())),
            Some("large") => return Ok(Encoded::Answer(misdeeds::large())),
            Some("huge") => return Ok(Encoded::Answer(misdeeds::huge())),
            Some("reach") => return Ok(Encoded::Answer(answer(&misdeeds::reach(&text)))),
            Some("internal") => return Err(Failure::internal("the inside of the plugin shows")),
            Some(misdeed) => misdeeds::commit(misdeed),
        }
        Ok(Encoded::Send(request))
    }

    fn decode(&self, call: &Call, _: Option<&str>, _: &ResponseHead, body: &str) -> Result<String, Failure> {
        match call.model.strip_prefix("decode-") {
            None => return Ok(body.to_owned()),
            Some("garbage") => return Ok("this is {no JSON".into()),
            Some("not-a-chat") => return Ok(json!({ "hello": "world" }).to_string()),
            Some("not-an-object") => return Ok("\"x\"".into()),
            Some("large") => return Ok(misdeeds::large()),
            Some("huge") => return Ok(misdeeds::huge()),
            Some("internal") => return Err(Failure::internal("the inside of the plugin shows")),
            Some(misdeed) => misdeeds::commit(misdeed),
        }
        Ok(body.to_owned())
    }

    fn stream(&self, call: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> Decoder {
        if let Some(misdeed) = call.model.strip_prefix("start-") {
            misdeeds::commit(misdeed);
        }
        Decoder { model: call.model }
    }

    fn unpark(&self, state: &str) -> Result<Decoder, Failure> {
        match state.strip_prefix("unpark-") {
            None if state == GARBAGE => return Err(Failure::internal("the inside of the plugin shows")),
            None => {}
            Some("refuse") => return Err(Failure::unsupported("model", "this stream is refused on principle")),
            Some(misdeed) => misdeeds::commit(misdeed),
        }
        Ok(Decoder { model: state.to_owned() })
    }
}

impl StreamDecoder for Decoder {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        // The first piece of text is relayed, so that what goes wrong goes wrong in the middle of a stream.
        let second = events.iter().any(|event| event.data.contains("second"));
        if let Some(misdeed) = self.model.strip_prefix("push-")
            && second
        {
            match misdeed {
                "garbage" => return Ok(Progress { chunks: vec!["this is {no JSON".into()], ended: false }),
                "not-a-chat" => return Ok(Progress { chunks: vec![r#"{"hello":"world"}"#.into()], ended: false }),
                "lines" => return Ok(Progress { chunks: vec!["{\n\ndata: [DONE]\n\n}".into()], ended: true }),
                "many" => return Ok(Progress { chunks: vec!["{}".into(); 1_000_000], ended: false }),
                "large" => return Ok(Progress { chunks: vec![misdeeds::large()], ended: false }),
                "huge" => return Ok(Progress { chunks: vec![misdeeds::huge()], ended: false }),
                "early-end" => return Ok(Progress { chunks: Vec::new(), ended: true }),
                "internal" => return Err(Failure::internal("the inside of the plugin shows")),
                misdeed => misdeeds::commit(misdeed),
            }
        }
        let ended = events.iter().any(|event| event.data == "[DONE]");
        let chunks = events.into_iter().map(|event| event.data).filter(|data| data != "[DONE]").collect();
        Ok(Progress { chunks, ended: ended && !self.model.starts_with("finish-") })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        match self.model.strip_prefix("finish-") {
            None => {}
            Some("garbage") => return Ok(vec!["this is {no JSON".into()]),
            Some(misdeed) => misdeeds::commit(misdeed),
        }
        Ok(Vec::new())
    }

    fn park(&self) -> Option<String> {
        match self.model.strip_prefix("park-") {
            None => {}
            Some("never") => return None,
            Some("garbage") => return Some(GARBAGE.to_owned()),
            Some("large") => return Some(misdeeds::large()),
            Some("huge") => return Some(misdeeds::huge()),
            Some(misdeed) => misdeeds::commit(misdeed),
        }
        Some(self.model.clone())
    }
}

fn good_request(document: &str) -> UpstreamRequest {
    UpstreamRequest {
        headers: vec![header("content-type: application/json")],
        ..UpstreamRequest::post("/chat/completions", RequestBody::Document(document.to_owned()))
    }
}

fn header(line: &str) -> Header {
    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
    Header { name: name.into(), value: value.into() }
}

fn last_message(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let messages = document["messages"].as_array();
    messages.and_then(|messages| messages.last()?["content"].as_str()).unwrap_or_default().to_owned()
}

fn answer(content: &str) -> String {
    json!({
        "id": "chatcmpl-hostile", "object": "chat.completion", "created": 1, "model": "hostile",
        "choices": [{
            "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": "stop",
        }],
    })
    .to_string()
}

export_provider!(Hostile);
