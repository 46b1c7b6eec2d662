//! The harness itself: it must notice what it is there to notice.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::case::Case;
use super::rules;
use super::show::difference;
use crate::openai::{ChunkWriter, FinishReason, Usage};
use crate::{
    Call, Descriptor, Encoded, Event, Failure, Operation, Position, Progress, Provider, ResponseHead, StreamDecoder,
};

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

/// Counts the events of a stream, and forgets how many there were when it is parked.
struct Forgetful(usize);

impl Provider for Forgetful {
    type Settings = IgnoredAny;
    type Decoder = Self;

    fn describe() -> Descriptor {
        Descriptor::default()
    }

    fn new(_: IgnoredAny) -> Result<Self, Failure> {
        Ok(Self(0))
    }

    fn encode(&self, _: &Call, document: &str) -> Result<Encoded, Failure> {
        Ok(Encoded::Answer(document.to_owned()))
    }

    fn decode(&self, _: &Call, _: Option<&str>, _: &ResponseHead, body: &str) -> Result<String, Failure> {
        Ok(body.to_owned())
    }

    fn stream(&self, _: Call, _: Option<String>, _: ResponseHead, _: Option<Position>) -> Self {
        Self(0)
    }

    fn unpark(&self, _: &str) -> Result<Self, Failure> {
        Ok(Self(0))
    }
}

impl StreamDecoder for Forgetful {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        self.0 += events.len();
        Ok(Progress { chunks: vec![self.0.to_string()], ended: false })
    }

    fn park(&self) -> Option<String> {
        Some(String::new())
    }
}

#[test]
fn a_decoder_that_forgets_when_it_is_parked_is_found_out() {
    let folder = std::env::temp_dir().join(format!("weir-golden-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("case.sse"), "data: a\n\ndata: b\n\n").unwrap();
    let files = BTreeSet::from(["case.sse".to_owned()]);
    let problem = Case::load(&folder, &files, "case").and_then(|case| case.run::<Forgetful>()).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(problem.contains("a decoder that is parked gives other chunks"), "{problem}");
}
