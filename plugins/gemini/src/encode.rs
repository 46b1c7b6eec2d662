//! A canonical chat request as a request for `:generateContent`.

mod contents;
mod generation;
mod media;
mod thinking;
mod tools;

use serde_json::{Map, Value};
use weir_plugin::openai::{self, ChatRequest};
use weir_plugin::{Call, Encoded, Failure, UpstreamRequest};

use self::contents::Conversation;
use self::generation::Own;
use crate::settings::{RemoteMedia, Settings};
use crate::wire::{Content, Request};

/// Translates a chat request, or asks the host for the media that it refers to.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let request: ChatRequest = openai::parse(document)?;
    let conversation = Conversation::of(&request, &call.model, settings.remote_media == RemoteMedia::Fetch)?;
    if !conversation.fetch.is_empty() {
        return Ok(Encoded::Fetch(conversation.fetch));
    }
    let mut own = Own::of(&request)?;
    let (tools, tool_config) = tools::of(&request, settings, &mut own)?;
    let generation_config = generation::config(&request, settings, &call.model, &mut own)?;
    let (system, contents) = conversation.turns();
    let mut body = Request {
        system_instruction: (!system.is_empty()).then(|| Content { parts: Some(system), ..Content::default() }),
        contents: Some(contents),
        tools: (!tools.is_empty()).then_some(tools),
        tool_config: nonempty(tool_config),
        generation_config: nonempty(generation_config),
        extra: own.top,
    };
    if let (Some(safety), false) = (&settings.safety_settings, body.extra.contains_key("safetySettings")) {
        body.extra.insert("safetySettings".to_owned(), safety.clone());
    }
    let method = if call.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let upstream = UpstreamRequest::post_json(settings.path(&call.model, method), &body)?;
    Ok(Encoded::Send(settings.complete(call, UpstreamRequest { dropped: own.dropped, ..upstream })))
}

fn nonempty(map: Map<String, Value>) -> Option<Map<String, Value>> {
    (!map.is_empty()).then_some(map)
}

/// The thought signature that an answer of Gemini's left with a message, a tool call or an image.
fn signature(extra: &Map<String, Value>) -> Option<&str> {
    extra.get("extra_content")?.get("google")?.get("thought_signature")?.as_str()
}
