//! HTTP/1 over real sockets: what is refused and nothing behind it understood, and what is answered in order.

use super::*;

/// A good request, to be followed by a bad one.
const GOOD: &str = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
/// What an attacker would like to have understood as a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads that a lenient reader could understand differently. Each is followed by a smuggled request.
const BAD_HEADS: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 44\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n 44\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\nHost: a\nContent-Length: 44\n\n",
    "POST / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 44\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 44\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// Bodies with broken chunks. Each is followed by a smuggled request.
const BAD_CHUNKS: &[&str] = &[
    "5x\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5;\nhello\r\n0\r\n\r\n",
    "0\r\n\n",
    "0\r\na: b\n\r\n",
    "fffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "-1\r\nhello\r\n0\r\n\r\n",
];

#[tokio::test]
async fn a_bad_head_is_answered_once_and_nothing_behind_it_is_understood() {
    let server = Running::start(Options::default());
    for bad in BAD_HEADS {
        let answer = server.talk(format!("{bad}{SMUGGLED}").as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{bad:?}: {answer}");
        assert!(answer.contains("connection: close") && answer.contains("\"type\":\"invalid_request_error\""));
        assert_eq!(server.paths(), [""; 0], "{bad:?}");
    }
}

#[tokio::test]
async fn a_bad_head_behind_good_requests_is_answered_in_its_turn() {
    let server = Running::start(Options::default());
    for bad in BAD_HEADS {
        let answer = server.talk(format!("{GOOD}{GOOD}{bad}{SMUGGLED}").as_bytes()).await;
        assert_eq!(statuses(&answer), [200, 200, 400], "{bad:?}: {answer}");
        assert_eq!(server.paths(), ["/good", "/good"], "{bad:?}");
    }
}

#[tokio::test]
async fn a_bad_head_that_comes_in_pieces_is_answered_the_same() {
    let server = Running::start(Options::default());
    for bad in BAD_HEADS {
        let mut socket = server.connect().await;
        for byte in format!("{GOOD}{bad}").bytes() {
            // The server may have closed already: the rest of a bad head can be what it does not wait for.
            let _ = socket.write_all(&[byte]).await;
            tokio::task::yield_now().await;
        }
        let answer = read_to_end(&mut socket).await;
        assert_eq!(statuses(&answer), [200, 400], "{bad:?}: {answer}");
    }
}

#[tokio::test]
async fn a_broken_body_fails_the_reader_and_ends_the_connection() {
    let server = Running::start(Options::default());
    for chunks in BAD_CHUNKS {
        let head = "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = server.talk(format!("{head}{chunks}{SMUGGLED}").as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{chunks:?}: {answer}");
        assert!(answer.contains("connection: close"), "{chunks:?}: {answer}");
        assert_eq!(server.paths(), ["/chunked"], "{chunks:?}");
    }
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_order() {
    let server = Running::start(Options::default());
    let chunked =
        "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nt: u\r\n\r\n";
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = server.talk(format!("{GOOD}\r\n{chunked}{GOOD}{last}").as_bytes()).await;
    assert_eq!(statuses(&answer), [200; 4]);
    let lengths: Vec<_> = answer.match_indices(" bytes").map(|(at, _)| &answer[at - 1..at]).collect();
    assert_eq!(lengths, ["2", "3", "2", "0"]);
    assert_eq!(server.paths(), ["/good", "/chunked", "/good", "/last"]);
}

#[tokio::test]
async fn a_request_with_a_large_body_is_read_whole_however_it_is_cut() {
    let server = Running::start(Options::default());
    for step in [1, 7, 100_000, 1_000_000] {
        let size = if step == 1 { 300 } else { 500_000 };
        let mut request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").into_bytes();
        request.resize(request.len() + size, b'x');
        let mut socket = server.connect().await;
        for piece in request.chunks(step) {
            socket.write_all(piece).await.unwrap();
            if step < 100 {
                tokio::task::yield_now().await;
            }
        }
        assert!(read_answer(&mut socket).await.ends_with(&format!("{size} bytes")));
    }
}

#[tokio::test]
async fn too_large_a_head_is_refused_at_once_while_it_is_still_coming() {
    let server = Running::start(Options::default());
    let cases = [
        ("x: y\r\n".repeat(10_000), "too many headers"),
        (format!("x: {}\r\n", "y".repeat(100_000)), "too many bytes"),
        ("y".repeat(1_000_000), "too many bytes"),
    ];
    for (headers, message) in cases {
        // No empty line: it has to be refused without waiting for one.
        let answer = server.talk(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}").as_bytes()).await;
        assert_eq!(statuses(&answer), [431]);
        assert!(answer.contains(message), "{answer}");
    }
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "y".repeat(60_000));
    assert_eq!(statuses(&server.talk(long_path.as_bytes()).await), [200], "up to the limit it is allowed");
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let server = Running::start(Options::default());
    let size = 20_000_000;
    let mut socket = server.connect().await;
    let head = format!("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let body = vec![b'x'; size];
    let mut answer = String::new();
    let (_, read) = tokio::join!(writer.write_all(&body), reader.read_to_string(&mut answer));
    read.unwrap();
    assert!(answer.ends_with("ignored"), "{answer}");
}

#[tokio::test]
async fn expect_continue_and_head_work() {
    let server = Running::start(Options::default());
    let mut socket = server.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 25];
    socket.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"abc").await.unwrap();
    assert!(read_answer(&mut socket).await.ends_with("3 bytes"));
    socket.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut socket).await.ends_with("\r\n\r\n"));
}
