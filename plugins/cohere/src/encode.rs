//! A canonical chat request as one of `/v2/chat`.
//!
//! v2 is close to OpenAI's form: messages, parts and tools keep their shapes and lose what Cohere does not know.

use serde_json::{Map, Value};
use weir_plugin::json::object;
use weir_plugin::openai::{self, ChatRequest, Content, FunctionTool, Message, ToolUse, WantedJson};
use weir_plugin::{Call, Failure, UpstreamRequest};

use crate::settings::{Api, Reasoning, Settings};
use crate::v1;

/// The fields that all forms of the API have. Cohere's own win over what is made of OpenAI's, in all tables.
pub const COMMON: &str = "max_tokens temperature seed frequency_penalty presence_penalty top_p:p top_k:k p k";

/// The fields that v2 has besides.
const V2: &str = "logprobs response_format: reasoning_effort: stop:stop_sequences stop_sequences
    citation_options documents priority safety_mode strict_tools thinking";

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
    upstream.carry = openai::carry(legacy);
    Ok(upstream)
}

/// The fields of `tables` that the client sent, with the model, and the names of those that are left out.
pub fn fields(call: &Call, request: &ChatRequest, tables: &[&str]) -> (Map<String, Value>, Vec<String>) {
    let (mut fields, dropped) = request.fields(tables);
    fields.insert("model".to_owned(), call.model.as_str().into());
    fields.extend(call.stream.then(|| ("stream".to_owned(), true.into())));
    (fields, dropped)
}

/// The form of the answer, if it must have one. `schema` is the name of the field that holds it.
pub fn response_format(request: &ChatRequest, schema: &str) -> Option<(String, Value)> {
    let mut format = object(vec![("type", "json_object".into())]);
    if let WantedJson::Schema(wanted) = request.wanted_json()? {
        format.insert(schema.to_owned(), serde_json::from_str(wanted.get()).unwrap_or_default());
    }
    Some(("response_format".to_owned(), format.into()))
}

fn v2(settings: &Settings, call: &Call, mut request: ChatRequest, choice: ToolUse) -> Result<UpstreamRequest, Failure> {
    let (mut extra, mut dropped) = fields(call, &request, &[COMMON, V2]);
    extra.extend(response_format(&request, "json_schema"));
    let effort = request.reasoning_effort.as_deref();
    match extra.get_mut("thinking") {
        // Clients that know Anthropic's API leave the budget to the model, or call it by its name there.
        Some(given) if given["type"] == "adaptive" => *given = thinking(effort.unwrap_or_default()),
        Some(given) if given.get("budget_tokens").is_some() => {
            let fields = vec![("type", given["type"].take()), ("token_budget", given["budget_tokens"].take())];
            *given = object(fields).into();
        }
        Some(_) => {}
        None if settings.reasoning == Reasoning::Drop => {}
        None => extra.extend(effort.map(|effort| ("thinking".to_owned(), thinking(effort)))),
    }
    dropped.extend(effort.filter(|_| settings.reasoning == Reasoning::Drop).map(|_| "reasoning_effort".to_owned()));
    // The switch is one for all tools. It stays off if one of them would not work with it.
    let functions: Vec<_> = request.tools().iter().filter_map(|tool| tool.function.as_ref()).collect();
    let is_strict = |function: &&FunctionTool| function.strict == Some(true);
    if functions.iter().any(is_strict) {
        match functions.iter().all(|function| is_strict(function) && requires_something(function)) {
            true => drop(extra.entry("strict_tools").or_insert(true.into())),
            false => dropped.push("tools.function.strict".to_owned()),
        }
    }
    let tool_choice = [(ToolUse::Required, "REQUIRED"), (ToolUse::None, "NONE")];
    let tool_choice = tool_choice.into_iter().find(|(known, _)| *known == choice && !functions.is_empty());
    extra.extend(tool_choice.map(|(_, word)| ("tool_choice".to_owned(), word.into())));
    request.strip("tool_plan");
    for (index, message) in request.messages.iter_mut().flatten().enumerate() {
        rewrite(index, message)?;
    }
    let tools = request.tools.filter(|tools| !tools.is_empty());
    let body = ChatRequest { messages: request.messages, tools, extra, ..Default::default() };
    Ok(UpstreamRequest { dropped, ..UpstreamRequest::post_json("/v2/chat", &body)? })
}

/// How long a model may think at an effort, in tokens. At a higher one it may think for as many as it likes.
fn thinking(effort: &str) -> Value {
    let (kind, budget) = match effort {
        "none" => ("disabled", None),
        "minimal" => ("enabled", Some(512)),
        "low" => ("enabled", Some(1024)),
        "medium" => ("enabled", Some(4096)),
        _ => ("enabled", None),
    };
    let mut thinking = object(vec![("type", kind.into())]);
    thinking.extend(budget.map(|budget| ("token_budget".to_owned(), budget.into())));
    thinking.into()
}

/// Cohere demands of a strict tool that at least one of its parameters is required.
fn requires_something(function: &FunctionTool) -> bool {
    let schema = function.parameters.as_ref().and_then(|schema| serde_json::from_str(schema.get()).ok());
    schema.is_some_and(|schema: Value| schema["required"].as_array().is_some_and(|names| !names.is_empty()))
}

/// Writes a message as Cohere has it.
fn rewrite(index: usize, message: &mut Message) -> Result<(), Failure> {
    let kinds = match message.role.as_deref() {
        Some("user") => ["text", "image_url"],
        Some("tool") => ["text", "document"],
        _ => ["text", "thinking"],
    };
    message.expect_parts(index, &kinds)?;
    message.name = None;
    // What the model thought belongs to the calls that follow from it. Later turns do without.
    match (&message.tool_calls, message.reasoning_content.take()) {
        (None, _) => drop(message.content.get_or_insert(Content::text(""))),
        (Some(_), Some(thought)) => {
            message.extra.entry("tool_plan").or_insert_with(|| thought.into_string().into());
        }
        (Some(_), None) => {}
    }
    Ok(())
}
