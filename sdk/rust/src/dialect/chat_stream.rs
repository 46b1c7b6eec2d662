//! A stream of chunks that do not conform, made to: one identity, each role once, each tool call begun once and under
//! an index of its own, a finish reason that clients know, and usage once, at the end.

use std::borrow::Cow;

use crate::openai::{self, Chunk, ChunkChoice, FinishReason, FunctionDelta, ToolCallDelta, Usage};
use crate::{Call, Event, Failure, Position, Progress, StreamDecoder};
use serde_json::{Map, Value};

use super::answer::{finish_reason, is_known_tier, reports_error, usage};
use super::identity::Identity;
use super::reasoning_details::ReasoningDetails;
use super::straighten;

/// The state of one stream.
#[derive(Debug)]
pub struct ChatStream {
    call: Call,
    status: u16,
    identity: Identity,
    /// The host has relayed the begin by itself: every choice has its role.
    resumed: bool,
    /// The choices that have begun, and whether each has ended.
    choices: Vec<(u32, bool)>,
    tool_calls: Vec<Begun>,
    reasoning_details: ReasoningDetails,
    usage: Option<Usage>,
    /// Fields of chunks that had nothing else to say, for the next one that has.
    held: Map<String, Value>,
}

/// A tool call that has begun.
#[derive(Debug)]
struct Begun {
    choice: u32,
    /// The index that it has for the client.
    index: u32,
    /// The index that the upstream gave it.
    source: Option<u32>,
    /// The id that the upstream gave it; empty if it gave none.
    id: String,
    has_arguments: bool,
}

crate::parkable!(struct ChatStream {
    call, status, identity, resumed, choices, tool_calls, reasoning_details, usage, held,
});
crate::parkable!(struct Begun { choice, index, source, id, has_arguments });

impl ChatStream {
    /// Starts. `status` is that of the answer's head.
    pub fn new(call: Call, status: u16, resume: Option<Position>) -> Self {
        let resumed = resume.is_some();
        let (choices, tool_calls) = (Vec::new(), Vec::new());
        Self {
            call,
            status,
            identity: Identity::new(resume),
            resumed,
            choices,
            tool_calls,
            reasoning_details: ReasoningDetails::default(),
            usage: None,
            held: Map::new(),
        }
    }
}

impl StreamDecoder for ChatStream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            match event.data.trim() {
                "" => {}
                "[DONE]" => {
                    chunks.extend(self.last()?);
                    return Ok(Progress { chunks, ended: true });
                }
                data => chunks.extend(self.chunk(&event.name, data)?),
            }
        }
        Ok(Progress { chunks, ended: false })
    }

    /// Some upstreams never say `[DONE]`.
    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        Ok(self.last()?.into_iter().collect())
    }
}

impl ChatStream {
    /// Repairs a chunk. `None` if it has nothing to say that the client should hear now.
    fn chunk(&mut self, event: &str, data: &str) -> Result<Option<String>, Failure> {
        if event == "error" {
            return Err(super::failure::failure(self.status, data));
        }
        let (document, is_whole) = chunk_of_answer(data);
        let mut room = String::new();
        let mut chunk: Chunk = straighten::read(&document, &mut room)?;
        let is_error = reports_error(chunk.extra.get("error"));
        let is_foreign =
            chunk.choices.is_none() && ["detail", "message"].iter().any(|name| chunk.extra.contains_key(*name));
        if is_error || is_foreign {
            return Err(super::failure::failure(self.status, data));
        }
        // Padding that hides the lengths of tokens is of no use to anyone behind the gateway.
        for name in ["error", "obfuscation", "p"] {
            chunk.extra.shift_remove(name);
        }
        if let Some(usage) = usage(chunk.usage.take(), &chunk.extra) {
            self.usage = Some(usage.completed());
        }
        let mut choices = Vec::new();
        for (position, choice) in chunk.choices.take().into_iter().flatten().enumerate() {
            choices.extend(self.choice(position, choice, is_whole)?);
        }
        if choices.is_empty() {
            self.held.extend(chunk.extra);
            return Ok(None);
        }
        for (name, value) in std::mem::take(&mut self.held) {
            chunk.extra.entry(name).or_insert(value);
        }
        chunk.choices = Some(choices);
        chunk.service_tier = chunk.service_tier.filter(is_known_tier);
        self.identify(&mut chunk);
        openai::to_json(&chunk).map(Some)
    }

    /// The usage chunk, if the upstream ever said what the answer cost.
    fn last(&mut self) -> Result<Option<String>, Failure> {
        let Some(usage) = self.usage.take() else { return Ok(None) };
        let extra = std::mem::take(&mut self.held);
        let mut chunk = Chunk { choices: Some(Vec::new()), usage: Some(usage), extra, ..Chunk::default() };
        self.identify(&mut chunk);
        openai::to_json(&chunk).map(Some)
    }

    /// Gives a chunk the identity that all share: that of the first.
    fn identify(&mut self, chunk: &mut Chunk<'_>) {
        let given = (chunk.id.take(), chunk.created, chunk.model.take());
        let identity = self.identity.shared(given, &self.call, openai::completion_id);
        chunk.id = Some(identity.id.clone().into());
        chunk.object = Some("chat.completion.chunk".into());
        chunk.created = Some(identity.created);
        chunk.model = Some(identity.model.clone().into());
    }

    fn choice<'a>(
        &mut self,
        position: usize,
        mut choice: ChunkChoice<'a>,
        is_whole: bool,
    ) -> Result<Option<ChunkChoice<'a>>, Failure> {
        let index = choice.index.or_else(|| u32::try_from(position).ok()).unwrap_or(u32::MAX);
        let place = self.choices.iter().position(|(known, _)| *known == index);
        if place.is_some_and(|place| self.choices[place].1) {
            return Ok(None);
        }
        let is_first = place.is_none() && !self.resumed;
        let mut delta = choice.delta.take().filter(|_| is_first || !is_whole).unwrap_or_default();
        // Beside a delta, a message only repeats what was said so far.
        choice.extra.shift_remove("message");
        delta.role = is_first.then(|| "assistant".into());
        if let Some(Value::String(reasoning)) = delta.extra.shift_remove("reasoning") {
            delta.reasoning_content.get_or_insert(reasoning.into());
        }
        delta.extra.shift_remove("obfuscation");
        if let Some(details) = delta.extra.get_mut("reasoning_details") {
            self.reasoning_details.tell_once(index, details);
        }
        let mut tool_calls = Vec::new();
        for tool_call in delta.tool_calls.take().into_iter().flatten() {
            self.tool_call(index, tool_call).into_iter().for_each(|tool_call| join(&mut tool_calls, tool_call));
        }
        let calls_tools = self.tool_calls.iter().any(|begun| begun.choice == index);
        let reason = finish_reason(choice.finish_reason.as_deref(), &choice.extra, calls_tools)?;
        if reason == Some(FinishReason::ToolCalls) {
            self.missing_arguments(index).into_iter().for_each(|missing| join(&mut tool_calls, missing));
        }
        delta.tool_calls = Some(tool_calls).filter(|tool_calls| !tool_calls.is_empty());
        match place {
            Some(place) => self.choices[place].1 = reason.is_some(),
            None => self.choices.push((index, reason.is_some())),
        }
        choice.index = Some(index);
        choice.delta = Some(delta);
        choice.logprobs = choice.logprobs.take().filter(Value::is_object);
        choice.finish_reason = reason.map(|reason| reason.as_str().into());
        Ok(Some(choice))
    }

    /// Gives a tool call's delta its index, and its identity if it is the first and only then. `None` for what begins
    /// a call without saying of what: nobody can answer it.
    fn tool_call<'a>(&mut self, choice: u32, mut delta: ToolCallDelta<'a>) -> Option<ToolCallDelta<'a>> {
        let has_arguments =
            |function: &FunctionDelta<'_>| function.arguments.as_ref().is_some_and(|text| !text.is_empty());
        // A custom tool's input is free text: nothing is missing if there is none.
        let has_arguments = delta.function.as_ref().is_some_and(has_arguments) || delta.extra.contains_key("custom");
        let (id, kind) = (delta.id.take().filter(|id| !id.is_empty()), delta.kind.take());
        let name = delta.function.as_mut().and_then(|function| function.name.take()).filter(|name| !name.is_empty());
        let is_custom = name_of_custom(&delta.extra).is_some_and(|name| !name.is_empty());
        let is_named = name.is_some() || is_custom;
        if let Some(place) = self.known(choice, delta.index, id.as_deref(), is_named) {
            let begun = &mut self.tool_calls[place];
            begun.has_arguments |= has_arguments;
            delta.index = Some(begun.index);
            if let Some(Value::Object(custom)) = delta.extra.get_mut("custom") {
                custom.shift_remove("name");
            }
            return Some(delta);
        }
        if !is_named && !self.resumed {
            return None;
        }
        let place = self.tool_calls.iter().filter(|begun| begun.choice == choice).count();
        let count = u32::try_from(place).unwrap_or(u32::MAX);
        let index = delta.index.filter(|_| self.resumed).unwrap_or(count);
        let begun = Begun {
            choice,
            index,
            source: delta.index,
            id: id.as_deref().unwrap_or_default().to_owned(),
            has_arguments,
        };
        self.tool_calls.push(begun);
        delta.index = Some(index);
        // What goes on with a call that the host has relayed has had its identity there.
        if self.resumed && !is_named {
            return Some(delta);
        }
        let number = u32::try_from(self.tool_calls.len() - 1).unwrap_or(u32::MAX);
        delta.id = id.or_else(|| Some(openai::tool_call_id(&self.call, number).into()));
        delta.kind = kind.filter(|kind| is_custom && !kind.is_empty()).or(Some("function".into()));
        if name.is_some() {
            let function = delta.function.get_or_insert_default();
            function.name = name;
            function.arguments.get_or_insert("".into());
        }
        Some(delta)
    }

    /// The place of the call that a delta goes on with. An id decides, then the index, then the order: upstreams
    /// number all calls with 0, or none, and repeat ids, or not.
    fn known(&self, choice: u32, source: Option<u32>, id: Option<&str>, is_named: bool) -> Option<usize> {
        let last = |matches: &dyn Fn(&Begun) -> bool| {
            self.tool_calls.iter().rposition(|begun| begun.choice == choice && matches(begun))
        };
        let by_id = id.and_then(|id| last(&|begun| begun.id == id));
        match (by_id, source) {
            (Some(place), _) => Some(place),
            (None, _) if id.is_some() && is_named => None,
            (None, Some(source)) => last(&|begun| begun.source == Some(source)),
            (None, None) if is_named => None,
            (None, None) => last(&|_| true),
        }
    }

    /// Arguments for the calls of a choice that had none: clients parse them, and nothing is no JSON.
    fn missing_arguments<'a>(&mut self, choice: u32) -> Vec<ToolCallDelta<'a>> {
        let resumed = self.resumed;
        let without = |begun: &&mut Begun| begun.choice == choice && !begun.has_arguments && !resumed;
        let empty = |begun: &mut Begun| {
            begun.has_arguments = true;
            let function = FunctionDelta { arguments: Some("{}".into()), ..FunctionDelta::default() };
            ToolCallDelta { index: Some(begun.index), function: Some(function), ..ToolCallDelta::default() }
        };
        self.tool_calls.iter_mut().filter(without).map(empty).collect()
    }
}

/// The name of the custom tool that a call is of, if it is of one.
fn name_of_custom(extra: &Map<String, Value>) -> Option<&str> {
    extra.get("custom")?.get("name")?.as_str()
}

/// Adds a tool call's delta to those of the same chunk: clients take no two of one index there.
fn join<'a>(tool_calls: &mut Vec<ToolCallDelta<'a>>, delta: ToolCallDelta<'a>) {
    let Some(same) = tool_calls.iter_mut().find(|other| other.index == delta.index) else {
        return tool_calls.push(delta);
    };
    let more = delta.function.and_then(|function| function.arguments).unwrap_or_default();
    let arguments = same.function.get_or_insert_default().arguments.get_or_insert_default();
    arguments.0.to_mut().push_str(&more);
}

/// A chunk that is a whole answer, with a `message` where the `delta` should be, made a chunk; and whether it was one.
/// Quotes inside of strings are escaped, so that a quoted word with a colon behind it can only be a field's name.
fn chunk_of_answer(data: &str) -> (Cow<'_, str>, bool) {
    const MESSAGE: &str = "\"message\":";
    if data.contains("\"delta\":") || !data.contains("\"choices\":") || !data.contains(MESSAGE) {
        return (Cow::Borrowed(data), false);
    }
    (Cow::Owned(data.replace(MESSAGE, "\"delta\":")), true)
}
