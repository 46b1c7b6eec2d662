//! What streams become.

use bytes::BytesMut;
use fastrand::Rng;
use serde_json::{Value, json};

use super::{carried, dialect};
use crate::error::{Cause, Error};

fn chunk(delta: &Value, finish_reason: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
    json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice] }).to_string()
}

/// The text of a stream of these deltas, the last one of which ends it.
pub(super) fn stream(deltas: &[Value], finish_reason: &str) -> String {
    let mut dialect = dialect(&[]);
    let mut out = BytesMut::new();
    for (index, delta) in deltas.iter().enumerate() {
        let reason = Some(finish_reason).filter(|_| index + 1 == deltas.len());
        dialect.chunk(&chunk(delta, reason), &mut out).unwrap();
    }
    dialect.end(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

/// The data of each event. The names of the events say the same as the data.
pub(super) fn events(text: &str) -> Vec<Value> {
    let event = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"].as_str().unwrap());
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// Each event of a block on a line: its number, and what it is.
fn brief(text: &str) -> Vec<String> {
    let line = |event: &Value| {
        let number = event["index"].as_u64()?;
        Some(match event["type"].as_str()? {
            "content_block_start" => format!("{number} {}", event["content_block"]),
            "content_block_delta" => {
                let delta = event["delta"].as_object()?;
                format!("{number} {}", delta.values().nth(1)?)
            }
            _ => format!("{number} ."),
        })
    };
    events(text).iter().filter_map(line).collect()
}

fn call(index: u64, arguments: &str) -> Value {
    json!({ "index": index, "function": { "arguments": arguments } })
}

fn begin(index: u64, arguments: &str) -> Value {
    json!({ "index": index, "id": format!("t{index}"), "type": "function",
        "function": { "name": format!("f{index}"), "arguments": arguments } })
}

fn started(index: u64) -> String {
    json!({ "type": "tool_use", "id": format!("t{index}"), "name": format!("f{index}"), "input": {} }).to_string()
}

#[test]
fn a_stream_has_the_events_of_a_message() {
    let mut dialect = dialect(&["x"]);
    let mut out = BytesMut::new();
    dialect.chunk(&chunk(&json!({ "role": "assistant", "content": "" }), None), &mut out).unwrap();
    dialect.chunk(&chunk(&json!({ "content": "Hé\n" }), None), &mut out).unwrap();
    dialect.chunk(&chunk(&json!({}), Some("stop")), &mut out).unwrap();
    let usage = r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":
        {"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":3}}}"#;
    dialect.chunk(usage, &mut out).unwrap();
    dialect.end(&mut out);
    let expected = concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_0a1","type":"message","role":"assistant","model":"m","#,
        r#""content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"#,
        r#""cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#,
        "\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_start\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\nevent: content_block_delta\n",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\n"}}"#,
        "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"#,
        r#""usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":2}}"#,
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
}

#[test]
fn blocks_follow_one_another() {
    let text = r#"0 {"type":"text","text":""}"#;
    let thinking = |number: u64| format!(r#"{number} {{"type":"thinking","thinking":"","signature":""}}"#);
    let signed = json!([{ "index": 0, "type": "thinking", "thinking": "ab", "signature": "c2ln" }]);
    let redacted = json!([{ "index": 1, "type": "redacted_thinking", "data": "b3Bh" }]);
    let signature_alone = json!([{ "index": 2, "type": "thinking", "thinking": "", "signature": "bmV4dA" }]);
    let mut marked = begin(0, "{}");
    marked["extra_content"] = json!({ "google": { "thought_signature": "s" } });
    let citation =
        r#"{"type":"web_search_result_location","cited_text":"","encrypted_index":"","title":"T","url":"u"}"#;
    let cited = json!([{ "index": 0, "type": "url_citation", "url_citation": { "url": "u", "title": "T" } }]);
    let cases: Vec<(Vec<Value>, Vec<String>)> = vec![
        (vec![json!({ "content": "" })], vec![]),
        (
            vec![json!({ "content": "a" }), json!({ "content": "b\"" }), json!({})],
            vec![text.into(), r#"0 "a""#.into(), r#"0 "b\"""#.into(), "0 .".into()],
        ),
        // What thinking blocks repeat of the reasoning is told once, the signature in one piece at the end.
        (
            vec![
                json!({ "reasoning_content": "a" }),
                json!({ "reasoning_content": "b" }),
                json!({ "thinking_blocks": signed }),
                json!({ "thinking_blocks": redacted }),
                json!({ "thinking_blocks": signature_alone }),
                json!({ "content": "c" }),
            ],
            vec![
                thinking(0),
                r#"0 "a""#.into(),
                r#"0 "b""#.into(),
                r#"0 "c2ln""#.into(),
                "0 .".into(),
                r#"1 {"type":"redacted_thinking","data":"b3Bh"}"#.into(),
                "1 .".into(),
                thinking(2),
                r#"2 "bmV4dA""#.into(),
                "2 .".into(),
                r#"3 {"type":"text","text":""}"#.into(),
                r#"3 "c""#.into(),
                "3 .".into(),
            ],
        ),
        // Behind a signature, reasoning is another block.
        (
            vec![
                json!({ "reasoning_content": "ab" }),
                json!({ "thinking_blocks": signed }),
                json!({ "reasoning_content": "c" }),
            ],
            vec![
                thinking(0),
                r#"0 "ab""#.into(),
                r#"0 "c2ln""#.into(),
                "0 .".into(),
                thinking(1),
                r#"1 "c""#.into(),
                "1 .".into(),
            ],
        ),
        // An upstream that tells its thinking in blocks alone.
        (
            vec![json!({ "thinking_blocks": signed }), json!({})],
            vec![thinking(0), r#"0 "ab""#.into(), r#"0 "c2ln""#.into(), "0 .".into()],
        ),
        // Calls in turn, and what is said behind one that is not complete.
        (
            vec![
                json!({ "tool_calls": [begin(0, "")] }),
                json!({ "tool_calls": [call(0, "{\"a\"")] }),
                json!({ "tool_calls": [begin(1, "{")] }),
                json!({ "content": "Hm" }),
                json!({ "tool_calls": [call(1, "}")] }),
                json!({ "tool_calls": [call(0, ":1}")] }),
                json!({ "content": "!" }),
            ],
            vec![
                format!("0 {}", started(0)),
                r#"0 "{\"a\"""#.into(),
                r#"0 ":1}""#.into(),
                "0 .".into(),
                format!("1 {}", started(1)),
                r#"1 "{}""#.into(),
                "1 .".into(),
                r#"2 {"type":"text","text":""}"#.into(),
                r#"2 "Hm""#.into(),
                r#"2 "!""#.into(),
                "2 .".into(),
            ],
        ),
        // Arguments that are no object.
        (
            vec![
                json!({ "tool_calls": [begin(0, "nu"), begin(1, "[1]")] }),
                json!({ "tool_calls": [call(0, "ll"), begin(2, "")] }),
            ],
            vec![
                format!("0 {}", started(0)),
                "0 .".into(),
                format!("1 {}", started(1)),
                r#"1 "{\"INVALID_JSON\":\"[1]\"}""#.into(),
                "1 .".into(),
                format!("2 {}", started(2)),
                "2 .".into(),
            ],
        ),
        (
            vec![json!({ "tool_calls": [marked] })],
            vec![
                format!(
                    "0 {}",
                    started(0).replace("{}}", r#"{},"extra_content":{"google":{"thought_signature":"s"}}}"#)
                ),
                r#"0 "{}""#.into(),
                "0 .".into(),
                format!(
                    "1 {}",
                    carried(&json!({ "tool_calls": { "t0": { "google": { "thought_signature": "s" } } } }))
                ),
                "1 .".into(),
            ],
        ),
        (
            vec![json!({ "content": "a" }), json!({ "annotations": cited })],
            vec![text.into(), r#"0 "a""#.into(), format!("0 {citation}"), "0 .".into()],
        ),
        (
            vec![
                json!({ "function_call": { "name": "f0", "arguments": "" } }),
                json!({ "function_call": { "arguments": "{\"a\":" } }),
                json!({ "function_call": { "arguments": "1}" } }),
            ],
            vec![
                format!("0 {}", started(0).replace("t0", "toolu_0a1")),
                r#"0 "{\"a\":""#.into(),
                r#"0 "1}""#.into(),
                "0 .".into(),
            ],
        ),
        (vec![json!({ "refusal": "No." })], vec![text.into(), r#"0 "No.""#.into(), "0 .".into()]),
    ];
    for (deltas, expected) in cases {
        assert_eq!(brief(&stream(&deltas, "stop")), expected, "{}", json!(deltas));
    }
}

#[test]
fn a_call_is_told_while_it_grows() {
    let mut dialect = dialect(&[]);
    let mut out = BytesMut::new();
    for (delta, told) in [
        (json!({ "tool_calls": [begin(0, "")] }), "content_block_start"),
        (json!({ "tool_calls": [call(0, "{}")] }), "input_json_delta"),
        // The first call is complete: the second one is told at once.
        (json!({ "tool_calls": [begin(1, "")] }), "\"t1\""),
    ] {
        out.clear();
        dialect.chunk(&chunk(&delta, None), &mut out).unwrap();
        assert!(std::str::from_utf8(&out).unwrap().contains(told), "{delta}");
    }
}

#[test]
fn what_waits_behind_a_call_that_does_not_end_is_bounded() {
    let mut dialect = dialect(&[]);
    let mut out = BytesMut::new();
    dialect.chunk(&chunk(&json!({ "tool_calls": [begin(0, "{")] }), None), &mut out).unwrap();
    let text = chunk(&json!({ "content": "a".repeat(1 << 20) }), None);
    let failed = (0..17).find_map(|_| dialect.chunk(&text, &mut out).err()).unwrap();
    assert_eq!(failed.cause, Cause::BadAnswer);
    assert!(out.len() < 1 << 20);
}

#[test]
fn the_end_tells_why() {
    let calls = json!({ "tool_calls": [begin(0, "{}")] });
    for (delta, finish_reason, expected) in [
        (json!({ "content": "a" }), "stop", "end_turn"),
        (json!({ "content": "a" }), "length", "max_tokens"),
        (calls.clone(), "tool_calls", "tool_use"),
        (calls, "stop", "tool_use"),
        (json!({ "refusal": "No." }), "stop", "refusal"),
        (json!({}), "content_filter", "refusal"),
    ] {
        let text = stream(&[delta], finish_reason);
        let events = events(&text);
        let [.., end, stop] = events.as_slice() else { panic!("{text}") };
        assert_eq!(end["delta"]["stop_reason"], expected, "{text}");
        assert_eq!(stop["type"], "message_stop");
        assert!(!text.contains("[DONE]"));
    }
}

#[test]
fn an_empty_stream_is_an_empty_message() {
    let mut out = BytesMut::new();
    dialect(&[]).end(&mut out);
    let kinds: Vec<_> = events(std::str::from_utf8(&out).unwrap()).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["message_start", "ping", "message_delta", "message_stop"]);
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_event() {
    let mut out = BytesMut::new();
    dialect(&[]).fail(&Error::new(Cause::Overloaded, "Too much."), &mut out);
    let expected =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Too much."},"request_id":"req_0a1"}"#;
    assert_eq!(std::str::from_utf8(&out).unwrap(), format!("event: error\ndata: {expected}\n\n"));
}

#[test]
fn what_is_no_chunk_is_a_bad_answer() {
    for chunk in ["", "[]", r#"{"choices": 1}"#] {
        assert_eq!(dialect(&[]).chunk(chunk, &mut BytesMut::new()).unwrap_err().cause, Cause::BadAnswer, "{chunk}");
    }
}

#[test]
fn however_chunks_interleave_the_blocks_do_not_and_nothing_is_lost() {
    let mut random = Rng::with_seed(7);
    for round in 0..300 {
        let (deltas, spoken, arguments) = interleaved(&mut random);
        let text = stream(&deltas, "tool_calls");
        let message = accumulate(&text);
        let said: String = message.iter().filter_map(|block| block["text"].as_str()).collect();
        let called: Vec<_> = message.iter().filter_map(|block| block["partial_json"].as_str()).collect();
        assert_eq!(said, spoken, "round {round}: {}", json!(deltas));
        assert_eq!(called, arguments, "round {round}: {}", json!(deltas));
    }
}

/// Deltas of text and of a few calls, mixed; the text in all; the arguments of each call.
fn interleaved(random: &mut Rng) -> (Vec<Value>, String, Vec<String>) {
    let mut arguments: Vec<String> = Vec::new();
    let mut pieces: Vec<Vec<char>> = Vec::new();
    let (mut deltas, mut spoken) = (Vec::new(), String::new());
    let count = random.usize(1..5);
    while pieces.len() < count || pieces.iter().any(|piece| !piece.is_empty()) {
        let choice = random.usize(..=count);
        if choice == count {
            let word = ["a", "é\"", "\n"][random.usize(..3)];
            spoken.push_str(word);
            deltas.push(json!({ "content": word }));
        } else if choice >= pieces.len() {
            let whole = json!({ "x": "}{\"".repeat(random.usize(..3)), "y": [{}, random.u8(..)] }).to_string();
            deltas.push(json!({ "tool_calls": [begin(pieces.len() as u64, "")] }));
            pieces.push(whole.chars().collect());
            arguments.push(whole);
        } else {
            let length = random.usize(..=pieces[choice].len());
            let piece: String = pieces[choice].drain(..length).collect();
            deltas.push(json!({ "tool_calls": [call(choice as u64, &piece)] }));
        }
    }
    (deltas, spoken, arguments)
}

/// Puts a message together, and checks that its blocks come one after another.
fn accumulate(text: &str) -> Vec<Value> {
    let (mut blocks, mut open) = (Vec::<Value>::new(), false);
    for event in events(text) {
        let kind = event["type"].as_str().unwrap();
        if !kind.starts_with("content_block") {
            continue;
        }
        let number = event["index"].as_u64().unwrap() as usize;
        assert_eq!(open, kind != "content_block_start", "{text}");
        assert_eq!(number + usize::from(open), blocks.len(), "{text}");
        open = kind != "content_block_stop";
        match kind {
            "content_block_start" => blocks.push(json!({})),
            "content_block_delta" => {
                for (name, value) in event["delta"].as_object().unwrap().iter().skip(1) {
                    let before = blocks[number][name].as_str().unwrap_or_default();
                    blocks[number][name] = (before.to_owned() + value.as_str().unwrap()).into();
                }
            }
            _ => {}
        }
    }
    assert!(!open, "{text}");
    blocks
}
