//! A canonical chat request as a request of the Messages API.

mod messages;
mod parameters;
mod parts;
mod tools;

use serde_json::Value;

use self::messages::Writer;
use self::parameters::Thought;
use self::tools::Tools;
use super::LEGACY;
use super::settings::{Cloud, Settings};
use crate::json::Json;
use crate::openai::{self, ChatRequest, Content, Conversation};
use crate::{Call, Encoded, Failure, Header, RequestBody, UpstreamRequest};

/// Translates a chat request, or asks the host for the media that it refers to: only Anthropic itself fetches any. Where
/// a request goes and how it is authenticated is for the plugin to fill in: `path`, `auth`, and for Bedrock `framing`.
///
/// # Errors
/// What Claude cannot do, and what makes no sense.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    let remote = remote_media(&request);
    if settings.cloud != Cloud::Anthropic && !remote.is_empty() {
        return Ok(Encoded::Fetch(remote));
    }
    let legacy = request.adopt_functions();
    let mut dropped = parameters::check(settings, &request)?;
    let Conversation { system, turns, calls_without_thinking } = Conversation::of(&request, &mut Writer)?;
    let tools = Tools::of(&request)?;
    let may_think = !tools.forced && !calls_without_thinking;
    let thought = Thought::of(settings, &request, &call.model, may_think);
    dropped.extend(parameters::lost(settings, &request, &thought));
    let betas = betas(settings, call, request.extra.get("anthropic_beta"));

    let mut json = Json::with_capacity(document.len() + 512);
    json.open('{');
    lead(&mut json, settings, call, &betas);
    parameters::write(&mut json, settings, &request, &thought);
    parameters::system(&mut json, &request, system);
    for (name, list) in [("tools", &tools.list), ("messages", &turns.finish())] {
        if name == "messages" || !list.is_empty() {
            json.key(name).open('[');
            if !list.is_empty() {
                json.raw(list.as_str());
            }
            json.close(']');
        }
    }
    if !tools.choice.is_empty() {
        json.key("tool_choice").raw(tools.choice.as_str());
    }
    json.close('}');
    let carry = legacy.then(|| LEGACY.to_owned());
    let body = RequestBody::Document(json.into_string());
    Ok(Encoded::Send(UpstreamRequest { carry, dropped, ..upstream_request(settings, call, &betas, body) }))
}

/// The http(s) URLs of media, each once.
fn remote_media(request: &ChatRequest) -> Vec<String> {
    let mut urls = Vec::new();
    for message in request.messages() {
        let Some(Content::Parts(parts)) = &message.content else { continue };
        for url in parts.iter().filter_map(parts::remote) {
            if !urls.iter().any(|known| known == url) {
                urls.push(url.to_owned());
            }
        }
    }
    urls
}

/// Writes the fields that say which model and how, as far as the cloud wants to read them in the body.
fn lead(json: &mut Json, settings: &Settings, call: &Call, betas: &[&str]) {
    match settings.cloud {
        Cloud::Anthropic => json.key("model").string(&call.model),
        Cloud::Vertex | Cloud::Bedrock => json.key("anthropic_version").string(settings.version()),
    };
    if settings.cloud == Cloud::Bedrock {
        if !betas.is_empty() {
            json.key("anthropic_beta").raw(&Value::from(betas).to_string());
        }
    } else if call.stream {
        json.key("stream").raw("true");
    }
}

/// A request with the headers that all of them have. Without a body it is a `GET`.
pub(super) fn upstream_request(settings: &Settings, call: &Call, betas: &[&str], body: RequestBody) -> UpstreamRequest {
    let upstream = match body {
        RequestBody::None => UpstreamRequest::get(""),
        body => UpstreamRequest::post("", body),
    };
    let of_body = upstream.headers;
    let mut headers = Vec::with_capacity(4);
    if settings.cloud == Cloud::Anthropic {
        let version = given(call, "anthropic-version").unwrap_or(settings.version());
        headers.push(Header::new("anthropic-version", version));
    }
    if settings.cloud != Cloud::Bedrock && !betas.is_empty() {
        headers.push(Header::new("anthropic-beta", betas.join(",")));
    }
    let mut upstream = UpstreamRequest { headers, ..upstream }.with_client_headers(call);
    // What stands in the body has no place in a header as well.
    upstream.headers.retain(|header| match settings.cloud {
        Cloud::Anthropic => true,
        Cloud::Vertex => header.name != "anthropic-version",
        Cloud::Bedrock => !header.name.starts_with("anthropic-"),
    });
    upstream.headers.extend(of_body);
    upstream
}

/// The features that the operator or the client asks for, each once. `field` is the client's own of that name.
pub(super) fn betas<'a>(settings: &'a Settings, call: &'a Call, field: Option<&'a Value>) -> Vec<&'a str> {
    let field = match field {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(names)) => vec![names.as_str()],
        _ => Vec::new(),
    };
    let asked = settings.anthropic_beta.iter().map(String::as_str).chain(given(call, "anthropic-beta")).chain(field);
    let mut betas = Vec::new();
    for beta in asked.flat_map(|names| names.split(',')).map(str::trim).filter(|beta| !beta.is_empty()) {
        if !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    betas
}

/// A header of the client's.
fn given<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}
