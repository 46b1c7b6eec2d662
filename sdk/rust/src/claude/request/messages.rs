//! The conversation: who says what, in turns as Anthropic wants them.
//!
//! Leading system messages become `system`. All that is said in a row by one side becomes one turn, and in a user's
//! turn the results of tools come first: Anthropic refuses them anywhere else.

use std::borrow::Cow;

use crate::Failure;
use crate::openai::{Content, Message, ToolCall};
use serde_json::Value;
use serde_json::value::RawValue;

use super::parts::{self, Place};
use crate::json::Json;

/// The conversation in Anthropic's form.
#[derive(Default)]
pub struct Conversation {
    /// The blocks of `system`, with commas between them. Empty if there is none.
    pub system: Json,
    /// The turns, with commas between them.
    pub messages: Json,
    speaker: Option<&'static str>,
    /// The blocks of the open turn: results of tools, which come first, and the others.
    results: Json,
    blocks: Json,
    /// Whether the last turn of the assistant calls tools without showing what it thought.
    pub calls_without_thinking: bool,
}

impl Conversation {
    /// Translates the messages of a request.
    pub fn of(messages: &[Message]) -> Result<Self, Failure> {
        let mut conversation = Self::default();
        for (index, message) in messages.iter().enumerate() {
            conversation.add(index, message)?;
        }
        conversation.end_turn();
        Ok(conversation)
    }

    fn add(&mut self, index: usize, message: &Message) -> Result<(), Failure> {
        match message.role.as_deref() {
            Some("system" | "developer") if self.speaker.is_none() => content(&mut self.system, index, message),
            // There is no such role inside a conversation. As a part of the user's turn it keeps its place.
            Some("system" | "developer" | "user") => {
                self.turn("user");
                content(&mut self.blocks, index, message)
            }
            Some("assistant") => {
                self.turn("assistant");
                self.assistant(index, message)
            }
            Some("tool") => {
                self.turn("user");
                let Some(id) = message.tool_call_id.as_deref() else {
                    let message = "A result has to name the call that it is of.";
                    return Err(Failure::invalid_field(format!("messages[{index}].tool_call_id"), message));
                };
                result(&mut self.results, index, message, id)
            }
            _ => Err(Failure::invalid_field(format!("messages[{index}].role"), "There is no such role.")),
        }
    }

    fn turn(&mut self, speaker: &'static str) {
        if self.speaker != Some(speaker) {
            self.end_turn();
            self.speaker = Some(speaker);
        }
    }

    fn end_turn(&mut self) {
        let (results, blocks) = (std::mem::take(&mut self.results), std::mem::take(&mut self.blocks));
        let Some(speaker) = self.speaker.filter(|_| !results.is_empty() || !blocks.is_empty()) else { return };
        self.messages.open('{').key("role").body(speaker).key("content").open('[');
        for list in [results, blocks] {
            if !list.is_empty() {
                self.messages.raw(list.as_str());
            }
        }
        self.messages.close(']').close('}');
    }

    fn assistant(&mut self, index: usize, message: &Message) -> Result<(), Failure> {
        let thinks = thinking(&mut self.blocks, message);
        content(&mut self.blocks, index, message)?;
        if message.content.is_none()
            && let Some(refusal) = &message.refusal
        {
            parts::text(&mut self.blocks, refusal, None);
        }
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        for (at, call) in calls.iter().enumerate() {
            tool_use(&mut self.blocks, call, || format!("messages[{index}].tool_calls[{at}]"))?;
        }
        self.calls_without_thinking = !thinks && !calls.is_empty();
        Ok(())
    }
}

/// Writes the blocks of a message's content. A cache mark on the message itself is one on its last block.
fn content(json: &mut Json, index: usize, message: &Message) -> Result<(), Failure> {
    let mark = message.extra.get("cache_control");
    match &message.content {
        None => {}
        Some(Content::Text(text)) => parts::text(json, text, mark),
        Some(Content::Parts(list)) => {
            for (at, part) in list.iter().enumerate() {
                let mark = mark.filter(|_| at + 1 == list.len());
                parts::part(json, part, mark, Place { message: index, part: at })?;
            }
        }
    }
    Ok(())
}

/// Writes what the assistant thought, as it came from Anthropic. Returns whether there was anything.
///
/// Thinking without a signature is left out: Anthropic takes back only what it can verify.
fn thinking(json: &mut Json, message: &Message) -> bool {
    let list = |name: &str| message.extra.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut any = false;
    let blocks = list("thinking_blocks");
    // The other spelling is OpenRouter's; a client that sends both says the same twice.
    for block in if blocks.is_empty() { list("reasoning_details") } else { blocks } {
        let text = |name: &str| block[name].as_str();
        let signature = text("signature").filter(|signature| !signature.is_empty());
        match (text("type"), text("thinking").or_else(|| text("text")), signature, text("data")) {
            (Some("thinking" | "reasoning.text"), thinking, Some(signature), _) => {
                json.open('{').key("type").body("thinking").key("thinking").string(thinking.unwrap_or_default());
                json.key("signature").string(signature).close('}');
            }
            (Some("redacted_thinking" | "reasoning.encrypted"), _, _, Some(data)) => {
                json.open('{').key("type").body("redacted_thinking").key("data").string(data).close('}');
            }
            _ => continue,
        }
        any = true;
    }
    any
}

fn tool_use(json: &mut Json, call: &ToolCall, place: impl Fn() -> String) -> Result<(), Failure> {
    let Some(function) = &call.function else {
        return Err(Failure::unsupported(place(), "This provider has no tools but functions."));
    };
    let input = match function.arguments.as_deref().unwrap_or_default().trim() {
        // What clients write for a call without arguments.
        "" | "null" => "{}",
        text if text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() => text,
        _ => {
            let message = "The arguments of a call have to be a JSON object, written as a string.";
            return Err(Failure::invalid_field(format!("{}.function.arguments", place()), message));
        }
    };
    json.open('{').key("type").body("tool_use").key("id").string(&tool_id(call.id.as_deref().unwrap_or_default()));
    json.key("name").string(function.name.as_deref().unwrap_or_default()).key("input").raw(input);
    parts::mark(json, call.extra.get("cache_control"));
    json.close('}');
    Ok(())
}

/// Writes the result of a tool. What is no text, an image for instance, is a result as well.
fn result(json: &mut Json, index: usize, message: &Message, id: &str) -> Result<(), Failure> {
    json.open('{').key("type").body("tool_result").key("tool_use_id").string(&tool_id(id));
    match &message.content {
        Some(Content::Text(text)) if !text.is_empty() => {
            json.key("content").string(text);
        }
        Some(Content::Parts(list)) if !list.is_empty() => {
            json.key("content").open('[');
            for (at, part) in list.iter().enumerate() {
                parts::part(json, part, None, Place { message: index, part: at })?;
            }
            json.close(']');
        }
        _ => {}
    }
    if let Some(Value::Bool(is_error)) = message.extra.get("is_error") {
        json.key("is_error").raw(if *is_error { "true" } else { "false" });
    }
    parts::mark(json, message.extra.get("cache_control"));
    json.close('}');
    Ok(())
}

/// The id of a call in the characters that Anthropic allows. Ids of other providers may hold more.
fn tool_id(id: &str) -> Cow<'_, str> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(allowed) {
        return Cow::Borrowed(id);
    }
    id.chars().map(|character| if allowed(character) { character } else { '_' }).collect()
}
