//! The conversation: who says what. System messages become the system instruction, and what one side says in a row
//! becomes one content. Results of tools are a content of their own: Gemini wants them right behind their calls.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use weir_plugin::Failure;
use weir_plugin::openai::{self, ChatRequest, Message, ToolCall};

use super::media::{Media, Place};
use super::signature;
use crate::family;
use crate::wire::{Content, FunctionCall, FunctionResponse, Part};

/// What stands in for the signature of a call that another provider's model made. Google documents it for this.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// The conversation in Gemini's form.
pub struct Conversation<'a> {
    /// The URLs that the host has to fetch first. The rest is incomplete if there are any.
    pub fetch: Vec<String>,
    system: Vec<Part<'a>>,
    contents: Vec<Content<'a>>,
    /// Who said the last content.
    speaker: Speaker,
    /// The functions' names by the ids of their calls: a result names only the call, and Gemini wants the function.
    names: Vec<(&'a str, &'a str)>,
    is_newer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Nobody,
    User,
    Model,
    Tool,
}

impl<'a> Conversation<'a> {
    /// Translates the messages of a request to `model`. `fetches` says whether the host is to fetch remote media.
    pub fn of(request: &'a ChatRequest<'_>, model: &str, fetches: bool) -> Result<Self, Failure> {
        let mut conversation = Self {
            fetch: Vec::new(),
            system: Vec::new(),
            contents: Vec::with_capacity(request.messages().len()),
            speaker: Speaker::Nobody,
            names: Vec::new(),
            is_newer: family::is_newer(model),
        };
        let mut media = Media { fetches, fetch: Vec::new() };
        for (index, message) in request.messages().iter().enumerate() {
            conversation.add(message, Place { message: index, element: None, field: "" }, &mut media)?;
        }
        conversation.fetch = media.fetch;
        Ok(conversation)
    }

    /// The system instruction, empty if there is none, and the contents. Gemini wants at least one of these: a prompt
    /// of system messages alone becomes the user's.
    pub fn turns(self) -> (Vec<Part<'a>>, Vec<Content<'a>>) {
        if self.contents.is_empty() && !self.system.is_empty() {
            let user = Content { role: Some("user".into()), parts: Some(self.system), ..Content::default() };
            return (Vec::new(), vec![user]);
        }
        (self.system, self.contents)
    }

    fn add(&mut self, message: &'a Message<'_>, place: Place, media: &mut Media) -> Result<(), Failure> {
        match message.role.as_deref() {
            Some("system" | "developer") => {
                let parts = content(message, place, media)?;
                self.system.extend(parts);
            }
            Some("user") => {
                let parts = content(message, place, media)?;
                self.push(Speaker::User, parts);
            }
            Some("assistant") => {
                let parts = self.assistant(message, place, media)?;
                self.push(Speaker::Model, parts);
            }
            Some("tool" | "function") => {
                let parts = self.result(message, place, media)?;
                self.push(Speaker::Tool, parts);
            }
            _ => return Err(Failure::invalid_field(place.field(".role").to_string(), "There is no such role.")),
        }
        Ok(())
    }

    fn push(&mut self, speaker: Speaker, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut().and_then(|content| content.parts.as_mut()) {
            Some(said) if self.speaker == speaker => said.extend(parts),
            _ => {
                let role = if speaker == Speaker::Model { "model" } else { "user" };
                let content = Content { role: Some(role.into()), parts: Some(parts), ..Content::default() };
                self.contents.push(content);
            }
        }
        self.speaker = speaker;
    }

    fn assistant(
        &mut self,
        message: &'a Message<'_>,
        place: Place,
        media: &mut Media,
    ) -> Result<Vec<Part<'a>>, Failure> {
        let mut parts = content(message, place, media)?;
        if parts.is_empty() {
            parts.extend(message.refusal.as_deref().and_then(|text| text_part(text.into())));
        }
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        if let Some(signature) = signature(&message.extra) {
            match parts.iter_mut().rfind(|part| part.text.is_some()) {
                Some(part) => part.thought_signature = Some(signature.into()),
                None => parts.push(Part {
                    text: Some("".into()),
                    thought_signature: Some(signature.into()),
                    ..Part::default()
                }),
            }
        }
        // What the model drew in an earlier turn.
        for image in message.extra.get("images").and_then(Value::as_array).into_iter().flatten() {
            let url = image["image_url"]["url"].as_str().unwrap_or_default();
            let signature = image.as_object().and_then(signature).map(Into::into);
            let part = media.part(url, None, place.field(".images"))?;
            parts.push(Part { thought_signature: signature, ..part });
        }
        let before = parts.len();
        for (at, call) in calls.iter().enumerate() {
            parts.push(self.call(call, place.element("tool_calls", at))?);
        }
        if let Some(function) = &message.function_call {
            parts.push(function_call(None, function, place.field(".function_call.arguments"))?);
        }
        // Of the calls of one turn the first one is signed, so one signature anywhere shows that Gemini made them.
        let calls = &mut parts[before..];
        if self.is_newer && calls.iter().all(|part| part.thought_signature.is_none()) {
            calls.iter_mut().take(1).for_each(|part| part.thought_signature = Some(FOREIGN_CALL.into()));
        }
        Ok(parts)
    }

    fn call(&mut self, call: &'a ToolCall<'_>, place: Place) -> Result<Part<'a>, Failure> {
        let Some(function) = &call.function else {
            return Err(Failure::unsupported(place.to_string(), "This provider has no tools but functions."));
        };
        let id = call.id.as_deref().filter(|id| !id.is_empty());
        if let Some(id) = id {
            self.names.push((id, function.name.as_deref().unwrap_or_default()));
        }
        let part = function_call(id, function, place.field(".function.arguments"))?;
        Ok(Part { thought_signature: signature(&call.extra).map(Into::into), ..part })
    }

    fn name_of(&self, call: Option<&str>) -> Option<&'a str> {
        self.names.iter().rfind(|(id, _)| Some(*id) == call).map(|(_, name)| *name)
    }

    /// The result of a function. Media go with it where the model takes them there, and beside it where not.
    fn result(&self, message: &'a Message<'_>, place: Place, media: &mut Media) -> Result<Vec<Part<'a>>, Failure> {
        let id = message.tool_call_id.as_deref();
        let Some(name) = self.name_of(id).or(message.name.as_deref()) else {
            let message = "This is the result of no call of an earlier message.";
            return Err(Failure::invalid_field(place.field(".tool_call_id").to_string(), message));
        };
        let mut others = content(message, place, media)?;
        others.retain(|part| part.text.is_none());
        let text = message.content.as_ref().map(openai::Content::joined).unwrap_or_default();
        let mut response = FunctionResponse {
            id: id.map(Into::into),
            name: Some(name.into()),
            response: Some(object(&text, message.extra.get("is_error") == Some(&Value::Bool(true)))?),
            ..FunctionResponse::default()
        };
        if self.is_newer && !others.is_empty() {
            response.parts = Some(std::mem::take(&mut others));
        }
        others.insert(0, Part { function_response: Some(response), ..Part::default() });
        Ok(others)
    }
}

/// The parts of a message's content, without empty texts: Gemini refuses them.
fn content<'a>(message: &'a Message<'_>, place: Place, media: &mut Media) -> Result<Vec<Part<'a>>, Failure> {
    match &message.content {
        None => Ok(Vec::new()),
        Some(openai::Content::Text(text)) => Ok(text_part(text.as_str().into()).into_iter().collect()),
        Some(openai::Content::Parts(list)) => {
            let parts = list.iter().enumerate();
            let parts = parts.map(|(at, part)| media.content(part, place.element("content", at)));
            parts.filter_map(Result::transpose).collect()
        }
    }
}

/// A part of text, unless there is none in it.
pub fn text_part(text: openai::Text<'_>) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Part { text: Some(text), ..Part::default() })
}

fn function_call<'a>(
    id: Option<&'a str>,
    function: &'a openai::FunctionCall<'_>,
    place: Place,
) -> Result<Part<'a>, Failure> {
    let arguments = match function.arguments.as_deref().unwrap_or_default().trim() {
        // What clients write for a call without arguments.
        "" | "null" => "{}",
        arguments => arguments,
    };
    let args = serde_json::from_str(arguments).ok().filter(|args: &&RawValue| args.get().starts_with('{'));
    if args.is_none() {
        let message = "The arguments of a call have to be a JSON object, written as a string.";
        return Err(Failure::invalid_field(place.to_string(), message));
    }
    let name = function.name.as_deref().map(Into::into);
    let call = FunctionCall { id: id.map(Into::into), name, args, ..FunctionCall::default() };
    Ok(Part { function_call: Some(call), ..Part::default() })
}

/// The result of a function as an object, which Gemini insists on.
fn object(text: &str, is_error: bool) -> Result<Box<RawValue>, Failure> {
    let text = text.trim();
    if text.starts_with('{')
        && let Ok(object) = serde_json::from_str::<&RawValue>(text)
    {
        return Ok(object.to_owned());
    }
    let name = if is_error { "error" } else { "result" };
    to_raw_value(&json!({ name: text })).map_err(|error| Failure::internal(error.to_string()))
}
