//! The fields of requests, and which of them are refused.

use super::*;

#[test]
fn fields_get_their_canonical_names() {
    let cases = [
        (json!({}), json!({})),
        (json!({ "max_output_tokens": 9 }), json!({ "max_completion_tokens": 9 })),
        (json!({ "reasoning": { "effort": "low", "summary": "auto" } }), json!({ "reasoning_effort": "low" })),
        (json!({ "reasoning": { "effort": null, "max_tokens": 100 } }), json!({ "reasoning": { "max_tokens": 100 } })),
        (json!({ "text": { "format": { "type": "text" }, "verbosity": "low" } }), json!({ "verbosity": "low" })),
        (
            json!({ "text": { "format": { "type": "json_object" } } }),
            json!({ "response_format": { "type": "json_object" } }),
        ),
        (
            json!({ "text": { "format": {
                "type": "json_schema", "name": "n", "schema": { "type": "object" }, "strict": true, "description": null,
            } } }),
            json!({ "response_format": {
                "type": "json_schema", "json_schema": { "name": "n", "schema": { "type": "object" }, "strict": true },
            } }),
        ),
        (json!({ "include": ["message.output_text.logprobs"] }), json!({ "logprobs": true })),
        (json!({ "top_logprobs": 3 }), json!({ "logprobs": true, "top_logprobs": 3 })),
        (json!({ "top_logprobs": 0, "include": ["reasoning.encrypted_content"] }), json!({})),
        (
            json!({ "stream": true, "stream_options": { "include_obfuscation": false } }),
            json!({ "stream": true, "stream_options": { "include_obfuscation": false, "include_usage": true } }),
        ),
        (json!({ "stream": false, "stream_options": {} }), json!({ "stream": false })),
    ];
    for (sent, expected) in cases {
        let mut canonical = translate(&with(sent.clone())).unwrap();
        let canonical = canonical.as_object_mut().unwrap();
        assert_eq!(canonical.remove("model"), Some("m".into()));
        assert_eq!(canonical.remove("messages"), Some(json!([{ "role": "user", "content": "Hello" }])), "{sent}");
        assert_eq!(*canonical, *expected.as_object().unwrap(), "{sent}");
    }
}

#[test]
fn fields_that_both_apis_or_neither_know_go_on_as_they_are() {
    let fields = json!({
        "temperature": 0.5, "top_p": 0.9, "metadata": { "a": "b" }, "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "service_tier": "flex", "top_k": 4, "provider": { "only": ["x"] },
    });
    let canonical = translate(&with(fields.clone())).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(canonical[name], *value, "{name}");
    }
}

#[test]
fn what_is_null_or_asks_for_nothing_is_as_if_it_were_not_there() {
    let nothing = json!({
        "previous_response_id": null, "conversation": null, "prompt": null, "background": false, "n": 1, "store": true,
        "truncation": "auto", "max_tool_calls": 3, "context_management": [], "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": true, "temperature": null, "text": null, "reasoning": null, "include": null,
        "instructions": null, "stream": null, "metadata": null, "max_output_tokens": null,
    });
    assert_eq!(translate(&with(nothing)).unwrap(), translate(&plain()).unwrap());
}

#[test]
fn tools_are_nested() {
    let canonical = translate(&with(json!({
        "tools": [
            {
                "type": "function", "name": "f", "description": "d", "parameters": { "type": "object" }, "strict": null,
                "defer_loading": false, "cache_control": { "type": "ephemeral" },
            },
            { "type": "custom", "name": "c", "format": { "type": "grammar", "syntax": "lark", "definition": "x" } },
            { "type": "custom", "name": "t", "format": { "type": "text" } },
        ],
        "parallel_tool_calls": false,
    })));
    let canonical = canonical.unwrap();
    let expected = json!([
        {
            "type": "function", "cache_control": { "type": "ephemeral" },
            "function": { "name": "f", "description": "d", "parameters": { "type": "object" } },
        },
        {
            "type": "custom",
            "custom": {
                "name": "c", "format": { "type": "grammar", "grammar": { "syntax": "lark", "definition": "x" } },
            },
        },
        { "type": "custom", "custom": { "name": "t", "format": { "type": "text" } } },
    ]);
    assert_eq!(canonical["tools"], expected);
    assert_eq!(canonical["parallel_tool_calls"], false);
}

#[test]
fn each_form_of_tool_choice_has_its_canonical_one() {
    let cases = [
        (json!("auto"), json!("auto")),
        (json!("required"), json!("required")),
        (json!("none"), json!("none")),
        (json!({ "type": "function", "name": "f" }), json!({ "type": "function", "function": { "name": "f" } })),
        (json!({ "type": "custom", "name": "f" }), json!({ "type": "custom", "custom": { "name": "f" } })),
        (
            json!({ "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "f" }] }),
            json!({ "type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{ "type": "function", "function": { "name": "f" } }],
            } }),
        ),
    ];
    for (choice, expected) in cases {
        let tools = json!([{ "type": "function", "name": "f" }]);
        let canonical = translate(&with(json!({ "tool_choice": choice, "tools": tools }))).unwrap();
        assert_eq!(canonical["tool_choice"], expected);
    }
}

#[test]
fn what_is_not_done_here_is_refused_with_the_name_of_the_field() {
    let unsupported = [
        ("previous_response_id", json!({ "previous_response_id": "resp_1" })),
        ("conversation", json!({ "conversation": { "id": "conv_1" } })),
        ("prompt", json!({ "prompt": { "id": "pmpt_1" } })),
        ("background", json!({ "background": true })),
        ("messages", json!({ "messages": [] })),
        ("functions", json!({ "functions": [] })),
        ("n", json!({ "n": 2 })),
        ("tools[1].type", json!({ "tools": [{ "type": "function", "name": "f" }, { "type": "web_search" }] })),
        ("tools[0].type", json!({ "tools": [{ "type": "mcp", "server_label": "l" }] })),
        ("tool_choice", json!({ "tool_choice": { "type": "file_search" } })),
        ("tool_choice.tools[0]", json!({ "tool_choice": { "type": "allowed_tools", "tools": [{ "type": "mcp" }] } })),
        ("input[0]", json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] })),
        ("input[0]", json!({ "input": [{ "id": "msg_1" }] })),
        ("input[0].type", json!({ "input": [{ "type": "compaction", "encrypted_content": "x" }] })),
        ("input[0].type", json!({ "input": [{ "type": "computer_call_output", "call_id": "x", "output": {} }] })),
        ("input[0].content[0].file_id", in_message(json!({ "type": "input_image", "file_id": "file-1" }))),
        ("input[0].content[0].file_id", in_message(json!({ "type": "input_file", "file_id": "file-1" }))),
    ];
    for (param, sent) in unsupported {
        let error = translate(&with(sent.clone())).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{sent}");
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{sent}");
        assert_eq!(error.status.as_u16(), 400);
    }
}

#[test]
fn what_is_wrong_is_refused_with_the_name_of_the_field() {
    let wrong = [
        ("input", json!({ "input": null })),
        ("input", json!({ "input": 1 })),
        ("input", json!({ "input": [] })),
        ("input[0]", json!({ "input": ["Hello"] })),
        ("input[0].type", json!({ "input": [{}] })),
        ("input[0].role", json!({ "input": [{ "role": "tool", "content": "x" }] })),
        ("input[0].content", json!({ "input": [{ "role": "user", "content": 1 }] })),
        ("input[0].content[0]", in_message(json!("text"))),
        ("input[0].content[0].type", in_message(json!({ "text": "x" }))),
        ("input[0].content[0].text", in_message(json!({ "type": "input_text" }))),
        ("input[0].content[0].image_url", in_message(json!({ "type": "input_image" }))),
        ("input[0].content[0].file_data", in_message(json!({ "type": "input_file", "filename": "f" }))),
        ("input[0].call_id", json!({ "input": [{ "type": "function_call", "name": "f", "arguments": "{}" }] })),
        ("input[0].name", json!({ "input": [{ "type": "function_call", "call_id": "c", "arguments": "{}" }] })),
        ("input[0].call_id", json!({ "input": [{ "type": "function_call_output", "output": "x" }] })),
        ("input[0].output", json!({ "input": [{ "type": "function_call_output", "call_id": "c" }] })),
        ("instructions", json!({ "instructions": ["x"] })),
        ("max_output_tokens", json!({ "max_output_tokens": 0 })),
        ("max_output_tokens", json!({ "max_output_tokens": "9" })),
        ("text", json!({ "text": "json" })),
        ("text.format", json!({ "text": { "format": "json" } })),
        ("text.format.type", json!({ "text": { "format": { "type": "yaml" } } })),
        ("reasoning", json!({ "reasoning": "high" })),
        ("include", json!({ "include": "x" })),
        ("stream", json!({ "stream": 1 })),
        ("stream_options", json!({ "stream_options": 1 })),
        ("tools", json!({ "tools": {} })),
        ("tools[0]", json!({ "tools": [1] })),
        ("tools[0].type", json!({ "tools": [{ "name": "f" }] })),
        ("tools[0].name", json!({ "tools": [{ "type": "function", "function": { "name": "f" } }] })),
        ("tool_choice", json!({ "tool_choice": "any" })),
        ("tool_choice.name", json!({ "tool_choice": { "type": "function" } })),
        ("tool_choice.tools", json!({ "tool_choice": { "type": "allowed_tools" } })),
    ];
    for (param, sent) in wrong {
        let error = translate(&with(sent.clone())).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{sent}");
        assert_eq!(error.status.as_u16(), 400);
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", "[]", "{", r#"{"input":"\ud800"}"#] {
        assert_eq!(request(body.as_bytes(), "").err().map(|error| error.status.as_u16()), Some(400), "{body}");
    }
}

fn in_message(part: Value) -> Value {
    json!({ "input": [{ "role": "user", "content": [part] }] })
}
