//! The conversation: `system` and the turns, as canonical messages.
//!
//! A user's turn may hold results of tools. Each becomes a message of its own, before what else the turn says. A
//! canonical result is text alone, so that images and files move from it to the user's message behind it, with a word
//! on where they belong. Of an assistant's turn, what tools of the upstream did is left out: only that upstream could
//! read it.

use serde_json::{Value, json};

use super::given::{Object, Place, kind, missing, take, take_object, take_text, text_of, wrong};
use super::parts;
use crate::dialect::carried::Carried;
use crate::error::Error;

/// Translates `system` and `messages`.
pub(super) fn translate(system: Option<Value>, turns: Value) -> Result<Vec<Value>, Error> {
    let Value::Array(turns) = turns else { return Err(wrong("messages", "Input should be a list")) };
    if turns.is_empty() {
        return Err(wrong("messages", "at least one message is required"));
    }
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = system {
        let blocks = blocks(system, "system")?;
        instruct(blocks, Place::System, &mut messages)?;
    }
    for (index, turn) in turns.into_iter().enumerate() {
        let place = Place::Message(index);
        let Value::Object(mut turn) = turn else { return Err(wrong(place, "Input should be an object")) };
        let role = take_text(&mut turn, "role", place)?;
        let content = take(&mut turn, "content").ok_or_else(|| missing(format_args!("{place}.content")))?;
        let blocks = blocks(content, format_args!("{place}.content"))?;
        match role.as_str() {
            "user" => user(blocks, place, &mut messages)?,
            "assistant" => assistant(blocks, place, &mut messages)?,
            "system" => instruct(blocks, |block| place.within(block), &mut messages)?,
            _ => return Err(wrong(format_args!("{place}.role"), "Input should be 'user', 'assistant' or 'system'")),
        }
    }
    Ok(messages)
}

/// The blocks of a content, which may be a string.
fn blocks(content: Value, path: impl std::fmt::Display) -> Result<Vec<Object>, Error> {
    let block = |(index, block)| match block {
        Value::Object(block) => Ok(block),
        _ => Err(wrong(format_args!("{path}.{index}"), "Input should be an object")),
    };
    match content {
        Value::String(text) => {
            Ok(vec![Object::from_iter([("type".to_owned(), "text".into()), ("text".to_owned(), text.into())])])
        }
        Value::Array(list) => list.into_iter().enumerate().map(block).collect(),
        _ => Err(wrong(path, "Input should be a string or a list")),
    }
}

fn instruct(blocks: Vec<Object>, place: impl Fn(usize) -> Place, messages: &mut Vec<Value>) -> Result<(), Error> {
    let mut said = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        if kind(&block) != "text" {
            return Err(parts::refused(&block, place(index)));
        }
        parts::add(block, place(index), &mut said)?;
    }
    said.retain(|part| part["text"] != "");
    if !said.is_empty() {
        messages.push(json!({ "role": "system", "content": content(said) }));
    }
    Ok(())
}

fn user(blocks: Vec<Object>, place: Place, messages: &mut Vec<Value>) -> Result<(), Error> {
    let before = messages.len();
    let mut said = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        let place = place.within(index);
        match kind(&block) {
            "tool_result" => {
                let message = result(block, place, &mut said)?;
                messages.push(message);
            }
            kind if is_of_the_upstream(kind) => {}
            _ => parts::add(block, place, &mut said)?,
        }
    }
    if !said.is_empty() || messages.len() == before {
        messages.push(json!({ "role": "user", "content": content(said) }));
    }
    Ok(())
}

/// Translates the result of a tool. What cannot stay in it goes to `said`.
fn result(mut block: Object, place: Place, said: &mut Vec<Value>) -> Result<Value, Error> {
    let id = take_text(&mut block, "tool_use_id", place)?;
    let inner = take(&mut block, "content").unwrap_or_else(|| "".into());
    let mut held = Vec::new();
    for (index, inner) in blocks(inner, format_args!("{place}.content"))?.into_iter().enumerate() {
        // A reference names a tool that the client has given anyway.
        if kind(&inner) != "tool_reference" {
            parts::add(inner, place.within(index), &mut held)?;
        }
    }
    let mark = take(&mut block, "cache_control");
    let mark = mark.or_else(|| held.iter().rev().find_map(|part| part.get("cache_control").cloned()));
    let (texts, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|part| part["type"] == "text");
    let mut texts: Vec<_> = texts.iter().filter_map(|part| part["text"].as_str()).collect();
    if !others.is_empty() {
        texts.push("(The user's next message holds what is not text in this result.)");
        said.push(parts::text(format!("(Of the result of the tool call {id}:)")));
        said.extend(others);
    }
    let mut message = json!({ "role": "tool", "tool_call_id": id, "content": texts.join("\n") });
    if block.get("is_error") == Some(&Value::Bool(true)) {
        message["is_error"] = true.into();
    }
    if let Some(mark) = mark {
        message["cache_control"] = mark;
    }
    Ok(message)
}

fn assistant(blocks: Vec<Object>, place: Place, messages: &mut Vec<Value>) -> Result<(), Error> {
    let mut turn = Turn::default();
    for (index, block) in blocks.into_iter().enumerate() {
        turn.add(block, place.within(index))?;
    }
    messages.extend(turn.into_message());
    Ok(())
}

/// A turn of the assistant in the making.
#[derive(Default)]
struct Turn {
    said: Vec<Value>,
    calls: Vec<Value>,
    thinking_blocks: Vec<Value>,
    reasoning: Vec<String>,
    extra_content: Option<Value>,
    carried: Carried,
}

impl Turn {
    fn add(&mut self, mut block: Object, place: Place) -> Result<(), Error> {
        match kind(&block) {
            "text" => {
                self.extra_content = take(&mut block, "extra_content").or(self.extra_content.take());
                parts::add(block, place, &mut self.said)?;
            }
            "thinking" => {
                let thinking = take_text(&mut block, "thinking", place)?;
                // What no upstream has signed, none would take back as its own.
                if let Some(signature) = text_of(&block, "signature").filter(|signature| !signature.is_empty()) {
                    let signed = json!({ "type": "thinking", "thinking": thinking, "signature": signature });
                    self.thinking_blocks.push(signed);
                }
                self.reasoning.push(thinking);
            }
            "redacted_thinking" => {
                let data = take_text(&mut block, "data", place)?;
                if let Some(carried) = Carried::unseal(&data) {
                    self.carried.extend(carried);
                    return Ok(());
                }
                self.thinking_blocks.push(json!({ "type": "redacted_thinking", "data": data }));
            }
            "tool_use" => self.calls.push(call(block, place)?),
            kind if is_of_the_upstream(kind) => {}
            kind => {
                let problem = format!("A block of the type `{kind}` is not for the assistant's turn");
                return Err(wrong(format_args!("{place}.type"), problem));
            }
        }
        Ok(())
    }

    /// The message, unless nothing is left of the turn.
    fn into_message(mut self) -> Option<Value> {
        self.reasoning.retain(|thinking| !thinking.is_empty());
        self.said.retain(|part| part["text"] != "");
        let is_empty = self.said.is_empty() && self.reasoning.is_empty();
        if is_empty && self.calls.is_empty() && self.thinking_blocks.is_empty() && !self.carried.has_thoughts() {
            return None;
        }
        let mut message = json!({ "role": "assistant", "content": spoken(self.said) });
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.join("\n\n").into();
        }
        for (name, list) in [("thinking_blocks", self.thinking_blocks), ("tool_calls", self.calls)] {
            if !list.is_empty() {
                message[name] = list.into();
            }
        }
        if let Some(extra) = self.extra_content {
            message["extra_content"] = extra;
        }
        if let Value::Object(message) = &mut message {
            self.carried.restore(message);
        }
        Some(message)
    }
}

fn call(mut block: Object, place: Place) -> Result<Value, Error> {
    let id = take_text(&mut block, "id", place)?;
    let name = take_text(&mut block, "name", place)?;
    let input = Value::Object(take_object(&mut block, "input", place)?).to_string();
    let mut call = json!({ "id": id, "type": "function", "function": { "name": name, "arguments": input } });
    // The signatures that some upstreams put on a call, if the client has kept them: they want them back.
    for name in ["extra_content", "cache_control"] {
        if let Some(value) = take(&mut block, name) {
            call[name] = value;
        }
    }
    Ok(call)
}

/// Whether a block of this type tells of a tool that ran at the upstream.
fn is_of_the_upstream(kind: &str) -> bool {
    matches!(kind, "server_tool_use" | "mcp_tool_use") || kind.ends_with("_tool_result")
}

/// The content of a message: a single text without a mark as a string, which every upstream takes.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => "".into(),
        [Value::Object(part)] if part.len() == 2 && kind(part) == "text" => part.remove("text").unwrap_or_default(),
        _ => parts.into(),
    }
}

/// What the assistant said: one string, because its blocks are pieces of one text, unless a cache mark is to stay.
fn spoken(parts: Vec<Value>) -> Value {
    if parts.is_empty() {
        Value::Null
    } else if parts.iter().any(|part| part.get("cache_control").is_some()) {
        parts.into()
    } else {
        parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>().into()
    }
}
