//! What whole answers become.

use serde_json::{Value, json};

use super::{carried, dialect};

/// The message that an answer with this choice becomes.
fn message(choice: &Value, usage: &Value, stop_sequences: &[&str]) -> Value {
    let mut choice = choice.clone();
    choice["index"] = 0.into();
    choice["message"]["role"] = "assistant".into();
    let answer = json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [choice], "usage": usage });
    let bytes = dialect(stop_sequences).answer(answer.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn an_answer_becomes_a_message() {
    let choice = json!({ "message": { "content": "Hi \"you\"" }, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": { "cached_tokens": 3, "cache_write_tokens": 2 },
        "completion_tokens_details": { "reasoning_tokens": 4 } });
    let expected = json!({
        "id": "msg_0a1", "type": "message", "role": "assistant", "model": "m",
        "content": [{ "type": "text", "text": "Hi \"you\"" }],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3,
            "output_tokens": 5, "output_tokens_details": { "thinking_tokens": 4 } },
    });
    assert_eq!(message(&choice, &usage, &[]), expected);
    let without = message(&choice, &Value::Null, &[]);
    assert_eq!((&without["usage"]["input_tokens"], &without["usage"]["output_tokens"]), (&json!(0), &json!(0)));
}

#[test]
fn every_end_has_its_reason() {
    let calls = json!([{ "id": "t", "type": "function", "function": { "name": "f", "arguments": "{}" } }]);
    for (choice, stop_sequences, reason, sequence) in [
        (json!({ "finish_reason": "stop" }), &["x"][..], "end_turn", None),
        (json!({ "finish_reason": "length" }), &[], "max_tokens", None),
        (json!({ "finish_reason": "content_filter" }), &[], "refusal", None),
        (json!({ "finish_reason": "tool_calls", "message": { "tool_calls": calls } }), &[], "tool_use", None),
        (json!({ "finish_reason": "stop", "message": { "tool_calls": calls } }), &[], "tool_use", None),
        (json!({ "finish_reason": "length", "message": { "tool_calls": calls } }), &[], "max_tokens", None),
        (
            json!({ "finish_reason": "function_call", "message": { "function_call": { "name": "f", "arguments": "" } } }),
            &[],
            "tool_use",
            None,
        ),
        (json!({ "finish_reason": "stop", "message": { "refusal": "No." } }), &[], "refusal", None),
        (json!({ "finish_reason": "stop", "stop_reason": "x" }), &["y", "x"], "stop_sequence", Some("x")),
        (json!({ "finish_reason": "stop", "stop_reason": 32000 }), &["x"], "end_turn", None),
        (
            json!({ "finish_reason": "stop", "native_finish_reason": "stop_sequence" }),
            &["x"],
            "stop_sequence",
            Some("x"),
        ),
        (
            json!({ "finish_reason": "stop", "native_finish_reason": "stop_sequence" }),
            &["x", "y"],
            "stop_sequence",
            None,
        ),
    ] {
        let message = message(&choice, &Value::Null, stop_sequences);
        assert_eq!(message["stop_reason"], reason, "{choice}");
        assert_eq!(message["stop_sequence"].as_str(), sequence, "{choice}");
    }
}

#[test]
fn blocks_come_in_the_order_of_thinking_text_and_calls() {
    let signed = json!({ "index": 0, "type": "thinking", "thinking": "Hm.", "signature": "c2ln" });
    let redacted = json!({ "index": 1, "type": "redacted_thinking", "data": "b3Bh" });
    let thinking =
        |thinking: &str, signature: &str| json!({ "type": "thinking", "thinking": thinking, "signature": signature });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let call = |arguments: &str| {
        let function = json!({ "name": "f", "arguments": arguments });
        json!([{ "id": "t", "type": "function", "function": function }])
    };
    let used = |input: Value| json!({ "type": "tool_use", "id": "t", "name": "f", "input": input });
    let signature = json!({ "google": { "thought_signature": "s" } });
    let mut call_signed = call("{}");
    call_signed[0]["extra_content"] = signature.clone();
    let mut used_signed = used(json!({}));
    used_signed["extra_content"] = signature.clone();
    let details = json!([
        { "type": "reasoning.text", "text": "Hm.", "signature": "s", "index": 0 },
        { "type": "reasoning.encrypted", "data": "b3Bh", "id": "r", "index": 1 },
    ]);
    let citation = json!({ "type": "web_search_result_location", "cited_text": "", "encrypted_index": "",
        "title": null, "url": "https://e.example" });
    let location = json!({ "type": "char_location", "cited_text": "c", "document_index": 0, "document_title": null,
        "start_char_index": 0, "end_char_index": 1 });
    for (said, blocks) in [
        (json!({ "content": null }), json!([])),
        (json!({ "content": "" }), json!([])),
        (json!({ "content": "a", "reasoning_content": "Hm." }), json!([thinking("Hm.", ""), text("a")])),
        (
            json!({ "content": "a", "reasoning_content": "Hm.", "thinking_blocks": [signed, redacted] }),
            json!([thinking("Hm.", "c2ln"), { "type": "redacted_thinking", "data": "b3Bh" }, text("a")]),
        ),
        (json!({ "content": null, "refusal": "No." }), json!([text("No.")])),
        (json!({ "content": "a", "tool_calls": call("{\"b\": 1.50}") }), json!([text("a"), used(json!({ "b": 1.5 }))])),
        (json!({ "content": null, "tool_calls": call("") }), json!([used(json!({}))])),
        // What is no object is kept, but not as if it were one.
        (json!({ "tool_calls": call("{\"b\":") }), json!([used(json!({ "INVALID_JSON": "{\"b\":" }))])),
        (json!({ "tool_calls": call("[1]") }), json!([used(json!({ "INVALID_JSON": "[1]" }))])),
        (
            json!({ "tool_calls": call_signed }),
            json!([used_signed, carried(&json!({ "tool_calls": { "t": signature } }))]),
        ),
        (
            json!({ "content": "a", "extra_content": signature }),
            json!([
                { "type": "text", "text": "a", "extra_content": signature },
                carried(&json!({ "extra_content": signature })),
            ]),
        ),
        (
            json!({ "content": "a", "reasoning_content": "Hm.", "reasoning_details": details }),
            json!([thinking("Hm.", ""), text("a"), carried(&json!({ "reasoning_details": details }))]),
        ),
        (
            json!({ "content": "a",
                "annotations": [
                    { "type": "url_citation", "url_citation": { "url": "https://e.example", "start_index": 0 } },
                    { "type": "file_citation" },
                ],
                "citations": [{ "index": 0, "citation": location }, { "citation": { "type": "odd" } }, 7] }),
            json!([{ "type": "text", "text": "a", "citations": [citation, location] }]),
        ),
        (json!({ "content": "a", "annotations": "odd", "thinking_blocks": 7 }), json!([text("a")])),
        (
            json!({ "content": null, "function_call": { "name": "f", "arguments": "{\"b\":1}" } }),
            json!([{ "type": "tool_use", "id": "toolu_0a1", "name": "f", "input": { "b": 1 } }]),
        ),
    ] {
        let message = message(&json!({ "message": said, "finish_reason": "stop" }), &Value::Null, &[]);
        assert_eq!(message["content"], blocks, "{said}");
    }
}

#[test]
fn a_refusal_says_why() {
    let choice = json!({ "message": { "content": null, "refusal": "No." }, "finish_reason": "content_filter" });
    let expected = json!({ "type": "refusal", "category": null, "explanation": "No." });
    assert_eq!(message(&choice, &Value::Null, &[])["stop_details"], expected);
}

#[test]
fn what_is_no_answer_is_a_bad_one() {
    for document in ["", "[]", "{}", r#"{"choices": []}"#, r#"{"choices": [{"message": 1}]}"#, "\u{fffd}"] {
        let error = dialect(&[]).answer(document.as_bytes()).unwrap_err();
        assert_eq!(error.cause.label(), "bad_answer", "{document}");
    }
}
