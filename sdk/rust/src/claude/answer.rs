//! A whole answer of the Messages API as a canonical chat completion.

use crate::openai::{completion_id, now, to_json, tool_call_id};
use crate::{Call, Failure};
use serde_json::value::RawValue;

use super::failure;
use super::pieces::{self, Citations};
use super::wire::{Block, Message, finish_reason, refusal};
use crate::json::{Json, characters, string_body};

/// Translates the body of an answer with a 2xx status. `legacy` says that the client speaks of functions, not tools.
pub fn answer(call: &Call, legacy: bool, body: &str) -> Result<String, Failure> {
    let message: Message = serde_json::from_str(body).map_err(|_| failure::unreadable(body))?;
    let Some(blocks) = &message.content else {
        return Err(failure::of_answer(body));
    };
    let mut parts = Parts { legacy, content: String::with_capacity(body.len()), ..Parts::default() };
    blocks.iter().for_each(|block| parts.add(call, block));

    let mut json = Json::with_capacity(body.len() + 512);
    json.open('{').key("id");
    match string_body(message.id).filter(|id| !id.is_empty()) {
        Some(id) => json.body(id),
        None => json.string(&completion_id(call)),
    };
    json.key("object").body("chat.completion").key("created").number(now()).key("model");
    match string_body(message.model) {
        Some(model) => json.body(model),
        None => json.string(&call.model),
    };
    json.key("choices").open('[').open('{').key("index").number(0).key("message");
    parts.write(&mut json, refusal(message.stop_reason, message.stop_details));
    let finish = finish_reason(message.stop_reason, parts.calls > 0, legacy);
    json.key("logprobs").raw("null").key("finish_reason").body(finish.as_str());
    if let Some(reason) = string_body(message.stop_reason) {
        json.key("native_finish_reason").body(reason);
    }
    json.close('}').close(']');
    if let Some(usage) = message.usage {
        json.key("usage").raw(&to_json(&usage.canonical())?);
        if let Some(tier) = usage.service_tier() {
            json.key("service_tier").body(tier);
        }
    }
    json.close('}');
    Ok(json.into_string())
}

/// The parts of the canonical message, gathered from the blocks. Strings are string bodies.
#[derive(Default)]
struct Parts {
    legacy: bool,
    content: String,
    characters: usize,
    reasoning: String,
    thinking: Json,
    thinking_blocks: u32,
    tool_calls: Json,
    function_call: Json,
    calls: u32,
    citations: Citations,
}

impl Parts {
    /// Takes over one block. Server-side tools, their results and unknown kinds are not for the client.
    fn add(&mut self, call: &Call, block: &Block) {
        match &*block.kind {
            "text" => self.add_text(block),
            "thinking" => {
                let thinking = string_body(block.thinking).unwrap_or("");
                let signature = string_body(block.signature).unwrap_or("");
                self.reasoning.push_str(thinking);
                pieces::thinking_block(&mut self.thinking, self.thinking_blocks, thinking, signature);
                self.thinking_blocks += 1;
            }
            "redacted_thinking" => {
                let data = string_body(block.data).unwrap_or("");
                pieces::redacted_block(&mut self.thinking, self.thinking_blocks, data);
                self.thinking_blocks += 1;
            }
            "tool_use" => self.add_call(call, block),
            _ => {}
        }
    }

    fn add_text(&mut self, block: &Block) {
        let text = string_body(block.text).unwrap_or("");
        let start = self.characters;
        self.content.push_str(text);
        self.characters += characters(text);
        let citations: Vec<&RawValue> =
            block.citations.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default();
        for citation in citations {
            self.citations.add(citation.get(), start, self.characters);
        }
    }

    fn add_call(&mut self, call: &Call, block: &Block) {
        let name = string_body(block.name).unwrap_or("");
        let arguments = pieces::arguments(block.input);
        if self.calls == 0 {
            pieces::function(&mut self.function_call, name, &arguments);
        }
        let id = pieces::call_id(block.id, || tool_call_id(call, self.calls));
        pieces::tool_call(&mut self.tool_calls, None, &id, name, &arguments);
        self.calls += 1;
    }

    fn write(&mut self, json: &mut Json, refusal: Option<&str>) {
        json.open('{').key("role").body("assistant").key("content");
        if self.content.is_empty() && self.calls > 0 {
            json.raw("null");
        } else {
            json.body(&self.content);
        }
        json.key("refusal");
        match refusal {
            Some(refusal) => json.body(refusal),
            None => json.raw("null"),
        };
        if !self.reasoning.is_empty() {
            json.key("reasoning_content").body(&self.reasoning);
        }
        if !self.thinking.is_empty() {
            json.key("thinking_blocks").open('[').raw(self.thinking.as_str()).close(']');
        }
        if self.calls > 0 && self.legacy {
            json.key("function_call").raw(self.function_call.as_str());
        } else if self.calls > 0 {
            json.key("tool_calls").open('[').raw(self.tool_calls.as_str()).close(']');
        }
        self.citations.write(json);
        json.close('}');
    }
}
