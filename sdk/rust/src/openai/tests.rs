//! The views as a whole: what is read is written again.

use serde_json::{Value, json};

use super::*;

fn round_trip<'a, T: serde::Deserialize<'a> + serde::Serialize>(document: &'a str) -> Value {
    let view: T = serde_json::from_str(document).unwrap();
    serde_json::to_value(&view).unwrap()
}

#[test]
fn unknown_fields_are_kept_at_every_level_and_in_order() {
    let request = json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "a \"b\" é", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low", "zoom": 2}},
                {"type": "image_url", "image_url": "https://example.org/a.png"},
                {"type": "hologram", "depth": 3}
            ], "mood": "good"},
            {"role": "assistant", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "why": 1}, "extra_content": {}}
            ]},
            {"role": "tool", "content": "5", "tool_call_id": "1"}
        ],
        "stop": ["a", "b"],
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"z": 1, "a": [2]}, "new": 1}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "top_logprobs": 2,
        "zebra": 1,
        "apple": {"b": [1, 2], "a": null}
    });
    let written = round_trip::<ChatRequest>(&request.to_string());
    assert_eq!(written, request);
    let keys: Vec<_> = written.as_object().unwrap().keys().rev().take(2).cloned().collect();
    assert_eq!(keys, ["apple", "zebra"]);
}

#[test]
fn an_explicit_null_equals_absent() {
    let request = json!({"model": "m", "messages": null, "tools": null, "stop": null, "temperature": null,
        "tool_choice": null, "response_format": null, "stream_options": {"include_usage": null}});
    assert_eq!(round_trip::<ChatRequest>(&request.to_string()), json!({"model": "m", "stream_options": {}}));
}

#[test]
fn answers_and_chunks_survive_reading_and_writing() {
    let answer = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": null, "refusal": null},
            "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 1}, "cost": 0.5},
        "citations": ["a"]});
    assert_eq!(round_trip::<ChatCompletion>(&answer.to_string()), answer);
    let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
            "finish_reason": null}],
        "provider": "p"});
    assert_eq!(round_trip::<Chunk>(&chunk.to_string()), chunk);
}

#[test]
fn text_is_borrowed_unless_it_holds_escapes() {
    let text = r#"{"content":"plain","role":"us\u0065r"}"#;
    let message: Message = serde_json::from_str(text).unwrap();
    assert!(matches!(message.content, Some(Content::Text(Text(std::borrow::Cow::Borrowed("plain"))))));
    assert_eq!(message.role.as_deref(), Some("user"));
}

#[test]
fn the_text_of_a_content_is_that_of_its_parts() {
    let cases = [
        (json!("a"), "a"),
        (json!([]), ""),
        (json!([{"type": "text", "text": "a"}]), "a"),
        (json!([{"type": "text", "text": "a"}, {"type": "file"}, {"type": "text", "text": "b"}]), "ab"),
    ];
    for (content, expected) in cases {
        let text = content.to_string();
        let content: Content = serde_json::from_str(&text).unwrap();
        assert_eq!(content.joined(), expected);
    }
}
