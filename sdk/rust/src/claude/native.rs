//! Clients that speak the Messages API themselves: their documents go as they are, apart from the model's name and from
//! what an earlier turn with another provider has left in the conversation.

use serde_json::{Map, Value};

use super::failure;
use super::request::{betas, upstream_request};
use super::settings::{Cloud, Settings};
use crate::openai::{self, push_json_string};
use crate::{
    Call, Encoded, Event, Failure, FieldEdit, Operation, Progress, RequestBody, ResponseMode, StreamDecoder,
    UpstreamRequest,
};

/// Passes a request on, to be answered or to have its tokens counted, or asks the host for the media that it refers to:
/// only Anthropic itself fetches any. The plugin adds `path`, `auth`, and for Bedrock `framing`.
///
/// # Errors
/// A document that is no request.
pub fn native(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    if settings.cloud != Cloud::Anthropic && document.contains("\"url\"") {
        let remote = remote_media(document)?;
        if !remote.is_empty() {
            return Ok(Encoded::Fetch(remote));
        }
    }
    let betas = betas(settings, call, None);
    let mut edits = lead(settings, call, &betas);
    edits.extend(own_turns(document)?.map(|messages| edit("messages", Some(messages))));
    // Within the frames of Bedrock the events are no documents of this API yet.
    let in_frames = settings.cloud == Cloud::Bedrock && call.stream;
    let response = if in_frames { ResponseMode::Decode } else { ResponseMode::Forward };
    let request = upstream_request(settings, call, &betas, RequestBody::Forward(edits));
    Ok(Encoded::Send(UpstreamRequest { response, ..request }))
}

/// The http(s) URLs of images and documents, each once.
fn remote_media(document: &str) -> Result<Vec<String>, Failure> {
    let request: Map<String, Value> = openai::parse(document)?;
    let mut urls = Vec::new();
    request.get("messages").into_iter().for_each(|messages| collect_urls(messages, &mut urls));
    Ok(urls)
}

/// Collects the URLs of a list of messages or blocks, and of the lists in them: results of tools hold blocks, and so do
/// some documents.
fn collect_urls(list: &Value, urls: &mut Vec<String>) {
    for element in list.as_array().into_iter().flatten() {
        let source = &element["source"];
        let is_media = matches!(element["type"].as_str(), Some("image" | "document"));
        let url = source["url"].as_str().filter(|_| is_media && source["type"] == "url");
        let is_remote = |url: &&str| {
            let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
            matches!(scheme.as_deref(), Some("http" | "https"))
        };
        if let Some(url) = url.filter(is_remote)
            && !urls.iter().any(|known| known == url)
        {
            urls.push(url.to_owned());
        }
        if is_media {
            collect_urls(&source["content"], urls);
        }
        collect_urls(&element["content"], urls);
    }
}

/// The fields that say which model and how, changed to what the cloud wants to read in the body.
fn lead(settings: &Settings, call: &Call, betas: &[&str]) -> Vec<FieldEdit> {
    let model = edit("model", Some(quoted(&call.model)));
    let version = || edit("anthropic_version", Some(quoted(settings.version())));
    match (settings.cloud, call.operation) {
        (Cloud::Anthropic, _) => vec![model],
        // Whose tokens are counted does not stand in the path.
        (Cloud::Vertex, Operation::CountTokens) => vec![model, version()],
        (Cloud::Vertex, _) => vec![edit("model", None), version()],
        (Cloud::Bedrock, _) => {
            let mut edits = vec![edit("model", None), edit("stream", None), version()];
            if !betas.is_empty() {
                edits.push(edit("anthropic_beta", Some(Value::from(betas).to_string())));
            }
            edits
        }
    }
}

fn edit(name: &str, value: Option<String>) -> FieldEdit {
    FieldEdit { name: name.to_owned(), value }
}

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_json_string(&mut json, text);
    json
}

/// The conversation without what Anthropic would refuse: thinking that it has not signed, and the signatures of others.
/// `None` if there is nothing of the kind, as nearly always.
fn own_turns(document: &str) -> Result<Option<String>, Failure> {
    if !document.contains("\"extra_content\"") && !document.contains("\"thinking\"") {
        return Ok(None);
    }
    let request: Map<String, Value> = openai::parse(document)?;
    let Some(Value::Array(mut messages)) = request.get("messages").cloned() else { return Ok(None) };
    for message in &mut messages {
        let Some(Value::Array(blocks)) = message.get_mut("content") else { continue };
        blocks.retain(|block| {
            block["type"] != "thinking" || block["signature"].as_str().is_some_and(|it| !it.is_empty())
        });
        for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
            block.remove("extra_content");
        }
    }
    if request.get("messages").is_some_and(|before| before.as_array() == Some(&messages)) {
        return Ok(None);
    }
    openai::to_json(&messages).map(Some)
}

/// Passes on the events from one on that is not like the others: an error, most likely.
pub struct Relay;

impl StreamDecoder for Relay {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            let document = serde_json::from_str::<Value>(&event.data).unwrap_or_default();
            match document["type"].as_str() {
                Some("error") | None => return Err(failure::of_answer(&event.data)),
                Some(_) => chunks.push(event.data),
            }
        }
        Ok(Progress { chunks, ended: false })
    }

    fn park(&self) -> Option<String> {
        Some(String::new())
    }
}
