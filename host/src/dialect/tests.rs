//! All dialects alike, with what comes at random: answers, the pieces they come in, and damage.

mod told;

use bytes::BytesMut;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use self::told::Told;
use super::{Dialect, Translated, completions, error_for_client, messages, responses};
use crate::chat::generate;
use crate::error::{Cause, Error};

type Request = fn(&[u8], &str) -> Result<Translated, Error>;

/// A dialect: how it reads a request, a request of it, and how a client of it reads what it is told.
struct Subject {
    request: Request,
    body: fn() -> Value,
    whole: fn(&[u8]) -> Told,
    streamed: fn(&str) -> Told,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        request: completions::request,
        body: || {
            json!({ "model": "m", "prompt": ["Hé"], "stop": ["a"], "n": 2, "logprobs": 1, "echo": false,
                "stream": true, "stream_options": { "include_usage": true } })
        },
        whole: told::completion,
        streamed: told::completion_stream,
    },
    Subject {
        request: messages::request,
        body: || {
            json!({ "model": "m", "max_tokens": 9, "system": [{ "type": "text", "text": "Be brief." }],
                "messages": [
                    { "role": "user", "content": [
                        { "type": "text", "text": "Hé" },
                        { "type": "image", "source": { "type": "url", "url": "https://e.example/a.png" } } ] },
                    { "role": "assistant", "content": [
                        { "type": "thinking", "thinking": "So", "signature": "s" },
                        { "type": "tool_use", "id": "t", "name": "look", "input": { "a": 1 } } ] },
                    { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "found" }] } ],
                "tools": [{ "name": "look", "input_schema": { "type": "object" } }], "tool_choice": { "type": "auto" } })
        },
        whole: told::message,
        streamed: told::message_stream,
    },
    Subject {
        request: responses::request,
        body: || {
            json!({ "model": "m", "instructions": "Be brief.", "store": false, "reasoning": { "effort": "low" },
                "input": [
                    { "role": "user", "content": [{ "type": "input_text", "text": "Hé" }] },
                    { "type": "function_call", "call_id": "t", "name": "look", "arguments": "{}" },
                    { "type": "function_call_output", "call_id": "t", "output": "found" } ],
                "tools": [{ "type": "function", "name": "look", "parameters": { "type": "object" } }],
                "text": { "format": { "type": "text" } } })
        },
        whole: told::response,
        streamed: told::response_stream,
    },
];

impl Subject {
    fn dialect(&self) -> Box<dyn Dialect> {
        (self.request)((self.body)().to_string().as_bytes(), "req_0a1").unwrap().back
    }
}

#[test]
fn what_is_wrong_with_a_field_is_said_under_the_clients_own_name_of_it() {
    let error = |param: &str| Error::invalid_field(param, format!("Invalid '{param}': use `{param}`."));
    for (names, param, expected) in [
        (completions::NAMES, "max_completion_tokens", "max_tokens"),
        (completions::NAMES, "messages[0].content", "prompt"),
        (completions::NAMES, "temperature", "temperature"),
        (messages::NAMES, "max_completion_tokens", "max_tokens"),
        (messages::NAMES, "stop", "stop_sequences"),
        (messages::NAMES, "stop[3]", "stop_sequences"),
        (messages::NAMES, "stopped", "stopped"),
        (responses::NAMES, "response_format.json_schema.name", "text.format"),
        (responses::NAMES, "messages", "input"),
        (&[], "max_completion_tokens", "max_completion_tokens"),
    ] {
        let told = error_for_client(names, error(param));
        assert_eq!(told.param.as_deref(), Some(expected));
        assert_eq!(told.message, format!("Invalid '{expected}': use `{expected}`."));
    }
    assert_eq!(error_for_client(messages::NAMES, Error::invalid_request("No.")).message, "No.");
}

#[test]
fn what_is_left_out_though_it_asks_for_something_is_told() {
    let messages = |fields: Value| {
        (
            messages::request as Request,
            json!({ "max_tokens": 9, "messages": [
        { "role": "user", "content": "x" }] }),
            fields,
        )
    };
    let responses = |fields: Value| (responses::request as Request, json!({ "input": "x" }), fields);
    for ((request, mut body, fields), expected) in [
        (messages(json!({ "context_management": {}, "speed": null, "diagnostics": {} })), &[][..]),
        (messages(json!({ "context_management": { "edits": [] }, "speed": "fast" })), &["context_management", "speed"]),
        (responses(json!({ "truncation": "disabled", "include": [], "context_management": [] })), &[]),
        (responses(json!({ "include": ["reasoning.encrypted_content", "message.output_text.logprobs"] })), &[]),
        (
            responses(json!({ "truncation": "auto", "include": ["file_search_call.results"], "max_tool_calls": 3 })),
            &["include", "max_tool_calls", "truncation"],
        ),
        (responses(json!({ "context_management": [{ "type": "compaction" }] })), &["context_management"]),
    ] {
        body["model"] = "m".into();
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(request(body.to_string().as_bytes(), "req_1").unwrap().dropped, expected, "{fields}");
    }
}

#[test]
fn a_streamed_answer_says_what_the_whole_one_says_however_it_is_cut() {
    let mut random = Rng::with_seed(1);
    for round in 0..400 {
        let (message, reason, usage) = answer(&mut random);
        let whole = json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason }] });
        let chunks = cut(&mut random, &message, reason, &usage);
        for subject in &SUBJECTS {
            let expected = (subject.whole)(&subject.dialect().answer(whole.to_string().as_bytes()).unwrap());
            let mut dialect = subject.dialect();
            let mut out = BytesMut::new();
            chunks.iter().for_each(|chunk| dialect.chunk(chunk, &mut out).unwrap());
            dialect.end(&mut out);
            let told = (subject.streamed)(std::str::from_utf8(&out).unwrap());
            assert_eq!(told, expected, "round {round}: {chunks:#?}");
        }
    }
}

#[test]
fn damaged_chunks_and_answers_never_panic_and_what_is_told_stays_readable() {
    let mut random = Rng::with_seed(2);
    for _ in 0..2_000 {
        let (message, reason, usage) = answer(&mut random);
        let mut chunks = cut(&mut random, &message, reason, &usage);
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..chunks.len());
            chunks[place] = generate::damaged(&mut random, &chunks[place]);
        }
        for subject in &SUBJECTS {
            let mut dialect = subject.dialect();
            let mut out = BytesMut::new();
            match chunks.iter().try_for_each(|chunk| dialect.chunk(chunk, &mut out)) {
                Ok(()) => dialect.end(&mut out),
                Err(error) => {
                    assert_eq!(error.cause, Cause::BadAnswer);
                    dialect.fail(&error, &mut out);
                }
            }
            // Strings are passed on as they came, with escapes that not every reader takes.
            if chunks.iter().all(|chunk| serde_json::from_str::<Value>(chunk).is_ok()) {
                told::events(std::str::from_utf8(&out).unwrap());
            }
            // A chunk is no answer, but near to one.
            drop(subject.dialect().answer(chunks[0].replace("\"delta\"", "\"message\"").as_bytes()));
        }
    }
}

#[test]
fn damaged_requests_never_panic_and_become_json_or_the_clients_fault() {
    let mut random = Rng::with_seed(3);
    for subject in &SUBJECTS {
        let body = (subject.body)().to_string();
        assert!((subject.request)(body.as_bytes(), "req_0a1").is_ok(), "{body}");
        for _ in 0..4_000 {
            let body = generate::damaged(&mut random, &body);
            match (subject.request)(body.as_bytes(), "req_0a1") {
                Ok(translated) => drop(serde_json::from_str::<Value>(&translated.document).unwrap()),
                Err(error) => assert!(error.status == 400 && !error.message.is_empty(), "{body}: {error:?}"),
            }
        }
    }
}

/// A message of any content, why it ended, and what it cost.
fn answer(random: &mut Rng) -> (Value, &'static str, Value) {
    let text = |random: &mut Rng| -> String {
        (0..random.usize(1..8))
            .map(|_| generate::pick(random, &["a", "Zwölf ", "\"\\", "\n", "\u{1f600}", "{}"]))
            .collect()
    };
    let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
    if random.bool() {
        message["reasoning_content"] = text(random).into();
    }
    let calls = random.usize(..3);
    if calls == 0 || random.bool() {
        message["content"] = text(random).into();
    }
    let call = |index: usize, random: &mut Rng| {
        let arguments = json!({ "x": text(random), "y": [index, {}] }).to_string();
        json!({ "id": format!("t{index}"), "type": "function",
            "function": { "name": format!("f{index}"), "arguments": arguments } })
    };
    if calls > 0 {
        message["tool_calls"] = (0..calls).map(|index| call(index, random)).collect();
    }
    let reason = if calls > 0 { "tool_calls" } else { generate::pick(random, &["stop", "length"]) };
    let (prompt, completion) = (random.u32(..1000), random.u32(..1000));
    let usage =
        json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
    (
        message,
        if reason == "stop" {
            "stop"
        } else if reason == "length" {
            "length"
        } else {
            "tool_calls"
        },
        usage,
    )
}

/// The chunks of a stream that says the same, cut at random.
fn cut(random: &mut Rng, message: &Value, reason: &str, usage: &Value) -> Vec<String> {
    let mut deltas = vec![json!({ "role": "assistant", "content": "" })];
    for name in ["reasoning_content", "content"] {
        let text = message[name].as_str().unwrap_or_default();
        deltas.extend(pieces(random, text).into_iter().map(|piece| json!({ name: piece })));
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let mut begin = call.clone();
        begin["index"] = index.into();
        let arguments = std::mem::take(&mut begin["function"]["arguments"]);
        let mut arguments = pieces(random, arguments.as_str().unwrap());
        begin["function"]["arguments"] = if random.bool() { arguments.remove(0) } else { String::new() }.into();
        deltas.push(json!({ "tool_calls": [begin] }));
        let more = |piece| json!({ "tool_calls": [{ "index": index, "function": { "arguments": piece } }] });
        deltas.extend(arguments.into_iter().map(more));
    }
    let chunk = |fields: Map<String, Value>| {
        let mut chunk = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m" });
        chunk.as_object_mut().unwrap().extend(fields);
        chunk.to_string()
    };
    let choice = |delta: Value, reason: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
        chunk(Map::from_iter([("choices".to_owned(), json!([choice]))]))
    };
    let mut chunks: Vec<String> = deltas.into_iter().map(|delta| choice(delta, None)).collect();
    chunks.push(choice(json!({}), Some(reason)));
    chunks.push(chunk(Map::from_iter([("choices".to_owned(), json!([])), ("usage".to_owned(), usage.clone())])));
    chunks
}

/// The text in pieces of any length. At least one, unless there is no text.
fn pieces(random: &mut Rng, text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut rest = characters.as_slice();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(random.usize(1..=rest.len()));
        pieces.push(piece.iter().collect());
        rest = others;
    }
    pieces
}
