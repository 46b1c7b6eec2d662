//! What requests become, and which are refused.

use serde_json::{Value, json};

use crate::dialect::messages::request;

/// The canonical document of a request with these fields besides a model, a limit and, unless given, a message.
fn document(fields: &Value) -> Value {
    let translated = request(body(fields).to_string().as_bytes(), "req_1").unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_str(&translated.document).unwrap()
}

fn body(fields: &Value) -> Value {
    let mut body = json!({ "model": "m", "max_tokens": 100, "messages": [{ "role": "user", "content": "Hi" }] });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn fields_become_those_of_a_chat() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"],
        "additionalProperties": false });
    let open = json!({ "type": "object", "properties": { "a": { "type": "array", "items": { "type": "object" } } } });
    let format = |schema: &Value, strict: bool| {
        json!({ "response_format": { "type": "json_schema",
            "json_schema": { "name": "answer", "schema": schema, "strict": strict } } })
    };
    let cases = [
        (json!({}), json!({})),
        (json!({ "temperature": 0.5, "top_p": 1, "top_k": 3 }), json!({ "temperature": 0.5, "top_p": 1, "top_k": 3 })),
        (json!({ "temperature": null, "container": null, "mcp_servers": [] }), json!({})),
        (json!({ "stop_sequences": ["a", "b"] }), json!({ "stop": ["a", "b"] })),
        (json!({ "stop_sequences": [] }), json!({})),
        (json!({ "stream": true }), json!({ "stream": true, "stream_options": { "include_usage": true } })),
        (json!({ "stream": false }), json!({ "stream": false })),
        (json!({ "metadata": { "user_id": "u".repeat(70) } }), json!({ "user": "u".repeat(64) })),
        (json!({ "metadata": {} }), json!({})),
        (json!({ "service_tier": "auto" }), json!({ "service_tier": "auto" })),
        (json!({ "service_tier": "standard_only" }), json!({ "service_tier": "default" })),
        (json!({ "context_management": {}, "speed": "fast", "diagnostics": {} }), json!({})),
        (json!({ "nobody_knows": [1] }), json!({ "nobody_knows": [1] })),
        (json!({ "output_config": { "format": { "type": "json_schema", "schema": schema } } }), format(&schema, true)),
        (json!({ "output_format": { "type": "json_schema", "schema": open } }), format(&open, false)),
    ];
    for (fields, expected) in cases {
        let mut whole = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
        whole["max_completion_tokens"] = 100.into();
        for (name, value) in expected.as_object().unwrap() {
            whole[name] = value.clone();
        }
        assert_eq!(document(&fields), whole, "{fields}");
    }
}

#[test]
fn thinking_is_carried_and_becomes_an_effort() {
    let enabled = |budget: u32| json!({ "type": "enabled", "budget_tokens": budget });
    for (thinking, effort, expected) in [
        (enabled(1024), None, Some("low")),
        (enabled(4095), None, Some("low")),
        (enabled(4096), None, Some("medium")),
        (enabled(16383), None, Some("medium")),
        (enabled(16384), None, Some("high")),
        (enabled(1024), Some("max"), Some("max")),
        (json!({ "type": "adaptive" }), None, None),
        (json!({ "type": "adaptive" }), Some("low"), Some("low")),
        (json!({ "type": "disabled" }), Some("low"), Some("none")),
        (Value::Null, Some("xhigh"), Some("xhigh")),
        (Value::Null, None, None),
    ] {
        let document = document(&json!({ "thinking": thinking, "output_config": { "effort": effort } }));
        assert_eq!(document["reasoning_effort"].as_str(), expected, "{thinking} {effort:?}");
        assert_eq!(document["thinking"], thinking);
        assert!(document.get("output_config").is_none());
    }
}

#[test]
fn tools_become_functions() {
    let tools = json!([
        { "name": "look", "description": "Looks.", "input_schema": { "type": "object" }, "strict": true,
            "cache_control": { "type": "ephemeral" }, "eager_input_streaming": true },
        { "type": "custom", "name": "wait", "input_schema": { "type": "object", "properties": {} } },
    ]);
    let functions = json!([
        { "type": "function", "function": { "name": "look", "description": "Looks.",
            "parameters": { "type": "object" }, "strict": true }, "cache_control": { "type": "ephemeral" } },
        { "type": "function", "function": { "name": "wait", "parameters": { "type": "object", "properties": {} } } },
    ]);
    for (choice, expected, parallel) in [
        (Value::Null, Value::Null, Value::Null),
        (json!({ "type": "auto" }), json!("auto"), Value::Null),
        (json!({ "type": "any", "disable_parallel_tool_use": true }), json!("required"), json!(false)),
        (json!({ "type": "auto", "disable_parallel_tool_use": false }), json!("auto"), Value::Null),
        (json!({ "type": "none" }), json!("none"), Value::Null),
        (
            json!({ "type": "tool", "name": "look" }),
            json!({ "type": "function", "function": { "name": "look" } }),
            Value::Null,
        ),
    ] {
        let document = document(&json!({ "tools": tools, "tool_choice": choice }));
        assert_eq!(document["tools"], functions);
        assert_eq!(document["tool_choice"], expected, "{choice}");
        assert_eq!(document["parallel_tool_calls"], parallel, "{choice}");
    }
    let without = document(&json!({ "tools": [], "tool_choice": { "type": "auto" } }));
    assert!(without.get("tools").is_none() && without.get("tool_choice").is_none());
}

#[test]
fn system_and_turns_become_messages() {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let marked = json!({ "type": "text", "text": "b", "cache_control": { "type": "ephemeral" } });
    let user = |content: Value| json!({ "role": "user", "content": content });
    let assistant = |content: Value| json!({ "role": "assistant", "content": content });
    let system = |content: Value| json!({ "role": "system", "content": content });
    for (before, turns, expected) in [
        (json!("s"), json!([user(json!("a"))]), json!([system(json!("s")), user(json!("a"))])),
        (json!([text("s")]), json!([user(json!([]))]), json!([system(json!("s")), user(json!(""))])),
        (json!(""), json!([user(json!([text("a")]))]), json!([user(json!("a"))])),
        (json!([text("a"), marked]), json!([user(json!("a"))]), {
            json!([system(json!([text("a"), marked])), user(json!("a"))])
        }),
        (Value::Null, json!([user(json!([text("a"), text("b")]))]), json!([user(json!([text("a"), text("b")]))])),
        (Value::Null, json!([user(json!([marked]))]), json!([user(json!([marked]))])),
        // An assistant's blocks are one text.
        (Value::Null, json!([assistant(json!([text("a"), text("b")]))]), json!([assistant(json!("ab"))])),
        (Value::Null, json!([assistant(json!([text("a"), marked]))]), json!([assistant(json!([text("a"), marked]))])),
        // A turn that says nothing is none.
        (Value::Null, json!([user(json!("a")), assistant(json!([]))]), json!([user(json!("a"))])),
        (Value::Null, json!([system(json!("s")), user(json!("a"))]), json!([system(json!("s")), user(json!("a"))])),
    ] {
        let found = document(&json!({ "system": before, "messages": turns }));
        assert_eq!(found["messages"], expected, "{before} {turns}");
    }
}

#[test]
fn blocks_become_parts() {
    let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
    let file = |name: &str, data: &str| json!({ "type": "file", "file": { "filename": name, "file_data": data } });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let pdf = json!({ "type": "base64", "media_type": "application/pdf", "data": "JVBE" });
    let data = "data:application/pdf;base64,JVBE";
    let mark = json!({ "type": "ephemeral" });
    let mut marked = image("https://e.example/a.png");
    marked["cache_control"] = mark.clone();
    for (block, parts) in [
        (
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBO" } }),
            json!([image("data:image/png;base64,iVBO")]),
        ),
        (
            json!({ "type": "image", "source": { "type": "url", "url": "https://e.example/a.png" },
                "cache_control": mark }),
            json!([marked]),
        ),
        (json!({ "type": "document", "source": pdf }), json!([file("document.pdf", data)])),
        (
            json!({ "type": "document", "source": pdf, "title": "Report", "context": "Of last year." }),
            json!([text("Of last year."), file("Report.pdf", data)]),
        ),
        (
            json!({ "type": "document", "source": { "type": "url", "url": "https://e.example/a.pdf" },
                "title": "a.PDF", "citations": { "enabled": true } }),
            json!([file("a.PDF", "https://e.example/a.pdf")]),
        ),
        (
            json!({ "type": "document", "title": "Note", "context": null,
                "source": { "type": "text", "media_type": "text/plain", "data": "Body" } }),
            json!("Note\n\nBody"),
        ),
        (
            json!({ "type": "document", "title": "Note", "source": { "type": "content", "content": [
                { "type": "text", "text": "Body" },
                { "type": "image", "source": { "type": "url", "url": "https://e.example/a.png" } },
            ] } }),
            json!([text("Note"), text("Body"), image("https://e.example/a.png")]),
        ),
        (json!({ "type": "document", "source": { "type": "content", "content": "Body" } }), json!("Body")),
        (
            json!({ "type": "search_result", "source": "https://e.example", "title": "Title",
                "content": [{ "type": "text", "text": "One" }, { "type": "text", "text": "Two" }] }),
            json!("Title\nhttps://e.example\nOne\nTwo"),
        ),
    ] {
        let found = document(&json!({ "messages": [{ "role": "user", "content": [block] }] }));
        assert_eq!(found["messages"][0]["content"], parts, "{block}");
    }
}

#[test]
fn a_tool_turn_keeps_thinking_calls_results_and_signatures() {
    let turns = json!([
        { "role": "user", "content": "Look." },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "First.", "signature": "c2ln" },
            { "type": "redacted_thinking", "data": "b3BhcXVl" },
            { "type": "thinking", "thinking": "Then.", "signature": "" },
            { "type": "text", "text": "I look.", "extra_content": { "google": { "thought_signature": "s0" } } },
            { "type": "server_tool_use", "id": "srv", "name": "web_search", "input": {} },
            { "type": "web_search_tool_result", "tool_use_id": "srv", "content": [] },
            { "type": "tool_use", "id": "t1", "name": "look", "input": { "at": 1.0 }, "caller": { "type": "direct" },
                "extra_content": { "google": { "thought_signature": "s1" } } },
            { "type": "tool_use", "id": "t2", "name": "wait", "input": {}, "cache_control": { "type": "ephemeral" } },
        ] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "t1", "is_error": false, "content": [
                { "type": "text", "text": "Seen:" }, { "type": "text", "text": "a cat" },
                { "type": "tool_reference", "tool_name": "look" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBO" } },
            ] },
            { "type": "tool_result", "tool_use_id": "t2", "is_error": true,
                "cache_control": { "type": "ephemeral" } },
            { "type": "text", "text": "Go on." },
        ] },
    ]);
    let expected = json!([
        { "role": "user", "content": "Look." },
        { "role": "assistant", "content": "I look.", "reasoning_content": "First.\n\nThen.",
            "thinking_blocks": [
                { "type": "thinking", "thinking": "First.", "signature": "c2ln" },
                { "type": "redacted_thinking", "data": "b3BhcXVl" },
            ],
            "tool_calls": [
                { "id": "t1", "type": "function", "function": { "name": "look", "arguments": "{\"at\":1.0}" },
                    "extra_content": { "google": { "thought_signature": "s1" } } },
                { "id": "t2", "type": "function", "function": { "name": "wait", "arguments": "{}" },
                    "cache_control": { "type": "ephemeral" } },
            ],
            "extra_content": { "google": { "thought_signature": "s0" } } },
        { "role": "tool", "tool_call_id": "t1",
            "content": "Seen:\na cat\n(The user's next message holds what is not text in this result.)" },
        { "role": "tool", "tool_call_id": "t2", "content": "", "is_error": true,
            "cache_control": { "type": "ephemeral" } },
        { "role": "user", "content": [
            { "type": "text", "text": "(Of the result of the tool call t1:)" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } },
            { "type": "text", "text": "Go on." },
        ] },
    ]);
    assert_eq!(document(&json!({ "messages": turns }))["messages"], expected);

    let call = json!({ "type": "tool_use", "id": "t", "name": "wait", "input": {} });
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "content": "Done." });
    let turns = json!([{ "role": "assistant", "content": [call] }, { "role": "user", "content": [result] }]);
    let messages = &document(&json!({ "messages": turns }))["messages"];
    assert_eq!(messages[0]["content"], Value::Null);
    assert_eq!(messages[1], json!({ "role": "tool", "tool_call_id": "t", "content": "Done." }));
    assert_eq!(messages.as_array().unwrap().len(), 2, "a turn of results alone says nothing else");
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let turn = |role: &str, block: Value| json!({ "messages": [{ "role": role, "content": [block] }] });
    let uploaded = json!({ "type": "file", "file_id": "f" });
    let unsupported = Some("unsupported_parameter");
    let place = "messages.0.content.0";
    for (fields, param, code) in [
        (json!({ "max_tokens": null }), "max_tokens", None),
        (json!({ "max_tokens": "9" }), "max_tokens", None),
        (json!({ "messages": null }), "messages", None),
        (json!({ "messages": [] }), "messages", None),
        (json!({ "messages": ["Hi"] }), "messages.0", None),
        (json!({ "messages": [{ "content": "Hi" }] }), "messages.0.role", None),
        (json!({ "messages": [{ "role": "tool", "content": "Hi" }] }), "messages.0.role", None),
        (json!({ "messages": [{ "role": "user" }] }), "messages.0.content", None),
        (json!({ "messages": [{ "role": "user", "content": 1 }] }), "messages.0.content", None),
        (json!({ "messages": [{ "role": "user", "content": ["Hi"] }] }), "messages.0.content.0", None),
        (json!({ "system": [{ "type": "image" }] }), "system.0", unsupported),
        (json!({ "stop_sequences": "a" }), "stop_sequences", None),
        (json!({ "tools": {} }), "tools", None),
        (json!({ "tools": [{ "input_schema": {} }] }), "tools.0.name", None),
        (json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }), "tools.0", unsupported),
        (json!({ "tool_choice": { "type": "any" } }), "tool_choice", None),
        (json!({ "tools": [{ "name": "f" }], "tool_choice": { "type": "some" } }), "tool_choice.type", None),
        (json!({ "mcp_servers": [{ "name": "x" }] }), "mcp_servers", unsupported),
        (json!({ "container": "c" }), "container", unsupported),
        (json!({ "output_config": { "format": { "type": "xml" } } }), "output_config.format.type", None),
        (json!({ "output_format": { "type": "json_schema" } }), "output_format.schema", None),
        (turn("user", json!({ "type": "text" })), "messages.0.content.0.text", None),
        (turn("user", json!({ "text": "Hi" })), "messages.0.content.0.type", None),
        (turn("system", json!({ "type": "tool_addition" })), place, unsupported),
        (turn("user", json!({ "type": "container_upload" })), place, unsupported),
        (turn("user", json!({ "type": "image", "source": uploaded })), "messages.0.content.0.source", unsupported),
        (turn("user", json!({ "type": "tool_result", "tool_use_id": 1 })), "messages.0.content.0.tool_use_id", None),
        (turn("assistant", json!({ "type": "image" })), "messages.0.content.0.type", None),
        (
            turn("assistant", json!({ "type": "tool_use", "id": "t", "name": "f", "input": "{}" })),
            "messages.0.content.0.input",
            None,
        ),
    ] {
        let error = request(body(&fields).to_string().as_bytes(), "req_1").err().unwrap();
        assert_eq!(error.param.as_deref(), Some(param), "{fields}: {error}");
        assert!(error.message.starts_with(&format!("{param}: ")), "{error}");
        assert_eq!((error.status.as_u16(), error.code.as_deref()), (400, code), "{fields}: {error}");
    }
    let tool = json!({ "tools": [{ "type": "web_search_20250305", "name": "web_search" }] });
    let error = request(body(&tool).to_string().as_bytes(), "req_1").err().unwrap();
    assert!(error.message.contains("`web_search`"), "{error}");
    for body in ["", "[]", "{", "\"x\"", "null", "\u{0}", r#"{"model": "\ud800"}"#] {
        assert_eq!(request(body.as_bytes(), "req_1").err().unwrap().status.as_u16(), 400, "{body:?}");
    }
    let deep = format!("{{\"messages\":{}", "[".repeat(100_000));
    assert_eq!(request(deep.as_bytes(), "req_1").err().unwrap().status.as_u16(), 400);
}
