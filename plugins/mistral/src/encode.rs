//! Canonical requests as Mistral takes them. A field that it does not know is an error there, so only those go that it
//! knows.

mod messages;
mod tools;

use serde_json::{Map, Value, json};
use weir_plugin::openai::{self, Tool, asks_for_something, dropped_fields};
use weir_plugin::{Call, Failure, Operation, ResponseMode, UpstreamRequest};

use self::messages::Turn;
use crate::settings::Settings;

/// The fields of a chat that Mistral has under OpenAI's names.
const CHAT_FIELDS: &str = "tool_choice parallel_tool_calls max_tokens temperature top_p top_k n stop presence_penalty \
                           frequency_penalty logprobs top_logprobs response_format reasoning_effort prediction \
                           metadata prompt_cache_key";

/// Fields that other APIs do not have.
const OWN_FIELDS: &str = "random_seed safe_prompt prompt_mode guardrails min_tokens repetition_penalty prompt_logprobs \
                          top_prompt_logprobs document_image_limit document_page_limit";

weir_plugin::document! {
    /// A request. Of most fields it is enough to know that they are there.
    pub struct Body<'a> {
        /// Of a chat: the conversation so far.
        messages: Vec<Turn<'a>>,
        /// Of a chat: the tools that the model may call.
        tools: Vec<Tool<'a>>,
    }
}

/// A chat.
pub fn chat(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let Body { messages, tools, extra: mut fields } = openai::parse(document)?;
    for name in ["modalities", "functions"] {
        if fields.get(name).is_some_and(|value| asks_for_something(name, value)) {
            return Err(Failure::unsupported(name, format!("This provider does not support '{name}'.")));
        }
    }
    let mut extra = take(&mut fields, CHAT_FIELDS);
    extra
        .extend(take(&mut fields, "max_completion_tokens").into_values().map(|limit| ("max_tokens".to_owned(), limit)));
    if let Some(content) = extra.get_mut("prediction").and_then(|prediction| prediction.get_mut("content"))
        && let Some(parts) = content.as_array()
    {
        *content = parts.iter().filter_map(|part| part["text"].as_str()).collect::<String>().into();
    }
    let tools = tools::rewrite(tools.unwrap_or_default(), &mut extra)?;
    let messages = messages::rewrite(settings, messages.unwrap_or_default())?;
    post(call, "/chat/completions", Body { messages: Some(messages), tools, extra }, fields)
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
    let mut sent = take(&mut fields, "max_tokens temperature top_p stop");
    sent.extend(suffix.map(|suffix| ("suffix".to_owned(), suffix)));
    if fills_gap {
        if fields.get("n").is_some_and(|n| asks_for_something("n", n)) {
            return Err(Failure::unsupported("n", "This provider fills a gap in one way at a time."));
        }
        sent.insert("prompt".to_owned(), prompt);
    } else {
        sent.extend(take(&mut fields, "n presence_penalty frequency_penalty"));
        sent.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt }]));
    }
    let path = if fills_gap { "/fim/completions" } else { "/chat/completions" };
    post(call, path, Body { extra: sent, ..Body::default() }, fields)
}

/// Embeddings. Mistral answers in the canonical form, with numbers: base64 is for the host to make.
pub fn embeddings(call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut fields: Map<String, Value> = openai::parse(document)?;
    let is_text = match fields.get("input") {
        Some(Value::Array(inputs)) => inputs.iter().all(Value::is_string),
        input => input.is_some_and(Value::is_string),
    };
    if !is_text {
        let message = "This provider takes 'input' as text or as a list of texts, not as the numbers of tokens.";
        return Err(Failure::invalid_field("input", message));
    }
    let mut sent = take(&mut fields, "input output_dimension output_dtype metadata");
    sent.extend(take(&mut fields, "dimensions").into_values().map(|count| ("output_dimension".to_owned(), count)));
    fields.shift_remove("encoding_format");
    let request = post(call, "/embeddings", Body { extra: sent, ..Body::default() }, fields)?;
    Ok(UpstreamRequest { response: ResponseMode::Forward, ..request })
}

/// A request with this body, those of Mistral's own among `others`, and the seed under its own name. What else there
/// is is dropped.
fn post(
    call: &Call,
    path: &str,
    mut body: Body<'_>,
    mut others: Map<String, Value>,
) -> Result<UpstreamRequest, Failure> {
    body.extra.insert("model".to_owned(), call.model.as_str().into());
    others.shift_remove("model");
    if call.operation != Operation::Embeddings {
        body.extra.extend(call.stream.then(|| ("stream".to_owned(), true.into())));
        body.extra.extend(take(&mut others, OWN_FIELDS));
        // Mistral counts its seeds from 0.
        if others.get("seed").is_some_and(Value::is_u64) {
            let seed = others.shift_remove("seed").unwrap_or_default();
            body.extra.entry("random_seed").or_insert(seed);
        }
    }
    let request = UpstreamRequest::post_json(path, &body)?.with_client_headers(call);
    Ok(UpstreamRequest { dropped: dropped_fields(&others), ..request })
}

/// A question for the list of models.
pub fn models(call: &Call) -> UpstreamRequest {
    UpstreamRequest::get("/models").with_client_headers(call)
}

/// Takes the fields with these names, which have blanks between them.
fn take(fields: &mut Map<String, Value>, names: &str) -> Map<String, Value> {
    let taken = names.split(' ').filter_map(|name| Some((name.to_owned(), fields.shift_remove(name)?)));
    taken.filter(|(_, value)| !value.is_null()).collect()
}
