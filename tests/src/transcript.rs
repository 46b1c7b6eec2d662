//! A streamed answer as it came, and the rules that every stream has to keep.

use std::collections::{BTreeMap, HashSet};

use hyper::StatusCode;
use hyper::header::HeaderMap;
use serde_json::Value;

use crate::client::ErrorBody;

/// How the body of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As HTTP says that a body ends.
    Ordered,
    /// The connection broke, so that the client knows that something is missing.
    Aborted,
}

/// A streamed answer that was read to its end.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub bytes: Vec<u8>,
    /// How the body ended.
    pub end: End,
}

/// A tool call that was put together of its deltas, as clients do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The function's arguments.
    pub arguments: String,
}

impl Transcript {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, bytes: Vec<u8>, end: End) -> Self {
        Self { status, headers, bytes, end }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The data of the events, `[DONE]` included. Fails if the body is anything but `data:` lines, blank lines and
    /// comments, or ends within an event.
    #[must_use]
    #[track_caller]
    pub fn data(&self) -> Vec<String> {
        let text = std::str::from_utf8(&self.bytes).expect("a stream is UTF-8");
        assert!(text.is_empty() || text.ends_with("\n\n"), "the stream ends within an event: {text}");
        let events = text.split("\n\n").filter(|event| !event.is_empty());
        let lines = events.filter(|event| !event.starts_with(':')).map(|event| {
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("not a data line: {event:?}"));
            assert!(!data.contains(['\n', '\r']), "an event of several lines: {event:?}");
            data.to_owned()
        });
        lines.collect()
    }

    /// The chunks: the events without `[DONE]`, as JSON.
    #[must_use]
    #[track_caller]
    pub fn chunks(&self) -> Vec<Value> {
        let parse = |data: String| {
            serde_json::from_str(&data).unwrap_or_else(|error| panic!("an event is not JSON ({error}): {data:?}"))
        };
        self.data().into_iter().filter(|data| data != "[DONE]").map(parse).collect()
    }

    /// The text of the first choice, joined.
    #[must_use]
    #[track_caller]
    pub fn content(&self) -> String {
        let chunks = self.chunks();
        let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        deltas.collect()
    }

    /// The finish reasons, in order, of all choices.
    #[must_use]
    #[track_caller]
    pub fn finish_reasons(&self) -> Vec<String> {
        let chunks = self.chunks();
        let choices = chunks.iter().filter_map(|chunk| chunk["choices"].as_array()).flatten();
        choices.filter_map(|choice| choice["finish_reason"].as_str()).map(str::to_owned).collect()
    }

    /// The usage objects, in order.
    #[must_use]
    #[track_caller]
    pub fn usages(&self) -> Vec<Value> {
        self.chunks()
            .into_iter()
            .filter(|chunk| chunk["usage"].is_object())
            .map(|chunk| chunk["usage"].clone())
            .collect()
    }

    /// The tool calls of the first choice, joined by their index. Fails where the strictest client would.
    #[must_use]
    #[track_caller]
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        let mut calls: BTreeMap<u64, ToolCall> = BTreeMap::new();
        for chunk in self.chunks() {
            for delta in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let index = delta["index"].as_u64().unwrap_or_else(|| panic!("a tool call without an index: {delta}"));
                let arguments = delta["function"]["arguments"].as_str().unwrap_or_default();
                if let Some(call) = calls.get_mut(&index) {
                    assert!(delta["function"]["name"].is_null(), "a later delta names the function again: {delta}");
                    call.arguments.push_str(arguments);
                    continue;
                }
                assert_eq!(delta["type"], "function", "the first delta of a tool call has its type: {delta}");
                let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not text in {delta}")).to_owned();
                let (id, name) = (text(&delta["id"]), text(&delta["function"]["name"]));
                calls.insert(index, ToolCall { id, name, arguments: arguments.to_owned() });
            }
        }
        let ids: HashSet<_> = calls.values().map(|call| call.id.as_str()).collect();
        assert_eq!(ids.len(), calls.len(), "the ids of tool calls differ: {calls:?}");
        calls.into_values().collect()
    }

    /// Checks the rules of a good stream: its head, its grammar, one finish reason a choice, `[DONE]` at its end.
    #[track_caller]
    pub fn assert_complete(&self) -> &Self {
        self.assert_head();
        assert_eq!(self.end, End::Ordered, "the stream broke: {}", self.text());
        let data = self.data();
        assert_eq!(data.last().map(String::as_str), Some("[DONE]"), "the stream ends with [DONE]: {}", self.text());
        assert_eq!(data.iter().filter(|data| *data == "[DONE]").count(), 1, "one [DONE]: {}", self.text());
        self.assert_chunks();
        let mut finished: BTreeMap<u64, usize> = BTreeMap::new();
        for choice in self.chunks().iter().filter_map(|chunk| chunk["choices"].as_array()).flatten() {
            let index = choice["index"].as_u64().unwrap_or_else(|| panic!("a choice without an index: {choice}"));
            *finished.entry(index).or_default() += usize::from(choice["finish_reason"].is_string());
        }
        assert!(!finished.is_empty(), "a stream has a choice: {}", self.text());
        assert!(finished.values().all(|count| *count == 1), "one finish reason a choice: {}", self.text());
        self
    }

    /// Checks that a stream that began well failed as one has to: with an error event and `[DONE]`, or with a broken
    /// connection; never with a finish reason, as if it were whole. Returns the error, if there was an event.
    #[track_caller]
    pub fn assert_broken(&self) -> Option<ErrorBody> {
        self.assert_head();
        if self.end == End::Aborted {
            assert!(!self.text().contains("[DONE]"), "a broken stream is not done: {}", self.text());
            return None;
        }
        let data = self.data();
        let [.., error, done] = data.as_slice() else { panic!("neither an error nor an end: {}", self.text()) };
        assert_eq!(done, "[DONE]", "after the error comes [DONE]: {}", self.text());
        let error: Value = serde_json::from_str(error).expect("an error event is JSON");
        assert!(self.finish_reasons().is_empty(), "a truncated stream has no finish reason: {}", self.text());
        Some(ErrorBody::of(&error))
    }

    #[track_caller]
    fn assert_head(&self) {
        assert_eq!(self.status, 200, "{}", self.text());
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
        assert!(header("cache-control").contains("no-cache"), "{:?}", self.headers);
        assert_eq!(header("x-accel-buffering"), "no");
        assert!(!header("x-request-id").is_empty());
        assert!(!self.headers.contains_key("content-length") && !self.headers.contains_key("content-encoding"));
    }

    #[track_caller]
    fn assert_chunks(&self) {
        let chunks = self.chunks();
        let first = chunks.first().expect("a stream has a chunk");
        let mut begun = HashSet::new();
        for chunk in &chunks {
            assert!(chunk.get("error").is_none_or(Value::is_null), "a good chunk has no error: {chunk}");
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            for name in ["id", "created", "model"] {
                assert_eq!(chunk[name], first[name], "all chunks share `{name}`");
            }
            assert!(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), "{chunk}");
            assert!(chunk["created"].is_u64(), "`created` is in whole seconds: {chunk}");
            let choices = chunk["choices"].as_array().unwrap_or_else(|| panic!("`choices` is a list: {chunk}"));
            for choice in choices {
                if begun.insert(choice["index"].as_u64()) {
                    assert_eq!(choice["delta"]["role"], "assistant", "the first delta has the role: {chunk}");
                }
            }
        }
    }
}
