//! Requests of the API before v2: `/v1/chat`, which connectors and raw prompts need, and `/v1/generate`, which goes on
//! with a text. Models and deployments that have no other form still speak these.

use serde_json::{Map, Value};
use weir_plugin::json::object;
use weir_plugin::openai::{ChatRequest, Content, Message, Tool, ToolCall, ToolUse};
use weir_plugin::{Call, Failure, Framing, UpstreamRequest};

use crate::encode::{COMMON, fields, response_format};

/// Fields that only `/v1/chat` has: a request with one of them goes there.
pub const CHAT_ALONE: &str = "citation_quality connectors conversation_id preamble prompt_truncation raw_prompting";

/// The fields that `/v1/chat` has besides.
const CHAT: &str = "response_format: stop:stop_sequences stop_sequences
    documents force_single_step max_input_tokens safety_mode";

/// The fields that `/v1/generate` has besides. Of its two kinds of stops, `end_sequences` stay out of the text.
const GENERATE: &str = "stop:end_sequences end_sequences stop_sequences preset raw_prompting truncate";

/// JSON Schema's types and what v1 calls them, which is what Python does.
const TYPES: [(&str, &str); 5] =
    [("integer", "int"), ("number", "float"), ("boolean", "bool"), ("array", "list"), ("object", "dict")];

/// Translates a chat request into one of `/v1/chat`.
pub fn chat(call: &Call, request: &ChatRequest, choice: ToolUse) -> Result<UpstreamRequest, Failure> {
    let (mut body, mut dropped) = fields(call, request, &[COMMON, CHAT_ALONE, CHAT]);
    converse(&mut body, request)?;
    body.extend(response_format(request, "schema"));
    if choice != ToolUse::None && !request.tools().is_empty() {
        body.insert("tools".to_owned(), request.tools().iter().map(tool).collect());
        if choice == ToolUse::Required {
            dropped.push("tool_choice".to_owned());
        }
    }
    send("/v1/chat", &body, dropped)
}

/// Translates a chat request into one of `/v1/generate`: a single message as it is, a conversation as a transcript.
pub fn generate(call: &Call, request: &ChatRequest) -> Result<UpstreamRequest, Failure> {
    if !request.tools().is_empty() {
        return Err(Failure::unsupported("tools", "This model has no tools."));
    }
    let (mut body, dropped) = fields(call, request, &[COMMON, GENERATE]);
    let mut prompt = String::new();
    for (index, message) in request.messages().iter().enumerate() {
        let text = text(index, message)?;
        match message.role.as_deref() {
            _ if request.messages().len() == 1 => prompt = text,
            Some("assistant") => prompt.extend(["Chatbot: ", &text, "\n"]),
            Some("system") => prompt.extend([&text, "\n\n"]),
            _ => prompt.extend(["User: ", &text, "\n"]),
        }
    }
    if request.messages().len() > 1 {
        prompt.push_str("Chatbot:");
    }
    body.insert("prompt".to_owned(), prompt.into());
    send("/v1/generate", &body, dropped)
}

fn send(path: &str, body: &Map<String, Value>, dropped: Vec<String>) -> Result<UpstreamRequest, Failure> {
    Ok(UpstreamRequest { framing: Framing::Ndjson, dropped, ..UpstreamRequest::post_json(path, body)? })
}

/// Writes the conversation: `message` or `tool_results` is what is new, `chat_history` all before it, `preamble` what
/// leads.
fn converse(body: &mut Map<String, Value>, request: &ChatRequest) -> Result<(), Failure> {
    let (mut preamble, mut turns) = (Vec::new(), Vec::<Value>::new());
    for (index, message) in request.messages().iter().enumerate() {
        let text = text(index, message)?;
        let speaker = match message.role.as_deref() {
            Some("system") if turns.is_empty() => {
                preamble.push(text);
                continue;
            }
            Some("tool") => {
                let result =
                    object(vec![("call", request.call_of(index).map(tool_call).into()), ("outputs", outputs(&text))]);
                match turns.last_mut().and_then(|turn| turn.get_mut("tool_results")?.as_array_mut()) {
                    Some(results) => results.push(result.into()),
                    None => {
                        let results = vec![Value::from(result)];
                        turns.push(object(vec![("role", "TOOL".into()), ("tool_results", results.into())]).into());
                    }
                }
                continue;
            }
            Some("system") => "SYSTEM",
            Some("assistant") => "CHATBOT",
            _ => "USER",
        };
        let mut turn = object(vec![("role", speaker.into()), ("message", text.into())]);
        if let Some(calls) = &message.tool_calls {
            turn.insert("tool_calls".to_owned(), calls.iter().map(tool_call).collect());
        }
        turns.push(turn.into());
    }
    let mut last = turns.pop().unwrap_or_default();
    match last["role"].as_str() {
        Some("USER") => drop(body.insert("message".to_owned(), last["message"].take())),
        Some("TOOL") => {
            body.extend([("message".to_owned(), "".into()), ("tool_results".to_owned(), last["tool_results"].take())]);
        }
        _ => return Err(Failure::invalid_field("messages", "The last message has to be the user's, or a result.")),
    }
    body.extend((!turns.is_empty()).then(|| ("chat_history".to_owned(), turns.into())));
    if !preamble.is_empty() {
        body.entry("preamble").or_insert_with(|| preamble.join("\n\n").into());
    }
    Ok(())
}

fn text(index: usize, message: &Message) -> Result<String, Failure> {
    message.expect_parts(index, &["text"])?;
    Ok(message.content.as_ref().map(Content::joined).unwrap_or_default().into_string())
}

fn tool_call(call: &ToolCall) -> Value {
    let Some(function) = &call.function else { return Value::Null };
    let parameters = function.object(String::new).ok();
    let parameters = parameters.and_then(|object| serde_json::to_value(object).ok());
    let parameters = parameters.unwrap_or_else(|| Map::new().into());
    object(vec![("name", function.name.as_deref().into()), ("parameters", parameters)]).into()
}

/// The result of a tool as v1 wants it: a list of objects.
fn outputs(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(output @ Value::Object(_)) => vec![output].into(),
        Ok(Value::Array(outputs)) if outputs.iter().all(Value::is_object) => outputs.into(),
        _ => vec![Value::from(object(vec![("output", text.into())]))].into(),
    }
}

/// A tool as v1 wants it: with definitions of its parameters in place of a schema.
fn tool(tool: &Tool) -> Value {
    let Some(function) = &tool.function else { return Value::Null };
    let schema = function.parameters.as_ref().and_then(|schema| serde_json::from_str(schema.get()).ok());
    let schema: Value = schema.unwrap_or_default();
    let definition = |(name, property): (&String, &Value)| {
        let kind = TYPES.iter().find(|(kind, _)| property["type"] == *kind).map_or("str", |(_, python)| python);
        let required = schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        let description = property["description"].as_str().unwrap_or_default();
        let fields = vec![("description", description.into()), ("type", (*kind).into()), ("required", required.into())];
        (name.clone(), object(fields).into())
    };
    let definitions: Map<_, _> = schema["properties"].as_object().into_iter().flatten().map(definition).collect();
    let (name, description) = (function.name.as_deref(), function.description.as_deref().unwrap_or_default());
    let fields =
        vec![("name", name.into()), ("description", description.into()), ("parameter_definitions", definitions.into())];
    object(fields).into()
}
