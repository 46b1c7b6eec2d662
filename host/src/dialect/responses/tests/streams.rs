//! Streamed answers, as events.

use super::*;

/// The events that tell of these chunks and their end, or of their failure.
fn events(chunks: &[Value], failure: Option<&Error>) -> Vec<Value> {
    let mut back = request(plain().to_string().as_bytes(), "req_t").unwrap().back;
    let mut out = BytesMut::new();
    for chunk in chunks {
        back.chunk(&chunk.to_string(), &mut out).unwrap();
    }
    match failure {
        Some(error) => back.fail(error, &mut out),
        None => back.end(&mut out),
    }
    let text = without_letters(std::str::from_utf8(&out).unwrap());
    let events = text.split_terminator("\n\n").enumerate().map(|(number, event)| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(Some(name), data["type"].as_str().map(|kind| format!("event: {kind}")).as_deref());
        assert_eq!(data["sequence_number"], number);
        data
    });
    events.collect()
}

/// An event in one line: its type, and of its fields those that differ between events of a type.
fn line(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap();
    let mut line = kind.strip_prefix("response.").unwrap_or(kind).to_owned();
    for name in ["output_index", "content_index", "delta", "text", "refusal", "arguments", "input"] {
        if !event[name].is_null() {
            line.push_str(&format!(" {}", event[name]));
        }
    }
    if let Some(id) = event["item"]["id"].as_str() {
        line.push_str(&format!(" {id} {}", event["item"]["status"].as_str().unwrap_or("-")));
    }
    line
}

/// What comes between `response.in_progress` and the last event.
fn told(chunks: &[Value]) -> Vec<String> {
    let events = events(chunks, None);
    assert_eq!([&events[0], &events[1]].map(line), ["created", "in_progress"]);
    events[2..events.len() - 1].iter().map(line).collect()
}

#[test]
fn of_several_choices_the_first_is_the_answer() {
    let mut other = chunk(json!({ "role": "assistant", "content": "other" }));
    other["choices"][0]["index"] = json!(1);
    let mut other_end = finish("stop");
    other_end["choices"][0]["index"] = json!(1);
    let chunks = [chunk(json!({ "role": "assistant", "content": "this" })), other, other_end, finish("length")];
    assert!(!told(&chunks).concat().contains("other"));
    assert_eq!(events(&chunks, None).last().unwrap()["type"], "response.incomplete");
}

#[test]
fn a_text_is_told_in_the_order_of_the_api() {
    let chunks = [
        chunk(json!({ "role": "assistant", "content": "" })),
        chunk(json!({ "content": "Hel" })),
        chunk(json!({ "content": "lo" })),
        finish("stop"),
    ];
    let expected = [
        "output_item.added 0 msg_00 in_progress",
        "content_part.added 0 0",
        r#"output_text.delta 0 0 "Hel""#,
        r#"output_text.delta 0 0 "lo""#,
        r#"output_text.done 0 0 "Hello""#,
        "content_part.done 0 0",
        "output_item.done 0 msg_00 completed",
    ];
    assert_eq!(told(&chunks), expected);
}

#[test]
fn reasoning_is_complete_before_the_text_begins() {
    let chunks = [
        chunk(json!({ "role": "assistant", "reasoning_content": "H" })),
        chunk(json!({ "reasoning_content": "m" })),
        chunk(json!({ "content": "So" })),
        chunk(json!({ "refusal": "No" })),
        finish("length"),
    ];
    let expected = [
        "output_item.added 0 rs_00 -",
        "reasoning_summary_part.added 0",
        r#"reasoning_summary_text.delta 0 "H""#,
        r#"reasoning_summary_text.delta 0 "m""#,
        r#"reasoning_summary_text.done 0 "Hm""#,
        "reasoning_summary_part.done 0",
        "output_item.done 0 rs_00 -",
        "output_item.added 1 msg_01 in_progress",
        "content_part.added 1 0",
        r#"output_text.delta 1 0 "So""#,
        r#"output_text.done 1 0 "So""#,
        "content_part.done 1 0",
        "content_part.added 1 1",
        r#"refusal.delta 1 1 "No""#,
        r#"refusal.done 1 1 "No""#,
        "content_part.done 1 1",
        "output_item.done 1 msg_01 incomplete",
    ];
    assert_eq!(told(&chunks), expected);
}

#[test]
fn calls_side_by_side_and_text_after_them_are_items_of_their_own() {
    let call = |index: u64, id: &str, arguments: &str| {
        let function = json!({ "name": "f", "arguments": arguments });
        json!({ "index": index, "id": id, "type": "function", "function": function })
    };
    let more = |index: u64, text: &str| json!({ "index": index, "function": { "arguments": text } });
    let custom = json!({ "index": 2, "id": "c", "type": "custom", "custom": { "name": "g", "input": "x" } });
    let chunks = [
        chunk(json!({ "content": "One" })),
        chunk(json!({ "tool_calls": [call(0, "a", ""), call(1, "b", "{")] })),
        chunk(json!({ "tool_calls": [more(1, "}"), more(0, "{}")] })),
        chunk(json!({ "tool_calls": [custom] })),
        chunk(json!({ "content": "Two" })),
        chunk(json!({ "tool_calls": [{ "index": 2, "custom": { "input": "y" } }] })),
        finish("tool_calls"),
    ];
    let expected = [
        "output_item.added 0 msg_00 in_progress",
        "content_part.added 0 0",
        r#"output_text.delta 0 0 "One""#,
        r#"output_text.done 0 0 "One""#,
        "content_part.done 0 0",
        "output_item.done 0 msg_00 completed",
        "output_item.added 1 fc_01 in_progress",
        "output_item.added 2 fc_02 in_progress",
        r#"function_call_arguments.delta 2 "{""#,
        r#"function_call_arguments.delta 2 "}""#,
        r#"function_call_arguments.delta 1 "{}""#,
        "output_item.added 3 ctc_03 in_progress",
        r#"custom_tool_call_input.delta 3 "x""#,
        "output_item.added 4 msg_04 in_progress",
        "content_part.added 4 0",
        r#"output_text.delta 4 0 "Two""#,
        r#"custom_tool_call_input.delta 3 "y""#,
        r#"output_text.done 4 0 "Two""#,
        "content_part.done 4 0",
        "output_item.done 4 msg_04 completed",
        r#"function_call_arguments.done 1 "{}""#,
        "output_item.done 1 fc_01 completed",
        r#"function_call_arguments.done 2 "{}""#,
        "output_item.done 2 fc_02 completed",
        r#"custom_tool_call_input.done 3 "xy""#,
        "output_item.done 3 ctc_03 completed",
    ];
    assert_eq!(told(&chunks), expected);
}

#[test]
fn a_source_that_becomes_known_late_is_told_of_the_message_it_belongs_to() {
    let call = json!({ "index": 0, "id": "a", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let source = |url: &str| json!([{ "index": 0, "type": "url_citation", "url_citation": { "url": url } }]);
    let chunks = [
        chunk(json!({ "content": "Hi", "annotations": source("https://a") })),
        chunk(json!({ "tool_calls": [call] })),
        chunk(json!({ "annotations": source("https://b") })),
        finish("tool_calls"),
    ];
    let events = events(&chunks, None);
    let told: Vec<_> = events.iter().filter(|event| event["type"] == "response.output_text.annotation.added").collect();
    let told = told.iter().map(|event| (&event["item_id"], &event["annotation_index"], &event["annotation"]["url"]));
    let message = json!("msg_00");
    let expected = [(&message, &json!(0), &json!("https://a")), (&message, &json!(1), &json!("https://b"))];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let annotations = &events.last().unwrap()["response"]["output"][0]["content"][0]["annotations"];
    assert_eq!(annotations.as_array().map(Vec::len), Some(2));
}

#[test]
fn the_last_event_tells_the_whole_response() {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 });
    for (reason, kind) in [("stop", "response.completed"), ("length", "response.incomplete")] {
        let mut last = chunk(json!({}));
        last["choices"] = json!([]);
        last["usage"] = usage.clone();
        let events = events(&[chunk(json!({ "content": "Hi" })), finish(reason), last], None);
        assert_eq!(events[0]["response"]["status"], "in_progress");
        assert_eq!(events[0]["response"]["output"], json!([]));
        assert_eq!(events[0]["response"]["usage"], Value::Null);
        let last = events.last().unwrap();
        assert_eq!(last["type"], kind);
        assert_eq!(last["response"]["id"], events[0]["response"]["id"]);
        assert_eq!(last["response"]["usage"]["total_tokens"], 3);
        let done = events.iter().find(|event| event["type"] == "response.output_item.done").unwrap();
        assert_eq!(last["response"]["output"], json!([done["item"]]));
    }
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_a_failed_response() {
    let cases = [
        (Cause::BadAnswer, "server_error"),
        (Cause::RateLimit, "rate_limit_exceeded"),
        (Cause::ContextLength, "invalid_prompt"),
    ];
    for (cause, code) in cases {
        let error = Error::new(cause, "It broke.").with_param("input");
        for chunks in [vec![], vec![chunk(json!({ "content": "Hal" }))]] {
            let events = events(&chunks, Some(&error));
            let [.., told, failed] = events.as_slice() else { panic!("too few events") };
            assert_eq!(told["type"], "error");
            assert_eq!((&told["message"], &told["param"]), (&json!("It broke."), &json!("input")));
            assert_eq!(told["code"], json!(error.code));
            assert_eq!(told["error"]["message"], "It broke.");
            assert_eq!(failed["type"], "response.failed");
            assert_eq!(failed["response"]["status"], "failed");
            assert_eq!(failed["response"]["error"], json!({ "code": code, "message": "It broke." }));
            let output = failed["response"]["output"].as_array().unwrap();
            assert_eq!(output.len(), chunks.len());
            assert!(output.iter().all(|item| item["status"] == "incomplete"));
        }
    }
}

#[test]
fn a_streamed_answer_is_the_same_however_it_was_cut() {
    let message = json!({
        "role": "assistant", "reasoning_content": "Größe \u{1f600}?", "content": "Zwölf \"Meter\".\n",
        "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":\"ü\"}" } },
            { "id": "b", "type": "custom", "custom": { "name": "g", "input": "yz" } },
        ],
    });
    let whole = respond(&plain(), &answer(message.clone(), "tool_calls"))["output"].clone();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let mut chunks = Vec::new();
        for name in ["reasoning_content", "content"] {
            let cuts = cut(message[name].as_str().unwrap(), &mut random);
            chunks.extend(cuts.into_iter().map(|piece| chunk(json!({ name: piece }))));
        }
        for (index, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
            let (part, input) = if index == 0 { ("function", "arguments") } else { ("custom", "input") };
            let mut begin = call.clone();
            begin["index"] = index.into();
            begin[part][input] = "".into();
            chunks.push(chunk(json!({ "tool_calls": [begin] })));
            let cuts = cut(call[part][input].as_str().unwrap(), &mut random);
            let more = |piece| chunk(json!({ "tool_calls": [{ "index": index, part: { input: piece } }] }));
            chunks.extend(cuts.into_iter().map(more));
        }
        chunks.push(finish("tool_calls"));
        assert_eq!(events(&chunks, None).last().unwrap()["response"]["output"], whole);
    }
}

/// Pieces of a text, some of them empty.
fn cut(text: &str, random: &mut fastrand::Rng) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for character in text.chars() {
        if random.bool() {
            pieces.push(String::new());
        }
        pieces.last_mut().unwrap().push(character);
    }
    pieces
}
