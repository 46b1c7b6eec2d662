//! Whole answers: what is admitted, what a repair makes of the rest, and that no damage to a document gets past both.

use serde_json::{Value, json};

use super::*;
use crate::chat::generate;

/// A good answer with tool calls, and one with text.
fn answers() -> [Value; 2] {
    let calls = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "service_tier": "default",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {
            "role": "assistant", "content": null, "refusal": null, "annotations": [],
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "custom", "custom": {"name": "g", "input": ""}},
            ],
        }}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    let text = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "m", "extension": {"a": [1]}, "error": null,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}},
            {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "Hel", "x": [{}]}},
        ],
    });
    [calls, text]
}

#[test]
fn a_good_answer_is_admitted_with_its_usage_and_finish_reasons() {
    let [calls, text] = answers().map(|answer| admit(answer.to_string().as_bytes()).unwrap());
    assert_eq!(calls.finish_reasons, [FinishReason::ToolCalls]);
    assert_eq!(calls.usage.map(|usage| usage.total_tokens), Some(3));
    assert_eq!(text.finish_reasons, [FinishReason::Stop, FinishReason::Length]);
    assert_eq!(text.usage, None);
}

/// Changes one value of the answer with tool calls (`null` in `value` stands for null, not for removal).
fn changed(pointer: &str, value: Value) -> Value {
    let [mut answer, _] = answers();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    answer.pointer_mut(parent).unwrap()[name] = value;
    answer
}

#[test]
fn an_answer_that_breaks_a_rule_departs_and_its_repair_is_admitted() {
    let message = "/choices/0/message";
    let cases = [
        ("/id", json!(""), "no id"),
        ("/id", json!(1), "id is not a string"),
        ("/object", json!("chat.completion.done"), "object is not chat.completion"),
        ("/created", json!(1.5), "created is not a whole number"),
        ("/created", Value::Null, "created is not a whole number"),
        ("/model", Value::Null, "model is not a string"),
        ("/service_tier", json!("on_demand"), "an unknown service_tier"),
        ("/usage", json!({"prompt_tokens": 1}), "usage without its counts"),
        ("/usage", json!({"prompt_tokens": 1, "completion_tokens": 2}), "usage without its counts"),
        (
            "/usage",
            json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 4}}),
            "usage that does not add up",
        ),
        (
            "/usage",
            json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 2}),
            "usage that does not add up",
        ),
        ("/usage", json!([]), "usage is not an object"),
        ("/error", json!({}), "an empty error"),
        ("/choices/0/index", Value::Null, "a choice's index is not a whole number"),
        ("/choices/0/index", json!(3), "choices are not numbered in their order"),
        ("/choices/0/finish_reason", json!("eos"), "an unknown finish reason"),
        ("/choices/0/finish_reason", Value::Null, "a finish reason is not a string"),
        ("/choices/0/delta", json!({"content": "x"}), "a delta beside a message"),
        ("/choices/0/logprobs", json!([]), "logprobs is not an object"),
        (&format!("{message}/role"), json!("model"), "the role of a message is not assistant"),
        (&format!("{message}/content"), json!([{"type": "text", "text": "x"}]), "content is neither a string nor null"),
        (&format!("{message}/reasoning"), json!("hm"), "reasoning without reasoning_content"),
        (&format!("{message}/tool_calls"), Value::Null, "tool_calls is not a list"),
        (&format!("{message}/tool_calls"), json!([]), "an empty list of tool calls"),
        (&format!("{message}/tool_calls/0/id"), json!("b"), "a tool call's id is empty or not its own"),
        (&format!("{message}/tool_calls/0/id"), json!(""), "a tool call's id is empty or not its own"),
        (&format!("{message}/tool_calls/0/type"), json!("tool"), "a tool call of an unknown type"),
        (&format!("{message}/tool_calls/0/function/arguments"), json!({"a": 1}), "arguments are not a string"),
        (&format!("{message}/tool_calls/0/function/arguments"), json!(""), "a tool call without arguments"),
    ];
    for (pointer, value, reason) in cases {
        let answer = changed(pointer, value).to_string();
        match admit(answer.as_bytes()) {
            Err(Departure::Departs(departs)) => assert_eq!(departs, reason, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
        let repaired = repair(&answer, "fallback").unwrap_or_else(|error| panic!("{answer}: {error:?}"));
        assert!(admit(repaired.as_bytes()).is_ok(), "{repaired}");
    }
}

#[test]
fn a_repair_fills_what_is_missing_and_keeps_the_rest() {
    let sparse = r#"{"choices":[{"x":1,"message":{"reasoning":"hm","content":[{"type":"text","text":"a"},{"text":"b"}],
        "tool_calls":[{"function":{"name":"f","arguments":{"q":1}},"extra_content":{"s":1}}]}}],"y":2}"#;
    let repaired: Value = serde_json::from_str(&repair(sparse, "asked-for").unwrap()).unwrap();
    assert!(repaired["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(repaired["created"].as_u64().unwrap() > 1_600_000_000);
    assert_eq!((&repaired["model"], &repaired["y"]), (&json!("asked-for"), &json!(2)));
    let choice = &repaired["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["x"]), (&json!("tool_calls"), &json!(1)));
    let message = &choice["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("ab"), &json!("hm")));
    assert_eq!(message["tool_calls"][0]["function"], json!({"name": "f", "arguments": "{\"q\":1}"}));
    assert_eq!(message["tool_calls"][0]["extra_content"], json!({"s": 1}));
}

#[test]
fn an_answer_of_which_a_filter_left_nothing_is_an_answer() {
    let repaired = repair(r#"{"choices":[{"index":0,"finish_reason":"content_filter"}]}"#, "m").unwrap();
    assert_eq!(admit(repaired.as_bytes()).unwrap().finish_reasons, [FinishReason::ContentFilter]);
}

#[test]
fn what_is_no_answer_is_a_bad_answer() {
    for document in ["", "[]", "{}", "<html>", r#"{"choices":{}}"#, r#"{"choices":[]}"#, r#"{"choices":[{}]}"#] {
        assert_eq!(repair(document, "m").unwrap_err().status, 502, "{document}");
        assert!(matches!(admit(document.as_bytes()), Err(Departure::Departs(_))), "{document}");
    }
    let broken = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}"#;
    assert_eq!(repair(broken, "m").unwrap_err().status, 502);
}

#[test]
fn an_error_in_place_of_an_answer_is_the_upstreams_own() {
    for document in [r#"{"error":{"message":"No luck","code":429}}"#, r#"{"choices":[{}],"error":"No luck"}"#] {
        match admit(document.as_bytes()) {
            Err(Departure::Failed(error)) => assert_eq!(error.message, "No luck"),
            other => panic!("{other:?}"),
        }
        assert_eq!(repair(document, "m").unwrap_err().message, "No luck");
    }
}

#[test]
fn half_a_surrogate_pair_is_carried_or_replaced_but_never_fatal() {
    let [_, text] = answers();
    let text = text.to_string().replace("Hello", "Hel\\ud83dlo \\\\ud83d");
    assert!(admit(text.as_bytes()).is_ok());
    let repaired: Value = serde_json::from_str(&repair(&text, "m").unwrap()).unwrap();
    assert_eq!(repaired["choices"][0]["message"]["content"], "Hel\u{fffd}lo \\ud83d");
}

#[test]
fn damaged_answers_never_panic_and_repaired_ones_are_admitted() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut repaired = 0;
    for round in 0..20_000 {
        let answer = generate::damaged(&mut random, &answers()[round % 2].to_string());
        if admit(answer.as_bytes()).is_ok() {
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(answer.trim()).is_ok(), "{answer}");
        }
        if let Ok(answer) = repair(&answer, "m") {
            assert!(admit(answer.as_bytes()).is_ok(), "{answer}");
            repaired += 1;
        }
    }
    assert!(repaired > 3_000, "the generator is off: {repaired} repaired");
}
