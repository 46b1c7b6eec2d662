//! A streamed answer, event by event, as canonical chunks.
//!
//! Each event is a whole answer whose parts are what is new. The end has no event of its own, and older models repeat
//! `STOP` in every one: what ends the answer waits for the end of the stream.

use serde_json::json;
use weir_plugin::openai::{ChunkChoice, ChunkWriter, Delta, FunctionDelta, ToolCallDelta};
use weir_plugin::{Call, Event, Failure, Progress, StreamDecoder};

use super::{Identity, Piece, Reader, ToolCall, signed};

/// The translation of one stream.
pub struct Stream {
    reader: Reader,
    /// Writes the frequent chunks, once the answer has a name.
    writer: Option<ChunkWriter>,
    /// Whether the client's account knows what the prompt cost.
    has_told_usage: bool,
}

impl Stream {
    /// Starts.
    pub fn new(call: Call) -> Self {
        Self { reader: Reader::new(call), writer: None, has_told_usage: false }
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len() + 2);
        let Self { reader, writer, has_told_usage } = self;
        // `[DONE]` is not Gemini's, but some that speak its API end so.
        for event in events.iter().filter(|event| !matches!(event.data.trim(), "" | "[DONE]")) {
            reader.read(&event.data, &mut |identity, index, piece| {
                chunks.push(chunk(writer_of(writer, identity), identity, index, piece));
            })?;
            // What the prompt cost is to be counted even if the client leaves.
            if !*has_told_usage && let (Some((usage, _)), Some(identity)) = (reader.usage(), &reader.identity) {
                chunks.push(writer_of(writer, identity).usage(&usage));
                *has_told_usage = true;
            }
        }
        Ok(Progress { chunks, ended: false })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        let mut chunks = Vec::new();
        let Self { reader, writer, .. } = self;
        reader.close(&mut |identity, index, piece| {
            chunks.push(chunk(writer_of(writer, identity), identity, index, piece));
        });
        let Some(identity) = &reader.identity else { return Ok(chunks) };
        // An answer that does not say why it ended was cut off, which is for the host to find out.
        let writer = writer_of(writer, identity);
        for choice in reader.choices.iter().filter(|choice| choice.has_ended()) {
            let refusal = choice.refusal().map(Into::into);
            let delta = Delta { refusal, extra: choice.closing(), ..Delta::default() };
            if delta.refusal.is_some() || !delta.extra.is_empty() {
                chunks.push(writer.choice(&ChunkChoice { delta: Some(delta), ..of(choice.index) }));
            }
            let finish_reason = Some(choice.finish_reason().as_str().into());
            chunks.push(writer.choice(&ChunkChoice { finish_reason, extra: choice.native(), ..of(choice.index) }));
        }
        if let Some((usage, tier)) = reader.usage() {
            chunks.push(writer.usage_of_tier(&usage, tier));
        }
        Ok(chunks)
    }
}

fn writer_of<'a>(writer: &'a mut Option<ChunkWriter>, identity: &Identity) -> &'a ChunkWriter {
    writer.get_or_insert_with(|| ChunkWriter::new(&identity.id, identity.created, &identity.model))
}

fn chunk(writer: &ChunkWriter, identity: &Identity, index: u32, piece: Piece) -> String {
    match piece {
        Piece::Begin => writer.role(index),
        Piece::Text(text) => writer.content(index, text),
        Piece::Reasoning(text) => writer.reasoning(index, text),
        Piece::Image(image) => writer.extension(index, "images", &[image]),
        Piece::Audio(data) => writer.extension(index, "audio", &json!({ "id": identity.id, "data": data })),
        Piece::Logprobs(logprobs) => writer.logprobs(index, &logprobs),
        Piece::Call(call) => {
            let delta = Delta { tool_calls: Some(vec![complete(call)]), ..Delta::default() };
            writer.choice(&ChunkChoice { delta: Some(delta), ..of(index) })
        }
    }
}

/// A call in one delta: Gemini's come in one piece.
fn complete(call: ToolCall<'_>) -> ToolCallDelta<'_> {
    let (name, arguments) = (Some(call.name.into()), Some(call.arguments.into()));
    ToolCallDelta {
        index: Some(call.index),
        id: Some(call.id.into()),
        kind: Some("function".into()),
        function: Some(FunctionDelta { name, arguments, ..FunctionDelta::default() }),
        extra: call.signature.map(|signature| ("extra_content".to_owned(), signed(signature))).into_iter().collect(),
    }
}

fn of<'a>(index: u32) -> ChunkChoice<'a> {
    ChunkChoice { index: Some(index), delta: Some(Delta::default()), ..ChunkChoice::default() }
}
