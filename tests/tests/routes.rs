//! Paths and methods: what answers where, and that whatever does not answers in the form of the OpenAI API too.

use serde_json::{Value, json};
use weir_tests::{Config, Dialect, Gateway, Provider, Upstream, chat};

async fn started() -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let provider = Provider::new(Dialect::OpenAi, &upstream).models(&["m1", "org/model-7b", "a b"]);
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    (upstream, gateway)
}

#[tokio::test]
async fn every_path_answers_with_and_without_its_version() {
    let (_upstream, gateway) = started().await;
    for path in ["/v1/chat/completions", "/chat/completions"] {
        assert_eq!(gateway.client().post(path, &chat::request("x")).await.content(), "good", "{path}");
    }
    for path in ["/v1/models", "/models"] {
        assert_eq!(gateway.client().get(path).await.json()["object"], "list", "{path}");
    }
}

#[tokio::test]
async fn the_list_of_models_is_what_clients_read() {
    let (_upstream, gateway) = started().await;
    let list = gateway.client().get("/v1/models").await.json();
    assert!(list.get("error").is_none());
    let models = list["data"].as_array().unwrap();
    for model in models {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let ids: Vec<_> = models.iter().filter_map(|model| model["id"].as_str()).collect();
    for id in ["m1", "org/model-7b"] {
        assert!(ids.iter().any(|known| *known == id || *known == format!("openai/{id}")), "{ids:?}");
    }
}

#[tokio::test]
async fn a_model_is_found_by_an_id_with_slashes_however_they_are_written() {
    let (_upstream, gateway) = started().await;
    let paths = [
        "/v1/models/m1",
        "/models/m1",
        "/v1/models/openai/m1",
        "/v1/models/openai%2Fm1",
        "/v1/models/org/model-7b",
        "/v1/models/org%2Fmodel-7b",
        "/v1/models/org%2fmodel-7b",
        "/v1/models/openai/org/model-7b",
        "/v1/models/openai%2Forg%2Fmodel-7b",
        "/v1/models/a%20b",
    ];
    for path in paths {
        let answer = gateway.client().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["object"], "model", "{path}");
    }
    for path in ["/v1/models/m2", "/v1/models/org/model", "/v1/models/%ff", "/v1/models/org%2F..%2Fm1"] {
        let error = gateway.client().get(path).await.error(404);
        assert_eq!(error.code.as_deref(), Some("model_not_found"), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_answers_in_json() {
    let (_upstream, gateway) = started().await;
    for path in ["/", "/v1", "/v2/chat/completions", "/v1/chat", "/v1/images/generations", "/favicon.ico"] {
        for method in ["GET", "POST"] {
            let answer = gateway.client().send(method, path, &[("content-type", "application/json")], "{}").await;
            assert!(answer.status != 301 && answer.status != 308, "no redirect: clients turn it into a GET");
            answer.error(404);
        }
    }
    let wrong = [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/chat/completions", "POST"),
        ("PATCH", "/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/m1", "GET"),
        ("POST", "/health", "GET"),
        ("POST", "/metrics", "GET"),
        ("FROBNICATE", "/v1/models", "GET"),
    ];
    for (method, path, allowed) in wrong {
        let answer = gateway.admin().send(method, path, &[], "").await;
        println!("{method} {path}: {}", answer.text());
        answer.error(405);
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains(allowed)),
            "{method} {path}: {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let (_upstream, gateway) = started().await;
    for path in ["/v1/models", "/health", "/ready"] {
        let answer = gateway.client().send("HEAD", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.is_empty());
    }
    let answers = gateway.client().on_one_connection(&[("HEAD", "/v1/models", ""), ("GET", "/v1/models/m1", "")]).await;
    assert_eq!(answers[1].json()["object"], "model", "the connection is in step after a HEAD");
}

#[tokio::test]
async fn health_and_readiness_need_no_key() {
    let (_upstream, gateway) = started().await;
    for path in ["/health", "/ready"] {
        let answer = gateway.anonymous().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.json().is_object(), "{path}");
    }
}

#[tokio::test]
async fn a_request_id_is_made_or_taken_over_and_stands_in_the_log() {
    let (upstream, gateway) = started().await;
    let answer = gateway.client().chat(&chat::request("x")).await;
    let made = answer.header("x-request-id").unwrap().to_owned();
    assert!(made.len() >= 8);
    let other = gateway.client().chat(&chat::request("x")).await;
    assert_ne!(other.header("x-request-id"), Some(made.as_str()));

    let named = gateway.client().with("x-request-id", "trace-4711").chat(&chat::request("x")).await;
    assert_eq!(named.header("x-request-id"), Some("trace-4711"));
    let entry = gateway.log().wait_for("the request by its id", |entry| entry["request_id"] == "trace-4711").await;
    assert_eq!((&entry["provider"], &entry["status_code"]), (&json!("openai"), &json!(200)), "{entry}");
    assert_eq!(upstream.requests()[2].header("x-request-id"), Some("trace-4711"));

    // An id that could not stand in a header or a log is not taken over.
    for bad in ["x".repeat(5_000), "caf\u{e9}".to_owned(), "a b\tc".to_owned()] {
        let mut raw = gateway.raw().await;
        raw.send(format!("GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: {bad}\r\nconnection: close\r\n\r\n")).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains(&bad), "{answer}");
    }
}

#[tokio::test]
async fn cors_is_off_by_default_and_on_for_configured_origins() {
    let (_upstream, closed) = started().await;
    let answer = closed.client().with("origin", "https://chat.example").get("/v1/models").await;
    assert!(answer.header("access-control-allow-origin").is_none());

    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/cors/origins", json!(["https://chat.example"]));
    let gateway = Gateway::start(&config).await;
    let preflight = gateway
        .anonymous()
        .with("origin", "https://chat.example")
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization,content-type,x-stainless-lang")
        .send("OPTIONS", "/v1/chat/completions", &[], "")
        .await;
    assert!(matches!(preflight.status.as_u16(), 200 | 204), "a preflight has no key: {}", preflight.text());
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://chat.example"));
    assert!(preflight.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    let allowed = preflight.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");

    let body = chat::request("x");
    let answer = gateway.client().with("origin", "https://chat.example").chat(&body).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://chat.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
    // An error that a page cannot read is no error message.
    let refused = gateway.anonymous().with("origin", "https://chat.example").chat(&body).await;
    refused.error(401);
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://chat.example"));
    let stranger = gateway.client().with("origin", "https://evil.example").chat(&body).await;
    assert!(stranger.header("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn options_without_cors_answers_in_json_or_with_the_methods() {
    let (_upstream, gateway) = started().await;
    let answer = gateway.client().send("OPTIONS", "/v1/chat/completions", &[], "").await;
    match answer.status.as_u16() {
        405 => {
            answer.error(405);
        }
        200 | 204 => assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST"))),
        status => panic!("{status}: {}", answer.text()),
    }
}

#[tokio::test]
async fn the_list_of_plugins_says_what_is_loaded() {
    let (_upstream, gateway) = started().await;
    let plugin = gateway.plugin("openai").await;
    assert_eq!(plugin["generation"], 1, "{plugin}");
    assert!(plugin["version"].is_string(), "{plugin}");
    assert!(plugin["error"].is_null(), "{plugin}");
    let reload = gateway.admin().send("POST", "/plugins/reload", &[], "").await;
    assert_eq!(reload.status, 200, "{}", reload.text());
    assert_ne!(reload.json(), Value::Null);
}
