//! A canonical chat request as one of `/v2/chat`.
//!
//! v2 is close to OpenAI's form: messages, parts and tools keep their shapes and lose what Cohere does not know.

use serde_json::{Map, Value, json};
use weir_plugin::openai::{self, ChatRequest, Content, Message, Tool, ToolCall, ToolUse, WantedJson};
use weir_plugin::{Call, Failure, UpstreamRequest};

use crate::settings::{Api, Reasoning, Settings};
use crate::v1;

/// What an answer has to be told of its request: that the client speaks of functions, not tools.
pub const LEGACY: &str = "functions";

/// The fields that all forms of the API have. Cohere's own win over what is made of OpenAI's, in all tables.
pub const COMMON: &str = "max_tokens temperature seed frequency_penalty presence_penalty top_p:p top_k:k p k";

/// The fields that v2 has besides.
const V2: &str = "logprobs response_format: reasoning_effort: stop:stop_sequences stop_sequences
    citation_options documents priority safety_mode strict_tools thinking";

/// How many tokens a model may think for at an effort. At a higher one it may think for as many as it likes.
const BUDGETS: [(&str, u64); 3] = [("minimal", 512), ("low", 1024), ("medium", 4096)];

/// Translates a chat request.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut request: ChatRequest = openai::parse(document)?;
    request.expect_one_text()?;
    let legacy = request.normalize()?;
    let choice = request.choose_tools()?;
    let mut upstream = match settings.api(&call.model, &request.extra) {
        Api::V1Chat => v1::chat(call, &request, choice)?,
        Api::V1Generate => v1::generate(call, &request)?,
        Api::V2 | Api::Auto => v2(settings, call, request, choice)?,
    };
    // Functions come one at a time by their nature: there is nothing to tell of.
    upstream.dropped.retain(|name| !legacy || name != "parallel_tool_calls");
    upstream.carry = legacy.then(|| LEGACY.to_owned());
    Ok(upstream)
}

/// The fields of `tables` that the client sent, with the model, and the names of those that are left out.
pub fn fields(call: &Call, request: &ChatRequest, tables: &[&str]) -> (Map<String, Value>, Vec<String>) {
    let (mut fields, dropped) = request.fields(tables);
    fields.insert("model".to_owned(), call.model.as_str().into());
    if call.stream {
        fields.insert("stream".to_owned(), true.into());
    }
    (fields, dropped)
}

/// The form of the answer. `schema` is the name of the field that holds it.
pub fn response_format(request: &ChatRequest, schema: &str) -> Option<Value> {
    request.wanted_json().map(|wanted| match wanted {
        WantedJson::Object => json!({"type": "json_object"}),
        WantedJson::Schema(it) => json!({"type": "json_object", schema: it}),
    })
}

fn v2(settings: &Settings, call: &Call, mut request: ChatRequest, choice: ToolUse) -> Result<UpstreamRequest, Failure> {
    let (mut extra, mut dropped) = fields(call, &request, &[COMMON, V2]);
    extra.extend(response_format(&request, "json_schema").map(|format| ("response_format".to_owned(), format)));
    if let Some(thinking) = extra.get_mut("thinking") {
        in_coheres_words(thinking, request.reasoning_effort.as_deref());
    }
    match (request.reasoning_effort.as_deref(), settings.reasoning) {
        (Some(effort), Reasoning::Thinking) => drop(extra.entry("thinking").or_insert_with(|| thinking(effort))),
        (Some(_), Reasoning::Drop) => dropped.push("reasoning_effort".to_owned()),
        (None, _) => {}
    }
    let mut tools: Vec<Tool> = request.tools.take().into_iter().flatten().collect();
    // The switch is one for all tools. It stays off if one of them would not work with it.
    match tools.iter().filter(|tool| is_strict(tool)).count() {
        0 => {}
        count if count == tools.len() && tools.iter().all(|tool| can_be_strict(tool)) => {
            extra.entry("strict_tools").or_insert(true.into());
        }
        _ => dropped.push("tools.function.strict".to_owned()),
    }
    match choice {
        ToolUse::Required if !tools.is_empty() => drop(extra.insert("tool_choice".to_owned(), "REQUIRED".into())),
        ToolUse::None if !tools.is_empty() => drop(extra.insert("tool_choice".to_owned(), "NONE".into())),
        _ => {}
    }
    for (index, message) in request.messages.iter_mut().flatten().enumerate() {
        strip(index, message)?;
    }
    tools.iter_mut().for_each(strip_tool);
    let tools = Some(tools).filter(|tools| !tools.is_empty());
    let body = ChatRequest { messages: request.messages, tools, extra, ..Default::default() };
    Ok(UpstreamRequest { dropped, ..UpstreamRequest::post_json("/v2/chat", &body)? })
}

fn thinking(effort: &str) -> Value {
    match BUDGETS.iter().find(|(known, _)| *known == effort) {
        _ if effort == "none" => json!({"type": "disabled"}),
        Some((_, budget)) => json!({"type": "enabled", "token_budget": budget}),
        None => json!({"type": "enabled"}),
    }
}

/// Clients that know Anthropic's API call the budget by its name there, or leave it to the model.
fn in_coheres_words(given: &mut Value, effort: Option<&str>) {
    if given["type"] == "adaptive" {
        *given = effort.map_or_else(|| json!({"type": "enabled"}), thinking);
    } else if let Some(budget) = given.get("budget_tokens").cloned() {
        *given = json!({"type": given["type"], "token_budget": budget});
    }
}

fn is_strict(tool: &Tool) -> bool {
    tool.function.as_ref().is_some_and(|function| function.strict == Some(true))
}

/// Cohere demands of a strict tool that at least one of its parameters is required.
fn can_be_strict(tool: &Tool) -> bool {
    let schema = tool.function.as_ref().and_then(|function| function.parameters.as_ref());
    let schema: Value = schema.and_then(|schema| serde_json::from_str(schema.get()).ok()).unwrap_or_default();
    schema["required"].as_array().is_some_and(|required| !required.is_empty())
}

/// Takes from a tool what Cohere does not know.
fn strip_tool(tool: &mut Tool) {
    (tool.kind, tool.extra) = (Some("function".into()), Map::new());
    if let Some(function) = &mut tool.function {
        (function.strict, function.extra) = (None, Map::new());
    }
}

/// Takes from a call what Cohere does not know.
fn strip_call(call: &mut ToolCall) {
    call.extra = Map::new();
    if let Some(function) = &mut call.function {
        function.extra = Map::new();
    }
}

/// Takes from a message what Cohere does not know.
fn strip(index: usize, message: &mut Message) -> Result<(), Failure> {
    let kinds = match message.role.as_deref() {
        Some("user") => ["text", "image_url"],
        Some("tool") => ["text", "document"],
        _ => ["text", "thinking"],
    };
    message.expect_parts(index, &kinds)?;
    message.name = None;
    message.extra.retain(|name, value| name == "tool_plan" && !value.is_null());
    if let Some(Content::Parts(parts)) = &mut message.content {
        parts.iter_mut().for_each(|part| drop(part.extra.shift_remove("cache_control")));
    }
    // What the model thought belongs to the calls that follow from it. Later turns do without.
    match (&mut message.tool_calls, message.reasoning_content.take()) {
        (None, _) => drop(message.content.get_or_insert(Content::text(""))),
        (Some(calls), thought) => {
            calls.iter_mut().for_each(strip_call);
            if let Some(thought) = thought {
                message.extra.entry("tool_plan").or_insert_with(|| thought.into_string().into());
            }
        }
    }
    Ok(())
}
