//! Who may come in: keys in both headers, plain and hashed, and what a request without one learns.

use serde_json::json;
use sha2::{Digest, Sha256};
use weir_tests::{ADMIN_KEY, Config, Dialect, Gateway, KEY, Upstream, chat, run};

#[tokio::test]
async fn a_missing_or_wrong_key_is_401_whatever_else_is_broken() {
    // No provider, so that everything else would fail as well.
    let gateway = Gateway::start(&Config::new()).await;
    let whole = chat::request("x").to_string();
    let requests: [(&str, &str, &str, &str); 10] = [
        ("POST", "/v1/chat/completions", "application/json", &whole),
        ("POST", "/chat/completions", "application/json", &whole),
        ("POST", "/v1/chat/completions", "application/json", ""),
        ("POST", "/v1/chat/completions", "application/json", "{broken"),
        ("POST", "/v1/chat/completions", "text/plain", &whole),
        ("GET", "/v1/models", "", ""),
        ("GET", "/v1/models/m1", "", ""),
        ("GET", "/plugins", "", ""),
        ("POST", "/plugins/reload", "", ""),
        ("GET", "/v1/chat/completions", "", ""),
    ];
    let keys: [&[(&str, &str)]; 8] = [
        &[],
        &[("authorization", "Bearer wrong-key")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer client-key-5up3rs3cr3")],
        &[("authorization", "Bearer client-key-5up3rs3cr3t2")],
        &[("authorization", "Basic Y2xpZW50OmtleQ==")],
        &[("x-api-key", "wrong-key")],
        &[("x-api-key", "")],
    ];
    for (method, path, content_type, body) in requests {
        for key in keys {
            let mut headers = key.to_vec();
            headers.push(("content-type", content_type));
            let answer = gateway.anonymous().send(method, path, &headers, body.to_owned()).await;
            println!("{method} {path} with {key:?}: {}", answer.text());
            let error = answer.error(401);
            assert_eq!(error.code.as_deref(), Some("invalid_api_key"));
            assert!(!answer.text().contains("wrong-key"), "the key is not echoed");
            assert!(!answer.text().contains("5up3rs3cr3"), "the key is not echoed");
        }
    }
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_plain_or_hashed() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let digest: String = Sha256::digest(b"kept as a hash").iter().map(|byte| format!("{byte:02x}")).collect();
    let config = Config::of(Dialect::OpenAi, &upstream).set(
        "/keys",
        json!([
            { "name": "plain", "key": KEY },
            { "name": "hashed", "key": format!("sha256:{digest}") },
        ]),
    );
    let gateway = Gateway::start(&config).await;
    let good: [&[(&str, &str)]; 6] = [
        &[("authorization", &format!("Bearer {KEY}"))],
        &[("authorization", &format!("bearer {KEY}"))],
        &[("x-api-key", KEY)],
        &[("authorization", "Bearer kept as a hash")],
        &[("x-api-key", "kept as a hash")],
        &[("X-API-Key", KEY)],
    ];
    for headers in good {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        let body = chat::request("x").to_string();
        let answer = gateway.anonymous().send("POST", "/v1/chat/completions", &headers, body).await;
        assert_eq!(answer.content(), "good", "{headers:?}");
    }
    let hash = format!("sha256:{digest}");
    gateway.anonymous().with_key(&hash).get("/v1/models").await.error(401);
    gateway.anonymous().with_key(&digest).get("/v1/models").await.error(401);
}

#[tokio::test]
async fn the_clients_key_never_travels_upstream_and_the_providers_does() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(dialect.answering("good")).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let client =
            gateway.client().with("x-api-key", KEY).with("cookie", "session=1").with("x-forwarded-for", "10.9.8.7");
        assert_eq!(client.chat(&chat::request("x")).await.content(), "good");
        let request = upstream.only_request();
        let (name, value) = dialect.credential(weir_tests::UPSTREAM_SECRET);
        assert_eq!(request.header(name), Some(value.as_str()), "{dialect:?}");
        assert_eq!(request.path, dialect.chat_path());
        let sent = format!("{request:?}");
        assert!(!sent.contains(KEY) && !sent.contains("session=1") && !sent.contains("10.9.8.7"), "{sent}");
    }
}

#[tokio::test]
async fn administration_needs_an_admin_key_and_chat_does_not() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    for (method, path) in [("GET", "/plugins"), ("POST", "/plugins/reload")] {
        let refused = gateway.client().send(method, path, &[], "").await.error(403);
        assert_eq!(refused.kind, "permission_error");
        assert_eq!(gateway.admin().send(method, path, &[], "").await.status, 200, "{method} {path}");
        let by_header = gateway.anonymous().with("x-api-key", ADMIN_KEY).send(method, path, &[], "").await;
        assert_eq!(by_header.status, 200, "{method} {path}");
    }
    assert_eq!(gateway.admin().chat(&chat::request("x")).await.content(), "good");
}

#[tokio::test]
async fn without_keys_everybody_on_loopback_may_chat() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream).set("/keys", json!([]))).await;
    assert_eq!(gateway.anonymous().chat(&chat::request("x")).await.content(), "good");
    assert_eq!(gateway.anonymous().with_key("whatever the SDK insists on").get("/v1/models").await.status, 200);
}

#[tokio::test]
async fn without_keys_listening_on_other_addresses_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new().set("/keys", json!([])).set("/listen", json!("0.0.0.0:0"));
    let file = config.write(folder.path());
    for command in ["check", "serve"] {
        let arguments = if command == "check" { vec!["check"] } else { vec!["serve", "--config"] };
        let arguments = [arguments, vec![file.to_str().unwrap()]].concat();
        let finished = run(&arguments, &[]).await;
        assert_eq!(finished.code, Some(1), "{}", finished.output);
        assert!(finished.output.contains("key"), "it says what to do: {}", finished.output);
    }
}
