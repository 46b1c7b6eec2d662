//! The dialect from the outside: requests, whole answers, streams.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::request;
use crate::dialect::Dialect;
use crate::error::{Cause, Error};

/// A request with these fields besides a model and, unless given, a prompt.
fn body(fields: &Value) -> Vec<u8> {
    let mut body = json!({ "model": "m", "prompt": "Hé" });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

fn dialect(fields: &Value) -> Box<dyn Dialect> {
    request(&body(fields), "req_0a1").unwrap().back
}

#[test]
fn fields_become_those_of_a_chat() {
    for (fields, expected) in [
        (json!({}), json!({ "max_completion_tokens": 16 })),
        (json!({ "prompt": ["Hé"], "max_tokens": 5 }), json!({ "max_completion_tokens": 5 })),
        (json!({ "max_tokens": null, "logprobs": null, "suffix": null, "best_of": 1 }), {
            json!({ "max_completion_tokens": 16 })
        }),
        (
            json!({ "temperature": 0, "top_p": 1, "n": 2, "stop": ["a"], "presence_penalty": 1,
                "frequency_penalty": 1, "seed": 7, "user": "u", "logit_bias": { "5": -1 }, "top_k": 3 }),
            json!({ "max_completion_tokens": 16, "temperature": 0, "top_p": 1, "n": 2, "stop": ["a"],
                "presence_penalty": 1, "frequency_penalty": 1, "seed": 7, "user": "u", "logit_bias": { "5": -1 },
                "top_k": 3 }),
        ),
        (json!({ "logprobs": 3 }), json!({ "max_completion_tokens": 16, "logprobs": true, "top_logprobs": 3 })),
        (json!({ "logprobs": 0 }), json!({ "max_completion_tokens": 16, "logprobs": true, "top_logprobs": 0 })),
        (json!({ "logprobs": false, "echo": true, "suffix": "" }), json!({ "max_completion_tokens": 16 })),
        (json!({ "n": 2, "best_of": 2 }), json!({ "max_completion_tokens": 16, "n": 2 })),
        (
            json!({ "stream": true, "stream_options": { "include_usage": false } }),
            json!({ "max_completion_tokens": 16, "stream": true, "stream_options": { "include_usage": true } }),
        ),
    ] {
        let mut whole = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hé" }] });
        whole.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        let document: Value = serde_json::from_str(&request(&body(&fields), "req_1").unwrap().document).unwrap();
        assert_eq!(document, whole, "{fields}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let unsupported = Some("unsupported_parameter");
    for (fields, param, code) in [
        (json!({ "prompt": null }), "prompt", None),
        (json!({ "prompt": [] }), "prompt", None),
        (json!({ "prompt": 5 }), "prompt", None),
        (json!({ "prompt": [{}] }), "prompt", None),
        (json!({ "prompt": ["a", "b"] }), "prompt", unsupported),
        (json!({ "prompt": [1, 2] }), "prompt", unsupported),
        (json!({ "prompt": [[1, 2]] }), "prompt", unsupported),
        (json!({ "suffix": "end" }), "suffix", unsupported),
        (json!({ "best_of": 3 }), "best_of", unsupported),
        (json!({ "echo": true, "logprobs": 1 }), "echo", unsupported),
        (json!({ "echo": 1 }), "echo", None),
        (json!({ "logprobs": true }), "logprobs", None),
        (json!({ "logprobs": 21 }), "logprobs", None),
        (json!({ "stream_options": {} }), "stream_options", None),
    ] {
        let error = request(&body(&fields), "req_1").err().unwrap();
        assert_eq!(error.param.as_deref(), Some(param), "{fields}: {error}");
        assert_eq!((error.status.as_u16(), error.code.as_deref()), (400, code), "{fields}: {error}");
    }
    for body in ["", "[]", "{", "null"] {
        assert_eq!(request(body.as_bytes(), "req_1").err().unwrap().status.as_u16(), 400, "{body:?}");
    }
}

#[test]
fn an_answer_becomes_a_completion() {
    let message = |content: Value| json!({ "role": "assistant", "content": content, "reasoning_content": "Hm." });
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m2",
        "choices": [
            { "index": 0, "message": message(json!("a\"")), "finish_reason": "length", "logprobs": null },
            { "index": 1, "message": message(Value::Null), "finish_reason": "tool_calls" },
            { "index": 2, "message": { "content": null, "refusal": "No." }, "finish_reason": "content_filter" },
        ],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 }, "system_fingerprint": "fp",
    });
    let choice = |index: u8, text: &str, reason: &str| {
        let logprobs = Value::Null;
        json!({ "text": text, "index": index, "logprobs": logprobs, "finish_reason": reason })
    };
    for (echo, prompt) in [(false, ""), (true, "Hé")] {
        let bytes = dialect(&json!({ "echo": echo })).answer(answer.to_string().as_bytes()).unwrap();
        let expected = json!({
            "id": "cmpl-0a1", "object": "text_completion", "created": 7, "model": "m2",
            "choices": [
                choice(0, &format!("{prompt}a\""), "length"),
                choice(1, prompt, "stop"),
                choice(2, &format!("{prompt}No."), "content_filter"),
            ],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 }, "system_fingerprint": "fp",
        });
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
    }
}

#[test]
fn log_probabilities_take_their_legacy_form() {
    let likely = |token: &str, logprob: f64| json!({ "token": token, "logprob": logprob, "bytes": null });
    let token = |token: &str, logprob: f64, likely: Value| {
        let bytes = token.as_bytes();
        json!({ "token": token, "logprob": logprob, "bytes": bytes, "top_logprobs": likely })
    };
    let logprobs = json!({ "content": [
        token("é", -0.5, json!([likely("é", -0.5), likely("e", -1.5)])),
        token(" b", -3.25, json!([likely(" c", -0.25)])),
    ], "refusal": null });
    let choice = json!({ "index": 0, "message": { "content": "é b" }, "finish_reason": "stop", "logprobs": logprobs });
    let answer = json!({ "created": 1, "model": "m", "choices": [choice] }).to_string();
    let top = json!([{ "é": -0.5, "e": -1.5 }, { " c": -0.25, " b": -3.25 }]);
    for (asked, expected) in [(json!(1), top), (json!(0), Value::Null)] {
        let bytes = dialect(&json!({ "logprobs": asked })).answer(answer.as_bytes()).unwrap();
        let found: Value = serde_json::from_slice(&bytes).unwrap();
        let whole = json!({ "tokens": ["é", " b"], "token_logprobs": [-0.5, -3.25], "top_logprobs": expected,
            "text_offset": [2, 3] });
        assert_eq!(found["choices"][0]["logprobs"], whole);
    }
    let bytes = dialect(&json!({})).answer(answer.as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["choices"][0]["logprobs"], Value::Null);
}

/// What a stream of these choices, one to a chunk, and of a chunk with usage becomes.
fn stream(fields: &Value, choices: &[Value]) -> Vec<Value> {
    let mut dialect = dialect(fields);
    let mut out = BytesMut::new();
    let chunk = |choices: Value, usage: Value| {
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m2", "choices": choices,
            "usage": usage })
        .to_string()
    };
    for choice in choices {
        dialect.chunk(&chunk(json!([choice]), Value::Null), &mut out).unwrap();
    }
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 });
    dialect.chunk(&chunk(json!([]), usage), &mut out).unwrap();
    dialect.end(&mut out);
    let text = std::str::from_utf8(&out).unwrap();
    let events = text.strip_suffix("data: [DONE]\n\n").unwrap().split_terminator("\n\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[test]
fn a_stream_has_chunks_of_completions() {
    let given = |index: u8, delta: Value, reason: Value| {
        let index = u64::from(index);
        json!({ "index": index, "delta": delta, "finish_reason": reason })
    };
    let choices = [
        given(0, json!({ "role": "assistant", "content": "" }), Value::Null),
        given(0, json!({ "content": "a" }), Value::Null),
        given(1, json!({ "role": "assistant", "content": "b" }), Value::Null),
        given(0, json!({ "reasoning_content": "Hm." }), Value::Null),
        given(1, json!({}), json!("stop")),
        given(0, json!({}), json!("length")),
    ];
    let chunk = |index: u8, text: &str, finish_reason: Value| {
        json!({ "id": "cmpl-0a1", "object": "text_completion", "created": 7, "model": "m2", "choices": [
            { "text": text, "index": index, "logprobs": null, "finish_reason": finish_reason }
        ] })
    };
    let plain = vec![
        chunk(0, "a", Value::Null),
        chunk(1, "b", Value::Null),
        chunk(1, "", json!("stop")),
        chunk(0, "", json!("length")),
    ];
    assert_eq!(stream(&json!({ "stream": true }), &choices), plain);

    let mut with_usage = plain.clone();
    with_usage.push(json!({ "id": "cmpl-0a1", "object": "text_completion", "created": 7, "model": "m2",
        "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 } }));
    let fields = json!({ "stream": true, "stream_options": { "include_usage": true } });
    assert_eq!(stream(&fields, &choices), with_usage);

    let mut echoed = plain;
    echoed.insert(0, chunk(0, "Hé", Value::Null));
    echoed[2] = chunk(1, "Héb", Value::Null);
    assert_eq!(stream(&json!({ "stream": true, "echo": true }), &choices), echoed);
}

#[test]
fn offsets_in_a_stream_go_on_from_chunk_to_chunk() {
    let chunk = |token: &str| {
        let logprobs = json!({ "content": [{ "token": token, "logprob": -1, "top_logprobs": [] }] });
        json!({ "index": 0, "delta": { "content": token }, "finish_reason": null, "logprobs": logprobs })
    };
    let chunks = stream(&json!({ "stream": true, "logprobs": 0 }), &[chunk("ab"), chunk("c"), chunk("d")]);
    let offsets: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["logprobs"]["text_offset"][0]).collect();
    assert_eq!(json!(offsets), json!([2, 4, 5]));
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_done() {
    let mut out = BytesMut::new();
    let error = Error::new(Cause::Overloaded, "Too much.");
    dialect(&json!({})).fail(&error, &mut out);
    assert_eq!(std::str::from_utf8(&out).unwrap(), format!("data: {}\n\ndata: [DONE]\n\n", error.to_json()));
}

#[test]
fn what_is_no_answer_is_a_bad_one() {
    let mut dialect = dialect(&json!({}));
    for document in ["", "[]", r#"{"choices": 1}"#] {
        assert_eq!(dialect.answer(document.as_bytes()).unwrap_err().cause, Cause::BadAnswer, "{document}");
        assert_eq!(dialect.chunk(document, &mut BytesMut::new()).unwrap_err().cause, Cause::BadAnswer, "{document}");
    }
}
