//! A streamed answer as the events of a message.
//!
//! Blocks come one after another here, while chunks may go on with any of several tool calls, or with the text behind
//! one. So what is said goes into a queue of blocks, in the order in which they began. The first of them is told as it
//! grows; it stops when nothing can be added to it any more, which for a call means that its arguments are a complete
//! object; then the next one is told, with what has come of it in the meantime.
//!
//! A signature that comes with a text has no place in a delta: the block at the end carries it, with all else that the
//! upstream wants back.

mod balance;
mod block;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};

use bytes::BytesMut;
use serde_json::json;

use self::block::{Kind, Queued};
use super::canonical::{Call, Choice, Document, Function, Said, ThinkingBlock, bad_answer, body, parse, text};
use super::reply::{Asked, Ending, Message, Usage};
use crate::dialect::carried::Carried;
use crate::error::Error;

/// A sign of life.
pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// How much may wait behind a call whose arguments do not end, in bytes of chunks. No model writes as much.
const MOST_HELD: usize = 16 << 20;

/// Adds an event.
pub(super) fn event(out: &mut BytesMut, name: &str, data: Arguments<'_>) {
    // Writing into memory cannot fail.
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

/// How far a stream has come.
#[derive(Default)]
pub(super) struct Stream {
    begun: bool,
    /// The blocks that have not stopped. The first one is told as it grows.
    blocks: VecDeque<Queued>,
    /// The bytes of the chunks since everything was told.
    held: usize,
    /// How many have stopped: the number of the first one.
    stopped: u64,
    /// How many tool calls have begun.
    calls: u64,
    refusal: Option<String>,
    carried: Carried,
    ending: Option<Ending>,
    usage: Usage,
}

impl Stream {
    /// Adds to `out` what a chunk becomes.
    pub(super) fn chunk(&mut self, chunk: &str, asked: &Asked, out: &mut BytesMut) -> Result<(), Error> {
        let length = chunk.len();
        let chunk = parse(chunk)?;
        self.begin(&chunk, asked, out);
        if let Some(usage) = chunk.usage() {
            self.usage = usage.into();
        }
        if let Some(choice) = chunk.choices.iter().find(|choice| choice.index == 0) {
            self.take(choice, asked);
            self.tell(out);
        }
        let waits = self.blocks.len() > 1 || self.blocks.front().is_some_and(|block| !block.waiting.is_empty());
        self.held = if waits { self.held + length } else { 0 };
        if self.held > MOST_HELD {
            return Err(bad_answer("too much behind a tool call that does not end"));
        }
        Ok(())
    }

    /// Adds to `out` what ends a complete stream.
    pub(super) fn end(&mut self, asked: &Asked, out: &mut BytesMut) {
        if !self.begun {
            self.begin(&Document::default(), asked, out);
        }
        let ending = self.ending.get_or_insert_default();
        let data = json!({ "type": "message_delta", "delta": ending, "usage": self.usage });
        self.tell(out);
        event(out, "message_delta", format_args!("{data}"));
        event(out, "message_stop", format_args!(r#"{{"type":"message_stop"}}"#));
    }

    fn begin(&mut self, chunk: &Document<'_>, asked: &Asked, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        // What the prompt cost is known at the end, as a rule, and told there.
        let usage = chunk.usage().map(Usage::from).unwrap_or_default();
        let model = text(chunk.model).unwrap_or_default();
        let message = Message::new(asked, model, Vec::new(), Ending::default(), usage);
        let data = json!({ "type": "message_start", "message": message });
        event(out, "message_start", format_args!("{data}"));
        out.extend_from_slice(PING);
    }

    fn take(&mut self, choice: &Choice<'_>, asked: &Asked) {
        let said = &choice.said;
        if let Some(thinking) = body(said.reasoning_content) {
            self.think(thinking);
        }
        for block in said.thinking_blocks() {
            self.thinking_block(&block);
        }
        for spoken in [said.content, said.refusal].into_iter().filter_map(body) {
            self.speak(spoken);
        }
        if let Some(refusal) = text(said.refusal) {
            self.refusal.get_or_insert_default().push_str(&refusal);
        }
        self.cite(said);
        for call in said.tool_calls.iter().flatten() {
            self.call(call);
        }
        if let Some(function) = &said.function_call {
            self.function_call(function, asked);
        }
        said.carry(&mut self.carried);
        if choice.finish_reason().is_some() {
            if let Some(data) = std::mem::take(&mut self.carried).seal() {
                self.push(Kind::Redacted { data });
            }
            self.ending = Some(Ending::of(choice, self.calls > 0, self.refusal.take(), asked));
        }
    }

    /// Tells what can be told of the queue.
    fn tell(&mut self, out: &mut BytesMut) {
        let finished = self.ending.is_some();
        while let Some(block) = self.blocks.front_mut() {
            block.tell(self.stopped, out);
            let followed = self.blocks.len() > 1;
            let complete = self.blocks.front().is_some_and(Queued::is_complete);
            if !(finished || followed && complete) {
                return;
            }
            if let Some(block) = self.blocks.pop_front() {
                block.stop(self.stopped, out);
            }
            self.stopped += 1;
        }
    }

    fn push(&mut self, kind: Kind) -> &mut Queued {
        self.blocks.push_back(Queued::new(kind));
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn speak(&mut self, text: &str) {
        match self.blocks.back_mut() {
            Some(block) if matches!(block.kind, Kind::Text) => block.add(text),
            _ => self.push(Kind::Text).add(text),
        }
    }

    /// Adds reasoning. Behind a signature, a new block begins.
    fn think(&mut self, text: &str) {
        match self.blocks.back_mut() {
            Some(Queued { kind: Kind::Thinking { signature, spoken, .. }, waiting, .. }) if signature.is_empty() => {
                *spoken = true;
                waiting.push_str(text);
            }
            _ => self.push(Kind::Thinking { signature: String::new(), spoken: true, index: None }).add(text),
        }
    }

    /// Adds an element of `thinking_blocks`: the signature of what was thought, and its text unless that was told.
    fn thinking_block(&mut self, element: &ThinkingBlock<'_>) {
        if let Some(data) = text(element.data) {
            self.push(Kind::Redacted { data: data.into_owned() });
            return;
        }
        let goes_on = |block: &Queued| match &block.kind {
            Kind::Thinking { index, signature, .. } => {
                index.map_or(signature.is_empty(), |index| index == element.index)
            }
            _ => false,
        };
        if !self.blocks.back().is_some_and(goes_on) {
            self.push(Kind::Thinking { signature: String::new(), spoken: false, index: None });
        }
        let Some(Queued { kind: Kind::Thinking { signature, spoken, index }, waiting, .. }) = self.blocks.back_mut()
        else {
            return;
        };
        *index = Some(element.index);
        signature.push_str(body(element.signature).unwrap_or_default());
        if !*spoken {
            waiting.push_str(body(element.thinking).unwrap_or_default());
        }
    }

    /// Adds citations to the text that they are of. Of a text that has stopped, they come too late.
    fn cite(&mut self, said: &Said<'_>) {
        let citations = said.citations();
        if citations.is_empty() {
            return;
        }
        if let Some(block) = self.blocks.iter_mut().rev().find(|block| matches!(block.kind, Kind::Text)) {
            block.citations.extend(citations);
        }
    }

    fn call(&mut self, call: &Call<'_>) {
        let Some(function) = &call.function else { return };
        // Calls begin in the order of their indices.
        if call.index >= self.calls {
            self.calls = call.index + 1;
            let (id, name) = (text(call.id).map(Cow::into_owned), text(function.name).map(Cow::into_owned));
            let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
            self.push(Kind::call(call.index, id, name));
        }
        let found = self.blocks.iter_mut().find(|block| block.is_call(call.index));
        if let Some(block) = found {
            block.sign(call.extra_content);
            if let Kind::Call { id, .. } = &block.kind {
                call.carry(id, &mut self.carried);
            }
            block.add_arguments(function.arguments);
        }
    }

    /// Adds to the one call of the form before tools, which has no id.
    fn function_call(&mut self, function: &Function<'_>, asked: &Asked) {
        if self.calls == 0 {
            self.calls = 1;
            let name = text(function.name).map(Cow::into_owned).unwrap_or_default();
            self.push(Kind::call(0, asked.call_id(), name));
        }
        if let Some(block) = self.blocks.iter_mut().find(|block| block.is_call(0)) {
            block.add_arguments(function.arguments);
        }
    }
}
