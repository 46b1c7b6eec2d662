//! What an upstream needs back in a later turn: the blocks of a message, sent back by a client that keeps nothing but
//! what the dialect has, are the canonical message again.

use serde_json::{Value, json};

use super::{dialect, streams};
use crate::dialect::messages::request;

/// The canonical message that these blocks of the assistant become. Fields that the dialect does not have are lost.
fn sent_back(mut blocks: Value) -> Value {
    for block in blocks.as_array_mut().unwrap() {
        block.as_object_mut().unwrap().remove("extra_content");
    }
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [
        { "role": "user", "content": "Hi" }, { "role": "assistant", "content": blocks },
    ] });
    let translated = request(body.to_string().as_bytes(), "req_1").unwrap();
    serde_json::from_str::<Value>(&translated.document).unwrap()["messages"][1].take()
}

fn signed_call(id: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" },
        "extra_content": { "google": { "thought_signature": format!("of {id}") } } })
}

#[test]
fn a_message_comes_back_as_it_was() {
    let google = json!({ "google": { "thought_signature": "t" } });
    let signed = json!([{ "type": "thinking", "thinking": "Hm.", "signature": "s" }]);
    let details = json!([
        { "type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "v1", "index": 0 },
        { "type": "reasoning.encrypted", "data": "d", "id": "r", "index": 1 },
    ]);
    for mut message in [
        json!({ "content": "Hi" }),
        json!({ "content": "Hi", "reasoning_content": "Hm." }),
        json!({ "content": "Hi", "reasoning_content": "Hm.", "thinking_blocks": signed }),
        json!({ "content": null, "reasoning_content": "Hm.", "reasoning_details": details,
            "tool_calls": [signed_call("a"), signed_call("b")] }),
        json!({ "content": "Hi", "reasoning_details": details }),
        json!({ "content": null, "reasoning_details": details }),
        json!({ "content": "Hi", "extra_content": google, "tool_calls": [signed_call("a")] }),
    ] {
        message["role"] = "assistant".into();
        let answer = json!({ "model": "m", "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] });
        let whole = dialect(&[]).answer(answer.to_string().as_bytes()).unwrap();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(sent_back(whole["content"].clone()), message);

        // A stream may tell it all at once.
        let mut delta = message.clone();
        for call in delta["tool_calls"].as_array_mut().into_iter().flatten() {
            call["index"] = call["id"].as_str().map_or(0, |id| u8::from(id == "b")).into();
        }
        for block in delta["thinking_blocks"].as_array_mut().into_iter().flatten() {
            block["index"] = 0.into();
        }
        assert_eq!(sent_back(streamed(&[delta, json!({})])), message);
    }
}

#[test]
fn what_comes_in_pieces_or_late_finds_its_message() {
    let google = |signature: &str| json!({ "google": { "thought_signature": signature } });
    let details = |detail: Value| json!({ "reasoning_details": [detail] });
    let mut begun = signed_call("a");
    begun["index"] = 0.into();
    let blocks = streamed(&[
        json!({ "reasoning_content": "H", "reasoning_details": [{ "type": "reasoning.text", "text": "H", "index": 0 }] }),
        json!({ "reasoning_content": "m", "reasoning_details": [{ "type": "reasoning.text", "text": "m", "index": 0 }] }),
        details(json!({ "type": "reasoning.text", "signature": "s", "text": null, "index": 0 })),
        json!({ "content": "So" }),
        json!({ "content": "", "extra_content": google("t") }),
        json!({ "tool_calls": [begun] }),
        details(json!({ "type": "reasoning.encrypted", "data": "d", "index": 1 })),
        json!({}),
    ]);
    let kinds: Vec<_> = blocks.as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "redacted_thinking"]);
    let expected = json!({ "role": "assistant", "content": "So", "reasoning_content": "Hm",
        "reasoning_details": [
            { "type": "reasoning.text", "text": "Hm", "signature": "s", "index": 0 },
            { "type": "reasoning.encrypted", "data": "d", "index": 1 },
        ],
        "extra_content": google("t"), "tool_calls": [signed_call("a")] });
    assert_eq!(sent_back(blocks), expected);
}

/// The blocks of a stream of these deltas, the last of which ends it, put together as a client does.
fn streamed(deltas: &[Value]) -> Value {
    let (mut blocks, mut input) = (Vec::<Value>::new(), String::new());
    for event in streams::events(&streams::stream(deltas, "stop")) {
        let delta = event["delta"].as_object().into_iter().flatten();
        match (event["type"].as_str().unwrap(), blocks.last_mut()) {
            ("content_block_start", _) => blocks.push(event["content_block"].clone()),
            ("content_block_delta", Some(block)) => {
                for (name, value) in delta.filter(|(name, _)| *name != "type") {
                    let more = value.as_str().unwrap();
                    match name.as_str() {
                        "partial_json" => input.push_str(more),
                        name => block[name] = (block[name].as_str().unwrap_or_default().to_owned() + more).into(),
                    }
                }
            }
            ("content_block_stop", Some(block)) if !input.is_empty() => {
                block["input"] = serde_json::from_str(&std::mem::take(&mut input)).unwrap();
            }
            _ => {}
        }
    }
    blocks.into()
}
