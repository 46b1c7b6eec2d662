//! What counts how much.

use serde_json::{Value, json};

use super::{Tally, prompt_tokens};
use crate::error::Cause;

fn tokens(document: &Value) -> u64 {
    prompt_tokens(document.to_string().as_bytes()).unwrap()
}

#[test]
fn a_text_weighs_what_its_characters_weigh() {
    for (text, expected) in [
        ("", 0),
        ("four", 1),
        ("a longer text, of which every four letters are a token", 14),
        ("a longer text of 16 bytes and more, with äöü and 中文", 16),
        ("1234567890", 6),
        ("{\"a\":1}", 3),
        ("слово", 3),
        ("中文", 2),
        ("😀", 2),
        (&"x".repeat(100_000), 25_000),
        (&"😀".repeat(10_000), 20_000),
    ] {
        let mut tally = Tally::default();
        tally.text(text);
        assert_eq!(tally.tokens(), expected, "{}", text.chars().take(60).collect::<String>());
        let said = tokens(&json!({ "messages": [{ "role": "user", "content": text }] }));
        assert_eq!(said, 4 + expected, "in a message");
    }
}

#[test]
fn a_text_weighs_the_same_however_it_is_written() {
    for (plain, escaped) in [
        ("a/b", r"a\/b"),
        ("é", r"\u00e9"),
        ("中文 and more", r"\u4e2d\u6587 and more"),
        ("😀😀😀", r"\ud83d\ude00\ud83d\ude00\ud83d\ude00"),
        ("aaaa", r"\u0061\u0061\u0061\u0061"),
    ] {
        let document = |text| format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let both = [plain, escaped].map(|text| prompt_tokens(document(text).as_bytes()).unwrap());
        assert_eq!(both[0], both[1], "{escaped}");
    }
    // Eight letters and eight line breaks.
    assert_eq!(tokens(&json!({ "messages": [{ "role": "user", "content": "a\n".repeat(8) }] })), 8);
}

#[test]
fn a_chat_counts_its_messages_tools_calls_and_media() {
    let said = |message: Value| json!({ "model": "a-model-with-a-long-name", "messages": [message] });
    let image = json!({ "type": "image_url", "image_url": { "url": format!("data:,{}", "A".repeat(9000)) } });
    let file = json!({ "type": "file", "file": { "file_data": "A".repeat(9000) } });
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "look", "arguments": "text text" } });
    let tool = json!({ "type": "function", "function": { "name": "look", "description": "12 letters.." } });
    for (document, expected) in [
        (json!({}), 0),
        (json!({ "messages": [] }), 0),
        (said(json!({ "role": "user", "content": null })), 4),
        (said(json!({ "role": "user", "content": [{ "type": "text", "text": "four" }, image] })), 1605),
        (said(json!({ "role": "user", "content": [file] })), 3004),
        (said(json!({ "role": "assistant", "tool_calls": [call] })), 12),
        (said(json!({ "role": "assistant", "function_call": { "name": "look", "arguments": "text" } })), 6),
        (said(json!({ "role": "assistant", "content": "", "reasoning_content": "not sent again" })), 4),
        (said(json!({ "role": "tool", "tool_call_id": "a-long-identifier", "content": "four" })), 5),
        (json!({ "messages": [], "tools": [tool] }), 25),
        (json!({ "messages": [], "response_format": { "type": "json_object" } }), 6),
        (json!({ "messages": [1, "x", { "content": 7, "tool_calls": {} }] }), 12),
    ] {
        assert_eq!(tokens(&document), expected, "{document}");
    }
}

#[test]
fn what_is_no_chat_is_our_own_fault() {
    for document in [&b"{"[..], b"[]", b"\xff", b""] {
        assert_eq!(prompt_tokens(document).unwrap_err().cause, Cause::Internal);
    }
}
