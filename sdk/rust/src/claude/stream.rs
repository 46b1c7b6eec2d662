//! A streamed answer of the Messages API, event by event, as canonical chunks.
//!
//! The grammar is `message_start`, then blocks one after another (`content_block_start`, deltas,
//! `content_block_stop`), `message_delta` with the reason and the usage, `message_stop`; `ping` and kinds unknown here
//! may stand anywhere. This is the hot path: a delta becomes a chunk by copying its string, escapes and all, between
//! a prefix and a suffix.

use crate::openai::{FinishReason, completion_id, now, to_json, tool_call_id};
use crate::{Call, Event, Failure, Progress, StreamDecoder};
use serde_json::value::RawValue;

use super::failure;
use super::pieces::{self, Citations};
use super::wire::{Block, Delta, Message, StreamEvent, Usage, finish_reason, refusal};
use crate::json::{Json, characters, string_body};

/// What stands between a delta and the end of its chunk.
const SUFFIX: &str = r#","finish_reason":null}]}"#;

/// The translation of one stream.
pub struct Stream {
    chunks: Chunks,
    /// The client speaks of functions, not tools.
    legacy: bool,
    /// The blocks that are open: one, as a rule.
    open: Vec<(u64, Open)>,
    calls: u32,
    thinking_blocks: u32,
    /// The length of the text so far, in characters: citations name positions in it.
    characters: usize,
    citations: Citations,
    usage: Option<Usage>,
    /// The reason as a string body, and with it the text of a refusal.
    stop_reason: Option<Box<RawValue>>,
    refusal: Option<String>,
    ended: bool,
}

/// A block that has started and not stopped.
enum Open {
    Text { start: usize, citations: Vec<Box<RawValue>> },
    Thinking { thinking: String, signature: String },
    Call { index: u32, input: String, begun: bool },
    Skipped,
}

/// The chunks of a batch in the making.
struct Chunks {
    /// Everything up to and including `"delta":`. Empty until the message's id and model are known.
    prefix: String,
    /// The prefix up to `"choices":`, which the last chunk needs.
    head: usize,
    /// For the id and the model of a message that has none.
    call: Call,
    /// The first chunk waits for the event after `message_start`: an error in its place is then still a status.
    opening: bool,
    /// What `message_start` says of the usage, until it is told.
    first_usage: Option<Usage>,
    list: Vec<String>,
}

crate::parkable!(struct Stream {
    chunks, legacy, open, calls, thinking_blocks, characters, citations, usage, stop_reason, refusal, ended,
});
crate::parkable!(enum Open {
    Text { start, citations }, Thinking { thinking, signature }, Call { index, input, begun }, Skipped {},
});
crate::parkable!(struct Chunks { prefix, head, call, opening, first_usage, list });

impl Stream {
    /// Starts. `legacy` as in [`super::answer::answer`].
    pub fn new(call: Call, legacy: bool) -> Self {
        Self {
            chunks: Chunks {
                prefix: String::new(),
                head: 0,
                call,
                opening: false,
                first_usage: None,
                list: Vec::new(),
            },
            legacy,
            open: Vec::new(),
            calls: 0,
            thinking_blocks: 0,
            characters: 0,
            citations: Citations::default(),
            usage: None,
            stop_reason: None,
            refusal: None,
            ended: false,
        }
    }

    fn event(&mut self, Event { name, data }: &Event) -> Result<(), Failure> {
        if data.trim() == "[DONE]" {
            // Not Anthropic's, but other upstreams of this dialect end so.
            return self.end();
        }
        let Ok(event) = serde_json::from_str::<StreamEvent>(data) else { return ignore_unknown(data) };
        // The data says what it is. The name of the event stands in for it where it does not.
        match if event.kind.is_empty() { name.as_str() } else { &event.kind } {
            "content_block_delta" => {
                if let (Some(delta), Some(index)) = (&event.delta, event.index) {
                    self.delta(index, delta);
                }
            }
            "content_block_start" => {
                if let (Some(block), Some(index)) = (&event.content_block, event.index) {
                    self.start(index, block);
                }
            }
            "content_block_stop" => self.stop(event.index),
            "message_start" => self.message(event.message.as_ref()),
            "message_delta" => self.message_delta(&event),
            "message_stop" => self.end()?,
            kind if kind == "error" || event.error.is_some() => {
                return Err(failure::of_answer(data));
            }
            // A ping says at least that the upstream has begun.
            _ => self.chunks.open(),
        }
        Ok(())
    }

    fn message(&mut self, message: Option<&Message>) {
        let id = message.and_then(|message| string_body(message.id));
        let model = message.and_then(|message| string_body(message.model));
        self.chunks.begin(id, model);
        self.merge(message.and_then(|message| message.usage));
        self.chunks.first_usage = self.usage;
    }

    fn merge(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            self.usage.get_or_insert_default().merge(usage);
        }
    }

    fn start(&mut self, index: u64, block: &Block) {
        self.chunks.open();
        let open = match &*block.kind {
            "text" => Open::Text { start: self.characters, citations: Vec::new() },
            "thinking" => Open::Thinking { thinking: String::new(), signature: String::new() },
            "redacted_thinking" => {
                let mut json = Json::default();
                let data = string_body(block.data).unwrap_or("");
                pieces::redacted_block(&mut json, self.thinking_blocks, data);
                self.thinking_block(&json);
                Open::Skipped
            }
            "tool_use" => self.start_call(block),
            // Server-side tools and their results, and what is not known here.
            _ => Open::Skipped,
        };
        self.open.retain(|(other, _)| *other != index);
        self.open.push((index, open));
        // A block may start with content, though Anthropic's do not.
        self.text(index, block.text);
        self.thinking(index, block.thinking);
        self.signature(index, block.signature);
    }

    fn start_call(&mut self, block: &Block) -> Open {
        let index = self.calls;
        self.calls += 1;
        let id = pieces::call_id(block.id, || tool_call_id(&self.chunks.call, index));
        let name = string_body(block.name).unwrap_or("");
        let mut json = Json::default();
        if !self.legacy {
            json.open('{').key("tool_calls").open('[');
            pieces::tool_call(&mut json, Some(index), &id, name, "");
            json.close(']').close('}');
        } else if index == 0 {
            json.open('{').key("function_call");
            pieces::function(&mut json, name, "");
            json.close('}');
        } else {
            return Open::Skipped;
        }
        self.chunks.push(&[json.as_str()]);
        Open::Call { index, input: pieces::arguments(block.input), begun: false }
    }

    fn delta(&mut self, index: u64, delta: &Delta) {
        self.chunks.open();
        match &*delta.kind {
            "text_delta" => self.text(index, delta.text),
            "input_json_delta" => self.arguments(index, delta.partial_json),
            "thinking_delta" => self.thinking(index, delta.thinking),
            "signature_delta" => self.signature(index, delta.signature),
            "citations_delta" => {
                let open = find(&mut self.open, index);
                if let (Some(Open::Text { citations, .. }), Some(citation)) = (open, delta.citation) {
                    citations.push(citation.to_owned());
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, index: u64, text: Option<&RawValue>) {
        let Some(text) = string_body(text).filter(|text| !text.is_empty()) else { return };
        if let Some(Open::Text { .. }) = find(&mut self.open, index) {
            self.characters += characters(text);
            self.chunks.push(&[r#"{"content":""#, text, r#""}"#]);
        }
    }

    fn thinking(&mut self, index: u64, text: Option<&RawValue>) {
        let Some(text) = string_body(text).filter(|text| !text.is_empty()) else { return };
        if let Some(Open::Thinking { thinking, .. }) = find(&mut self.open, index) {
            thinking.push_str(text);
            self.chunks.push(&[r#"{"reasoning_content":""#, text, r#""}"#]);
        }
    }

    fn signature(&mut self, index: u64, text: Option<&RawValue>) {
        if let (Some(Open::Thinking { signature, .. }), Some(text)) = (find(&mut self.open, index), string_body(text)) {
            signature.push_str(text);
        }
    }

    fn arguments(&mut self, index: u64, fragment: Option<&RawValue>) {
        let Some(fragment) = string_body(fragment).filter(|fragment| !fragment.is_empty()) else { return };
        if let Some(Open::Call { index, begun, .. }) = find(&mut self.open, index) {
            *begun = true;
            let index = *index;
            self.push_arguments(index, fragment);
        }
    }

    fn push_arguments(&mut self, index: u32, fragment: &str) {
        if self.legacy {
            self.chunks.push(&[r#"{"function_call":{"arguments":""#, fragment, r#""}}"#]);
        } else {
            let number = index.to_string();
            let opening = r#"{"tool_calls":[{"index":"#;
            self.chunks.push(&[opening, &number, r#","function":{"arguments":""#, fragment, r#""}}]}"#]);
        }
    }

    /// Ends a block, or all of them: what waits for its end goes out.
    fn stop(&mut self, index: Option<u64>) {
        let stopped: Vec<_> =
            self.open.extract_if(.., |(other, _)| index.is_none_or(|index| index == *other)).collect();
        for (_, open) in stopped {
            match open {
                Open::Thinking { thinking, signature } => {
                    let mut json = Json::default();
                    pieces::thinking_block(&mut json, self.thinking_blocks, &thinking, &signature);
                    self.thinking_block(&json);
                }
                // A tool without parameters sends no fragment, or only an empty one.
                Open::Call { index, input, begun: false } => self.push_arguments(index, &input),
                Open::Text { start, citations } => self.cite(start, &citations),
                Open::Call { .. } | Open::Skipped => {}
            }
        }
    }

    /// A thinking block goes out whole: only so can every client library put its list together.
    fn thinking_block(&mut self, block: &Json) {
        self.thinking_blocks += 1;
        self.chunks.push(&[r#"{"thinking_blocks":["#, block.as_str(), "]}"]);
    }

    /// Sends the citations of a block whose text is complete: they name its whole length.
    fn cite(&mut self, start: usize, citations: &[Box<RawValue>]) {
        for citation in citations {
            self.citations.add(citation.get(), start, self.characters);
        }
        let mut json = Json::default();
        json.open('{');
        if self.citations.write(&mut json) {
            json.close('}');
            self.chunks.push(&[json.as_str()]);
        }
    }

    fn message_delta(&mut self, event: &StreamEvent) {
        self.merge(event.usage);
        let Some(delta) = &event.delta else { return };
        if string_body(delta.stop_reason).is_some() {
            self.stop_reason = delta.stop_reason.map(ToOwned::to_owned);
            self.refusal = refusal(delta.stop_reason, delta.stop_details).map(str::to_owned);
        }
    }

    /// The upstream says that the message is complete: the reason and the usage go out.
    fn end(&mut self) -> Result<(), Failure> {
        if self.chunks.prefix.is_empty() {
            return Err(Failure::bad_answer("The provider ended the answer before it began."));
        }
        self.chunks.open();
        self.stop(None);
        if let Some(refusal) = self.refusal.take() {
            self.chunks.push(&[r#"{"refusal":""#, &refusal, r#""}"#]);
        }
        let reason = self.stop_reason.take();
        let finish = finish_reason(reason.as_deref(), self.calls > 0, self.legacy);
        let native = reason.as_deref().map_or("null", RawValue::get);
        self.ended = true;
        self.chunks.finish(finish, native, self.usage);
        Ok(())
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        self.chunks.list.reserve(events.len() + 1);
        for event in &events {
            if !self.ended {
                self.event(event)?;
            }
        }
        Ok(Progress { chunks: std::mem::take(&mut self.chunks.list), ended: self.ended })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        // With its reason the answer is complete, even if `message_stop` got lost. Without it the host has to judge.
        if self.stop_reason.is_some() {
            self.end()?;
        }
        Ok(std::mem::take(&mut self.chunks.list))
    }

    fn park(&self) -> Option<String> {
        crate::park(self)
    }
}

impl Chunks {
    /// Takes the identity of the message, which all its chunks carry.
    fn begin(&mut self, id: Option<&str>, model: Option<&str>) {
        if !self.prefix.is_empty() {
            return;
        }
        let mut json = Json::with_capacity(256);
        json.open('{').key("id");
        match id.filter(|id| !id.is_empty()) {
            Some(id) => json.body(id),
            None => json.string(&completion_id(&self.call)),
        };
        json.key("object").body("chat.completion.chunk").key("created").number(now()).key("model");
        match model {
            Some(model) => json.body(model),
            None => json.string(&self.call.model),
        };
        json.key("choices");
        self.prefix = json.into_string();
        self.head = self.prefix.len();
        self.prefix.push_str(r#"[{"index":0,"delta":"#);
        self.opening = true;
    }

    /// Sends the first chunk, once. An upstream that left out `message_start` has begun as well.
    fn open(&mut self) {
        if self.prefix.is_empty() {
            self.begin(None, None);
        }
        if std::mem::take(&mut self.opening) {
            self.push(&[r#"{"role":"assistant","content":""}"#]);
            // What the prompt cost is known already, and is to be counted even if the client leaves.
            if let Some(usage) = self.first_usage.take() {
                self.usage(usage);
            }
        }
    }

    /// Adds a chunk whose delta is these parts, one behind the other.
    fn push(&mut self, delta: &[&str]) {
        let length = delta.iter().map(|part| part.len()).sum::<usize>();
        let mut chunk = String::with_capacity(self.prefix.len() + length + SUFFIX.len());
        chunk.push_str(&self.prefix);
        delta.iter().for_each(|part| chunk.push_str(part));
        chunk.push_str(SUFFIX);
        self.list.push(chunk);
    }

    /// Adds the last chunks: the finish reason, and the usage if any was told.
    fn finish(&mut self, reason: FinishReason, native: &str, usage: Option<Usage>) {
        let prefix = &self.prefix;
        let last = format!(r#"{prefix}{{}},"finish_reason":"{reason}","native_finish_reason":{native}}}]}}"#);
        self.list.push(last);
        if let Some(usage) = usage {
            self.usage(usage);
        }
    }

    /// Adds a chunk with the usage as it is known by now.
    fn usage(&mut self, usage: Usage) {
        let Ok(counts) = to_json(&usage.canonical()) else { return };
        let mut json = Json::with_capacity(512);
        json.raw(&self.prefix[..self.head]).raw("[]").key("usage").raw(&counts);
        if let Some(tier) = usage.service_tier() {
            json.key("service_tier").body(tier);
        }
        json.close('}');
        self.list.push(json.into_string());
    }
}

fn find(open: &mut [(u64, Open)], index: u64) -> Option<&mut Open> {
    open.iter_mut().find(|(other, _)| *other == index).map(|(_, open)| open)
}

/// An event whose fields are not those that are known: no fault in an event of an unknown kind, a fault in others.
fn ignore_unknown(data: &str) -> Result<(), Failure> {
    const KNOWN: [&str; 7] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ];
    let Ok(event) = serde_json::from_str::<serde_json::Value>(data) else {
        return Err(Failure::bad_answer("The provider sent an event that is not JSON."));
    };
    match event["type"].as_str() {
        Some("error") | None => Err(failure::of_answer(data)),
        Some(kind) if KNOWN.contains(&kind) => {
            Err(Failure::bad_answer(format!("The provider sent a {kind} event that cannot be read.")))
        }
        Some(_) => Ok(()),
    }
}
