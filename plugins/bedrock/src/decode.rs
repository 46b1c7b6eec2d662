//! What comes back from Converse, whole or as a stream, as a canonical answer or as chunks.
//!
//! The grammar of a stream is `messageStart`, then blocks (`contentBlockStart`, which text and thinking may lack,
//! `contentBlockDelta`, `contentBlockStop`), `messageStop` with the reason, and at last `metadata` with the usage. An
//! exception may stand anywhere, and names unknown here are passed over. A whole answer has the same blocks, each in
//! one piece.

use weir_plugin::openai::{AnswerSink, AnswerStream, EventReader, FinishReason, StreamedAnswer, Text, Thought};
use weir_plugin::openai::{Usage, WholeAnswer};
use weir_plugin::serde_json::{self, Value};
use weir_plugin::{Call, Event, Failure, bedrock};

use crate::invoke;
use crate::wire::{Answer, Piece, Reasoning, ToolUse};

/// The translation of one stream.
pub type Stream = AnswerStream<Reader>;

/// Where an answer goes.
type Sink<'s> = &'s mut dyn AnswerSink;

/// Translates the body of an answer with a 2xx status. `legacy` says that the client speaks of functions, not tools.
pub fn answer(call: &Call, legacy: bool, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| bedrock::unreadable(body))?;
    let message = answer.output.and_then(|output| output.message).ok_or_else(|| bedrock::unreadable(body))?;
    let mut sink = WholeAnswer::new(call, legacy);
    for piece in message.content.into_iter().flatten() {
        let mut block = Block::begin(0, &sink);
        block.add(piece, &mut sink);
        block.end(&mut sink);
    }
    // Without a reason the answer is taken to be complete.
    let reason = FinishReason::from_upstream(answer.stop_reason.as_deref().unwrap_or_default());
    sink.finish(None, None, reason, answer.usage.map(|usage| usage.canonical()))
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct Reader {
    /// The blocks that have begun and not ended: one, as a rule.
    open: Vec<Block>,
    /// Why the answer ended, once it has. The usage comes after it.
    stop_reason: Option<String>,
}

impl EventReader for Reader {
    fn event(&mut self, event: &Event, sink: &mut StreamedAnswer) -> Result<bool, Failure> {
        let Event { name, data } = event;
        match name.as_str() {
            "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop" | "metadata" => {}
            // A frame of `InvokeModel`: the same events, wrapped.
            "chunk" => {
                let mut events = invoke::events(event)?.into_iter();
                return events.try_fold(false, |ended, event| Ok(ended || self.event(&event, sink)?));
            }
            name if name == "error" || name.ends_with("Exception") => return Err(bedrock::of_event(name, data)),
            // The begin of a message says nothing yet, and what is not known cannot be translated.
            _ => return Ok(false),
        }
        let event: Answer = serde_json::from_str(data)
            .map_err(|_| Failure::bad_answer(format!("The provider sent a {name} event that cannot be read.")))?;
        let place = self.open.iter().position(|block| Some(block.index) == event.content_block_index);
        match (name.as_str(), event.start.or(event.delta), place) {
            ("messageStop", ..) => self.stop_reason = Some(event.stop_reason.unwrap_or_default().into_string()),
            ("metadata", ..) => return Ok(self.finish(event.usage.map(|usage| usage.canonical()), sink)),
            ("contentBlockStop", _, Some(place)) => self.open.remove(place).end(sink),
            (_, Some(piece), Some(place)) => self.open[place].add(piece, sink),
            // Text and thinking begin with their first piece.
            (_, Some(piece), None) => {
                let mut block = Block::begin(event.content_block_index.unwrap_or(0), sink);
                block.add(piece, sink);
                self.open.push(block);
            }
            (_, None, _) => {}
        }
        Ok(false)
    }

    /// With its reason the answer is complete, even if its usage got lost.
    fn end(&mut self, sink: &mut StreamedAnswer) {
        self.finish(None, sink);
    }
}

impl Reader {
    /// The end of the answer. Without a reason it is none: the host has to judge. Returns whether it is one.
    fn finish(&mut self, usage: Option<Usage>, sink: &mut StreamedAnswer) -> bool {
        let Some(reason) = self.stop_reason.take() else { return false };
        self.open.drain(..).for_each(|block| block.end(sink));
        sink.finish(FinishReason::from_upstream(&reason), usage.as_ref());
        true
    }
}

/// A block that is being read.
#[derive(Debug, Default)]
struct Block {
    /// Which one it is of a stream.
    index: u64,
    /// Its place among the client's calls, if it is one.
    call: Option<u32>,
    /// Where its text begins in the whole text, in characters.
    start: u64,
    thinking: String,
    signature: String,
    citations: Vec<Value>,
}

weir_plugin::parkable!(struct Reader { open, stop_reason });
weir_plugin::parkable!(struct Block { index, call, start, thinking, signature, citations });

impl Block {
    fn begin(index: u64, sink: &dyn AnswerSink) -> Self {
        Self { index, start: sink.characters() as u64, ..Self::default() }
    }

    /// Takes over the start of a block, a delta, or a whole one.
    fn add(&mut self, piece: Piece, sink: Sink) {
        if let Some(call) = piece.tool_use {
            self.call(&call, sink);
        }
        if let Some(cited) = piece.cited {
            cited.content.into_iter().flatten().for_each(|text| self.add(text, sink));
            self.citations.extend(cited.citations.into_iter().flatten());
        }
        self.citations.extend(piece.citation);
        sink.text(piece.text.as_deref().unwrap_or_default());
        if let Some(reasoning) = piece.reasoning {
            self.think(reasoning, sink);
        }
    }

    /// A call names its tool when it begins. One of a tool that runs at the upstream is not for the client.
    fn call(&mut self, call: &ToolUse, sink: Sink) {
        if let Some(name) = call.name.as_deref().filter(|_| call.kind.as_deref() != Some("server_tool_use")) {
            self.call = Some(sink.start_call(call.id.as_deref(), name));
        }
        let (Some(place), Some(input)) = (self.call, call.input) else { return };
        // A fragment is a string, and whole arguments are an object.
        match serde_json::from_str::<Text>(input.get()) {
            Ok(fragment) => sink.arguments(place, &fragment),
            Err(_) => sink.arguments(place, input.get()),
        }
    }

    fn think(&mut self, mut reasoning: Reasoning, sink: Sink) {
        let redacted = reasoning.redacted.take();
        let Reasoning { text, signature, .. } = reasoning.whole.take().map_or(reasoning, |whole| *whole);
        let text = text.unwrap_or_default();
        sink.reasoning(&text);
        self.thinking.push_str(&text);
        self.signature.push_str(&signature.unwrap_or_default());
        if let Some(data) = redacted {
            sink.element(Thought::LIST, Thought::Redacted(&data).element());
        }
    }

    /// Tells what is known only at the end of a block: signed thinking whole, citations of all its text.
    fn end(self, sink: Sink) {
        if let Some(call) = self.call {
            sink.end_call(call);
        }
        if !self.signature.is_empty() {
            let thought = Thought::Signed { text: &self.thinking, signature: &self.signature };
            sink.element(Thought::LIST, thought.element());
        }
        let end = sink.characters() as u64;
        self.citations.into_iter().for_each(|citation| cite(citation, self.start, end, sink));
    }
}

/// A source of the text between two positions: an annotation if it has an address, its own kind of thing if not.
fn cite(citation: Value, start: u64, end: u64, sink: Sink) {
    // The `source` of a search result is whatever the client named it, an address as a rule.
    let addresses = [&citation["location"]["web"]["url"], &citation["source"]];
    let url = addresses.into_iter().filter_map(Value::as_str).find(|url| url.starts_with("http"));
    match url {
        Some(url) => sink.url_citation(start, end, url, citation["title"].as_str().unwrap_or(url)),
        None => sink.citation(Some((start, end)), citation),
    }
}
