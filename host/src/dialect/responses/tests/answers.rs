//! Whole answers, as Response objects.

use super::*;

/// The output of a plain request that gets this message.
fn output(message: Value, finish_reason: &str) -> Value {
    respond(&plain(), &answer(message, finish_reason))["output"].clone()
}

#[test]
fn a_response_says_all_that_the_type_demands() {
    let mut response = respond(&plain(), &answer(json!({ "role": "assistant", "content": "Hi" }), "stop"));
    assert!(response["completed_at"].as_u64() > Some(1_700_000_000));
    response["completed_at"] = 0.into();
    let expected = json!({
        "id": "resp_", "object": "response", "created_at": 1_700_000_000, "completed_at": 0, "status": "completed",
        "error": null, "incomplete_details": null, "model": "upstream-model",
        "output": [{
            "id": "msg_00", "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "Hi", "annotations": [], "logprobs": [] }],
        }],
        "usage": {
            "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 15,
        },
        "service_tier": "default", "background": false, "instructions": null, "max_output_tokens": null,
        "max_tool_calls": null, "metadata": {}, "parallel_tool_calls": true, "presence_penalty": 0.0,
        "frequency_penalty": 0.0, "previous_response_id": null, "prompt_cache_key": null,
        "reasoning": { "effort": null, "summary": null }, "safety_identifier": null, "temperature": 1.0,
        "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
        "user": null, "store": false, "truncation": "disabled",
    });
    assert_eq!(response, expected);
}

#[test]
fn a_response_repeats_its_request() {
    let sent = json!({
        "instructions": "Be kind.", "max_output_tokens": 9, "metadata": { "a": "b" }, "parallel_tool_calls": false,
        "reasoning": { "effort": "low", "summary": "auto" }, "temperature": 0, "text": { "verbosity": "low" },
        "tool_choice": { "type": "function", "name": "f" }, "top_p": 0.5, "user": "u", "service_tier": "flex",
        "tools": [{ "type": "function", "name": "f" }, { "type": "custom", "name": "c" }],
        "store": true, "truncation": "auto",
    });
    let response = respond(&with(sent.clone()), &answer(json!({ "role": "assistant", "content": "Hi" }), "stop"));
    let mut expected = sent;
    expected["text"]["format"] = json!({ "type": "text" });
    expected["tools"][0]["parameters"] = Value::Null;
    expected["tools"][0]["strict"] = false.into();
    expected["store"] = false.into();
    expected["truncation"] = "disabled".into();
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(response[name], *value, "{name}");
    }
}

#[test]
fn reasoning_messages_and_calls_are_items_in_this_order() {
    let message = json!({
        "role": "assistant", "content": "So.", "refusal": null, "reasoning_content": "Hm.",
        "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } },
            { "id": "b", "type": "custom", "custom": { "name": "g", "input": "y" } },
        ],
    });
    let expected = json!([
        { "id": "rs_00", "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }] },
        {
            "id": "msg_01", "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "So.", "annotations": [], "logprobs": [] }],
        },
        {
            "id": "fc_02", "type": "function_call", "status": "completed", "call_id": "a", "name": "f",
            "arguments": "{\"x\":1}",
        },
        {
            "id": "ctc_03", "type": "custom_tool_call", "status": "completed", "call_id": "b", "name": "g",
            "input": "y",
        },
    ]);
    assert_eq!(output(message, "tool_calls"), expected);
}

#[test]
fn a_call_in_the_form_before_tools_is_a_call() {
    let function = json!({ "name": "f", "arguments": "{\"x\":1}" });
    let message = json!({ "role": "assistant", "content": null, "function_call": function });
    let expected = json!([{
        "id": "fc_00", "type": "function_call", "status": "completed", "call_id": "call_00", "name": "f",
        "arguments": "{\"x\":1}",
    }]);
    assert_eq!(output(message, "function_call"), expected);
}

#[test]
fn the_finish_reason_decides_the_status() {
    let cases = [
        ("stop", "completed", Value::Null),
        ("tool_calls", "completed", Value::Null),
        ("length", "incomplete", json!({ "reason": "max_output_tokens" })),
        ("content_filter", "incomplete", json!({ "reason": "content_filter" })),
    ];
    for (reason, status, details) in cases {
        let response = respond(&plain(), &answer(json!({ "role": "assistant", "content": "Hi" }), reason));
        assert_eq!(response["status"], status, "{reason}");
        assert_eq!(response["output"][0]["status"], status, "{reason}");
        assert_eq!(response["incomplete_details"], details, "{reason}");
        assert_eq!(response["completed_at"].is_null(), status != "completed", "{reason}");
    }
}

#[test]
fn an_answer_with_nothing_in_it_is_an_empty_message_unless_it_was_cut_off() {
    let empty = json!({ "role": "assistant", "content": "" });
    assert_eq!(output(empty.clone(), "stop")[0]["content"][0]["text"], "");
    assert_eq!(output(empty, "length"), json!([]));
}

#[test]
fn a_refusal_is_a_part_of_the_message() {
    let message = json!({ "role": "assistant", "content": null, "refusal": "No." });
    assert_eq!(output(message, "stop")[0]["content"], json!([{ "type": "refusal", "refusal": "No." }]));
}

#[test]
fn citations_and_probabilities_are_kept() {
    let source = json!({ "url": "https://a", "title": null, "end_index": 2 });
    let mut answer = answer(
        json!({
            "role": "assistant", "content": "Hi",
            "annotations": [{ "type": "url_citation", "url_citation": source }],
            "citations": [{ "index": 0, "text": "a" }],
        }),
        "stop",
    );
    answer["choices"][0]["logprobs"] = json!({ "content": [
        { "token": "Hi", "logprob": -0.5, "bytes": null, "top_logprobs": [{ "token": "Hi", "logprob": -0.5 }] },
    ] });
    let message = &respond(&plain(), &answer)["output"][0];
    assert_eq!(message["citations"], json!([{ "index": 0, "text": "a" }]));
    let expected = json!([{
        "type": "output_text", "text": "Hi",
        "annotations": [
            { "type": "url_citation", "url": "https://a", "title": "", "start_index": 0, "end_index": 2 },
        ],
        "logprobs": [
            {
                "token": "Hi", "logprob": -0.5, "bytes": [],
                "top_logprobs": [{ "token": "Hi", "logprob": -0.5, "bytes": [] }],
            },
        ],
    }]);
    assert_eq!(message["content"], expected);
}

#[test]
fn usage_and_what_the_upstream_adds_are_told() {
    let mut answer = answer(json!({ "role": "assistant", "content": "Hi" }), "stop");
    answer["usage"] = json!({
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.1, "extra": null,
        "prompt_tokens_details": { "cached_tokens": 4, "audio_tokens": null },
        "completion_tokens_details": { "reasoning_tokens": 3, "audio_tokens": 1 },
    });
    answer["service_tier"] = "priority".into();
    answer["search_results"] = json!([1]);
    // A field that Responses have for something else.
    answer["prompt"] = json!([]);
    answer["metadata"] = json!({ "x": "y" });
    let response = respond(&plain(), &answer);
    let expected = json!({
        "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4, "cache_write_tokens": 0 },
        "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 3, "audio_tokens": 1 },
        "total_tokens": 15, "cost": 0.1,
    });
    assert_eq!(response["usage"], expected);
    assert_eq!(response["service_tier"], "priority");
    assert_eq!(response["search_results"], json!([1]));
    assert_eq!((&response["prompt"], &response["metadata"]), (&Value::Null, &json!({})));
}

#[test]
fn an_answer_that_is_no_json_is_a_bad_answer() {
    let mut back = request(plain().to_string().as_bytes(), "").unwrap().back;
    assert_eq!(back.answer(b"<html>").unwrap_err().cause, Cause::BadAnswer);
    assert_eq!(back.chunk("[]", &mut BytesMut::new()).unwrap_err().cause, Cause::BadAnswer);
}

#[test]
fn no_two_responses_share_an_id_though_their_requests_do() {
    let id = || {
        let mut back = request(plain().to_string().as_bytes(), "mine/1 and only").unwrap().back;
        let response: Value =
            serde_json::from_slice(&back.answer(answer(Value::Null, "stop").to_string().as_bytes()).unwrap()).unwrap();
        response["id"].as_str().unwrap().to_owned()
    };
    assert!(id().starts_with("resp_mine1andonly"));
    assert_ne!(id(), id());
}
