//! The output of an answer, made from canonical chunks: which item each piece belongs to, and when an item is complete.
//!
//! Reasoning and messages follow one another, as in the API's own streams: where another kind of item begins, the one
//! before is complete. Tool calls may be written side by side and stay open until the answer ends. An answer in one
//! piece is a single chunk that nobody watches.

use serde_json::{Value, json};

use super::event::{Events, Field, Place};
use super::item::{Call, Kind, Message, Reasoning, Status};
use super::response::{self, Echo, Identity, Outcome, Response};
use super::{Object, nonempty, take_list, take_text};
use crate::dialect::carried::Carried;
use crate::error::Error;

/// The answer as far as it has come.
pub(super) struct Output {
    response: Response,
    /// The complete items, by their index. The others, and the last message, have null here as yet.
    items: Vec<Value>,
    reasoning: Option<Reasoning>,
    /// The last message, open or not.
    message: Option<Message>,
    /// The open tool calls, with the indices that the chunks give them.
    calls: Vec<(u64, Call)>,
    /// What has to come back in a later turn and is in no item yet.
    carried: Carried,
    finish_reason: Option<String>,
    /// Whether the client was told that the answer begins.
    begun: bool,
}

impl Output {
    /// The output before the first chunk.
    pub(super) fn new(echo: Echo, identity: Identity) -> Self {
        Self {
            response: Response::new(echo, identity),
            items: Vec::new(),
            reasoning: None,
            message: None,
            calls: Vec::new(),
            carried: Carried::default(),
            finish_reason: None,
            begun: false,
        }
    }

    /// Takes in a canonical chunk.
    pub(super) fn chunk(&mut self, mut chunk: Object, events: &mut Events<'_>) {
        let choices = take_list(&mut chunk, "choices");
        self.response.note(chunk);
        self.begin(events);
        // There is one answer here. Where an upstream gives several, the first is as good as any.
        let first = choices.into_iter().find(|choice| choice["index"].as_u64().is_none_or(|index| index == 0));
        if let Some(Value::Object(choice)) = first {
            self.choice(choice, events);
        }
    }

    /// Tells that the answer begins, once.
    fn begin(&mut self, events: &mut Events<'_>) {
        if std::mem::replace(&mut self.begun, true) || !events.are_heard() {
            return;
        }
        let response = self.response.document(&Outcome::InProgress, &[]);
        for kind in ["response.created", "response.in_progress"] {
            events.tell(kind, &[("response", Field::Raw(&response))]);
        }
    }

    fn choice(&mut self, mut choice: Object, events: &mut Events<'_>) {
        let logprobs = match choice.get_mut("logprobs") {
            Some(Value::Object(logprobs)) => take_list(logprobs, "content"),
            _ => Vec::new(),
        };
        if let Some(reason) = take_text(&mut choice, "finish_reason") {
            self.finish_reason = Some(reason);
        }
        if let Some(Value::Object(delta)) = choice.remove("delta") {
            self.delta(delta, logprobs, events);
        }
    }

    fn delta(&mut self, mut delta: Object, logprobs: Vec<Value>, events: &mut Events<'_>) {
        let mut calls = take_list(&mut delta, "tool_calls");
        calls.extend(self.function_call(&mut delta));
        if let Some(text) = nonempty(delta.get("reasoning_content")) {
            self.think(text, events);
        }
        // All that the next reasoning item has to bring back, before something else completes it.
        self.carried.add_thinking(take_list(&mut delta, "thinking_blocks"));
        self.carried.add_details(take_list(&mut delta, "reasoning_details"));
        self.carried.add_content(delta.remove("extra_content").unwrap_or_default());
        for call in calls.iter_mut().filter_map(Value::as_object_mut) {
            self.carry(call);
        }
        if let Some(text) = nonempty(delta.get("content")) {
            self.open_message(events).say(text, logprobs, events);
        }
        if let Some(text) = nonempty(delta.get("refusal")) {
            self.open_message(events).refuse(text, events);
        }
        for source in take_list(&mut delta, "annotations") {
            self.written_message(events).cite(source, events);
        }
        let citations = take_list(&mut delta, "citations");
        if !citations.is_empty() {
            self.written_message(events).add_citations(citations);
        }
        for (position, call) in calls.into_iter().enumerate() {
            if let Value::Object(call) = call {
                self.call(position as u64, call, events);
            }
        }
    }

    fn think(&mut self, text: &str, events: &mut Events<'_>) {
        self.close_message(Status::Completed, events);
        let reasoning = match self.reasoning.take() {
            Some(reasoning) => reasoning,
            None => Reasoning::begin(self.place("rs"), events),
        };
        self.reasoning.insert(reasoning).think(text, events);
    }

    /// The message that text goes into.
    fn open_message(&mut self, events: &mut Events<'_>) -> &mut Message {
        let message = match self.message.take() {
            Some(message) if message.is_open() => message,
            before => {
                self.keep_message(before.as_ref());
                self.close_reasoning(events);
                Message::begin(self.place("msg"), events)
            }
        };
        self.message.insert(message)
    }

    /// The message that citations belong to: the one that was written last.
    fn written_message(&mut self, events: &mut Events<'_>) -> &mut Message {
        match self.message.take() {
            Some(message) => self.message.insert(message),
            None => self.open_message(events),
        }
    }

    /// A call in the form before tools, of which there is one and which has no id, as a tool call.
    fn function_call(&mut self, delta: &mut Object) -> Option<Value> {
        let function = delta.remove("function_call").filter(Value::is_object)?;
        let id = self.response.item_id("call", 0);
        Some(json!({ "index": 0, "id": id, "type": "function", "function": function }))
    }

    /// Takes note of what a piece of a tool call has to bring back.
    fn carry(&mut self, call: &mut Object) {
        let known = call.get("index").and_then(Value::as_u64).and_then(|index| self.open_call(index));
        let id = known.map(|call| call.id().to_owned()).or_else(|| nonempty(call.get("id")).map(str::to_owned));
        self.carried.add_call(&id.unwrap_or_default(), call.remove("extra_content").unwrap_or_default());
    }

    fn open_call(&mut self, index: u64) -> Option<&mut Call> {
        self.calls.iter_mut().find(|(other, _)| *other == index).map(|(_, call)| call)
    }

    fn call(&mut self, position: u64, mut piece: Object, events: &mut Events<'_>) {
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or(position);
        let kind = Kind::of(&piece);
        let (name, input) = kind.take(&mut piece);
        let input = input.unwrap_or_default();
        if let Some(call) = self.open_call(index) {
            call.add(&input, events);
            return;
        }
        self.close_message(Status::Completed, events);
        self.close_reasoning(events);
        let id = take_text(&mut piece, "id").unwrap_or_default();
        let mut call = Call::begin(self.place(kind.prefix()), kind, id, name.unwrap_or_default(), events);
        call.add(&input, events);
        self.calls.push((index, call));
    }

    /// Completes what was thought. Without any thoughts there still is an item if something has to come back.
    fn close_reasoning(&mut self, events: &mut Events<'_>) {
        let reasoning = match self.reasoning.take() {
            Some(reasoning) => reasoning,
            None if self.carried.is_empty() => return,
            None => Reasoning::begin(self.place("rs"), events),
        };
        let (index, item) = reasoning.close(&std::mem::take(&mut self.carried), events);
        self.items[index] = item;
    }

    fn close_message(&mut self, status: Status, events: &mut Events<'_>) {
        if let Some(message) = &mut self.message {
            message.close(status, events);
        }
    }

    /// Puts a message that is not open any more where it belongs.
    fn keep_message(&mut self, message: Option<&Message>) {
        if let Some(message) = message {
            self.items[message.index()] = message.to_json();
        }
    }

    /// A new place at the end of the output.
    fn place(&mut self, prefix: &str) -> Place {
        let index = self.items.len();
        self.items.push(Value::Null);
        Place { id: self.response.item_id(prefix, index), index }
    }

    /// Completes the output, and returns the Response around it.
    pub(super) fn finish(&mut self, events: &mut Events<'_>) -> String {
        let outcome = self.outcome();
        let status = if outcome == Outcome::Completed { Status::Completed } else { Status::Incomplete };
        // Who asked finds a message or a call, even if there is nothing in it.
        if status == Status::Completed && self.message.is_none() && self.calls.is_empty() {
            self.open_message(events);
        }
        self.close_all(status, events);
        self.response.document(&outcome, &self.items)
    }

    /// Completes the output and tells the last event.
    pub(super) fn end(&mut self, events: &mut Events<'_>) {
        self.begin(events);
        let response = self.finish(events);
        events.tell(&self.outcome().event(), &[("response", Field::Raw(&response))]);
    }

    /// Tells that the answer broke off. SDKs raise on the first event, other clients wait for the second.
    pub(super) fn fail(&mut self, error: &Error, events: &mut Events<'_>) {
        self.begin(events);
        let [code, message, param] = [json!(error.code), json!(error.message), json!(error.param)];
        let nested = json!({ "type": error.kind, "code": code, "message": message, "param": param });
        let fields = [("code", &code), ("message", &message), ("param", &param), ("error", &nested)];
        events.tell("error", &fields.map(|(name, value)| (name, Field::Json(value))));
        // Nobody has to be told that the items end as well.
        self.close_all(Status::Incomplete, &mut Events::unheard());
        let outcome = Outcome::Failed(response::failure(error));
        let response = self.response.document(&outcome, &self.items);
        events.tell(&outcome.event(), &[("response", Field::Raw(&response))]);
    }

    fn close_all(&mut self, status: Status, events: &mut Events<'_>) {
        self.close_message(status, events);
        for (_, call) in std::mem::take(&mut self.calls) {
            let (index, item) = call.close(status, events);
            self.items[index] = item;
        }
        self.close_reasoning(events);
        let message = self.message.take();
        self.keep_message(message.as_ref());
    }

    fn outcome(&self) -> Outcome {
        match self.finish_reason.as_deref() {
            Some("length") => Outcome::Incomplete("max_output_tokens"),
            Some("content_filter") => Outcome::Incomplete("content_filter"),
            _ => Outcome::Completed,
        }
    }
}
