//! The input of a request, as canonical messages.
//!
//! Each message, piece of reasoning, tool call and result is an item of its own. What the assistant said and called in
//! one go becomes one message; items of tools that an upstream ran by itself are left out, because what came of them is
//! in the text that follows.

use serde_json::{Value, json};

use super::request::unsupported;
use super::{Object, nonempty, parts, take_list, take_text};
use crate::dialect::carried::Carried;
use crate::error::Error;

/// Items of tools that ran at an upstream, calls and results in one.
const RUN_UPSTREAM: [&str; 8] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_list_tools",
    "mcp_call",
    "tool_search_call",
    "tool_search_output",
];

/// The messages that `instructions` and `input` stand for, at least one.
///
/// # Errors
/// A 400 naming the item that is wrong, or that needs a store or a tool that is not there.
pub(super) fn messages(instructions: Option<Value>, input: Option<Value>) -> Result<Vec<Value>, Error> {
    let mut conversation = Conversation::default();
    match instructions {
        Some(Value::String(text)) => conversation.messages.push(json!({ "role": "system", "content": text })),
        Some(_) => return Err(Error::invalid_field("instructions", "instructions is not a string.")),
        None => {}
    }
    match input {
        Some(Value::String(text)) => conversation.messages.push(json!({ "role": "user", "content": text })),
        Some(Value::Array(items)) => {
            for (index, item) in items.into_iter().enumerate() {
                conversation.add(item, &format!("input[{index}]"))?;
            }
        }
        Some(_) => return Err(Error::invalid_field("input", "input is neither a string nor a list of items.")),
        None => return Err(Error::invalid_field("input", "The request has no input.")),
    }
    conversation.end_turn();
    match conversation.messages.is_empty() {
        true => Err(Error::invalid_field("input", "The input holds nothing to answer.")),
        false => Ok(conversation.messages),
    }
}

#[derive(Default)]
struct Conversation {
    messages: Vec<Value>,
    /// What the assistant says and calls at present.
    turn: Option<Turn>,
}

/// What becomes one message of the assistant.
#[derive(Default)]
struct Turn {
    /// Fields that nobody here understands.
    extensions: Object,
    content: Option<Value>,
    reasoning: String,
    carried: Carried,
    calls: Vec<Value>,
}

impl Conversation {
    fn add(&mut self, item: Value, place: &str) -> Result<(), Error> {
        let Value::Object(mut item) = item else {
            return Err(Error::invalid_field(place, "An item is an object."));
        };
        item.retain(|_, value| !value.is_null());
        let kind = take_text(&mut item, "type");
        match kind.as_deref() {
            Some("message") => self.message(item, place),
            None if item.contains_key("role") => self.message(item, place),
            Some("reasoning") => {
                self.reasoning(item);
                Ok(())
            }
            Some("function_call") => self.call(item, "function", "arguments", place),
            Some("custom_tool_call") => self.call(item, "custom", "input", place),
            Some("function_call_output" | "custom_tool_call_output") => self.result(item, place),
            Some(kind) if RUN_UPSTREAM.contains(&kind) => Ok(()),
            None if !item.contains_key("id") => {
                Err(Error::invalid_field(format!("{place}.type"), "The item has no type."))
            }
            None | Some("item_reference") => {
                let message = "Items are not stored here: send the item itself instead of a reference to it.";
                Err(unsupported(place, message))
            }
            Some(kind) => {
                let message = format!("Items of type {kind:.64} have no meaning for models of other APIs.");
                Err(unsupported(format!("{place}.type"), message))
            }
        }
    }

    fn message(&mut self, mut item: Object, place: &str) -> Result<(), Error> {
        let role = take_text(&mut item, "role").unwrap_or_default();
        if !matches!(role.as_str(), "user" | "assistant" | "system" | "developer") {
            let message = "The role of a message is user, assistant, system or developer.";
            return Err(Error::invalid_field(format!("{place}.role"), message));
        }
        let content = item.remove("content").unwrap_or_else(|| "".into());
        let content = parts::canonical(content, &format!("{place}.content"))?;
        item.retain(|name, _| !matches!(name.as_str(), "id" | "status" | "phase"));
        if role == "assistant" {
            self.say(content, item);
            return Ok(());
        }
        self.end_turn();
        let mut message = Object::new();
        message.insert("role".to_owned(), role.into());
        message.insert("content".to_owned(), content);
        message.extend(item);
        self.messages.push(message.into());
        Ok(())
    }

    /// A text of the assistant. It begins a new message, unless the one before waits for the results of its calls:
    /// nothing may stand between the two.
    fn say(&mut self, content: Value, extensions: Object) {
        if self.turn.as_ref().is_some_and(Turn::is_said) {
            self.end_turn();
        }
        let turn = self.turn.get_or_insert_default();
        turn.extensions.extend(extensions);
        turn.content = Some(match turn.content.take() {
            Some(before) => parts::joined(before, content),
            None => content,
        });
    }

    /// What the assistant thought before it went on. Only what it thought begins a new message: a signature alone
    /// belongs to what is there.
    fn reasoning(&mut self, mut item: Object) {
        let sealed = take_text(&mut item, "encrypted_content");
        let carried = sealed.as_deref().and_then(Carried::unseal).unwrap_or_default();
        let text = reasoning_text(&mut item);
        if (!text.is_empty() || carried.has_thoughts()) && self.turn.as_ref().is_some_and(Turn::is_said) {
            self.end_turn();
        }
        let turn = self.turn.get_or_insert_default();
        if !turn.reasoning.is_empty() && !text.is_empty() {
            turn.reasoning.push_str("\n\n");
        }
        turn.reasoning.push_str(&text);
        turn.carried.extend(carried);
    }

    fn call(&mut self, mut item: Object, kind: &str, input: &str, place: &str) -> Result<(), Error> {
        let mut required = |name: &str| {
            let value = take_text(&mut item, name).filter(|value| !value.is_empty());
            value.ok_or_else(|| Error::invalid_field(format!("{place}.{name}"), "The call lacks this."))
        };
        let (id, name) = (required("call_id")?, required("name")?);
        let text = match item.remove(input) {
            Some(Value::String(text)) if !text.trim().is_empty() || kind == "custom" => text,
            // Some clients keep arguments parsed.
            Some(Value::Object(arguments)) => Value::Object(arguments).to_string(),
            Some(Value::String(_)) | None => String::from(if kind == "function" { "{}" } else { "" }),
            Some(_) => return Err(Error::invalid_field(format!("{place}.{input}"), "This is not a string.")),
        };
        let call = json!({ "id": id, "type": kind, kind: { "name": name, input: text } });
        self.turn.get_or_insert_default().calls.push(call);
        Ok(())
    }

    /// The result of a call.
    fn result(&mut self, mut item: Object, place: &str) -> Result<(), Error> {
        let Some(id) = take_text(&mut item, "call_id").filter(|id| !id.is_empty()) else {
            return Err(Error::invalid_field(
                format!("{place}.call_id"),
                "The result does not say of which call it is.",
            ));
        };
        let Some(output) = item.remove("output") else {
            return Err(Error::invalid_field(format!("{place}.output"), "The result has no output."));
        };
        let content = parts::canonical(output, &format!("{place}.output"))?;
        self.end_turn();
        let mut message = Object::new();
        message.insert("role".to_owned(), "tool".into());
        message.insert("tool_call_id".to_owned(), id.into());
        message.insert("content".to_owned(), content);
        item.retain(|name, _| !matches!(name.as_str(), "id" | "status" | "name" | "namespace" | "caller"));
        message.extend(item);
        self.messages.push(message.into());
        Ok(())
    }

    /// Makes a message of what the assistant said and called.
    fn end_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        if turn.content.is_some() || !turn.calls.is_empty() {
            self.messages.push(turn.into_message());
        } else if let Some(Value::Object(before)) = self.messages.last_mut()
            && before.get("role").is_some_and(|role| role == "assistant")
        {
            // A signature that came after the text that it belongs to.
            turn.carried.restore(before);
        }
        // Thoughts that led to nothing are no message: no upstream takes one without content.
    }
}

impl Turn {
    /// Whether there is text, and nothing waits for a result.
    fn is_said(&self) -> bool {
        self.content.is_some() && self.calls.is_empty()
    }

    fn into_message(self) -> Value {
        let mut message = Object::new();
        message.insert("role".to_owned(), "assistant".into());
        message.insert("content".to_owned(), self.content.unwrap_or_default());
        message.extend(self.extensions);
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".to_owned(), self.reasoning.into());
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), self.calls.into());
        }
        self.carried.restore(&mut message);
        message.into()
    }
}

/// The text of a reasoning item: what was thought, or else its summary.
fn reasoning_text(item: &mut Object) -> String {
    let mut texts = |name| -> Vec<String> {
        let parts = take_list(item, name);
        parts.iter().filter_map(|part| nonempty(part.get("text")).map(str::to_owned)).collect()
    };
    let (content, summary) = (texts("content"), texts("summary"));
    if content.is_empty() { summary } else { content }.join("\n\n")
}
