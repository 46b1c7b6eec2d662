//! The dialect from the outside: requests, whole answers, streams, errors, counts.

mod answers;
mod requests;
mod round_trip;
mod streams;

use serde_json::{Value, json};

use super::{count_tokens, error};
use crate::dialect::Dialect;
use crate::error::{Cause, Error};

/// The way back of a request with these stop sequences.
fn dialect(stop_sequences: &[&str]) -> Box<dyn Dialect> {
    let body = json!({
        "model": "m",
        "max_tokens": 9,
        "messages": [{ "role": "user", "content": "Hi" }],
        "stop_sequences": stop_sequences,
    });
    super::request(body.to_string().as_bytes(), "req_0a1").unwrap().back
}

/// The block at the end of a message that carries this.
fn carried(what: &Value) -> Value {
    json!({ "type": "redacted_thinking", "data": format!("weir.1:{what}") })
}

#[test]
fn an_upstream_of_this_dialect_gets_only_what_is_its_own() {
    let ours = carried(&json!({ "reasoning_details": [1] }));
    let theirs = json!({ "type": "redacted_thinking", "data": "b3Bh" });
    let turn = |blocks: Value| json!({ "role": "assistant", "content": blocks });
    let user = json!({ "role": "user", "content": "weir.1:" });
    for (messages, expected) in [
        (
            json!([user, turn(json!([theirs, { "type": "text", "text": "a" }, ours]))]),
            Some(json!([user, turn(json!([theirs, { "type": "text", "text": "a" }])),])),
        ),
        (json!([user, turn(json!([ours])), user]), Some(json!([user, user]))),
        (json!([user, turn(json!([]))]), Some(json!([user, turn(json!([]))]))),
        (json!([turn(json!([theirs]))]), None),
    ] {
        let changed = super::for_native(json!({ "model": "m", "messages": messages }).to_string().as_bytes());
        let changed = changed.map(|body| serde_json::from_str::<Value>(&body).unwrap()["messages"].take());
        assert_eq!(changed, expected, "{messages}");
    }
}

#[test]
fn every_status_has_its_type_of_error() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (408, "timeout_error"),
        (409, "invalid_request_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        let failed = Error::new(Cause::Internal, "It \"failed\".").with_status(status.try_into().unwrap());
        let expected = json!({
            "type": "error", "error": { "type": kind, "message": "It \"failed\"." }, "request_id": "req_1"
        });
        assert_eq!(error(&failed, "req_1"), expected.to_string(), "{status}");
    }
}

#[test]
fn a_prompt_that_is_too_long_is_said_in_the_words_that_agents_look_for() {
    for (message, expected) in [
        ("The limit is 8192 tokens.", "prompt is too long: The limit is 8192 tokens."),
        ("Your prompt is too long.", "Your prompt is too long."),
    ] {
        let body: Value = serde_json::from_str(&error(&Error::new(Cause::ContextLength, message), "req_1")).unwrap();
        assert_eq!(body["error"]["message"], expected);
    }
}

#[test]
fn tokens_are_estimated_from_the_text_and_from_fixed_figures() {
    let user = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } });
    let pdf = json!({ "type": "document", "source": { "type": "url", "url": "https://e.example/a.pdf" } });
    let note = json!({ "type": "document", "source": { "type": "text", "data": "eight on" } });
    let result = json!({ "type": "tool_result", "tool_use_id": "t", "content": [{ "type": "text", "text": "four" }] });
    let mut full = user(json!("four"));
    full["system"] = json!([{ "type": "text", "text": "eight on" }]);
    full["tools"] = json!([{ "name": "look", "description": "eight on", "input_schema": {} }]);
    for (request, expected) in [
        (user(json!("")), 4),
        (user(json!("fives")), 6),
        (user(json!([image])), 1604),
        (user(json!([pdf])), 3004),
        (user(json!([note])), 6),
        (user(json!([result])), 5),
        (user(json!([{ "type": "tool_use", "id": "t", "name": "look", "input": { "a": 1 } }])), 12),
        (user(json!([{ "type": "thinking", "thinking": "four", "signature": "s" }])), 4),
        (full, 19),
    ] {
        assert_eq!(count_tokens(request.to_string().as_bytes()).unwrap(), expected, "{request}");
    }
    for wrong in ["{}", r#"{"messages": 1}"#, "[]", "{"] {
        assert_eq!(count_tokens(wrong.as_bytes()).unwrap_err().cause, Cause::InvalidRequest, "{wrong}");
    }
}
