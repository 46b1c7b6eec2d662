//! Repairing one chunk: the slow path, on parsed JSON. What comes out is judged like any other chunk.

use serde_json::{Value, json};

use super::{Choice, Sequence, Tool, Verdict};
use crate::chat::finish_reason::FinishReason;
use crate::chat::repair::{
    Object, arguments_text, bad_answer, index_lists, new_call_id, nonempty, parse_object, repair_finish_reason,
    repair_service_tier, repair_texts, take_tool_calls, whole,
};
use crate::chat::usage::{self, Usage};
use crate::error::Error;

impl Sequence {
    /// Makes a chunk conform, and takes it over. Usage is put aside for the end.
    pub(super) fn repair_parsed(&mut self, chunk: &str) -> Result<Vec<String>, Error> {
        let mut chunk = parse_object(chunk)?;
        let choices = match chunk.remove("choices") {
            Some(Value::Array(choices)) => choices,
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err(bad_answer("the choices of a chunk are not a list")),
        };
        let usage = chunk.remove("usage");
        repair_service_tier(&mut chunk);

        let mut ledger = Ledger { choices: self.choices.clone(), tools: self.tools.clone() };
        let mut repaired = Vec::with_capacity(choices.len());
        for (position, choice) in choices.into_iter().enumerate() {
            repaired.extend(ledger.repair_choice(position, choice)?.map(Value::Object));
        }
        if let Some(Value::Object(usage)) = usage {
            self.hold_usage(usage, &chunk, repaired.is_empty());
        }
        if repaired.is_empty() {
            return Ok(Vec::new());
        }
        chunk.insert("choices".to_owned(), Value::Array(repaired));
        let identity = (nonempty(chunk.get("id")), whole(chunk.get("created")), nonempty(chunk.get("model")));
        self.identity_or(identity.0, identity.1, identity.2).write(&mut chunk);
        self.take_over(Value::Object(chunk).to_string(), ledger)
    }

    /// Judges the repaired chunk, which also notes what it changes, and remembers what the upstream calls things.
    fn take_over(&mut self, chunk: String, ledger: Ledger) -> Result<Vec<String>, Error> {
        let checked = self.check(&chunk);
        match self.judge(&chunk, checked) {
            Verdict::Relay => {}
            Verdict::Drop => return Ok(Vec::new()),
            Verdict::Departs(reason) => return Err(bad_answer(format!("a chunk cannot be repaired: {reason}"))),
            Verdict::Failed(error) => return Err(error),
        }
        for (place, (choice, noted)) in self.choices.iter_mut().zip(&ledger.choices).enumerate() {
            choice.source = noted.source;
            self.renumbered |= choice.source != place as u64;
        }
        for (tool, noted) in self.tools.iter_mut().zip(&ledger.tools) {
            tool.source = noted.source;
            self.renumbered |= tool.source != u64::from(tool.index);
        }
        Ok(vec![chunk])
    }

    /// Keeps the usage for a chunk of its own at the end. What came last counts, since some upstreams count as they go.
    fn hold_usage(&mut self, mut usage: Object, chunk: &Object, is_alone: bool) {
        usage::complete(&mut usage);
        let usage = Value::Object(usage);
        self.usage = Usage::parse(&usage.to_string());
        let kept = |name: &str| is_alone || matches!(name, "system_fingerprint" | "service_tier");
        let mut held: Object = chunk.clone();
        held.retain(|name, _| kept(name));
        held.insert("choices".to_owned(), json!([]));
        held.insert("usage".to_owned(), usage);
        self.held_usage = Some(held);
    }
}

/// The state of the stream as the repaired part of a chunk will leave it.
struct Ledger {
    choices: Vec<Choice>,
    tools: Vec<Tool>,
}

impl Ledger {
    /// Makes a choice conform. `None` if it has nothing to say: it is no object, or was finished before.
    fn repair_choice(&mut self, position: usize, choice: Value) -> Result<Option<Object>, Error> {
        let Value::Object(mut choice) = choice else { return Ok(None) };
        let source = whole(choice.get("index")).unwrap_or(position as u64);
        let place = self.choices.iter().position(|known| known.source == source);
        if place.is_some_and(|place| self.choices[place].finished) {
            return Ok(None);
        }
        let message = choice.remove("message");
        let delta = choice.remove("delta").filter(Value::is_object).or(message);
        let mut delta = match delta {
            Some(Value::Object(delta)) => delta,
            // An end is worth relaying even if nothing comes with it.
            _ if nonempty(choice.get("finish_reason")).is_some() => Object::new(),
            _ => return Ok(None),
        };
        delta.remove("role");
        let place = place.unwrap_or_else(|| {
            delta.insert("role".to_owned(), "assistant".into());
            self.choices.push(Choice { source, ..Choice::default() });
            self.choices.len() - 1
        });
        repair_texts(&mut delta);
        let mut calls = self.repair_tool_calls(place, take_tool_calls(&mut delta))?;
        let finish_reason = repair_finish_reason(choice.get("finish_reason"))?;
        let finish_reason = finish_reason.map(|reason| self.finish(place, reason, &mut calls));
        index_lists_of(&mut delta);
        if !calls.is_empty() {
            delta.insert("tool_calls".to_owned(), calls.into_iter().map(Value::Object).collect());
        }
        if choice.get("logprobs").is_some_and(|value| !value.is_object()) {
            choice.insert("logprobs".to_owned(), Value::Null);
        }
        choice.insert("index".to_owned(), place.into());
        choice.insert("delta".to_owned(), Value::Object(delta));
        choice.insert("finish_reason".to_owned(), finish_reason.map(FinishReason::name).into());
        Ok(Some(choice))
    }

    /// Finishes a choice: the reason that is true for it, and arguments for the calls that had none.
    fn finish(&mut self, place: usize, reason: FinishReason, calls: &mut Vec<Object>) -> FinishReason {
        let choice = &mut self.choices[place];
        choice.finished = true;
        let called = choice.tools > 0 && matches!(reason, FinishReason::Stop | FinishReason::ToolCalls);
        while let Some(index) = choice.tool_without_arguments().filter(|_| called) {
            choice.note_arguments(index);
            push_call(calls, json!({ "index": index, "function": { "arguments": "{}" } }));
        }
        reason
    }

    /// Makes the tool calls of a delta conform, each with an index of its own, in the order of the indices.
    fn repair_tool_calls(&mut self, place: usize, calls: Vec<Object>) -> Result<Vec<Object>, Error> {
        let mut repaired = Vec::with_capacity(calls.len());
        for call in calls {
            let known = self.known_call(place, &call, &repaired);
            let call = match known {
                Some(index) => Some(continued_call(index, call)),
                None => self.begun_call(place, call)?,
            };
            let Some(call) = call else { continue };
            if let Some(index) = whole(call.get("index")).filter(|_| has_arguments(&call)) {
                self.choices[place].note_arguments(u32::try_from(index).unwrap_or(u32::MAX));
            }
            push_call(&mut repaired, Value::Object(call));
        }
        Ok(repaired)
    }

    /// The index of the call that this one goes on with, if it is not a new one.
    ///
    /// Upstreams number calls from 0, or from somewhere, or all with 0, or not at all, and repeat ids or not. An id
    /// that is known decides; then, with a new id and a name, the call is new; then the upstream's index decides; and
    /// without any, a name begins a call.
    fn known_call(&self, place: usize, call: &Object, before: &[Object]) -> Option<u32> {
        let own = || self.tools.iter().rev().filter(|tool| tool.choice == place);
        let (id, source) = (nonempty(call.get("id")), whole(call.get("index")));
        let is_named = name_of(call).is_some();
        if let Some(known) = id.and_then(|id| own().find(|tool| tool.id == id)) {
            // A second name under one id in one delta is a second call: some upstreams use the function's name as id.
            let begun_here = before.iter().any(|other| whole(other.get("index")) == Some(known.index.into()));
            return (!(is_named && begun_here)).then_some(known.index);
        }
        if id.is_some() && is_named {
            return None;
        }
        match source {
            Some(source) => own().find(|tool| tool.source == source).map(|tool| tool.index),
            None if is_named => None,
            None => own().next().map(|tool| tool.index),
        }
    }

    /// A call's first delta, with the identity that clients need there. `None` if it says nothing yet.
    fn begun_call(&mut self, place: usize, mut call: Object) -> Result<Option<Object>, Error> {
        let Some(name) = name_of(&call).map(str::to_owned) else {
            return if has_arguments(&call) { Err(bad_answer("a tool call without a name")) } else { Ok(None) };
        };
        let index = self.choices[place].tools;
        let source = whole(call.get("index")).unwrap_or(index.into());
        let taken = |id: &&str| self.tools.iter().any(|tool| tool.choice == place && tool.id == *id);
        let id = nonempty(call.get("id")).filter(|id| !taken(id)).map_or_else(new_call_id, str::to_owned);
        let (part, arguments) = part_of(&mut call);
        self.choices[place].tools += 1;
        self.tools.push(Tool { choice: place, index, source, id: id.clone() });
        if part == "custom" {
            self.choices[place].note_arguments(index);
        }
        let mut begun = json!({ "index": index, "id": id, "type": part });
        begun[part] = json!({ "name": name, (input_name(part)): arguments });
        Ok(Some(with_rest(begun, call)))
    }
}

/// A later delta of a call: never its identity again.
fn continued_call(index: u32, mut call: Object) -> Object {
    let (part, arguments) = part_of(&mut call);
    let mut continued = json!({ "index": index });
    continued[part] = json!({ (input_name(part)): arguments });
    with_rest(continued, call)
}

/// The call with whatever else the upstream said of it.
fn with_rest(call: Value, rest: Object) -> Object {
    let mut call = match call {
        Value::Object(call) => call,
        _ => Object::new(),
    };
    for (name, mut value) in rest {
        if !matches!(name.as_str(), "index" | "id" | "type") {
            index_lists(&mut value);
            call.entry(name).or_insert(value);
        }
    }
    call
}

/// Adds a call to those of the delta: joined with the one of the same index, and in the order of the indices.
fn push_call(calls: &mut Vec<Object>, call: Value) {
    let Value::Object(mut call) = call else { return };
    let index = whole(call.get("index"));
    if let Some(same) = calls.iter_mut().find(|other| whole(other.get("index")) == index) {
        let (part, addition) = part_of(&mut call);
        let arguments = same.get_mut(part).and_then(|body| body.get_mut(input_name(part)));
        if let Some(Value::String(arguments)) = arguments {
            arguments.push_str(&addition);
        }
        return;
    }
    let place = calls.iter().position(|other| whole(other.get("index")) > index).unwrap_or(calls.len());
    calls.insert(place, call);
}

/// The name of the function that the call is for.
fn name_of(call: &Object) -> Option<&str> {
    ["function", "custom"].into_iter().find_map(|part| nonempty(call.get(part)?.get("name")))
}

/// Takes the function out of a call: under which name it stood, and its arguments.
fn part_of(call: &mut Object) -> (&'static str, String) {
    let (function, custom) = (call.remove("function"), call.remove("custom"));
    let part = if matches!(custom, Some(Value::Object(_))) { "custom" } else { "function" };
    let mut body = custom.filter(Value::is_object).or(function).unwrap_or_default();
    (part, arguments_text(body.get_mut(input_name(part)).map(Value::take)))
}

fn input_name(part: &str) -> &'static str {
    if part == "custom" { "input" } else { "arguments" }
}

fn has_arguments(call: &Object) -> bool {
    let argument = |part| call.get(part).and_then(|body| body.get(input_name(part)));
    ["function", "custom"].into_iter().filter_map(argument).any(|value| !arguments_text(Some(value.clone())).is_empty())
}

/// Gives the lists of a delta's extensions what clients need to join them.
fn index_lists_of(delta: &mut Object) {
    delta.values_mut().for_each(index_lists);
}
