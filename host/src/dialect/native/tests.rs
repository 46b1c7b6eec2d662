//! What is relayed, dropped, repaired and refused of streams and answers that nobody translates.

use super::*;

const USAGE_IN_PASSING: &str = r#"{"choices":[{"index":0,"text":"a","finish_reason":"stop"}],
    "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"timings":{"n":1}}"#;

#[test]
fn usage_in_passing_reaches_only_who_asked_for_it() {
    let mut asked = Sequence::new(Native::Completions, true);
    assert!(matches!(asked.admit(USAGE_IN_PASSING.as_bytes()), Verdict::Relay));
    let mut sequence = Sequence::new(Native::Completions, false);
    let Verdict::Departs(reason) = sequence.admit(USAGE_IN_PASSING.as_bytes()) else { panic!("it departs") };
    let repaired = r#"{"choices":[{"index":0,"text":"a","finish_reason":"stop"}],"timings":{"n":1}}"#;
    assert_eq!(sequence.repair(USAGE_IN_PASSING, reason).as_deref(), Some(repaired));
    assert_eq!(sequence.repair(USAGE_IN_PASSING, "not UTF-8"), None);
}

fn verdicts(native: Native, events: &[&str]) -> (String, bool, Option<Usage>) {
    let mut sequence = Sequence::new(native, false);
    let show = |verdict: Verdict| match verdict {
        Verdict::Relay => 'r',
        Verdict::Drop => 'd',
        Verdict::Departs(_) => '?',
        Verdict::Failed(_) => '!',
    };
    let shown = events.iter().map(|event| show(sequence.admit(event.as_bytes()))).collect();
    (shown, sequence.end().is_ok(), sequence.usage())
}

#[test]
fn a_stream_is_complete_when_its_last_event_says_so() {
    let completed = r#"{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":2,
        "input_tokens_details":{"cached_tokens":1},"output_tokens_details":{"reasoning_tokens":1}}}}"#;
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_read_input_tokens":4,
        "output_tokens":1}}}"#;
    let delta = r#"{"type":"message_delta","usage":{"output_tokens":9}}"#;
    type Case<'a> = (Native, Vec<&'a str>, &'a str, bool, [u64; 3]);
    let cases: [Case<'_>; 7] = [
        (Native::Responses, vec![r#"{"type":"response.created"}"#, completed], "rr", true, [3, 2, 1]),
        (Native::Responses, vec![r#"{"type":"response.created"}"#], "r", false, [0, 0, 0]),
        (Native::Messages, vec![start, delta, r#"{"type":"message_stop"}"#], "rrr", true, [7, 9, 4]),
        (Native::Messages, vec![start, delta], "rr", false, [7, 9, 4]),
        (
            Native::Completions,
            vec![
                r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            ],
            "rrd",
            true,
            [1, 1, 0],
        ),
        (Native::Completions, vec![r#"{"choices":[{"text":"a"}]}"#], "r", false, [0, 0, 0]),
        (Native::Completions, vec![USAGE_IN_PASSING], "?", true, [1, 1, 0]),
    ];
    for (native, events, shown, complete, [prompt, completion, cached]) in cases {
        let (found, ended, usage) = verdicts(native, &events);
        let usage = usage.unwrap_or_default();
        let counts = [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens];
        assert_eq!((found.as_str(), ended, counts), (shown, complete, [prompt, completion, cached]), "{events:?}");
    }
}

#[test]
fn errors_in_a_stream_fail_with_the_upstreams_words() {
    let cases = [
        (Native::Responses, r#"{"type":"error","code":"server_error","message":"Oh no","param":null}"#),
        (Native::Responses, r#"{"type":"error","error":{"message":"Oh no"}}"#),
        (Native::Messages, r#"{"type":"error","error":{"type":"overloaded_error","message":"Oh no"}}"#),
        (Native::Completions, r#"{"error":{"message":"Oh no"}}"#),
    ];
    for (native, event) in cases {
        let verdict = Sequence::new(native, false).admit(event.as_bytes());
        assert!(matches!(&verdict, Verdict::Failed(error) if error.message == "Oh no"), "{event}: {verdict:?}");
    }
}

#[test]
fn whole_answers_are_known_by_their_kind() {
    let cases = [
        (Native::Responses, r#"{"object":"response","usage":null}"#, true),
        (Native::Messages, r#"{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}"#, true),
        (Native::CountTokens, r#"{"input_tokens":12}"#, true),
        (Native::Completions, r#"{"object":"text_completion","choices":[]}"#, true),
        (Native::Responses, r#"{"object":"chat.completion"}"#, false),
        (Native::Messages, r#"{"type":"error","error":{"message":"x"}}"#, false),
        (Native::CountTokens, "[]", false),
    ];
    for (native, document, expected) in cases {
        assert_eq!(native.admit(document.as_bytes()).is_ok(), expected, "{document}");
    }
}

#[test]
fn events_go_out_under_their_names_and_errors_in_the_dialects_shape() {
    let mut out = BytesMut::new();
    let mut named = Named::new(Native::Responses, "req_1");
    named.chunk("{\"type\":\"response.created\",\n\"sequence_number\":4}", &mut out).unwrap();
    named.fail(&Error::invalid_request("no"), &mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    let (first, second) = text.split_once("\n\n").unwrap();
    assert_eq!(first, "event: response.created\ndata: {\"type\":\"response.created\", \"sequence_number\":4}");
    assert!(second.starts_with("event: error\ndata: {") && second.contains(r#""sequence_number":5"#), "{second}");
}
