//! The provider for an invented API, to start from: one request document, one answer document, one form of event.

use serde::{Deserialize, Serialize};
use weir_plugin::openai::{
    self, AnswerMessage, ChatCompletion, ChatRequest, ChunkWriter, Content, FinishReason, Usage,
};
use weir_plugin::{
    Call, Descriptor, Encoded, Event, Failure, Position, Progress, Provider, ResponseHead, StreamDecoder,
    UpstreamRequest,
};

weir_plugin::export_provider!(Template);

/// The provider, with its settings.
#[derive(Debug)]
pub struct Template {
    settings: Settings,
}

/// What an operator can set: the `settings` of the provider in the configuration.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The upstream wants a limit; this one is for clients that name none, in tokens.
    max_tokens: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_tokens: 1024 }
    }
}

/// The same as a JSON Schema, by which the host finds an operator's typing errors.
const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": { "max_tokens": { "type": "integer", "minimum": 1, "default": 1024 } }
}"#;

/// What the upstream is asked.
#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    max_tokens: u64,
    stream: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'a str,
    text: openai::Text<'a>,
}

/// What the upstream answers: all at once, or in pieces of which only the last one has a reason and a usage.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    text: String,
    stop_reason: Option<String>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    input: u64,
    output: u64,
}

impl Provider for Template {
    type Settings = Settings;
    type Decoder = Stream;

    fn describe() -> Descriptor {
        Descriptor {
            name: "provider-template".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Speaks the provider-template API.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn encode(&self, call: &Call, document: &str) -> Result<Encoded, Failure> {
        let request: ChatRequest = openai::parse(document)?;
        // What the upstream cannot do is refused, not dropped: another provider may be able to.
        if !request.tools().is_empty() {
            return Err(Failure::unsupported("tools", "This provider has no tools."));
        }
        let turns = request.messages().iter().map(|message| Turn {
            role: message.role.as_deref().unwrap_or("user"),
            text: message.content.as_ref().map(Content::joined).unwrap_or_default(),
        });
        let question = Question {
            model: &call.model,
            messages: turns.collect(),
            max_tokens: request.token_limit().unwrap_or(self.settings.max_tokens),
            stream: call.stream,
        };
        Ok(Encoded::Send(UpstreamRequest::post_json("/v1/chat", &question)?))
    }

    fn decode(&self, call: &Call, _carry: Option<&str>, head: &ResponseHead, body: &str) -> Result<String, Failure> {
        if !(200..300).contains(&head.status) {
            return Err(openai::failure(head.status, body));
        }
        let reply = read(body)?;
        let usage = reply.usage.map(|tokens| Usage::new(tokens.input, tokens.output));
        let reason = finish_reason(reply.stop_reason.as_deref().unwrap_or_default());
        let message = AnswerMessage::text(reply.text.as_str());
        let (id, created) = (openai::completion_id(call), openai::now());
        openai::to_json(&ChatCompletion::new(id, created, &*call.model, message, reason, usage))
    }

    fn stream(&self, call: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> Stream {
        let writer = ChunkWriter::new(&openai::completion_id(&call), openai::now(), &call.model);
        Stream { writer, has_begun: false }
    }

    fn unpark(&self, state: &str) -> Result<Stream, Failure> {
        weir_plugin::unpark(state)
    }
}

/// The translation of one streamed answer.
pub struct Stream {
    writer: ChunkWriter,
    has_begun: bool,
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let (mut chunks, mut ended) = (Vec::new(), false);
        for event in events {
            let reply = read(&event.data)?;
            if !std::mem::replace(&mut self.has_begun, true) {
                chunks.push(self.writer.role(0));
            }
            if !reply.text.is_empty() {
                chunks.push(self.writer.content(0, &reply.text));
            }
            if let Some(reason) = reply.stop_reason {
                chunks.push(self.writer.finish(0, finish_reason(&reason)));
                ended = true;
            }
            if let Some(tokens) = reply.usage {
                chunks.push(self.writer.usage(&Usage::new(tokens.input, tokens.output)));
            }
        }
        Ok(Progress { chunks, ended })
    }

    fn park(&self) -> Option<String> {
        weir_plugin::park(self)
    }
}

// While the upstream is silent, the host keeps these, and the instance serves others.
weir_plugin::parkable!(struct Stream { writer, has_begun });

fn read(text: &str) -> Result<Reply, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::bad_answer(format!("The answer makes no sense: {error}.")))
}

/// Reasons that nobody knows yet are as good as `stop`.
fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "limit" => FinishReason::Length,
        "refused" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}
