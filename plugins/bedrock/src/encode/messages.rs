//! The conversation: who says what, in turns as Converse wants them.
//!
//! Leading system messages become `system`. All that is said in a row by one side becomes one turn, and in a user's
//! turn the results of tools come first. Blank text is left out: it is refused.

use std::borrow::Cow;

use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::openai::{ChatRequest, Content, Message, Part, Text, ToolCall};
use weir_plugin::serde_json::{self, Map, Value};

use super::media::Library;
use crate::family::Family;
use crate::object;
use crate::wire::{Block, Thought, Turn};

/// The longest id of a call, in bytes.
const LONGEST_ID: usize = 64;

/// The conversation in the form of Converse.
pub struct Conversation<'a> {
    /// What leads it.
    pub system: Vec<Block<'a>>,
    /// Who says what, by turns.
    pub turns: Vec<Turn<'a>>,
    /// The URLs that the host has to fetch first. If there are any, the rest is not complete.
    pub fetch: Vec<String>,
    /// The names of the tools that were called, each once.
    pub calls: Vec<&'a str>,
    /// Whether the last turn of the assistant calls tools without showing what it thought.
    pub calls_without_thinking: bool,
    family: Family,
    library: Library,
    /// How many blocks at the begin of the last turn are results.
    results: usize,
}

impl<'a> Conversation<'a> {
    /// Translates the messages of a request.
    pub fn of(request: &'a ChatRequest, family: Family) -> Result<Self, Failure> {
        let mut conversation = Self {
            system: Vec::new(),
            turns: Vec::new(),
            fetch: Vec::new(),
            calls: Vec::new(),
            calls_without_thinking: false,
            family,
            library: Library::default(),
            results: 0,
        };
        for (index, message) in request.messages().iter().enumerate() {
            conversation.add(index, message)?;
        }
        conversation.fetch = std::mem::take(&mut conversation.library.fetch);
        Ok(conversation)
    }

    fn add(&mut self, index: usize, message: &'a Message) -> Result<(), Failure> {
        match message.role.as_deref() {
            Some("system" | "developer") if self.turns.is_empty() => {
                let blocks = self.content(index, message)?;
                self.system.extend(blocks);
            }
            // Few models know this role inside a conversation. As a part of the user's turn it keeps its place.
            Some("system" | "developer" | "user") => {
                let blocks = self.content(index, message)?;
                self.say("user", blocks, false);
            }
            Some("assistant") => {
                let blocks = self.assistant(index, message)?;
                self.say("assistant", blocks, false);
            }
            Some("tool") => {
                let blocks = self.result(index, message)?;
                self.say("user", blocks, true);
            }
            _ => return Err(Failure::invalid_field(format!("messages[{index}].role"), "There is no such role.")),
        }
        Ok(())
    }

    fn say(&mut self, role: &'static str, blocks: Vec<Block<'a>>, are_results: bool) {
        if blocks.is_empty() {
            return;
        }
        if self.turns.last().is_none_or(|turn| turn.role != role) {
            self.turns.push(Turn { role, content: Vec::new() });
            self.results = 0;
        }
        let Some(turn) = self.turns.last_mut() else { return };
        if are_results {
            let place = self.results;
            self.results += blocks.len();
            turn.content.splice(place..place, blocks);
        } else {
            turn.content.extend(blocks);
        }
    }

    fn assistant(&mut self, index: usize, message: &'a Message) -> Result<Vec<Block<'a>>, Failure> {
        let mut blocks: Vec<_> = thoughts(message).collect();
        let thinks = !blocks.is_empty();
        blocks.extend(self.content(index, message)?);
        if message.content.is_none() {
            blocks.extend(message.refusal.as_deref().and_then(text));
        }
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        for (place, call) in calls.iter().enumerate() {
            blocks.push(self.call(call, || format!("messages[{index}].tool_calls[{place}]"))?);
        }
        self.calls_without_thinking = !thinks && !calls.is_empty();
        Ok(blocks)
    }

    fn call(&mut self, call: &'a ToolCall, place: impl Fn() -> String) -> Result<Block<'a>, Failure> {
        let Some(function) = &call.function else {
            return Err(Failure::unsupported(place(), "This provider has no tools but functions."));
        };
        let arguments = function.arguments.as_deref().unwrap_or_default().trim();
        // Nothing and `null` are what clients write for a call without arguments.
        let arguments = if ["", "null"].contains(&arguments) { "{}" } else { arguments };
        let input: Option<&RawValue> = serde_json::from_str(arguments).ok().filter(|_| arguments.starts_with('{'));
        let Some(input) = input else {
            let message = "The arguments of a call have to be a JSON object, written as a string.";
            return Err(Failure::invalid_field(format!("{}.function.arguments", place()), message));
        };
        let name = function.name.as_deref().unwrap_or_default();
        if !self.calls.contains(&name) {
            self.calls.push(name);
        }
        Ok(Block::ToolUse { tool_use_id: tool_use_id(call.id.as_deref().unwrap_or_default()), name, input })
    }

    fn result(&mut self, index: usize, message: &'a Message) -> Result<Vec<Block<'a>>, Failure> {
        let Some(id) = message.tool_call_id.as_deref() else {
            let place = format!("messages[{index}].tool_call_id");
            return Err(Failure::invalid_field(place, "A result has to name the call that it is of."));
        };
        let content = self.content(index, message)?;
        let is_error = message.extra.get("is_error") == Some(&Value::Bool(true));
        let status = is_error.then_some("error");
        // A result cannot hold a cache point, but one can stand behind it.
        let (marks, content): (Vec<_>, Vec<_>) =
            content.into_iter().partition(|block| matches!(block, Block::CachePoint(_)));
        let result = Block::ToolResult { tool_use_id: tool_use_id(id), content, status };
        Ok([result].into_iter().chain(marks.into_iter().next_back()).collect())
    }

    /// The blocks of a message's content. A cache mark on the message itself is one behind its last block.
    fn content(&mut self, index: usize, message: &'a Message) -> Result<Vec<Block<'a>>, Failure> {
        let mut blocks = Vec::new();
        match &message.content {
            None => {}
            Some(Content::Text(content)) => blocks.extend(text(content)),
            Some(Content::Parts(parts)) => {
                for (place, part) in parts.iter().enumerate() {
                    self.part(&mut blocks, part, || format!("messages[{index}].content[{place}]"))?;
                }
            }
        }
        self.mark(&mut blocks, &message.extra);
        Ok(blocks)
    }

    fn part(&mut self, blocks: &mut Vec<Block<'a>>, part: &'a Part, place: impl Fn() -> String) -> Result<(), Failure> {
        let block = match part.kind.as_deref() {
            Some("text") => text(part.text.as_deref().unwrap_or_default()),
            Some("refusal") => text(part.refusal.as_deref().unwrap_or_default()),
            Some("image_url" | "input_audio" | "file" | "video_url") => self.library.block(part, &place)?,
            // A block in the form of Converse, which is known by its one field.
            None => Some(Block::Own(part)),
            Some(other) => {
                let message = format!("This provider does not take parts of type `{other}`.");
                return Err(Failure::unsupported(place(), message));
            }
        };
        blocks.extend(block);
        self.mark(blocks, &part.extra);
        Ok(())
    }

    /// Marks all blocks so far as what may be cached, if the client does and the model knows it. A mark needs something
    /// before it, and one is enough.
    fn mark(&self, blocks: &mut Vec<Block<'a>>, extra: &Map<String, Value>) {
        if self.family.caches() && !matches!(blocks.last(), None | Some(Block::CachePoint(_))) {
            blocks.extend(cache_point(extra).map(Block::CachePoint));
        }
    }
}

/// What a client's `cache_control` is here.
pub fn cache_point(extra: &Map<String, Value>) -> Option<Value> {
    let control = extra.get("cache_control").filter(|control| !control.is_null())?;
    let ttl = control.get("ttl").map(|ttl| ("ttl", ttl.clone()));
    Some(object([("type", "default".into())].into_iter().chain(ttl).collect()))
}

fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(text))
}

/// What the assistant thought, as it came from the model. Thinking without a signature is left out: models take back
/// only what they can verify.
fn thoughts<'a>(message: &'a Message) -> impl Iterator<Item = Block<'a>> {
    let blocks = message.extra.get("thinking_blocks").and_then(Value::as_array);
    let thought = |block: &'a Value| match block["type"].as_str()? {
        "thinking" => {
            let signature = block["signature"].as_str().filter(|signature| !signature.is_empty())?;
            Some(Thought::ReasoningText { text: block["thinking"].as_str().unwrap_or_default(), signature })
        }
        "redacted_thinking" => block["data"].as_str().map(Thought::RedactedContent),
        _ => None,
    };
    blocks.into_iter().flatten().filter_map(thought).map(Block::ReasoningContent)
}

/// The id of a call in the characters that Converse allows. Ids of other providers may hold more, and be longer: what
/// tells them apart is at their end.
fn tool_use_id(id: &str) -> Text<'_> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.:-".contains(character);
    if id.len() <= LONGEST_ID && id.chars().all(allowed) {
        return id.into();
    }
    let id: String = id.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    Text(Cow::Owned(id[id.len().saturating_sub(LONGEST_ID)..].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_get_the_characters_and_the_length_that_are_allowed() {
        let long = format!("call_{}_12", "x".repeat(80));
        for (id, expected) in [
            ("tooluse_a-B:1.2", "tooluse_a-B:1.2".to_owned()),
            ("call/ü 1", "call___1".to_owned()),
            (&long, format!("{}_12", "x".repeat(61))),
        ] {
            assert_eq!(tool_use_id(id), *expected, "{id}");
        }
    }
}
