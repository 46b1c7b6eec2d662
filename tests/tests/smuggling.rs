//! Request smuggling: whatever two readers could understand in two ways is refused, and the connection closed, so that
//! no bytes of a body are ever taken for a request.

use serde_json::json;
use weir_tests::{Config, Dialect, Gateway, KEY, Upstream, chat};

async fn started() -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    (upstream, gateway)
}

/// A request that would be answered if it were taken for one.
fn smuggled() -> String {
    format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nx-request-id: smuggled\r\n\r\n")
}

/// A chat request with these lines about its body, and this body.
fn post(lines: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\n{lines}\r\n{body}"
    )
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let inner = smuggled();
    let body = chat::request("x").to_string();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let cases: Vec<(&str, String)> = vec![
        (
            "length and chunks",
            post(
                &format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked.len()),
                &format!("{chunked}{inner}"),
            ),
        ),
        (
            "chunks and length",
            post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &format!("{chunked}{inner}")),
        ),
        (
            "a short length and chunks",
            post("content-length: 5\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        ),
        ("two lengths", post(&format!("content-length: {length}\r\ncontent-length: 0\r\n"), &format!("{body}{inner}"))),
        ("a list of lengths", post(&format!("content-length: {length}, 0\r\n"), &format!("{body}{inner}"))),
        ("a signed length", post(&format!("content-length: +{length}\r\n"), &format!("{body}{inner}"))),
        ("a negative length", post("content-length: -1\r\n", &inner)),
        ("a hexadecimal length", post("content-length: 0x10\r\n", &inner)),
        ("a length past every number", post("content-length: 99999999999999999999999\r\n", &inner)),
        ("an empty length", post("content-length: \r\n", &inner)),
        ("an unknown coding", post("transfer-encoding: xchunked\r\n", &format!("{chunked}{inner}"))),
        ("chunked twice", post("transfer-encoding: chunked, chunked\r\n", &format!("{chunked}{inner}"))),
        ("chunked not last", post("transfer-encoding: chunked, identity\r\n", &format!("{chunked}{inner}"))),
        ("chunked with a vertical tab", post("transfer-encoding: \x0bchunked\r\n", &format!("{chunked}{inner}"))),
        ("a blank before the colon", post(&format!("content-length : {length}\r\n"), &format!("{body}{inner}"))),
        ("a blank before the coding's colon", post("transfer-encoding : chunked\r\n", &format!("{chunked}{inner}"))),
        (
            "a folded header",
            post(&format!("x-folded: a\r\n b\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}")),
        ),
        ("a folded coding", post("transfer-encoding:\r\n chunked\r\n", &format!("{chunked}{inner}"))),
        ("a bare LF after a header", post(&format!("x-a: b\ncontent-length: {length}\r\n"), &format!("{body}{inner}"))),
        (
            "a bare CR in a header",
            post(&format!("x-a: b\rcontent-length: 0\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}")),
        ),
        ("a NUL in a header", post(&format!("x-a: b\0c\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}"))),
        ("a header without a colon", post(&format!("oops\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}"))),
        (
            "a header without a name",
            post(&format!(": oops\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}")),
        ),
        (
            "a chunk size that is none",
            post("transfer-encoding: chunked\r\n", &format!("zz\r\n{body}\r\n0\r\n\r\n{inner}")),
        ),
        ("a chunk size with a sign", post("transfer-encoding: chunked\r\n", &format!("+{chunked}{inner}"))),
        ("a chunk size with 0x", post("transfer-encoding: chunked\r\n", &format!("0x{chunked}{inner}"))),
        (
            "a chunk size past every number",
            post("transfer-encoding: chunked\r\n", &format!("fffffffffffffffff\r\n{body}\r\n{inner}")),
        ),
        ("a chunk size after a blank", post("transfer-encoding: chunked\r\n", &format!(" {chunked}{inner}"))),
        (
            "a bare LF after a chunk size",
            post("transfer-encoding: chunked\r\n", &format!("{length:x}\n{body}\r\n0\r\n\r\n{inner}")),
        ),
        (
            "a bare LF in a chunk extension",
            post("transfer-encoding: chunked\r\n", &format!("{length:x};a\nb\r\n{body}\r\n0\r\n\r\n{inner}")),
        ),
        (
            "a chunk longer than its size",
            post("transfer-encoding: chunked\r\n", &format!("2\r\n{body}\r\n0\r\n\r\n{inner}")),
        ),
        (
            "HTTP/1.0 with chunks",
            post("transfer-encoding: chunked\r\n", &format!("{chunked}{inner}"))
                .replace("HTTP/1.1\r\nhost", "HTTP/1.0\r\nhost"),
        ),
        ("two hosts", post(&format!("host: y\r\ncontent-length: {length}\r\n"), &format!("{body}{inner}"))),
        (
            "an unknown version",
            post(&format!("content-length: {length}\r\n"), &format!("{body}{inner}"))
                .replace("HTTP/1.1\r\nhost", "HTTP/1.7\r\nhost"),
        ),
        ("a bare LF request line", format!("GET /v1/models HTTP/1.1\nhost: x\n\n{inner}")),
        ("two blanks in the request line", format!("GET  /v1/models HTTP/1.1\r\nhost: x\r\n\r\n{inner}")),
        ("a blank in the path", format!("GET /v1/ models HTTP/1.1\r\nhost: x\r\n\r\n{inner}")),
    ];
    let (upstream, gateway) = started().await;
    for (name, bytes) in cases {
        let mut raw = gateway.raw().await;
        raw.send(bytes).await;
        let answer = raw.read_to_end().await;
        println!("{name}: {answer}");
        // One answer at most: an error, and with it the end of the connection. RFC 9112 lets a server read a body by
        // its chunks where a length stands as well, but then too it has to close.
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{name}: a second answer: {answer}");
        assert!(!answer.contains("smuggled"), "{name}: the smuggled request was answered");
        assert!(!answer.contains("200 OK"), "{name}: {answer}");
        let status = answer.get(9..12).unwrap_or("closed");
        assert!(matches!(status, "closed" | "400" | "413" | "501" | "505"), "{name}: {answer}");
    }
    assert!(!gateway.log().text().contains("smuggled"), "no smuggled request was served");
    assert!(upstream.requests().is_empty(), "none of it reached the upstream");
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
}

#[tokio::test]
async fn a_body_that_was_not_read_is_not_the_next_request() {
    let (_upstream, gateway) = started().await;
    let inner = smuggled();
    let length = inner.len();
    let refused = [
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        ),
        format!("POST /nowhere HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {length}\r\n\r\n"),
        format!(
            "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\ncontent-length: {length}\r\n\r\n"
        ),
        format!("GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"),
        format!("HEAD /health HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"),
    ];
    // A last request that ends the connection, should it still be open by then.
    let last = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for head in refused {
        let mut raw = gateway.raw().await;
        raw.send(format!("{head}{inner}{last}")).await;
        let answer = raw.read_to_end().await;
        assert!((1..=2).contains(&answer.matches("HTTP/1.1 ").count()), "{head}: {answer}");
        assert!(!answer.contains("smuggled"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let (_upstream, gateway) = started().await;
    let mut raw = gateway.raw().await;
    let body = chat::request("x").to_string();
    let chat = post(&format!("content-length: {}\r\n", body.len()), &body);
    let chunked = post("transfer-encoding: chunked\r\n", &format!("{:x};ext=1\r\n{body}\r\n0\r\n\r\n", body.len()));
    raw.send(format!("{chat}{}{chunked}", smuggled())).await;
    let (head, body) = raw.read_answer().await;
    assert!(head.starts_with("http/1.1 200") && body.contains("good"), "{head}{body}");
    let (head, body) = raw.read_answer().await;
    assert!(head.contains("smuggled") && body.contains("\"list\""), "{head}{body}");
    let (head, body) = raw.read_answer().await;
    assert!(head.starts_with("http/1.1 200") && body.contains("good"), "{head}{body}");
}

#[tokio::test]
async fn what_a_client_writes_in_json_cannot_become_headers_upstream() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(dialect.answering("good")).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let injected = "x\r\nx-injected: yes\r\n\r\nGET /stolen HTTP/1.1\r\n\r\n";
        let mut body = chat::request(injected);
        body["user"] = json!(injected);
        gateway.client().chat(&body).await;
        gateway
            .client()
            .chat(&chat::with(body.clone(), "model", json!(format!("{}/{injected}", dialect.plugin()))))
            .await;
        for request in upstream.requests() {
            assert_eq!(request.path, dialect.chat_path());
            assert!(request.header("x-injected").is_none(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_refused_for_its_form_is_found_in_the_log_and_the_metrics() {
    let (_upstream, gateway) = started().await;
    for (status, request) in [
        ("400", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        ("431", post(&format!("x-long: {}\r\n", "x".repeat(1 << 20)), "")),
    ] {
        let mut raw = gateway.raw().await;
        raw.send(request).await;
        let answer = raw.read_to_end().await;
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").to_owned();
        let line = gateway.log().wait_for("the refused request", |entry| entry["request_id"] == id.as_str()).await;
        assert_eq!(line["status_code"].to_string(), status, "{line}");
        let labels = [("endpoint", "none"), ("status", status)];
        assert_eq!(gateway.metrics().await.sum("llm_proxy_requests_total", &labels), 1.0);
    }
}
