//! What an upstream needs back in a later turn: the items of an answer, sent as input, are the message again.

use super::*;

/// The messages that an output becomes if it is sent back as it is.
fn sent_back(output: &Value) -> Value {
    translate(&with(json!({ "input": output }))).unwrap()["messages"].clone()
}

fn call(id: &str) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } })
}

fn signed_call(id: &str, signature: &str) -> Value {
    let mut call = call(id);
    call["extra_content"] = json!({ "google": { "thought_signature": signature } });
    call
}

#[test]
fn a_message_comes_back_as_it_was() {
    let thinking = json!([
        { "index": 0, "type": "thinking", "thinking": "Hm.", "signature": "s" },
        { "index": 1, "type": "redacted_thinking", "data": "d" },
    ]);
    let google = json!({ "google": { "thought_signature": "t" } });
    let cases = [
        json!({ "content": "Hi" }),
        json!({ "content": "Hi", "reasoning_content": "Hm." }),
        json!({ "content": null, "reasoning_content": "Hm.", "tool_calls": [call("a")], "thinking_blocks": thinking }),
        json!({ "content": "So", "tool_calls": [call("a")], "thinking_blocks": thinking }),
        json!({ "content": null, "tool_calls": [signed_call("a", "x"), call("b"), signed_call("c", "z")] }),
        json!({ "content": "Hi", "extra_content": google }),
        json!({ "content": "Hi", "tool_calls": [signed_call("a", "x")], "extra_content": google }),
        json!({ "content": "Hi", "reasoning_details": [{ "type": "reasoning.encrypted", "data": "d", "index": 0 }] }),
    ];
    for mut message in cases {
        message["role"] = "assistant".into();
        let response = respond(&plain(), &answer(message.clone(), "stop"));
        assert_eq!(sent_back(&response["output"]), json!([message]));
    }
}

/// The output of a stream of these deltas.
fn streamed(deltas: &[Value]) -> Value {
    let mut back = request(plain().to_string().as_bytes(), "").unwrap().back;
    let mut out = BytesMut::new();
    for delta in deltas {
        back.chunk(&chunk(delta.clone()).to_string(), &mut out).unwrap();
    }
    out.clear();
    back.end(&mut out);
    let (_, data) = std::str::from_utf8(&out).unwrap().rsplit_once("data: ").unwrap();
    serde_json::from_str::<Value>(data).unwrap()["response"]["output"].clone()
}

#[test]
fn signatures_that_come_in_pieces_or_late_find_their_message() {
    let google = |signature: &str| json!({ "google": { "thought_signature": signature } });
    let thought = |text: &str, detail: Value| json!({ "reasoning_content": text, "reasoning_details": [detail] });
    let streamed_call = |mut call: Value| {
        call["index"] = 0.into();
        json!({ "tool_calls": [call] })
    };
    let cases = [
        (
            "the signature of a text after the text",
            vec![json!({ "content": "Hi" }), json!({ "content": "", "extra_content": google("x") })],
            json!([{ "role": "assistant", "content": "Hi", "extra_content": google("x") }]),
        ),
        (
            "the signature of a call after the call",
            vec![
                streamed_call(call("a")),
                streamed_call(json!({ "function": { "arguments": "" }, "extra_content": google("x") })),
            ],
            json!([{ "role": "assistant", "content": null, "tool_calls": [signed_call("a", "x")] }]),
        ),
        (
            "the signatures of a text and of a call after it",
            vec![
                json!({ "content": "Hi" }),
                json!({ "extra_content": google("t") }),
                streamed_call(signed_call("a", "x")),
            ],
            json!([{
                "role": "assistant", "content": "Hi", "extra_content": google("t"),
                "tool_calls": [signed_call("a", "x")],
            }]),
        ),
        (
            "details in pieces",
            vec![
                thought("H", json!({ "type": "reasoning.text", "text": "H", "index": 0 })),
                thought("m", json!({ "type": "reasoning.text", "text": "m", "index": 0 })),
                thought("", json!({ "type": "reasoning.text", "signature": "s", "text": null, "index": 0 })),
                json!({ "content": "Hi" }),
            ],
            json!([{
                "role": "assistant", "content": "Hi", "reasoning_content": "Hm",
                "reasoning_details": [{ "type": "reasoning.text", "text": "Hm", "index": 0, "signature": "s" }],
            }]),
        ),
        (
            "thinking between text and call",
            vec![
                json!({ "content": "Hi" }),
                json!({ "reasoning_content": "Hm" }),
                json!({ "thinking_blocks": [{ "type": "thinking", "thinking": "Hm", "signature": "s", "index": 0 }] }),
                streamed_call(call("a")),
            ],
            json!([
                { "role": "assistant", "content": "Hi" },
                {
                    "role": "assistant", "content": null, "reasoning_content": "Hm", "tool_calls": [call("a")],
                    "thinking_blocks": [{ "type": "thinking", "thinking": "Hm", "signature": "s", "index": 0 }],
                },
            ]),
        ),
    ];
    for (name, deltas, expected) in cases {
        assert_eq!(sent_back(&streamed(&deltas)), expected, "{name}");
    }
}

#[test]
fn a_signature_serves_only_the_turn_that_it_came_with() {
    let turn = |signature| {
        respond(
            &plain(),
            &answer(
                json!({ "role": "assistant", "content": null, "tool_calls": [
        signed_call("same", signature),
    ] }),
                "tool_calls",
            ),
        )["output"]
            .as_array()
            .unwrap()
            .clone()
    };
    let result = json!({ "type": "function_call_output", "call_id": "same", "output": "1" });
    let input: Vec<Value> = [turn("x"), vec![result.clone()], turn("y"), vec![result]].concat();
    let messages = sent_back(&input.into());
    assert_eq!(messages[0]["tool_calls"], json!([signed_call("same", "x")]));
    assert_eq!(messages[2]["tool_calls"], json!([signed_call("same", "y")]));
}

#[test]
fn what_others_encrypted_is_nobodys_business_here() {
    for foreign in ["gAAAAABo", "weir.1:", "weir.1:[]", "weir.9:{}"] {
        let items = json!([
            { "type": "reasoning", "summary": [], "encrypted_content": foreign },
            { "role": "assistant", "content": "Hi" },
        ]);
        assert_eq!(sent_back(&items), json!([{ "role": "assistant", "content": "Hi" }]), "{foreign}");
    }
}

#[test]
fn an_upstream_that_speaks_responses_does_not_get_what_was_made_here() {
    let theirs = json!({ "type": "reasoning", "summary": [], "encrypted_content": "theirs" });
    let ours = json!({ "type": "reasoning", "summary": [], "encrypted_content": "weir.1:{}" });
    let said = json!({ "role": "user", "content": "weir.1: what is that?" });
    let body = with(json!({ "input": [theirs, ours, said] })).to_string();
    let cleaned: Value = serde_json::from_str(&for_native(body.as_bytes()).unwrap()).unwrap();
    assert_eq!(cleaned["input"], json!([theirs, said]));
    assert_eq!(for_native(with(json!({ "input": [theirs] })).to_string().as_bytes()), None);
}
