//! Streamed answers over sockets: how they are cut, how they end, how they fail.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::*;
use super::script::{SOON, Step, Upstream, request, send, settle};
use crate::error::Cause;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n";

fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The texts of all events, what was left, and the error at the end.
async fn outcome(framing: Framing, answer: Vec<Step>) -> (Vec<String>, Option<String>, Option<Cause>) {
    let upstream = Upstream::start(vec![[vec![Step::Receive], answer].concat()]).await;
    let mut events = upstream.endpoint().send(request()).await.unwrap().events(framing, 1000).unwrap();
    let mut texts = Vec::new();
    let mut failed = None;
    while let Some(batch) = tokio::time::timeout(SOON, events.next()).await.expect("no event in time") {
        match batch {
            Ok(batch) => texts.extend(batch.into_iter().map(|event| event.text().to_owned())),
            Err(error) => failed = Some(error.cause),
        }
    }
    let trailing = events.trailing().map(|trailing| trailing.event.text().to_owned());
    (texts, trailing, failed)
}

#[tokio::test]
async fn streams_are_read_to_their_end() {
    let events = "data: 1\n\ndata: zwei ü\n\ndata: [DONE]\n\n";
    let crlf = events.replace('\n', "\r\n");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(events.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(events.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    for (encoding, body) in
        [("identity", events.as_bytes()), ("identity", crlf.as_bytes()), ("gzip", &gzip), ("zstd", &zstd)]
    {
        let head = format!("{HEAD}content-encoding: {encoding}\r\n\r\n");
        let whole = [head.as_bytes(), &chunk(body), b"0\r\n\r\n"].concat();
        let single = body.iter().flat_map(|byte| chunk([*byte])).collect::<Vec<_>>();
        let bytewise = [head.as_bytes(), &single, b"0\r\n\r\n"].concat();
        for answer in [vec![send(&whole)], vec![Step::Trickle(whole.into())], vec![send(bytewise)]] {
            let expected = (vec!["1".to_owned(), "zwei ü".to_owned(), "[DONE]".to_owned()], None, None);
            assert_eq!(outcome(Framing::Sse, answer).await, expected, "{encoding}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_off_fails_after_its_events() {
    let event = |text: &str| chunk(format!("data: {text}\n\n"));
    let head = format!("{HEAD}\r\n").into_bytes();
    for (answer, trailing, cause) in [
        (vec![send([&head[..], &event("1")].concat())], None, Some(Cause::BadAnswer)),
        (vec![send([&head[..], &event("1"), b"50\r\ndata: cut"].concat())], None, Some(Cause::BadAnswer)),
        (vec![send([&head[..], &event("1"), b"what?\r\n"].concat())], None, Some(Cause::BadAnswer)),
        (vec![send([&head[..], &event("1"), &chunk(b"data: \xC3\n\n")].concat())], None, Some(Cause::BadAnswer)),
        (vec![send([&head[..], &event("1"), &chunk("data: 2"), b"0\r\n\r\n"].concat())], Some("2".to_owned()), None),
        (vec![send(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\ndata: 2\n")], Some("2".to_owned()), None),
        (vec![send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: 1\n\n")], None, Some(Cause::BadAnswer)),
    ] {
        let shown = format!("{answer:?}");
        let expected = (vec!["1".to_owned()], trailing, cause);
        assert_eq!(outcome(Framing::Sse, answer).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn lines_are_events_too() {
    let body = "{\"a\":1}\n{\"b\":2}\n";
    let answer = vec![send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))];
    let expected = (vec!["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()], None, None);
    assert_eq!(outcome(Framing::Ndjson, answer).await, expected);
}

#[tokio::test]
async fn an_event_is_there_before_the_next_one_is_sent() {
    let head = format!("{HEAD}\r\n").into_bytes();
    let script = vec![
        Step::Receive,
        send(head),
        send(chunk("data: 1\n\n: alive\n\n")),
        send(chunk(": alive\n\n")),
        Step::AwaitClose,
    ];
    let upstream = Upstream::start(vec![script]).await;
    let mut events = upstream.endpoint().send(request()).await.unwrap().events(Framing::Sse, 1000).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().len(), 1);
    let alive = events.next().await.unwrap().unwrap();
    assert!(alive.is_empty() && alive.iter().next().is_none());
}

#[tokio::test]
async fn a_five_megabyte_event_passes() {
    let event = format!("data: {}\n\n", "x".repeat(5_000_000));
    let answer = send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{event}", event.len()));
    let upstream = Upstream::start(vec![vec![Step::Receive, answer]]).await;
    let mut events = upstream.endpoint().send(request()).await.unwrap().events(Framing::Sse, 8 << 20).unwrap();
    let batch = events.next().await.unwrap().unwrap();
    assert_eq!(batch.iter().map(|event| event.data().len()).collect::<Vec<_>>(), [5_000_000]);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_released_stream_gives_its_connection_back_though_its_end_came_late() {
    let begun = send([format!("{HEAD}\r\n").into_bytes(), chunk("data: [DONE]\n\n")].concat());
    for rest in ["0\r\n\r\n".into(), [chunk(": bye\n\n"), b"0\r\n\r\n".to_vec()].concat()] {
        let late_end: Vec<u8> = rest;
        let script = vec![Step::Receive, begun.clone(), Step::Trickle(late_end.into()), Step::Receive, begun.clone()];
        let mut upstream = Upstream::start(vec![script]).await;
        let endpoint = upstream.endpoint();
        for _ in 0..2 {
            let mut events = endpoint.send(request()).await.unwrap().events(Framing::Sse, 1000).unwrap();
            assert_eq!(events.next().await.unwrap().unwrap().len(), 1);
            events.release();
            assert_eq!(upstream.connection_of_request().await, 0);
            // The rest comes while nobody waits for it.
            settle().await;
        }
    }
}
