//! A canonical chat request as a request of the Messages API.

mod messages;
mod parameters;
mod parts;
mod tools;

use weir_plugin::openai::{self, ChatRequest};
use weir_plugin::serde_json::{Map, Value};
use weir_plugin::{Auth, Call, Failure, Header, RequestBody, UpstreamRequest};

use self::messages::Conversation;
use self::parameters::Thought;
use self::tools::Tools;
use crate::settings::{Credential, Settings};
use weir_plugin::json::Json;

/// What an answer has to be told of its request: that the client speaks of functions, not tools.
pub const LEGACY: &str = "functions";

/// Translates a chat request.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    let legacy = request.adopt_functions();
    let dropped = parameters::check(settings, &request)?;
    let conversation = Conversation::of(request.messages())?;
    let tools = Tools::of(&request)?;
    let may_think = !tools.forced && !conversation.calls_without_thinking;
    let thought = Thought::of(settings, &request, &call.model, may_think);

    let mut json = Json::with_capacity(document.len() + 512);
    json.open('{').key("model").string(&call.model);
    if call.stream {
        json.key("stream").raw("true");
    }
    parameters::write(&mut json, settings, &request, &thought);
    parameters::system(&mut json, &request, conversation.system);
    for (name, list) in [("tools", &tools.list), ("messages", &conversation.messages)] {
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
    Ok(UpstreamRequest {
        carry: legacy.then(|| LEGACY.to_owned()),
        dropped,
        ..upstream_request(settings, call, "/v1/messages", RequestBody::Document(json.into_string()), &request.extra)
    })
}

/// The request for the list of models. A thousand is the most that a page can hold.
pub fn models(settings: &Settings, call: &Call) -> UpstreamRequest {
    upstream_request(settings, call, "/v1/models?limit=1000", RequestBody::None, &Map::new())
}

/// A request with the headers and the credential that all of them have. Without a body it is a `GET`.
pub fn upstream_request(
    settings: &Settings,
    call: &Call,
    path: &str,
    body: RequestBody,
    fields: &Map<String, Value>,
) -> UpstreamRequest {
    let upstream = match body {
        RequestBody::None => UpstreamRequest::get(path),
        body => UpstreamRequest::post(path, body),
    };
    let auth = match settings.auth {
        Credential::XApiKey => Auth::Header("x-api-key".to_owned()),
        Credential::Bearer => Auth::Bearer,
    };
    let of_body = upstream.headers;
    let headers = headers(settings, call, fields);
    let mut upstream = UpstreamRequest { auth, headers, ..upstream }.with_client_headers(call);
    upstream.headers.extend(of_body);
    upstream
}

/// The version, and the betas that the operator or the client asks for.
fn headers(settings: &Settings, call: &Call, fields: &Map<String, Value>) -> Vec<Header> {
    let given = |name: &str| call.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str());
    let version = given("anthropic-version").unwrap_or(&settings.anthropic_version);
    let mut headers = vec![Header::new("anthropic-version", version)];

    let field = match fields.get("anthropic_beta") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(names)) => vec![names.as_str()],
        _ => Vec::new(),
    };
    let asked = settings.anthropic_beta.iter().map(String::as_str).chain(given("anthropic-beta")).chain(field);
    let mut betas: Vec<&str> = Vec::new();
    for beta in asked.flat_map(|names| names.split(',')).map(str::trim).filter(|beta| !beta.is_empty()) {
        if !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    if !betas.is_empty() {
        headers.push(Header::new("anthropic-beta", betas.join(",")));
    }
    headers
}
