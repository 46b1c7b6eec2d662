//! A canonical chat request as a request for `:generateContent`.

mod contents;
mod generation;
mod thinking;
mod tools;

use serde_json::{Map, Value};
use weir_plugin::json::Json;
use weir_plugin::openai::{self, ChatRequest};
use weir_plugin::{Call, Encoded, Failure, RequestBody, UpstreamRequest};

use self::contents::Conversation;
use self::generation::Own;
use crate::settings::{RemoteMedia, Settings};

/// Translates a chat request, or asks the host for the media that it refers to.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let request: ChatRequest = openai::parse(document)?;
    let conversation = Conversation::of(&request, &call.model, settings.remote_media == RemoteMedia::Fetch)?;
    if !conversation.fetch.is_empty() {
        return Ok(Encoded::Fetch(conversation.fetch));
    }
    let mut own = Own::of(&request)?;
    let tools = tools::of(&request, settings, &mut own)?;
    let generation_config = generation::config(&request, settings, &call.model, &mut own);
    let mut rest: Map<String, Value> = Map::new();
    for (name, config) in [("toolConfig", own.tool_config), ("generationConfig", generation_config)] {
        rest.extend((!config.is_empty()).then(|| (name.to_owned(), config.into())));
    }
    rest.append(&mut own.top);
    if let Some(safety) = &settings.safety_settings {
        rest.entry("safetySettings").or_insert_with(|| safety.iter().cloned().collect());
    }
    let mut body = Json::with_capacity(document.len() + 256);
    body.open('{');
    conversation.write(&mut body);
    body.within("tools", ['[', ']'], &tools).fields(&rest)?.close('}');
    let method = if call.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let upstream = UpstreamRequest::post(settings.path(&call.model, method), RequestBody::Document(body.into_string()));
    Ok(Encoded::Send(settings.complete(call, UpstreamRequest { dropped: own.dropped, ..upstream })))
}

/// The thought signature that an answer of Gemini's left with a message, a tool call or an image.
fn signature(extra: &Map<String, Value>) -> Option<&str> {
    extra.get("extra_content")?.get("google")?.get("thought_signature")?.as_str()
}
