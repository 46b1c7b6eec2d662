//! The harness itself: it must notice what it is there to notice.

use super::rules;
use super::show::difference;
use crate::Operation;
use crate::openai::{ChunkWriter, FinishReason, Usage};

#[test]
fn a_stream_that_breaks_a_rule_is_refused() {
    let writer = ChunkWriter::new("id", 1, "m");
    let other = ChunkWriter::new("other", 1, "m");
    let (role, text, finish) = (writer.role(0), writer.content(0, "a"), writer.finish(0, FinishReason::Stop));
    let (start, usage) = (writer.tool_start(0, 0, "c", "f"), writer.usage(&Usage::new(1, 1)));
    let cases: [(&[&String], Option<&str>); 8] = [
        (&[&role, &text, &finish, &usage], None),
        (&[&role, &start, &writer.tool_arguments(0, 0, "{}"), &finish], None),
        (&[&text], Some("no role")),
        (&[&role, &role], Some("role is repeated")),
        (&[&role, &other.content(0, "a")], Some("id, created or model changed")),
        (&[&role, &finish, &text], Some("goes on after")),
        (&[&role, &start, &start], Some("repeats its id")),
        (&[&role, &usage, &finish, &usage], None),
    ];
    for (chunks, expected) in cases {
        let chunks: Vec<String> = chunks.iter().map(|chunk| (*chunk).clone()).collect();
        let problem = rules::chunks(Operation::Chat, &chunks, false).err();
        match expected {
            None => assert_eq!(problem, None),
            Some(words) => assert!(problem.clone().is_some_and(|text| text.contains(words)), "{words}: {problem:?}"),
        }
    }
}

#[test]
fn an_answer_that_lacks_what_clients_need_is_refused() {
    let answer = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[
        {"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#;
    assert_eq!(rules::answer(Operation::Chat, Ok(answer)), Ok(()));
    for (from, to) in [("\"a\"", "\"\""), ("\"stop\"", "\"eos\""), ("\"index\":0,", ""), ("\"created\":1,", "")] {
        assert!(rules::answer(Operation::Chat, Ok(&answer.replace(from, to))).is_err(), "{from}");
    }
}

#[test]
fn a_difference_shows_what_changed_and_a_little_around_it() {
    let text = difference("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nX\nY\ne\nf\n");
    assert_eq!(text, "  a\n  b\n  c\n- d\n+ X\n+ Y\n  e\n  f\n");
    assert_eq!(difference("a\n", "a\na\n"), "  a\n+ a\n");
}
