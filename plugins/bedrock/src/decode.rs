//! What comes back from Converse, whole or as a stream, as a canonical answer or as chunks.
//!
//! The grammar of a stream is `messageStart`, then blocks (`contentBlockStart`, which text and thinking may lack,
//! `contentBlockDelta`, `contentBlockStop`), `messageStop` with the reason, and at last `metadata` with the usage. An
//! exception may stand anywhere, and names unknown here are passed over.

use serde_json::value::RawValue;
use weir_plugin::bedrock;
use weir_plugin::openai::{AnswerSink, StreamedAnswer, Text, WholeAnswer};
use weir_plugin::serde_json::{self, Map, Value};
use weir_plugin::{Call, Event, Failure, Progress, StreamDecoder};

use crate::invoke;
use crate::wire::{Answer, Piece, ReasoningPiece, StreamEvent, ToolUse, Usage, finish_reason};

/// Translates the body of an answer with a 2xx status. `legacy` says that the client speaks of functions, not tools.
pub fn answer(call: &Call, legacy: bool, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| bedrock::unreadable(body))?;
    let message = answer.output.and_then(|output| output.message).ok_or_else(|| bedrock::unreadable(body))?;
    let mut sink = WholeAnswer::new(call, legacy);
    for piece in message.content {
        let mut block = Block::begin(&piece, &sink);
        block.whole(piece, &mut sink);
        block.end(&mut sink);
    }
    sink.finish(None, None, finish_reason(answer.stop_reason.as_deref()), answer.usage.map(Usage::canonical))
}

/// A block that is being read.
#[derive(Default)]
struct Block {
    /// Its place among the client's calls, if it is one.
    call: Option<u32>,
    /// A call of a tool that runs at the upstream, and what came of it: not for the client.
    is_server_side: bool,
    /// Where its text begins in the whole text, in characters.
    start: usize,
    thinking: String,
    signature: String,
    citations: Vec<Value>,
}

impl Block {
    fn begin(piece: &Piece, sink: &dyn AnswerSink) -> Self {
        let kind = piece.tool_use.as_ref().and_then(|call| call.kind.as_deref());
        Self { is_server_side: kind == Some("server_tool_use"), start: sink.characters(), ..Self::default() }
    }

    /// Takes over a whole block.
    fn whole(&mut self, piece: Piece, sink: &mut dyn AnswerSink) {
        if let Some(call) = &piece.tool_use {
            self.call(call, sink);
            let input = call.input.map_or("{}", RawValue::get);
            self.arguments(input, sink);
        }
        if let Some(cited) = piece.citations_content {
            cited.content.iter().filter_map(|text| text.text.as_deref()).for_each(|text| sink.text(text));
            self.citations = cited.citations;
        }
        self.add(piece.text, piece.reasoning_content, sink);
    }

    /// Takes over a delta.
    fn delta(&mut self, piece: Piece, sink: &mut dyn AnswerSink) {
        if let Some(fragment) = piece.tool_use.and_then(|call| call.input) {
            // A fragment is a string; should it ever be an object, it is the arguments themselves.
            match serde_json::from_str::<Text>(fragment.get()) {
                Ok(fragment) => self.arguments(&fragment, sink),
                Err(_) => self.arguments(fragment.get(), sink),
            }
        }
        self.citations.extend(piece.citation);
        self.add(piece.text, piece.reasoning_content, sink);
    }

    fn call(&mut self, call: &ToolUse, sink: &mut dyn AnswerSink) {
        if !self.is_server_side {
            self.call = Some(sink.start_call(call.tool_use_id.as_deref(), &call.name));
        }
    }

    fn arguments(&self, fragment: &str, sink: &mut dyn AnswerSink) {
        if let Some(call) = self.call {
            sink.arguments(call, fragment);
        }
    }

    fn add(&mut self, text: Option<Text>, reasoning: Option<ReasoningPiece>, sink: &mut dyn AnswerSink) {
        if let Some(text) = text {
            sink.text(&text);
        }
        let Some(reasoning) = reasoning else { return };
        let (text, signature) = match reasoning.reasoning_text {
            Some(whole) => (whole.text, whole.signature),
            None => (reasoning.text, reasoning.signature),
        };
        if let Some(text) = text {
            sink.reasoning(&text);
            self.thinking.push_str(&text);
        }
        if let Some(signature) = signature {
            self.signature.push_str(&signature);
        }
        if let Some(data) = reasoning.redacted_content {
            let data = data.into_string().into();
            sink.element("thinking_blocks", fields([("type", "redacted_thinking".into()), ("data", data)]));
        }
    }

    /// Tells what is known only at the end of a block: signed thinking whole, citations of all its text.
    fn end(self, sink: &mut dyn AnswerSink) {
        if let Some(call) = self.call {
            sink.end_call(call);
        }
        if !self.signature.is_empty() {
            let (thinking, signature) = (self.thinking.into(), self.signature.into());
            let block = [("type", "thinking".into()), ("thinking", thinking), ("signature", signature)];
            sink.element("thinking_blocks", fields(block));
        }
        let end = sink.characters();
        for citation in self.citations {
            cite(citation, self.start, end, sink);
        }
    }
}

/// A source of the text between two positions: an annotation if it has an address, its own kind of thing if not.
fn cite(citation: Value, start: usize, end: usize, sink: &mut dyn AnswerSink) {
    // The `source` of a search result is whatever the client named it, an address as a rule.
    let addresses = [&citation["location"]["web"]["url"], &citation["source"]];
    let url = addresses.into_iter().filter_map(Value::as_str).find(|url| url.starts_with("http"));
    let (start, end) = (start as u64, end as u64);
    if let Some(url) = url {
        sink.url_citation(start, end, url, citation["title"].as_str().unwrap_or(url));
    } else {
        let places = [("start_index", start.into()), ("end_index", end.into()), ("citation", citation)];
        sink.element("citations", fields(places));
    }
}

fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The translation of one stream.
pub struct Stream {
    sink: StreamedAnswer,
    /// The blocks that have begun and not ended: one, as a rule.
    open: Vec<(u64, Block)>,
    /// Why the answer ended, once it has. The usage comes after it.
    stop_reason: Option<String>,
    has_finished: bool,
}

impl Stream {
    /// Starts. `legacy` as in [`answer`].
    pub fn new(call: Call, legacy: bool) -> Self {
        Self { sink: StreamedAnswer::new(call, legacy), open: Vec::new(), stop_reason: None, has_finished: false }
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let Event { name, data } = event;
        match name.as_str() {
            "contentBlockStart" | "contentBlockDelta" | "contentBlockStop" | "messageStop" | "metadata" => {}
            // A frame of `InvokeModel`: the same events, wrapped.
            "chunk" => return invoke::events(event)?.iter().try_for_each(|event| self.event(event)),
            "error" => return Err(bedrock::of_event(name, data)),
            name if name.ends_with("Exception") => return Err(bedrock::of_event(name, data)),
            // The begin of a message says nothing yet, and what is not known cannot be translated.
            _ => return Ok(()),
        }
        let event: StreamEvent = serde_json::from_str(data)
            .map_err(|_| Failure::bad_answer(format!("The provider sent a {name} event that cannot be read.")))?;
        let index = event.content_block_index;
        match name.as_str() {
            "contentBlockStop" => self.end_block(index),
            "messageStop" => self.stop_reason = Some(event.stop_reason.unwrap_or_default().into_string()),
            "metadata" => self.end(event.usage),
            _ => self.add(index, event.start, event.delta),
        }
        Ok(())
    }

    /// Takes over the start of a block, or more of it. Text and thinking begin with their first piece.
    fn add(&mut self, index: u64, start: Option<Piece>, delta: Option<Piece>) {
        let known = self.open.iter().position(|(open, _)| *open == index);
        let Some(piece) = start.as_ref().or(delta.as_ref()) else { return };
        let place = known.unwrap_or_else(|| {
            self.open.push((index, Block::begin(piece, &self.sink)));
            self.open.len() - 1
        });
        let block = &mut self.open[place].1;
        if let Some(call) = start.and_then(|start| start.tool_use) {
            block.call(&call, &mut self.sink);
        }
        if let Some(delta) = delta {
            block.delta(delta, &mut self.sink);
        }
    }

    fn end_block(&mut self, index: u64) {
        if let Some(place) = self.open.iter().position(|(open, _)| *open == index) {
            self.open.remove(place).1.end(&mut self.sink);
        }
    }

    /// The end of the answer. Without a reason it is none: the host has to judge.
    fn end(&mut self, usage: Option<Usage>) {
        let Some(reason) = self.stop_reason.take() else { return };
        for (_, block) in self.open.drain(..) {
            block.end(&mut self.sink);
        }
        self.sink.finish(finish_reason(Some(&reason)), usage.map(Usage::canonical).as_ref());
        self.has_finished = true;
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        for event in &events {
            self.event(event)?;
            if self.has_finished {
                break;
            }
        }
        Ok(Progress { chunks: self.sink.take(), ended: self.has_finished })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        // With its reason the answer is complete, even if its usage got lost.
        self.end(None);
        Ok(self.sink.take())
    }
}
