//! The conversation. Ollama's messages hold one text and a list of images each, and results name their function.

use std::borrow::Cow;

use serde_json::value::RawValue;
use weir_plugin::Failure;
use weir_plugin::openai::{Content, DataUri, ImageUrl, Message, Part, Text, ToolCall};

use crate::wire::{Function, FunctionCall, Turn};

/// A conversation in Ollama's form.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// Its messages.
    pub turns: Vec<Turn<'a>>,
    /// The addresses of images that are not in the request itself.
    pub elsewhere: Vec<String>,
}

impl<'a> Conversation<'a> {
    /// Translates the messages of a normalized request.
    pub fn of(messages: Vec<Message<'a>>) -> Result<Self, Failure> {
        let mut conversation = Self::default();
        for (place, message) in messages.into_iter().enumerate() {
            message.expect_parts(place, &["text", "image_url"])?;
            let turn = conversation.turn(place, message)?;
            conversation.turns.push(turn);
        }
        Ok(conversation)
    }

    fn turn(&mut self, place: usize, message: Message<'a>) -> Result<Turn<'a>, Failure> {
        let mut turn = Turn::default();
        match message.content {
            None => turn.content = Some(Text::default()),
            Some(Content::Text(text)) => turn.content = Some(text),
            Some(Content::Parts(parts)) => self.parts(&mut turn, place, parts)?,
        }
        turn.thinking = message.reasoning_content.filter(|thinking| !thinking.is_empty());
        if let Some(calls) = message.tool_calls {
            let calls = calls.into_iter().enumerate().map(|(at, call)| function_call(place, at, call));
            turn.tool_calls = Some(calls.collect::<Result<_, _>>()?);
        }
        if message.role.as_deref() == Some("tool") {
            turn.tool_name = message.name.or_else(|| self.called(message.tool_call_id.as_deref()?));
            turn.tool_call_id = message.tool_call_id;
        }
        Ok(Turn { role: message.role, ..turn })
    }

    /// The function that a call was of.
    fn called(&self, id: &str) -> Option<Text<'a>> {
        let mut calls = self.turns.iter().rev().filter_map(|turn| turn.tool_calls.as_deref()).flatten();
        calls.find(|call| call.id.as_deref() == Some(id))?.function.as_ref()?.name.clone()
    }

    fn parts(&mut self, turn: &mut Turn<'a>, message: usize, parts: Vec<Part<'a>>) -> Result<(), Failure> {
        let mut texts: Vec<Text<'a>> = Vec::new();
        for (place, part) in parts.into_iter().enumerate() {
            if part.kind.as_deref() != Some("image_url") {
                texts.extend(part.text);
                continue;
            }
            let url = match part.image_url {
                Some(ImageUrl::Image(image)) => image.url.unwrap_or_default(),
                Some(ImageUrl::Text(url)) => url,
                None => Text::default(),
            };
            if url.starts_with("http://") || url.starts_with("https://") {
                self.elsewhere.push(url.into_string());
                continue;
            }
            turn.images.get_or_insert_default().push(base64(url).ok_or_else(|| {
                let field = format!("messages[{message}].content[{place}]");
                Failure::invalid_field(field, "An image has to be an http(s) URL, or a data URL in base64.")
            })?);
        }
        turn.content = Some(match <[Text<'a>; 1]>::try_from(texts) {
            Ok([only]) => only,
            Err(texts) => texts.iter().map(Text::as_str).collect::<String>().into(),
        });
        Ok(())
    }
}

/// The content of a data URL, without a copy if it stands in the request as it is.
fn base64(url: Text<'_>) -> Option<Text<'_>> {
    fn data(url: &str) -> Option<&str> {
        DataUri::parse(url).filter(|uri| uri.base64).map(|uri| uri.data)
    }
    match url.0 {
        Cow::Borrowed(url) => data(url).map(Text::from),
        Cow::Owned(url) => data(&url).map(|data| data.to_owned().into()),
    }
}

/// A call, its arguments as the object that they are.
fn function_call<'a>(message: usize, at: usize, call: ToolCall<'a>) -> Result<FunctionCall<'a>, Failure> {
    let field = || format!("messages[{message}].tool_calls[{at}]");
    let Some(function) = call.function else {
        return Err(Failure::unsupported(field(), "Ollama has no tools but functions."));
    };
    let json = function.arguments.as_deref().map_or("{}", str::trim);
    let object = if json == "null" { "{}" } else { json };
    let object = Some(object).filter(|object| object.starts_with('{'));
    let Some(arguments) = object.and_then(|object| serde_json::from_str::<Box<RawValue>>(object).ok()) else {
        let message = "The arguments of a call have to be a JSON object, written as a string.";
        return Err(Failure::invalid_field(format!("{}.function.arguments", field()), message));
    };
    let function = Function { name: function.name, arguments: Some(arguments), ..Function::default() };
    Ok(FunctionCall { id: call.id, function: Some(function), ..FunctionCall::default() })
}
