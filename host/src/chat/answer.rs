//! A whole answer as clients see it: what it must look like, and how one that a plugin made is put right.
//!
//! The rules are those that the official SDKs and the frameworks on top of them rely on. What the rules do not
//! mention is carried.

use serde_json::{Value, json};

use super::failure;
use super::finish_reason::FinishReason;
use super::repair::{
    Object, arguments_text, bad_answer, new_answer_id, new_call_id, nonempty, now, parse_object, repair_finish_reason,
    repair_service_tier, repair_texts, take_tool_calls, whole,
};
use super::rules::{
    Departs, check_error, check_service_tier, once, reports_error, require, skip_object_or_null, skip_text_or_null,
    text, whole_number,
};
use super::scan::{Kind, Scanner};
use super::usage::{self, ScannedUsage, Usage};
use crate::error::Error;

/// What the host accounts of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The tokens that it cost, if the upstream said so.
    pub usage: Option<Usage>,
    /// Why each choice ended, in the order of the document.
    pub finish_reasons: Vec<FinishReason>,
}

/// Why an answer is not relayed as it is.
#[derive(Debug)]
pub enum Departure {
    /// It does not conform. The reason is for the log.
    Departs(&'static str),
    /// It carries an error instead of an answer.
    Failed(Error),
}

/// Judges an answer, given as the bytes of its body.
pub fn admit(document: &[u8]) -> Result<Summary, Departure> {
    let Ok(document) = simdutf8::basic::from_utf8(document) else { return Err(Departure::Departs("not UTF-8")) };
    check(document).map_err(|stop| match stop {
        Departs::Because(reason) if !reports_error(document) => Departure::Departs(reason),
        _ => Departure::Failed(failure::from_document(document)),
    })
}

/// Makes a plugin's answer conform. `model` names the model if the answer does not.
///
/// Fails with `Cause::BadAnswer` if this is no answer at all, and with the upstream's own error if it carries one.
pub fn repair(document: &str, model: &str) -> Result<String, Error> {
    let mut answer = parse_object(document)?;
    let choices = match answer.remove("choices") {
        Some(Value::Array(choices)) => choices,
        _ => return Err(bad_answer("an answer without choices")),
    };
    let mut repaired = Vec::with_capacity(choices.len());
    for choice in choices {
        if let Value::Object(choice) = choice {
            repaired.push(Value::Object(repair_choice(repaired.len(), choice)?));
        }
    }
    let id = nonempty(answer.get("id")).map_or_else(new_answer_id, str::to_owned);
    let created = whole(answer.get("created")).unwrap_or_else(now);
    let model = nonempty(answer.get("model")).unwrap_or(model).to_owned();
    answer.insert("id".to_owned(), id.into());
    answer.insert("object".to_owned(), "chat.completion".into());
    answer.insert("created".to_owned(), created.into());
    answer.insert("model".to_owned(), model.into());
    answer.insert("choices".to_owned(), repaired.into());
    repair_service_tier(&mut answer);
    match answer.get_mut("usage") {
        Some(Value::Object(usage)) => usage::complete(usage),
        Some(_) => drop(answer.remove("usage")),
        None => {}
    }
    let answer = Value::Object(answer).to_string();
    match check(&answer) {
        Ok(_) => Ok(answer),
        Err(Departs::Because(reason)) => Err(bad_answer(format!("an answer cannot be repaired: {reason}"))),
        Err(Departs::Failed) => Err(failure::from_document(&answer)),
    }
}

fn check(document: &str) -> Result<Summary, Departs> {
    let mut scanner = Scanner::lenient(document);
    let (mut id, mut created, mut model, mut object) = (None, None, None, None);
    let mut finish_reasons = None;
    let mut usage = None;
    require(scanner.peek()? == Kind::Object, "not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "id" => once(&mut id, text(scanner, "id is not a string")?),
        "created" => once(&mut created, whole_number(scanner, "created is not a whole number")?),
        "model" => once(&mut model, text(scanner, "model is not a string")?),
        "object" => once(&mut object, text(scanner, "object is not a string")?),
        "choices" => once(&mut finish_reasons, check_choices(scanner)?),
        "usage" => match scanner.peek()? {
            Kind::Null => Ok(scanner.null()?),
            Kind::Object => once(&mut usage, Usage::scan(scanner)?),
            _ => Err(Departs::Because("usage is not an object")),
        },
        "service_tier" => check_service_tier(scanner),
        "error" => check_error(scanner),
        _ => Ok(scanner.skip()?),
    })?;
    scanner.finish()?;
    require(id.is_some_and(|id| !id.is_empty()), "no id")?;
    require(object.is_some_and(|object| object.raw() == "chat.completion"), "object is not chat.completion")?;
    require(created.is_some() && model.is_some(), "no created or model")?;
    require(usage.is_none_or(|scanned: ScannedUsage| scanned.complete), "usage without its counts")?;
    require(usage.is_none_or(|scanned| scanned.usage.adds_up()), "usage that does not add up")?;
    let finish_reasons = finish_reasons.ok_or(Departs::Because("no choices"))?;
    require(!finish_reasons.is_empty(), "no choices")?;
    Ok(Summary { usage: usage.map(|scanned| scanned.usage), finish_reasons })
}

fn check_choices(scanner: &mut Scanner<'_>) -> Result<Vec<FinishReason>, Departs> {
    let mut finish_reasons = Vec::with_capacity(1);
    require(scanner.peek()? == Kind::Array, "choices is not a list")?;
    scanner.elements(|scanner, position| {
        finish_reasons.push(check_choice(scanner, position as u64)?);
        Ok::<(), Departs>(())
    })?;
    Ok(finish_reasons)
}

fn check_choice(scanner: &mut Scanner<'_>, position: u64) -> Result<FinishReason, Departs> {
    let (mut index, mut message, mut finish_reason) = (None, None, None);
    require(scanner.peek()? == Kind::Object, "a choice is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "index" => once(&mut index, whole_number(scanner, "a choice's index is not a whole number")?),
        "message" => once(&mut message, check_message(scanner)?),
        "finish_reason" => {
            let name = text(scanner, "a finish reason is not a string")?;
            let reason = FinishReason::parse(name.raw()).ok_or(Departs::Because("an unknown finish reason"))?;
            once(&mut finish_reason, reason)
        }
        "logprobs" => skip_object_or_null(scanner, "logprobs is not an object"),
        "delta" => Err(Departs::Because("a delta beside a message")),
        _ => Ok(scanner.skip()?),
    })?;
    require(index == Some(position), "choices are not numbered in their order")?;
    message.ok_or(Departs::Because("a choice without message"))?;
    finish_reason.ok_or(Departs::Because("a choice without finish reason"))
}

/// Consumes a message, and counts its tool calls.
fn check_message(scanner: &mut Scanner<'_>) -> Result<usize, Departs> {
    let (mut role, mut content, mut calls) = (None, None, None);
    let (mut reasoning, mut reasoning_content) = (false, false);
    require(scanner.peek()? == Kind::Object, "a message is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "role" => once(&mut role, text(scanner, "a role is not a string")?),
        "content" => {
            skip_text_or_null(scanner, "content is neither a string nor null")?;
            once(&mut content, ())
        }
        "refusal" => skip_text_or_null(scanner, "refusal is neither a string nor null"),
        "reasoning_content" => {
            reasoning_content = true;
            skip_text_or_null(scanner, "reasoning_content is neither a string nor null")
        }
        "reasoning" => {
            reasoning |= scanner.peek()? == Kind::String;
            Ok(scanner.skip()?)
        }
        "function_call" | "audio" => skip_object_or_null(scanner, "a function_call or audio is not an object"),
        "tool_calls" => once(&mut calls, check_tool_calls(scanner)?),
        _ => Ok(scanner.skip()?),
    })?;
    require(role.is_some_and(|role| role.raw() == "assistant"), "the role of a message is not assistant")?;
    require(content.is_some(), "a message without content")?;
    require(!reasoning || reasoning_content, "reasoning without reasoning_content")?;
    Ok(calls.unwrap_or(0))
}

fn check_tool_calls(scanner: &mut Scanner<'_>) -> Result<usize, Departs> {
    let mut ids = Vec::new();
    require(scanner.peek()? == Kind::Array, "tool_calls is not a list")?;
    scanner.elements(|scanner, _| {
        let id = check_tool_call(scanner)?;
        require(!id.is_empty() && !ids.contains(&id), "a tool call's id is empty or not its own")?;
        ids.push(id);
        // The ids are compared each with each.
        require(ids.len() <= 1024, "too many tool calls")
    })?;
    require(!ids.is_empty(), "an empty list of tool calls")?;
    Ok(ids.len())
}

/// Consumes a tool call and returns its id, as written.
fn check_tool_call<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, Departs> {
    let (mut id, mut kind, mut body) = (None, None, None);
    require(scanner.peek()? == Kind::Object, "a tool call is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "id" => once(&mut id, text(scanner, "a tool call's id is not a string")?.raw()),
        "type" => once(&mut kind, text(scanner, "a tool call's type is not a string")?.raw()),
        "function" => once(&mut body, ("function", check_called(scanner, "arguments")?)),
        "custom" => once(&mut body, ("custom", check_called(scanner, "input")?)),
        _ => Ok(scanner.skip()?),
    })?;
    let (part, has_arguments) = body.ok_or(Departs::Because("a tool call without function"))?;
    require(kind == Some(part), "a tool call of an unknown type")?;
    // Clients parse the arguments as JSON; the input of a custom tool is free text.
    require(has_arguments || part == "custom", "a tool call without arguments")?;
    id.ok_or(Departs::Because("a tool call without id"))
}

/// Consumes what is called: its name, and its input in the field of this name. Says whether there is any input.
fn check_called(scanner: &mut Scanner<'_>, input: &str) -> Result<bool, Departs> {
    let (mut name, mut arguments) = (None, None);
    require(scanner.peek()? == Kind::Object, "a tool call's function is not an object")?;
    scanner.members(|scanner, key| match &*key.decode() {
        "name" => once(&mut name, text(scanner, "a function's name is not a string")?),
        key if key == input => once(&mut arguments, text(scanner, "arguments are not a string")?),
        _ => Ok(scanner.skip()?),
    })?;
    require(name.is_some_and(|name| !name.is_empty()), "a tool call without name")?;
    Ok(arguments.ok_or(Departs::Because("a tool call without arguments"))?.raw().contains(|c: char| !c.is_whitespace()))
}

fn repair_choice(index: usize, mut choice: Object) -> Result<Object, Error> {
    let delta = choice.remove("delta");
    let mut message = match choice.remove("message").filter(Value::is_object).or(delta) {
        Some(Value::Object(message)) => message,
        // A filter may leave nothing of an answer but the reason why it ended.
        _ if nonempty(choice.get("finish_reason")).is_some() => Object::new(),
        _ => return Err(bad_answer("a choice without message")),
    };
    repair_texts(&mut message);
    message.insert("role".to_owned(), "assistant".into());
    message.entry("content").or_insert(Value::Null);
    let calls = repair_tool_calls(take_tool_calls(&mut message))?;
    let called = !calls.is_empty();
    let reason = repair_finish_reason(choice.get("finish_reason"))?;
    let reason = reason.unwrap_or(if called { FinishReason::ToolCalls } else { FinishReason::Stop });
    if called {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    if choice.get("logprobs").is_some_and(|value| !value.is_object()) {
        choice.insert("logprobs".to_owned(), Value::Null);
    }
    choice.insert("index".to_owned(), index.into());
    choice.insert("message".to_owned(), Value::Object(message));
    choice.insert("finish_reason".to_owned(), reason.name().into());
    Ok(choice)
}

fn repair_tool_calls(calls: Vec<Object>) -> Result<Vec<Value>, Error> {
    let mut repaired: Vec<Value> = Vec::with_capacity(calls.len());
    for mut call in calls {
        let (part, input) = if call.contains_key("custom") { ("custom", "input") } else { ("function", "arguments") };
        let Some(Value::Object(mut body)) = call.remove(part) else {
            return Err(bad_answer("a tool call without function"));
        };
        if nonempty(body.get("name")).is_none() {
            return Err(bad_answer("a tool call without name"));
        }
        let mut arguments = arguments_text(body.remove(input));
        if part == "function" && arguments.trim().is_empty() {
            "{}".clone_into(&mut arguments);
        }
        body.insert(input.to_owned(), arguments.into());
        let id = nonempty(call.get("id")).filter(|id| !repaired.iter().any(|other| other["id"] == **id));
        let id = id.map_or_else(new_call_id, str::to_owned);
        let mut whole = json!({ "id": id, "type": part });
        whole[part] = Value::Object(body);
        if let Value::Object(whole) = &mut whole {
            call.retain(|name, _| !matches!(name.as_str(), "id" | "type" | "index"));
            whole.extend(call);
        }
        repaired.push(whole);
    }
    Ok(repaired)
}

#[cfg(test)]
mod tests;
