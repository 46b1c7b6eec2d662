//! Streams of upstreams that break, stall or are spelled oddly: a stream that is whole arrives whole, however it was
//! cut, and one that is not is never passed off as one that is.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_tests::{Config, Dialect, End, Gateway, Script, Step, Transcript, Upstream, chat, reply};

const TEXT: &str = "Grüße aus 東京 🗼 mit \u{2028} darin";

/// Asks for a stream of an upstream with this script.
async fn ask(dialect: Dialect, script: Script) -> Transcript {
    let upstream = Upstream::always(script).await;
    let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
    gateway.client().stream(&chat::stream("x")).await
}

fn chunk(text: impl AsRef<[u8]>) -> Step {
    Step::Chunk(Bytes::copy_from_slice(text.as_ref()))
}

/// The events up to the first words, and what comes after them.
fn begun(dialect: Dialect) -> Script {
    let mut events = dialect.opening();
    events.push(dialect.piece("some words"));
    reply::open_stream(&events)
}

fn begun_then(dialect: Dialect, rest: Vec<Step>) -> Script {
    [begun(dialect), rest].concat()
}

#[tokio::test]
async fn a_truncated_stream_ends_in_an_error_and_never_as_if_it_were_whole() {
    for dialect in Dialect::ALL {
        let closing = dialect.closing();
        let piece = dialect.piece("more");
        // The finish reason stands in the last event for which a client of the upstream waits; all before are a cut.
        let cases: Vec<(&str, Vec<Step>)> = vec![
            ("an orderly end", vec![Step::LastChunk]),
            ("a close without the last chunk", vec![Step::Close]),
            ("a reset", vec![Step::Reset]),
            ("half an event and an orderly end", vec![chunk(&piece[..piece.len() / 2]), Step::LastChunk]),
            ("half an event and a close", vec![chunk(&piece[..piece.len() / 2]), Step::Close]),
            ("an event without its blank line", vec![chunk(closing[0].trim_end()), Step::LastChunk]),
            ("[DONE] without a finish reason", vec![chunk("data: [DONE]\n\n"), Step::LastChunk]),
            ("a chunk with a wrong size", vec![Step::Write("5\r\ntoo many bytes\r\n".into()), Step::Close]),
            ("a chunk with a size that is none", vec![Step::Write("size\r\n".into()), Step::Close]),
            ("an event that is not JSON", vec![chunk("data: {oops\n\n"), chunk(closing.concat()), Step::LastChunk]),
            ("HTML in the middle", vec![chunk("\n\n<html>502 Bad Gateway</html>\n\n"), Step::LastChunk]),
        ];
        for (name, rest) in cases {
            if dialect == Dialect::Anthropic && name.starts_with("[DONE]") {
                continue; // Not a word of this dialect.
            }
            if dialect == Dialect::OpenAi && name == "an event without its blank line" {
                // The finish reason is all there: whether a last event without its blank line counts is a matter of
                // taste (the HTML standard drops it). It is tested with a piece of text instead.
                let transcript =
                    ask(dialect, begun_then(dialect, vec![chunk(piece.trim_end()), Step::LastChunk])).await;
                transcript.assert_broken();
                continue;
            }
            let transcript = ask(dialect, begun_then(dialect, rest)).await;
            println!("{dialect:?}, {name}: {}", transcript.text());
            transcript.assert_broken();
            assert!(transcript.text().contains("some words"), "what came before arrived");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_its_finish_reason_is_whole_but_for_openai_done() {
    // With the finish reason the answer is complete; the upstream's own end mark adds nothing to it.
    let mut events = Dialect::OpenAi.text_stream(&["some", " words"]);
    events.pop();
    let transcript = ask(Dialect::OpenAi, reply::stream(&events)).await;
    transcript.assert_complete();
    assert_eq!(transcript.content(), "some words");

    let mut events = Dialect::Anthropic.text_stream(&["some", " words"]);
    events.pop();
    let transcript = ask(Dialect::Anthropic, reply::stream(&events)).await;
    assert_eq!(transcript.content(), "some words");
    assert!(transcript.data().last().is_some_and(|data| data == "[DONE]"));
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_event_has_a_real_status() {
    for dialect in Dialect::ALL {
        let cases: Vec<(&str, Script, u16)> = vec![
            ("nothing and an orderly end", vec![reply::stream_head(), Step::LastChunk], 502),
            ("nothing and a close", vec![reply::stream_head(), Step::Close], 502),
            ("nothing and a reset", vec![reply::stream_head(), Step::Reset], 502),
            ("comments only", reply::stream(&[": keep-alive\n\n".to_owned(), ": keep-alive\n\n".to_owned()]), 502),
            ("HTML", reply::whole(200, &["content-type: text/html"], "<html>Log in first</html>"), 502),
            ("HTML that claims to be a stream", reply::stream(&["<html>\n\nLog in\n\n</html>\n\n".to_owned()]), 502),
            ("a first event that is not JSON", reply::stream(&["data: oops\n\n".to_owned()]), 502),
            ("no body", reply::whole(200, &["content-type: text/event-stream"], ""), 502),
        ];
        for (name, script, status) in cases {
            let upstream = Upstream::always(script).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let answer = gateway.client().chat(&chat::stream("x")).await;
            println!("{dialect:?}, {name}: {}", answer.text());
            answer.error(status);
        }
        let event = dialect.error_event("overloaded_error", "the upstream is out of breath");
        let upstream = Upstream::always(reply::stream(&[event])).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let answer = gateway.client().chat(&chat::stream("x")).await;
        assert!(answer.status.as_u16() >= 400, "{dialect:?}: {}", answer.text());
        answer.error(answer.status.as_u16()).says("out of breath");
    }
}

#[tokio::test]
async fn an_error_event_in_the_middle_reaches_the_client_with_its_words() {
    for dialect in Dialect::ALL {
        let event = dialect.error_event("overloaded_error", "the upstream is out of breath");
        for end in [Step::LastChunk, Step::Close, Step::Hang] {
            let transcript = ask(dialect, begun_then(dialect, vec![chunk(&event), end])).await;
            let error = transcript.assert_broken().expect("an error that has words is told, not shown by a cut");
            error.says("out of breath");
        }
    }
    let bare = format!("data: {}\n\n", json!({ "error": "the upstream is out of breath" }));
    let transcript = ask(Dialect::OpenAi, begun_then(Dialect::OpenAi, vec![chunk(bare), Step::LastChunk])).await;
    transcript.assert_broken().expect("an error event").says("out of breath");
    let named = format!("event: error\ndata: {}\n\n", json!({ "message": "the upstream is out of breath" }));
    let transcript = ask(Dialect::OpenAi, begun_then(Dialect::OpenAi, vec![chunk(named), Step::LastChunk])).await;
    transcript.assert_broken();
}

#[tokio::test]
async fn nothing_that_comes_after_the_end_is_passed_on() {
    for dialect in Dialect::ALL {
        let mut events = dialect.text_stream(&["some", " words"]);
        events.push(dialect.piece("SURPLUS"));
        events.push(dialect.error_event("api_error", "SURPLUS"));
        for end in [Step::LastChunk, Step::Close, Step::Reset, Step::Hang] {
            let mut script = reply::open_stream(&events);
            script.push(end);
            let transcript = ask(dialect, script).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), "some words", "{dialect:?}");
            assert!(!transcript.text().contains("SURPLUS"));
        }
    }
}

#[tokio::test]
async fn a_stream_is_the_same_however_it_is_spelled() {
    for dialect in Dialect::ALL {
        let half = TEXT.len() / 2 - (0..4).find(|back| TEXT.is_char_boundary(TEXT.len() / 2 - back)).unwrap();
        let half = TEXT.len().min(if TEXT.is_char_boundary(half) { half } else { TEXT.len() });
        let plain = dialect.text_stream(&[&TEXT[..half], &TEXT[half..]]).concat();
        let spellings: Vec<(&str, String)> = vec![
            ("as it is", plain.clone()),
            ("CRLF", plain.replace('\n', "\r\n")),
            ("CR", plain.replace('\n', "\r")),
            ("comments", plain.replace("\n\n", "\n\n: keep-alive\n\n")),
            ("comments inside events", plain.replace("data:", ": comment\ndata:")),
            ("blank lines", plain.replace("\n\n", "\n\n\n\n\n")),
            ("no space after the colon", plain.replace("data: ", "data:")),
            ("ids and retries", plain.replace("data: ", "id: 7\nretry: 1000\nunknown: x\ndata: ")),
            ("a byte order mark", format!("\u{feff}{plain}")),
            ("trailing blanks in the data", plain.replace("}\n\n", "}   \n\n")),
            ("empty events", plain.replace("\n\n", "\n\ndata:\n\n")),
        ];
        for (name, text) in spellings {
            let transcript = ask(dialect, reply::stream_cut(text.as_bytes(), usize::MAX)).await;
            println!("{dialect:?}, {name}: {}", transcript.text());
            transcript.assert_complete();
            assert_eq!(transcript.content(), TEXT, "{dialect:?}, {name}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_the_same_wherever_it_is_cut() {
    for dialect in Dialect::ALL {
        let text = dialect.text_stream(&[TEXT]).concat();
        for (name, text) in [("LF", text.clone()), ("CRLF", text.replace('\n', "\r\n"))] {
            let upstream = Upstream::choosing({
                let text = text.clone();
                move |number, _| reply::stream_cut(text.as_bytes(), [1, 2, 3, 5, 7, 11, 16, 64][number])
            })
            .await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            for _ in 0..8 {
                let transcript = gateway.client().stream(&chat::stream("x")).await;
                transcript.assert_complete();
                assert_eq!(transcript.content(), TEXT, "{dialect:?} {name}");
            }
            // One byte at a time on the wire, the framing of the chunks included.
            let mut wire = Vec::new();
            for event in text.split_inclusive("\n\n") {
                wire.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let transcript = ask(dialect, vec![reply::stream_head(), Step::Trickle(wire.into())]).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), TEXT, "{dialect:?} {name}");
        }
    }
}

#[tokio::test]
async fn an_event_of_five_megabytes_passes() {
    for dialect in Dialect::ALL {
        let large = "lorem ipsum 東京 ".repeat(5_000_000 / 19);
        let events = dialect.text_stream(&["before ", &large, " after"]);
        let upstream = Upstream::always(reply::stream(&events)).await;
        let config = Config::of(dialect, &upstream).set("/plugins/limits/call_deadline", json!("10s"));
        let gateway = Gateway::start(&config).await;
        let transcript = gateway.client().stream(&chat::stream("x")).await;
        transcript.assert_complete();
        assert_eq!(transcript.content().len(), large.len() + 13, "{dialect:?}");
    }
}

#[tokio::test]
async fn an_event_without_end_is_stopped() {
    for dialect in Dialect::ALL {
        let mut script = begun(dialect);
        script.push(chunk("data: "));
        script.push(Step::Flood(vec![b'x'; 64 << 10].into()));
        let upstream = Upstream::always(script).await;
        let config = Config::of(dialect, &upstream).set("/limits/event_bytes", json!(1 << 20));
        let gateway = Gateway::start(&config).await;
        let before = gateway.resident_bytes();
        gateway.client().stream(&chat::stream("x")).await.assert_broken();
        weir_tests::bounded("the upstream is left alone", upstream.left(1)).await;
        assert!(gateway.resident_bytes() < before + (64 << 20));
    }
}

#[tokio::test]
async fn oddities_of_the_openai_dialect_are_put_right() {
    let edit = |from: &str, to: &str| {
        let plain = Dialect::OpenAi.text_stream(&["some", " words"]).concat();
        let edited = plain.replace(from, to);
        assert_ne!(plain, edited, "the edit {from:?} has to change something");
        edited
    };
    let start = format!(
        "data: {}\n\n",
        json!({ "id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{ "prompt_index": 7 }] })
    );
    let plain = Dialect::OpenAi.text_stream(&["some", " words"]).concat();
    let numbered = {
        let mut number = 0;
        plain
            .split_inclusive("\n\n")
            .map(|event| {
                number += 1;
                event
                    .replace("chatcmpl-upstream", &format!("id-{number}"))
                    .replace("1763000000", &format!("{}", 1_763_000_000 + number))
            })
            .collect::<String>()
    };
    let cases = [
        ("a first chunk without identity or choices", format!("{start}{plain}")),
        ("another id and time for each chunk", numbered),
        ("no [DONE]", edit("data: [DONE]\n\n", "")),
        ("the role in every chunk", edit(r#"{"content":"#, r#"{"role":"assistant","content":"#)),
        ("no role at all", edit(r#""role":"assistant","#, "")),
        ("no index", edit(r#""index":0,"#, "")),
        ("an unknown finish reason", edit(r#""finish_reason":"stop""#, r#""finish_reason":"eos""#)),
        ("another object", edit("chat.completion.chunk", "chat.completion.done")),
        ("padding", edit(r#""usage":null"#, r#""usage":null,"obfuscation":"aQ","p":"abc""#)),
        ("an empty error", edit(r#""usage":null"#, r#""usage":null,"error":null"#)),
    ];
    for (name, text) in cases {
        let transcript = ask(Dialect::OpenAi, reply::stream_cut(text.as_bytes(), 100)).await;
        println!("{name}: {}", transcript.text());
        transcript.assert_complete();
        assert_eq!(transcript.content(), "some words", "{name}");
        assert_eq!(transcript.finish_reasons(), ["stop"], "{name}");
        // What came without choices arrives with the next chunk that has some.
        assert_eq!(transcript.text().contains(r#""prompt_index":7"#), text.contains(r#""prompt_index":7"#), "{name}");
    }
}

#[tokio::test]
async fn a_whole_answer_to_a_stream_request_is_told_as_a_stream() {
    // Some upstreams ignore `stream`.
    let weather = [("call_1", "weather", json!({ "city": "Köln" }))];
    for dialect in Dialect::ALL {
        for (answer, text, reason, calls) in
            [(dialect.answer("good"), "good", "stop", 0), (dialect.tool_answer(&weather), "", "tool_calls", 1)]
        {
            let upstream = Upstream::always(reply::json(200, &answer)).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let mut request = chat::stream("x");
            request["stream_options"] = json!({ "include_usage": true });
            let transcript = gateway.client().stream(&request).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), text, "{dialect:?}");
            assert_eq!(transcript.finish_reasons(), [reason], "{dialect:?}");
            assert_eq!(transcript.text().matches(r#""arguments":"{\"city\":\"Köln\"}""#).count(), calls, "{dialect:?}");
            assert_eq!(transcript.text().matches(r#""prompt_tokens":11"#).count(), 1, "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_list_of_events_to_a_stream_request_is_told_as_a_stream() {
    for dialect in Dialect::ALL {
        let stream = dialect.text_stream(&["some", " words"]).concat();
        let documents = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let list: Value = documents.map(|data| serde_json::from_str::<Value>(data).unwrap()).collect();
        for body in [list.to_string(), serde_json::to_string_pretty(&list).unwrap()] {
            let upstream = Upstream::always(reply::whole(200, &["content-type: application/json"], body)).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let transcript = gateway.client().stream(&chat::stream("x")).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), "some words", "{dialect:?}");
        }
        // One that breaks off, and an error in it, are what they are in any stream.
        for body in [json!([list[0], list[1]]), json!([{ "error": { "message": "No luck" } }]), json!([])] {
            let upstream = Upstream::always(reply::json(200, &body)).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let streaming = gateway.client().open_stream(&chat::stream("x")).await;
            match streaming.status.as_u16() {
                200 => drop(streaming.transcript().await.assert_broken()),
                status => drop(streaming.whole().await.error(status.clamp(500, 599))),
            }
        }
    }
}

#[tokio::test]
async fn a_broken_stream_does_not_break_the_next_one() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(move |number, _| match number % 2 {
            0 => begun_then(dialect, vec![Step::Reset]),
            _ => reply::stream(&dialect.text_stream(&["some", " words"])),
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for _ in 0..10 {
            let broken = gateway.client().stream(&chat::stream("x")).await;
            broken.assert_broken();
            let whole = gateway.client().stream(&chat::stream("x")).await;
            whole.assert_complete();
            assert_eq!(whole.end, End::Ordered);
        }
    }
}
