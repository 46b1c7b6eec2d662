//! HTTP/1.1, HTTP/2 and TLS on the client's side.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use weir_tests::{Config, Dialect, Gateway, Upstream, chat};

#[tokio::test]
async fn http2_works_by_prior_knowledge() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let stream = gateway.raw().await.into_inner();
    let answer = gateway.client().over_http2(stream, "POST", "/v1/chat/completions", &chat::request("x")).await;
    assert_eq!(answer.content(), "good");
    let stream = gateway.raw().await.into_inner();
    let answer = gateway.client().over_http2(stream, "POST", "/v1/chat/completions", &chat::stream("x")).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let stream = gateway.raw().await.into_inner();
    gateway.anonymous().over_http2(stream, "POST", "/v1/chat/completions", &chat::request("x")).await.error(401);
}

#[tokio::test]
async fn a_connection_is_kept_for_further_requests_also_after_errors() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let good = chat::request("x").to_string();
    let path = "/v1/chat/completions";
    let requests: [(&str, &str, &str); 6] = [
        ("POST", path, &good),
        ("POST", path, "{broken"),
        ("GET", "/nowhere", ""),
        ("PUT", path, &good),
        ("GET", "/v1/models", ""),
        ("POST", path, &good),
    ];
    let answers = gateway.client().on_one_connection(&requests).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [200, 400, 404, 405, 200, 200]);
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let body = chat::request("x").to_string();
    let mut raw = gateway.raw().await;
    raw.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        weir_tests::KEY,
        body.len()
    ))
    .await;
    assert!(raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    raw.send(body).await;
    let (head, body) = raw.read_answer().await;
    assert!(head.starts_with("http/1.1 200") && body.contains("good"), "{head}{body}");
}

#[tokio::test]
async fn tls_serves_both_versions_of_http_and_nothing_without_it() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, cert.pem()).unwrap();
    std::fs::write(&key_file, signing_key.serialize_pem()).unwrap();
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/tls", json!({ "cert": cert_file, "key": key_file }));
    let gateway = Gateway::start(&config).await;

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let connect = async |protocols: &[&[u8]]| -> TlsStream<TcpStream> {
        let mut config = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = gateway.raw().await.into_inner();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    };
    let path = "/v1/chat/completions";
    let stream = connect(&[]).await;
    assert_eq!(gateway.client().over(stream, "POST", path, &chat::request("x")).await.content(), "good");
    let stream = connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(gateway.client().over_http2(stream, "POST", path, &chat::request("x")).await.content(), "good");

    let mut raw = gateway.raw().await;
    raw.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    raw.finish_sending().await;
    assert!(!raw.read_to_end().await.contains("200 OK"), "no plain text beside TLS");
    let served = gateway.client().over(connect(&[]).await, "GET", "/health", &json!({})).await;
    assert_eq!(served.status, 200);
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\noops\n-----END CERTIFICATE-----\n").unwrap();
    std::fs::write(&key, "").unwrap();
    let file = Config::new().set("/tls", json!({ "cert": cert, "key": key })).write(folder.path());
    let finished = weir_tests::run(&["serve", "--config", file.to_str().unwrap()], &[]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.output);
    assert!(finished.output.contains(".pem"), "{}", finished.output);
}

#[tokio::test]
async fn connections_over_the_limit_do_not_starve_those_that_are_open() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/limits/connections", json!(10));
    let gateway = Gateway::start(&config).await;
    let mut idle = Vec::new();
    for _ in 0..9 {
        let mut raw = gateway.raw().await;
        raw.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(raw.read_answer().await.0.starts_with("http/1.1 200"));
        idle.push(raw);
    }
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    for raw in &mut idle {
        raw.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(raw.read_answer().await.0.starts_with("http/1.1 200"), "an open connection goes on");
    }
    drop(idle);
}
