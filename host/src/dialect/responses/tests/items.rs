//! The items of the input, as messages.

use super::*;

/// The messages that these items become.
fn messages(items: Value) -> Value {
    translate(&with(json!({ "input": items }))).unwrap()["messages"].clone()
}

#[test]
fn instructions_come_first() {
    let request = with(json!({ "instructions": "Be kind.", "input": [{ "role": "developer", "content": "x" }] }));
    let expected = json!([{ "role": "system", "content": "Be kind." }, { "role": "developer", "content": "x" }]);
    assert_eq!(translate(&request).unwrap()["messages"], expected);
}

#[test]
fn each_kind_of_part_has_its_canonical_one() {
    let url = "https://example.com/a";
    let cases = [
        (
            json!({ "type": "input_text", "text": "x", "cache_control": { "type": "ephemeral" } }),
            json!({ "type": "text", "text": "x", "cache_control": { "type": "ephemeral" } }),
        ),
        (
            json!({ "type": "input_image", "image_url": url, "detail": "low", "file_id": null }),
            json!({ "type": "image_url", "image_url": { "url": url, "detail": "low" } }),
        ),
        (
            json!({ "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA==" }),
            json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA==" } }),
        ),
        (json!({ "type": "input_file", "file_url": url }), json!({ "type": "file", "file": { "file_data": url } })),
        (
            json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } }),
            json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } }),
        ),
        (
            json!({ "type": "video_url", "video_url": { "url": url } }),
            json!({ "type": "video_url", "video_url": { "url": url } }),
        ),
    ];
    for (part, expected) in cases {
        let item = json!([{ "role": "user", "content": [{ "type": "input_text", "text": "See:" }, part] }]);
        assert_eq!(messages(item)[0]["content"], json!([{ "type": "text", "text": "See:" }, expected]));
        let output = json!([{ "type": "function_call_output", "call_id": "c", "output": [part, part] }]);
        assert_eq!(messages(output)[0]["content"], json!([expected, expected]));
    }
}

#[test]
fn content_that_is_one_text_becomes_a_string() {
    for content in [json!("x"), json!([{ "type": "input_text", "text": "x" }]), json!([])] {
        let text = if content == json!([]) { "" } else { "x" };
        let item = json!({ "type": "message", "id": "m", "status": "completed", "role": "user", "content": content });
        assert_eq!(messages(json!([item])), json!([{ "role": "user", "content": text }]));
    }
}

#[test]
fn what_the_assistant_did_in_one_go_is_one_message() {
    let items = json!([
        { "role": "user", "content": "?" },
        { "type": "reasoning", "id": "rs", "summary": [{ "type": "summary_text", "text": "Hm." }] },
        { "type": "message", "role": "assistant", "id": "msg", "status": "completed", "phase": "commentary",
          "content": [{ "type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": [] }] },
        { "type": "function_call", "id": "fc", "call_id": "a", "name": "f", "arguments": "", "status": "completed" },
        { "type": "reasoning", "summary": [], "content": [{ "type": "reasoning_text", "text": "Both." }] },
        { "type": "custom_tool_call", "call_id": "b", "name": "g", "input": "x" },
        { "role": "assistant", "content": "Wait." },
        { "type": "function_call_output", "call_id": "a", "output": "1" },
        { "type": "custom_tool_call_output", "call_id": "b", "output": [{ "type": "input_text", "text": "2" }] },
    ]);
    let expected = json!([
        { "role": "user", "content": "?" },
        {
            "role": "assistant",
            "content": [{ "type": "text", "text": "Let me see." }, { "type": "text", "text": "Wait." }],
            "reasoning_content": "Hm.\n\nBoth.",
            "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } },
                { "id": "b", "type": "custom", "custom": { "name": "g", "input": "x" } },
            ],
        },
        { "role": "tool", "tool_call_id": "a", "content": "1" },
        { "role": "tool", "tool_call_id": "b", "content": "2" },
    ]);
    assert_eq!(messages(items), expected);
}

#[test]
fn a_new_text_or_thought_after_a_text_is_a_new_message() {
    let items = json!([
        { "role": "assistant", "content": "One." },
        { "role": "assistant", "content": [{ "type": "refusal", "refusal": "No." }] },
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }] },
        { "type": "function_call", "call_id": "a", "name": "f", "arguments": { "x": 1 } },
    ]);
    let expected = json!([
        { "role": "assistant", "content": "One." },
        { "role": "assistant", "content": [{ "type": "refusal", "refusal": "No." }] },
        {
            "role": "assistant", "content": null, "reasoning_content": "Hm.",
            "tool_calls": [{ "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }],
        },
    ]);
    assert_eq!(messages(items), expected);
}

#[test]
fn what_ran_upstream_and_thoughts_that_led_to_nothing_are_left_out() {
    let items = json!([
        { "type": "web_search_call", "id": "ws", "status": "completed", "action": { "type": "search", "query": "q" } },
        { "type": "mcp_call", "id": "mcp", "name": "f", "arguments": "{}", "server_label": "l", "output": "x" },
        { "role": "assistant", "content": "Found." },
        { "role": "user", "content": "Thanks." },
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }], "encrypted_content": "gAAA" },
    ]);
    let expected = json!([{ "role": "assistant", "content": "Found." }, { "role": "user", "content": "Thanks." }]);
    assert_eq!(messages(items), expected);
}
