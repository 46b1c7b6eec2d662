//! Requests as clients send them: what is refused and by which name, what a peek notes, and that an edit of the text is
//! what editing the parsed document would be.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::chat::generate;

const MINIMAL: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;

/// The minimal request with more fields.
fn with(fields: &str) -> String {
    MINIMAL.replacen('{', &format!("{{{fields},"), 1)
}

/// A request with these messages.
fn messages(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":{messages}}}"#)
}

#[track_caller]
fn refused(body: &str, param: Option<&str>, code: Option<&str>, words: &str) {
    let error = Peek::chat(body.as_bytes(), None).expect_err(body);
    assert_eq!(error.status, 400, "{body}");
    assert_eq!(error.param.as_deref(), param, "{body}: {}", error.message);
    assert_eq!(error.code.as_deref(), code, "{body}: {}", error.message);
    assert!(error.message.contains(words), "{body}: {}", error.message);
}

#[test]
fn a_body_that_is_no_json_object_is_refused_with_the_place() {
    let cases = [
        ("", "has no body"),
        (" \n ", "has no body"),
        ("hello", "not valid JSON: expected a value at line 1, column 1."),
        ("{\"model\":\n\"m\" \"messages\"", "not valid JSON: expected `,` or `}` at line 2, column 5."),
        ("[]", "must be a JSON object with at least `model` and `messages`, but it is an array."),
        ("\"x\"", "but it is a string."),
        ("null", "but it is null."),
        ("{\"model\":\"a\\ud800\"}", "both halves of a surrogate pair"),
        ("{\"model\":\"a\\u0000\"}", "NUL"),
        ("{\"model\":\"m\"} {}", "expected the end of the text at line 1, column 15"),
    ];
    for (body, words) in cases {
        refused(body, None, None, words);
    }
    let deep = messages(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    refused(&deep.replace("\"messages\"", "\"x\""), None, None, "at most 127 levels");
    let error = Peek::chat(b"{\"model\":\"\xff\"}", None).unwrap_err();
    assert!(error.message.contains("not valid UTF-8: the byte at offset 10"), "{}", error.message);
}

#[test]
fn a_field_of_a_wrong_type_or_value_is_refused_by_name() {
    let cases = [
        (r#""temperature":"hot""#, "temperature", Some("invalid_type"), "expected a decimal, but got a string"),
        (r#""temperature":2.1"#, "temperature", Some("decimal_above_max_value"), "Expected a value <= 2, but got 2.1"),
        (r#""top_p":-0.1"#, "top_p", Some("decimal_below_min_value"), "Expected a value >= 0"),
        (r#""presence_penalty":3"#, "presence_penalty", Some("decimal_above_max_value"), "<= 2"),
        (r#""n":0"#, "n", Some("integer_below_min_value"), ">= 1, but got 0"),
        (r#""n":129"#, "n", Some("integer_above_max_value"), "<= 128"),
        (r#""max_tokens":1.5"#, "max_tokens", Some("invalid_type"), "got a decimal number"),
        (r#""max_completion_tokens":-5"#, "max_completion_tokens", Some("integer_below_min_value"), ">= 1"),
        (r#""seed":"x""#, "seed", Some("invalid_type"), "an integer"),
        (r#""stream":"true""#, "stream", Some("invalid_type"), "a boolean, but got a string"),
        (r#""stream_options":{}"#, "stream_options", None, "only allowed when 'stream' is enabled"),
        (r#""stream":false,"stream_options":{}"#, "stream_options", None, "only allowed"),
        (r#""stream":true,"stream_options":[]"#, "stream_options", Some("invalid_type"), "an object"),
        (
            r#""stream":true,"stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            Some("invalid_type"),
            "a boolean",
        ),
        (r#""top_logprobs":3"#, "top_logprobs", None, "only allowed when 'logprobs'"),
        (r#""logprobs":true,"top_logprobs":21"#, "top_logprobs", Some("integer_above_max_value"), "<= 20"),
        (r#""stop":3"#, "stop", Some("invalid_type"), "a string or an array of strings"),
        (r#""stop":["a",1]"#, "stop[1]", Some("invalid_type"), "a string"),
        (r#""tools":{}"#, "tools", Some("invalid_type"), "an array of objects"),
        (r#""tools":[{"function":{"name":"f"}}]"#, "tools[0].type", Some("missing_required_parameter"), "Missing"),
        (r#""tools":[{"type":"function"}]"#, "tools[0].function", Some("missing_required_parameter"), "Missing"),
        (
            r#""tools":[{"type":"x"},{"type":"function","function":{}}]"#,
            "tools[1].function.name",
            Some("missing_required_parameter"),
            "Missing required parameter: 'tools[1].function.name'.",
        ),
        (r#""tool_choice":"any""#, "tool_choice", Some("invalid_value"), "'none', 'auto' and 'required'"),
        (r#""tool_choice":1"#, "tool_choice", Some("invalid_type"), "a string or an object"),
        (r#""response_format":"json""#, "response_format", Some("invalid_type"), "an object"),
        (r#""response_format":{}"#, "response_format.type", Some("missing_required_parameter"), "Missing"),
        (r#""logit_bias":[]"#, "logit_bias", Some("invalid_type"), "an object"),
        (r#""metadata":1"#, "metadata", Some("invalid_type"), "an object, but got a number"),
        (r#""user":7"#, "user", Some("invalid_type"), "a string"),
        (r#""temperature":1,"temperature":1"#, "temperature", None, "twice"),
        (r#""extra":1,"e\u0078tra":1"#, "extra", None, "twice"),
    ];
    for (fields, param, code, words) in cases {
        refused(&with(fields), Some(param), code, words);
    }
}

#[test]
fn a_model_is_required_and_bounded() {
    let cases = [
        ("", Some("missing_required_parameter")),
        (r#""model":null,"#, Some("missing_required_parameter")),
        (r#""model":"","#, Some("empty_string")),
        (r#""model":["m"],"#, Some("invalid_type")),
        (&format!(r#""model":"{}","#, "x".repeat(257)), Some("string_above_max_length")),
    ];
    for (model, code) in cases {
        refused(&MINIMAL.replace(r#""model":"m","#, model), Some("model"), code, "'model'");
    }
}

#[test]
fn messages_are_checked_one_by_one() {
    let missing = Some("missing_required_parameter");
    let kind = Some("invalid_type");
    let cases = [
        ("null", "messages", missing),
        ("{}", "messages", kind),
        ("[]", "messages", Some("empty_array")),
        (r#"["hi"]"#, "messages[0]", kind),
        (r#"[{"content":"x"}]"#, "messages[0].role", missing),
        (r#"[{"role":"user"},{"role":"bot"}]"#, "messages[1].role", Some("invalid_value")),
        (r#"[{"role":1}]"#, "messages[0].role", kind),
        (r#"[{"role":"user","content":1}]"#, "messages[0].content", kind),
        (r#"[{"role":"user","content":{"type":"text"}}]"#, "messages[0].content", kind),
        (r#"[{"role":"user","content":["x"]}]"#, "messages[0].content[0]", kind),
        (r#"[{"role":"user","content":[{"text":"x"}]}]"#, "messages[0].content[0].type", missing),
        (r#"[{"role":"user","content":[{"type":1}]}]"#, "messages[0].content[0].type", kind),
        (r#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages[0].content[0].text", kind),
        (r#"[{"role":"tool","content":"x"}]"#, "messages[0].tool_call_id", missing),
        (r#"[{"role":"assistant","tool_calls":{}}]"#, "messages[0].tool_calls", kind),
        (r#"[{"role":"assistant","tool_calls":[{}]}]"#, "messages[0].tool_calls[0].id", missing),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]"#,
            "messages[0].tool_calls[0].function.arguments",
            kind,
        ),
        (r#"[{"role":"user","role":"user"}]"#, "messages[0].role", None),
        (r#"[{"role":"user","x":1,"x":2}]"#, "messages[0].x", None),
    ];
    for (list, param, code) in cases {
        refused(&messages(list), Some(param), code, param);
    }
}

#[test]
fn what_clients_really_send_is_accepted() {
    let bodies = [
        with(r#""stream":null,"tools":null,"temperature":null,"stop":null,"stream_options":null,"seed":null"#),
        with(r#""top_k":40,"chat_template_kwargs":{"enable_thinking":false},"tools":[]"#),
        with(r#""stop":["a","b","c","d","e"],"temperature":2,"top_p":0,"n":1,"max_tokens":1,"top_logprobs":0"#),
        with(r#""tools":[{"type":"custom","custom":{"name":"c"}}],"tool_choice":{"type":"custom"}"#),
        messages(
            r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function",
            "function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a",
            "content":[{"type":"text","text":"x"}]}]"#,
        ),
        messages(
            r#"[{"role":"developer","content":"x","name":"n"},
            {"role":"assistant","reasoning_content":"r","thinking_blocks":[{}]}]"#,
        ),
        messages(
            r#"[{"role":"user","content":[{"type":"brand_new","x":1},
            {"type":"text","text":"x","cache_control":{}}]}]"#,
        ),
    ];
    for body in bodies {
        if let Err(error) = Peek::chat(body.as_bytes(), None) {
            panic!("{body}: {}", error.message);
        }
    }
}

#[test]
fn a_peek_notes_what_the_host_needs() {
    let body = r#"{"messages":[{"role":"system","content":"Be br\u0069ef."},{"role":"user","content":[
        {"type":"text","text":"Hi\n"},{"type":"image_url","image_url":{"url":"data:,x"}}]}],
        "stream_options":{"include_usage":true,"include_obfuscation":false},"model":"a\/b","stream":true,
        "max_tokens":5,"max_completion_tokens":7,"tools":[{"type":"function","function":{"name":"f"}}],"odd":null}"#;
    let peek = Peek::chat(body.as_bytes(), None).unwrap();
    assert_eq!(peek.model, "a/b");
    assert!(peek.stream && peek.include_usage);
    assert_eq!((peek.tools, peek.images), (1, 1));
    assert_eq!((peek.messages, peek.text_bytes, peek.max_tokens), (2, "Be brief.Hi\n".len(), Some(7)));
    let names: Vec<_> = peek.fields.iter().map(|field| &*field.name).collect();
    assert_eq!(
        names,
        ["messages", "stream_options", "model", "stream", "max_tokens", "max_completion_tokens", "tools", "odd"]
    );
    let field = peek.field("model").unwrap();
    assert_eq!(&body[field.entry.clone()], r#""model":"a\/b""#);
    assert_eq!(&body[field.value.clone()], r#""a\/b""#);
}

#[test]
fn many_keys_cost_no_quadratic_time() {
    let many: Vec<_> = (0..200_000).map(|number| format!("\"k{number}\":0")).collect();
    let peek = Peek::chat(with(&many.join(",")).as_bytes(), None).unwrap();
    assert_eq!(peek.fields.len(), 200_002);
}

#[test]
fn an_edit_that_changes_nothing_copies_nothing() {
    let body = Bytes::from_static(MINIMAL.as_bytes());
    let peek = Peek::chat(&body, None).unwrap();
    let edits = [Edit { name: "model", value: Some("\"m\"") }, Edit { name: "absent", value: None }];
    assert_eq!(edit(&body, &peek, &edits).as_ptr(), body.as_ptr());
    assert_eq!(edit(&body, &peek, &[]).as_ptr(), body.as_ptr());
}

#[test]
fn an_edit_is_what_editing_the_parsed_document_would_be() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..3_000 {
        let extra = generate::json(&mut random, 2);
        let body = Bytes::from(with(&format!("\n \"ex\\u0074ra\" : {extra} , \"stream\" : true ")));
        let Ok(peek) = Peek::chat(&body, None) else { continue };
        let mut expected: Value = serde_json::from_slice(&body).unwrap();
        let fields = ["model", "messages", "stream", "extra", "new", "quo\"ted"];
        let value = generate::json(&mut random, 1);
        let choose = |random: &mut fastrand::Rng| Edit {
            name: generate::pick(random, &fields),
            value: random.bool().then_some(value.as_str()),
        };
        let edits: Vec<_> = (0..random.usize(..5)).map(|_| choose(&mut random)).collect();
        let object = expected.as_object_mut().unwrap();
        for edit in &edits {
            match edit.value {
                Some(value) => drop(object.insert(edit.name.to_owned(), serde_json::from_str(value).unwrap())),
                None => drop(object.remove(edit.name)),
            }
        }
        let edited = edit(&body, &peek, &edits);
        assert_eq!(serde_json::from_slice::<Value>(&edited).unwrap(), expected, "{edits:?}");
    }
}

#[test]
fn removing_everything_leaves_an_empty_object() {
    let body = Bytes::from_static(MINIMAL.as_bytes());
    let peek = Peek::chat(&body, None).unwrap();
    let edits = ["model", "messages"].map(|name| Edit { name, value: None });
    assert_eq!(edit(&body, &peek, &edits), "{}");
}

#[test]
fn damaged_requests_never_panic_and_accepted_ones_are_json() {
    let sound = json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "stop": ["a"], "n": 2,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x\n"}]},
            {"role": "tool", "tool_call_id": "a"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    });
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..20_000 {
        let body = generate::damaged(&mut random, &sound.to_string());
        match Peek::chat(body.as_bytes(), None) {
            Ok(_) => assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}"),
            Err(error) => assert!(error.status == 400 && !error.message.is_empty()),
        }
    }
}

#[test]
fn a_request_that_names_no_model_is_for_the_default() {
    let body = br#"{"messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(Peek::chat(body, Some("m")).unwrap().model, "m");
    assert_eq!(Peek::chat(body, None).unwrap_err().param.as_deref(), Some("model"));
}
