//! Canonical requests as Mistral takes them. A field that it does not know is an error there, so only those go that it
//! knows.

mod messages;
mod tools;

use serde_json::{Map, Value, json};
use weir_plugin::openai::{self, EmbeddingRequest, Tool, ToolChoice, asks_for_something, dropped_fields, take_fields};
use weir_plugin::{Call, Failure, ResponseMode, UpstreamRequest};

use self::messages::Turn;
use crate::settings::Settings;

/// The fields of a chat that Mistral has under OpenAI's names.
const CHAT_FIELDS: &str = "parallel_tool_calls max_tokens max_completion_tokens:max_tokens temperature top_p top_k n \
                           stop presence_penalty frequency_penalty logprobs top_logprobs response_format \
                           reasoning_effort prediction metadata prompt_cache_key";

/// Fields that other APIs do not have.
const OWN_FIELDS: &str = "random_seed safe_prompt prompt_mode guardrails min_tokens repetition_penalty prompt_logprobs \
                          top_prompt_logprobs document_image_limit document_page_limit";

/// The fields of a request for embeddings.
const EMBEDDING_FIELDS: &str = "input output_dimension output_dtype metadata dimensions:output_dimension";

weir_plugin::document! {
    /// A request. Of most fields it is enough to know that they are there.
    pub struct Body<'a> {
        /// Of a chat: the conversation so far.
        messages: Vec<Turn<'a>>,
        /// Of a chat: the tools that the model may call.
        tools: Vec<Tool<'a>>,
        /// Of a chat: which of them it may or must call.
        tool_choice: ToolChoice<'a>,
    }
}

/// A chat.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let Body { messages, tools, tool_choice, extra: mut fields } = openai::parse(document)?;
    for name in ["modalities", "functions"] {
        if fields.get(name).is_some_and(|value| asks_for_something(name, value)) {
            return Err(Failure::unsupported(name, format!("This provider does not support '{name}'.")));
        }
    }
    let mut extra = take_fields(&mut fields, CHAT_FIELDS);
    if let Some(content) = extra.get_mut("prediction").and_then(|prediction| prediction.get_mut("content"))
        && let Some(parts) = content.as_array()
    {
        *content = parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>().into();
    }
    let mut tools = tools.unwrap_or_default();
    // What is said of tools without any is refused.
    let tool_choice = tools::rewrite(&mut tools, tool_choice)?;
    extra.retain(|name, _| !tools.is_empty() || name != "parallel_tool_calls");
    let messages = Some(messages::rewrite(settings, messages.unwrap_or_default())?);
    let tools = Some(tools).filter(|tools| !tools.is_empty());
    post(call, "/chat/completions", Body { messages, tools, tool_choice, extra }, fields)
}

/// A completion: a gap in code to fill, for which Mistral has an endpoint of its own, or else a chat of one message. The
/// endpoint for gaps has no penalties, and gives one answer.
pub fn completion(call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut fields: Map<String, Value> = openai::parse(document)?;
    let prompt = match fields.shift_remove("prompt") {
        Some(Value::Array(mut prompts)) if prompts.len() == 1 => prompts.remove(0),
        prompt => prompt.unwrap_or_default(),
    };
    if !prompt.is_string() {
        return Err(Failure::unsupported("prompt", "This provider takes one prompt at a time, and that as text."));
    }
    let is_gap = |suffix: &Value| suffix.as_str().is_some_and(|suffix| !suffix.is_empty());
    let suffix = fields.shift_remove("suffix").filter(is_gap);
    let fills_gap = suffix.is_some() || call.model.starts_with("codestral");
    let mut sent = take_fields(&mut fields, "max_tokens temperature top_p stop");
    sent.extend(suffix.map(|suffix| ("suffix".to_owned(), suffix)));
    if fills_gap {
        if fields.get("n").is_some_and(|n| asks_for_something("n", n)) {
            return Err(Failure::unsupported("n", "This provider fills a gap in one way at a time."));
        }
        sent.insert("prompt".to_owned(), prompt);
    } else {
        sent.extend(take_fields(&mut fields, "n presence_penalty frequency_penalty"));
        sent.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }]));
    }
    let path = if fills_gap { "/fim/completions" } else { "/chat/completions" };
    post(call, path, Body { extra: sent, ..Body::default() }, fields)
}

/// Embeddings. Mistral answers in the canonical form, with numbers: base64 is for the host to make.
pub fn embeddings(call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    request.texts()?;
    let (mut body, dropped) = request.fields(&[EMBEDDING_FIELDS]);
    body.insert("model".to_owned(), call.model.as_str().into());
    let request = UpstreamRequest::post_json("/embeddings", &body)?.with_client_headers(call);
    Ok(UpstreamRequest { response: ResponseMode::Forward, dropped, ..request })
}

/// A chat or a completion with this body, those of Mistral's own among `others`, and the seed under its own name. What
/// else there is is dropped.
fn post(
    call: &Call,
    path: &str,
    mut body: Body<'_>,
    mut others: Map<String, Value>,
) -> Result<UpstreamRequest, Failure> {
    body.extra.insert("model".to_owned(), call.model.as_str().into());
    others.shift_remove("model");
    body.extra.extend(call.stream.then(|| ("stream".to_owned(), true.into())));
    body.extra.extend(take_fields(&mut others, OWN_FIELDS));
    // Mistral counts its seeds from 0.
    if others.get("seed").is_some_and(Value::is_u64) {
        let seed = others.shift_remove("seed").unwrap_or_default();
        body.extra.entry("random_seed").or_insert(seed);
    }
    let request = UpstreamRequest::post_json(path, &body)?.with_client_headers(call);
    Ok(UpstreamRequest { dropped: dropped_fields(&others), ..request })
}
