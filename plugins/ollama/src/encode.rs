//! Canonical requests as requests of Ollama's API.

mod messages;
mod parameters;

use weir_plugin::openai::{self, ChatRequest, CompletionRequest, EmbeddingRequest, ToolUse, WantedJson};
use weir_plugin::serde_json::value::RawValue;
use weir_plugin::{Call, Encoded, Failure, Framing, UpstreamRequest};

use self::messages::Conversation;
use self::parameters::Parameters;
use crate::settings::Settings;
use crate::wire::Body;

/// A chat. Images that lie elsewhere are for the host to fetch first: Ollama takes none but those that it is given.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    request.expect_one_text()?;
    let mut parameters =
        Parameters::of(settings, &call.model, &request, "logprobs top_logprobs format truncate shift")?;
    let legacy = request.normalize()?;
    offer_tools(&mut request, &mut parameters.dropped)?;
    let tools = request.tools.take();
    let conversation = Conversation::of(&request)?;
    if !conversation.elsewhere.is_empty() {
        return Ok(Encoded::Fetch(conversation.elsewhere));
    }
    let format = match request.wanted_json() {
        // The client's own word for it goes first.
        _ if parameters.own.contains_key("format") => None,
        Some(WantedJson::Schema(schema)) => Some(schema.to_owned()),
        Some(WantedJson::Object) => RawValue::from_string(r#""json""#.to_owned()).ok(),
        None => {
            let kind = request.response_format.as_ref().and_then(|format| format.kind.as_deref());
            let is_unknown = kind.is_some_and(|kind| kind != "text");
            parameters.dropped.extend(is_unknown.then(|| "response_format".to_owned()));
            None
        }
    };
    let body = Body { messages: Some(conversation.turns), tools, format, ..Body::default() };
    let sent = send(call, "/api/chat", body, parameters)?;
    Ok(Encoded::Send(UpstreamRequest { carry: openai::carry(legacy), ..sent }))
}

/// Leaves those tools that the model may call. Ollama leaves it to the model whether to call one, and how exactly to
/// fit its schema.
fn offer_tools(request: &mut ChatRequest<'_>, dropped: &mut Vec<String>) -> Result<(), Failure> {
    match request.choose_tools()? {
        ToolUse::None => request.tools = None,
        ToolUse::Required => dropped.push("tool_choice".to_owned()),
        ToolUse::Auto => {}
    }
    for (place, tool) in request.tools.iter_mut().flatten().enumerate() {
        tool.extra.clear();
        let Some(function) = &mut tool.function else { continue };
        function.extra.clear();
        if function.strict.take() == Some(true) {
            dropped.push(format!("tools[{place}].function.strict"));
        }
    }
    Ok(())
}

/// A completion. The prompt goes to the model as it is; only a gap to fill needs the model's template.
pub fn completion(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let mut request: CompletionRequest = openai::parse(document)?;
    let prompt = request.only_prompt()?.to_owned();
    let rest = request.parameters();
    rest.expect_one_text()?;
    let own = "raw system template context images format truncate shift";
    let mut parameters = Parameters::of(settings, &call.model, &rest, own)?;
    let suffix = request.suffix.filter(|suffix| !suffix.is_empty());
    let templated = ["raw", "system", "template", "context"].iter().any(|name| parameters.own.contains_key(*name));
    if suffix.is_none() && !templated {
        parameters.own.insert("raw".to_owned(), true.into());
    }
    let body = Body { prompt: Some(prompt.into()), suffix, ..Body::default() };
    send(call, "/api/generate", body, parameters).map(Encoded::Send)
}

/// Embeddings. What form the numbers have in the end is for the host.
pub fn embeddings(settings: &Settings, call: &Call, document: &str) -> Result<Encoded, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    request.texts()?;
    let mut rest = ChatRequest { extra: request.extra, ..ChatRequest::default() };
    rest.extra.extend(request.dimensions.map(|count| ("dimensions".to_owned(), count.into())));
    let parameters = Parameters::of(settings, &call.model, &rest, "dimensions truncate")?;
    let body = Body { input: request.input, ..Body::default() };
    send(call, "/api/embed", body, parameters).map(Encoded::Send)
}

/// A question for the models that are there.
pub fn models(call: &Call) -> Encoded {
    Encoded::Send(UpstreamRequest::get("/api/tags").with_client_headers(call))
}

/// The request with this body. Without a key the host sends none: a server of one's own wants none, the cloud does.
fn send(call: &Call, path: &str, body: Body<'_>, parameters: Parameters) -> Result<UpstreamRequest, Failure> {
    let body = Body {
        model: Some(call.model.as_str().into()),
        // Embeddings come in one piece. Everything else is streamed unless it must not be.
        stream: body.input.is_none().then_some(call.stream),
        options: Some(parameters.options).filter(|options| !options.is_empty()),
        extra: parameters.own,
        ..body
    };
    let request = UpstreamRequest::post_json(path, &body)?.with_client_headers(call);
    Ok(UpstreamRequest { framing: Framing::Ndjson, dropped: parameters.dropped, ..request })
}
