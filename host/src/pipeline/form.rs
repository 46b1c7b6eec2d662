//! The form of an answer to a request for a stream: whether it is one, and what to read where it came in one piece.

use bytes::{BufMut, Bytes, BytesMut};
use hyper::{HeaderMap, header};
use serde_json::value::RawValue;

use crate::plugin::Framing;

/// Whether the answer may be a stream. Some upstreams label theirs `text/plain`, or not at all; a binary one has to say
/// that it is.
pub(super) fn is_stream(headers: &HeaderMap, framing: Framing) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if framing == Framing::AwsEventStream {
        return kind.as_deref() == Some("application/vnd.amazon.eventstream");
    }
    !matches!(kind.as_deref(), Some("application/json" | "application/problem+json" | "text/html" | "application/xml"))
}

/// The elements of a list, one a line: the events of a stream that came as one document. `None` for what is no list.
pub(super) fn lines_of_list(document: &[u8]) -> Option<Bytes> {
    let elements: Vec<&RawValue> = serde_json::from_slice(document).ok()?;
    let mut lines = BytesMut::with_capacity(document.len());
    for element in elements {
        // A line end can only stand between tokens.
        lines.extend(element.get().bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        lines.put_u8(b'\n');
    }
    Some(lines.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_list_become_lines_and_nothing_else_does() {
        for (document, expected) in [
            ("[{\"a\": \"\\n\"}\n,\r\n{\n  \"b\": [1,\r\n2]\n}\n]\n", Some("{\"a\": \"\\n\"}\n{   \"b\": [1,  2] }\n")),
            (" [] ", Some("")),
            ("{\"a\":[]}", None),
            ("[{}", None),
            ("<html>", None),
            ("", None),
        ] {
            let lines = lines_of_list(document.as_bytes());
            assert_eq!(lines.as_deref(), expected.map(str::as_bytes), "{document}");
        }
    }

    #[test]
    fn a_stream_is_what_is_not_labelled_as_a_document_and_a_binary_one_is_labelled() {
        for (kind, text, binary) in [
            (None, true, false),
            (Some("text/event-stream; charset=utf-8"), true, false),
            (Some("text/plain"), true, false),
            (Some("application/x-ndjson"), true, false),
            (Some("application/vnd.amazon.eventstream"), true, true),
            (Some("Application/JSON; charset=utf-8"), false, false),
            (Some("text/html"), false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            assert_eq!(is_stream(&headers, Framing::Sse), text, "{kind:?}");
            assert_eq!(is_stream(&headers, Framing::AwsEventStream), binary, "{kind:?}");
        }
    }
}
