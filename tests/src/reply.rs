//! HTTP answers of an upstream as script steps.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

use crate::script::{Script, Step};

/// The head of an answer. `headers` are complete lines without line ends.
#[must_use]
pub fn head(status: u16, headers: &[&str]) -> Step {
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for header in headers {
        let _ = write!(text, "{header}\r\n");
    }
    text.push_str("\r\n");
    Step::Write(Bytes::from(text))
}

/// A whole answer with a content length.
#[must_use]
pub fn whole(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Script {
    let body = body.as_ref();
    let length = format!("content-length: {}", body.len());
    let mut lines = vec![length.as_str()];
    lines.extend_from_slice(headers);
    vec![head(status, &lines), Step::Write(Bytes::copy_from_slice(body))]
}

/// A whole JSON answer.
#[must_use]
pub fn json(status: u16, body: &Value) -> Script {
    whole(status, &["content-type: application/json"], body.to_string())
}

/// A whole JSON answer with more headers.
#[must_use]
pub fn json_with(status: u16, headers: &[&str], body: &Value) -> Script {
    let mut lines = vec!["content-type: application/json"];
    lines.extend_from_slice(headers);
    whole(status, &lines, body.to_string())
}

/// The head of a stream of server-sent events, chunked.
#[must_use]
pub fn stream_head() -> Step {
    head(200, &["content-type: text/event-stream; charset=utf-8", "transfer-encoding: chunked"])
}

/// A stream of server-sent events (each with its blank line), one chunk each, ended in order.
#[must_use]
pub fn stream(events: &[String]) -> Script {
    let mut script = open_stream(events);
    script.push(Step::LastChunk);
    script
}

/// A stream of server-sent events that is left open after the last of them.
#[must_use]
pub fn open_stream(events: &[String]) -> Script {
    let mut script = vec![stream_head()];
    script.extend(events.iter().map(|event| Step::Chunk(Bytes::copy_from_slice(event.as_bytes()))));
    script
}

/// A stream whose bytes are cut into chunks of `size`, wherever that falls.
#[must_use]
pub fn stream_cut(bytes: &[u8], size: usize) -> Script {
    let mut script = vec![stream_head()];
    script.extend(bytes.chunks(size).map(|piece| Step::Chunk(Bytes::copy_from_slice(piece))));
    script.push(Step::LastChunk);
    script
}

fn reason(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unnamed")
}
