//! What clients of the Responses API send and get. Every test is a table: what goes in, what comes out.

mod answers;
mod items;
mod requests;
mod round_trip;
mod streams;

use serde_json::{Value, json};

use super::*;

/// A request that asks for nothing special.
fn plain() -> Value {
    json!({ "model": "m", "input": "Hello" })
}

/// A plain request with these fields over its own.
fn with(fields: Value) -> Value {
    let mut request = plain();
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

/// What a request becomes.
fn translate(body: &Value) -> Result<Value, Error> {
    request(body.to_string().as_bytes(), "req_t").map(|translated| serde_json::from_str(&translated.document).unwrap())
}

/// The Response that a request gets if this is the answer. The ids are without their random letters.
fn respond(body: &Value, answer: &Value) -> Value {
    let mut back = request(body.to_string().as_bytes(), "req_t").unwrap().back;
    let response = back.answer(answer.to_string().as_bytes()).unwrap();
    let response = String::from_utf8(response.to_vec()).unwrap();
    serde_json::from_str(&without_letters(&response)).unwrap()
}

/// Text without the letters that all its ids share.
fn without_letters(text: &str) -> String {
    let (_, letters) = text.split_once("\"resp_").unwrap();
    let (letters, _) = letters.split_once('"').unwrap();
    assert!(letters.len() == 17 && letters.starts_with('t'), "{letters}");
    text.replace(letters, "")
}

/// A canonical answer with this message.
fn answer(message: Value, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "upstream-model",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason }],
        "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
    })
}

/// A canonical chunk with this delta.
fn chunk(delta: Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "upstream-model",
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }],
    })
}

/// The chunk that ends the only choice.
fn finish(reason: &str) -> Value {
    let mut chunk = chunk(json!({}));
    chunk["choices"][0]["finish_reason"] = reason.into();
    chunk
}
