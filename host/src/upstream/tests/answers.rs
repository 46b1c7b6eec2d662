//! Whole answers: good ones in every form that HTTP/1 knows, and every way to fail.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::HeaderName;
use tokio::sync::Notify;

use super::super::*;
use super::script::{SOON, Seen, Step, Upstream, answer, request, send};
use crate::error::{Cause, Error};

const LIMIT: usize = 10_000;

async fn call(endpoint: &Endpoint) -> Result<(u16, String), Error> {
    let incoming = endpoint.send(request()).await?;
    let status = incoming.status.as_u16();
    let body = incoming.whole(LIMIT, SOON).await?;
    Ok((status, String::from_utf8(body.into()).unwrap()))
}

/// What becomes of this answer.
async fn outcome(answer: Vec<Step>) -> Result<(u16, String), Error> {
    let script = [vec![Step::Receive], answer].concat();
    let upstream = Upstream::start(vec![script]).await;
    tokio::time::timeout(SOON, call(&upstream.endpoint())).await.expect("no outcome in time")
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// An answer with this body in this encoding.
fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn answers_in_every_form_are_read() {
    let zstd = ruzstd::encoding::compress_to_vec(&b"{}"[..], ruzstd::encoding::CompressionLevel::Fastest);
    for (expected, bytes) in [
        ((200, "{}"), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
        (
            (200, "{}"),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n".to_vec(),
        ),
        ((200, "{}"), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: b\r\n\r\n".to_vec()),
        ((200, "{}"), b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}".to_vec()),
        ((200, "{}"), b"HTTP/1.0 200 OK\r\n\r\n{}".to_vec()),
        (
            (200, "{}"),
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nlink: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\n{}".to_vec(),
        ),
        ((204, ""), b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ((429, "slow"), b"HTTP/1.1 429 \r\ncontent-length: 4\r\n\r\nslow".to_vec()),
        ((500, ""), b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ((200, "{}"), encoded("gzip", &gzip(b"{}"))),
        // What the reference tool makes of `{}`.
        ((200, "{}"), encoded("br", &[0x8B, 0x00, 0x80, b'{', b'}', 0x03])),
        ((200, "{}"), encoded("zstd", &zstd)),
        ((200, ""), encoded("gzip", b"")),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let trickled = outcome(vec![Step::Trickle(bytes.clone().into())]).await.unwrap();
        assert_eq!((trickled.0, trickled.1.as_str()), expected, "byte by byte: {shown}");
        let (status, body) = outcome(vec![send(bytes)]).await.unwrap();
        assert_eq!((status, body.as_str()), expected, "{shown}");
    }
}

#[tokio::test]
async fn answers_that_fail_say_how_and_whether_to_try_again() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    let huge_header = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(1_000_000));
    let bomb = encoded("gzip", &gzip(&vec![b'x'; 1_000_000]));
    let cut_gzip = encoded("gzip", &gzip(b"{}")[..15]);
    let head = "HTTP/1.1 200 OK\r\n";
    let (connection, bad) = ((Cause::Connection, true), (Cause::BadAnswer, false));
    for (expected, answer) in [
        (connection, vec![]),
        (connection, vec![Step::Reset]),
        (connection, vec![send("HTTP/1.1 200 OK\r\ncontent-le")]),
        (bad, vec![send("220 mail.example ESMTP\r\n")]),
        (bad, vec![send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")]),
        (bad, vec![send(many_headers)]),
        (bad, vec![send(huge_header)]),
        (bad, vec![send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")]),
        (bad, vec![send(format!("{head}content-length: 5\r\n\r\n{{}}"))]),
        (bad, vec![send(format!("{head}content-length: 5\r\n\r\n"))]),
        (bad, vec![send(format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"))]),
        (bad, vec![send(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{}}"))]),
        (bad, vec![send(format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n{{}}"))]),
        (bad, vec![send(format!("{head}content-length: 10001\r\n\r\n"))]),
        (bad, vec![send(format!("{head}\r\n{}", "x".repeat(LIMIT + 1)))]),
        (bad, vec![send(encoded("gzip", b"not gzip at all"))]),
        (bad, vec![send(encoded("snappy", b"{}"))]),
        (bad, vec![send(cut_gzip)]),
        (bad, vec![send(bomb)]),
    ] {
        let error = outcome(answer.clone()).await.unwrap_err();
        assert_eq!((error.cause, error.retryable), expected, "{answer:.200?} gave {error:?}");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body_is_a_truncation() {
    let head = send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"half\":");
    // Only after the head has arrived, lest the reset overtakes it.
    let arrived = Arc::new(Notify::new());
    let script = vec![Step::Receive, head, Step::Wait(arrived.clone()), Step::Reset];
    let upstream = Upstream::start(vec![script]).await;
    let incoming = upstream.endpoint().send(request()).await.unwrap();
    arrived.notify_one();
    let error = incoming.whole(LIMIT, SOON).await.unwrap_err();
    assert_eq!((error.cause, error.message.as_str()), (Cause::BadAnswer, "The upstream ended its answer early."));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 304, 307, 308] {
        let location = "location: http://elsewhere.example/v1?secret\r\n";
        let bytes = format!("HTTP/1.1 {status} x\r\n{location}content-length: 0\r\n\r\n");
        let error = outcome(vec![send(bytes)]).await.unwrap_err();
        assert_eq!((error.cause, error.status.as_u16(), error.retryable), (Cause::BadAnswer, 502, false));
        assert_eq!(error.detail.unwrap(), format!("status {status} to host elsewhere.example"));
    }
}

#[tokio::test]
async fn headers_of_the_connection_and_cookies_are_not_passed_on() {
    let head = "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nset-cookie: a=b\r\nset-cookie: c=d\r\nkeep-alive: timeout=5\r\n\
                content-length: 0\r\ncontent-encoding: identity\r\n\r\n";
    let upstream = Upstream::start(vec![vec![Step::Receive, send(head)]]).await;
    let incoming = upstream.endpoint().send(request()).await.unwrap();
    assert_eq!(incoming.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
}

#[tokio::test]
async fn the_request_goes_out_as_it_was_wanted() {
    let mut upstream = Upstream::start(vec![vec![Step::Receive, answer("{}")]]).await;
    let mut options = upstream.options();
    options.secret = Some(Secret::from("s3cret"));
    let outgoing = Outgoing { credential: Credential::Bearer, ..request() };
    Endpoint::new(options).unwrap().send(outgoing).await.unwrap();
    let Seen::Request(0, text) = upstream.seen().await else { panic!() };
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/chat HTTP/1.1"));
    let mut lines = lines.collect::<Vec<_>>();
    lines.sort_unstable();
    let host = format!("host: {}", upstream.address);
    let agent = concat!("user-agent: weir/", env!("CARGO_PKG_VERSION"));
    let expected = [
        "accept-encoding: gzip",
        "authorization: Bearer s3cret",
        "content-length: 7",
        "content-type: application/json",
        &host,
        agent,
        "x-request-id: req-1",
    ];
    assert_eq!((lines.as_slice(), body), (expected.as_slice(), "{\"a\":1}"));
}

#[tokio::test]
async fn no_error_holds_the_secret() {
    let upstream = Upstream::start(vec![vec![Step::Receive], vec![Step::Receive, send("nonsense\r\n\r\n")]]).await;
    let mut options = upstream.options();
    options.secret = Some(Secret::from("s3cret"));
    let endpoint = Endpoint::new(options).unwrap();
    // The third connection is refused.
    for _ in 0..3 {
        let outgoing = Outgoing { credential: Credential::Query("key".into()), ..request() };
        let error = endpoint.send(outgoing).await.unwrap_err();
        assert!(!format!("{error:?} {endpoint:?}").contains("s3cret"), "{error:?}");
    }
}
