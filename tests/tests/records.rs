//! What Weir writes down: metrics by their agreed names, one line a request in the log, and in neither a secret or a
//! word of a prompt or an answer.

use serde_json::{Value, json};
use weir_tests::{ADMIN_KEY, Config, Dialect, Gateway, KEY, Provider, Step, UPSTREAM_SECRET, Upstream, chat, reply};

const PROMPT: &str = "the-prompt-nobody-may-see";
const ANSWER: &str = "the-answer-nobody-may-see";
const SETTING: &str = "a-header-nobody-may-see";
const STRANGER: &str = "a-wrong-key-nobody-may-see";

#[tokio::test]
async fn no_secret_and_no_word_of_a_prompt_is_anywhere_it_does_not_belong() {
    let mut errors = Vec::new();
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(move |number, request| {
            let echo = format!("you sent {}, I say {ANSWER}", String::from_utf8_lossy(&request.body));
            match number % 8 {
                0 => reply::json(200, &dialect.answer(ANSWER)),
                1 => reply::stream(&dialect.text_stream(&[ANSWER])),
                2 => reply::whole(200, &["content-type: text/html"], format!("<html>{echo}</html>")),
                3 => reply::json(500, &json!({ "trace": echo, "headers": format!("{:?}", request.headers) })),
                4 => vec![reply::head(200, &["content-length: 10000"]), Step::Write(echo.into()), Step::Close],
                5 => vec![Step::Write(format!("nonsense {echo}").into()), Step::Close],
                6 => reply::stream(&["data: ".to_owned() + &echo + "\n\n"]),
                _ => vec![Step::Reset],
            }
        })
        .await;
        let provider = Provider::new(dialect, &upstream).set("/headers", json!({ "x-operator": SETTING }));
        let config = Config::new().provider(provider).set("/log/level", json!("trace"));
        let gateway = Gateway::start(&config).await;
        for number in 0..16 {
            let answer = gateway.client().chat(&chat::request_as(number % 8 == 1 || number % 8 == 6, PROMPT)).await;
            if answer.status != 200 {
                errors.push(answer.text());
            }
        }
        errors.push(gateway.anonymous().with_key(STRANGER).chat(&chat::request(PROMPT)).await.text());
        errors.push(
            gateway
                .client()
                .post_bytes("/v1/chat/completions", format!("{{\"model\":\"m1\",\"messages\":[\"{PROMPT}\"]}}"))
                .await
                .text(),
        );
        errors
            .push(gateway.client().post_bytes("/v1/chat/completions", format!("{{\"model\": {PROMPT}}}")).await.text());
        errors.push(
            gateway
                .client()
                .chat(&json!({ "model": "m1", "messages": [{ "role": PROMPT, "content": PROMPT }] }))
                .await
                .text(),
        );
        let metrics = gateway.metrics().await;
        let plugins = gateway.plugins().await.to_string();
        let reload = gateway.admin().send("POST", "/plugins/reload", &[], "").await.text();
        let models = gateway.client().get("/v1/models").await.text();
        let mut places: Vec<(&str, String)> = vec![
            ("log", gateway.log().text()),
            ("metrics", metrics.text().to_owned()),
            ("plugins", plugins),
            ("reload", reload),
            ("models", models),
        ];
        places.extend(errors.drain(..).map(|error| ("error", error)));
        for (place, text) in places {
            for secret in [UPSTREAM_SECRET, KEY, ADMIN_KEY, SETTING, STRANGER, ANSWER] {
                assert!(!text.contains(secret), "{dialect:?}: {secret} is in the {place}: {text}");
            }
            // A client may be shown what it wrote itself; nobody else may.
            assert!(place == "error" || !text.contains(PROMPT), "{dialect:?}: the prompt is in the {place}: {text}");
        }
    }
}

#[tokio::test]
async fn an_invalid_configuration_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "listen: 127.0.0.1:0\nkeys: [ {{ name: dev, key: {KEY}, kye: x }} ]\nproviders:\n  - {{ name: openai, plugin: openai, \
         base_url: \"http://127.0.0.1:1/v1\", api_key: \"${{SECRET_KEY}}\", oops: 1 }}\n"
    );
    let file = folder.path().join("weir.yaml");
    std::fs::write(&file, text).unwrap();
    let finished = weir_tests::run(&["check", file.to_str().unwrap()], &[("SECRET_KEY", UPSTREAM_SECRET)]).await;
    assert_eq!(finished.code, Some(1));
    assert!(!finished.output.contains(UPSTREAM_SECRET) && !finished.output.contains(KEY), "{}", finished.output);
}

#[tokio::test]
async fn requests_errors_and_tokens_are_counted_by_the_agreed_names() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(move |number, request| match number {
            0..4 => dialect.answering("good")(number, request),
            _ => reply::json(429, &dialect.error("rate_limit_error", "slow down")),
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for number in 0..4 {
            let body = chat::request_as(number % 2 == 1, "x");
            if number % 2 == 1 {
                gateway.client().stream(&body).await.assert_complete();
            } else {
                gateway.client().chat(&body).await.content();
            }
        }
        for _ in 0..3 {
            gateway.client().chat(&chat::request("x")).await.error(429);
        }
        let provider = dialect.plugin();
        // The last line of the log is written when the last request has been counted.
        let client = gateway.client().with("x-request-id", "last");
        client.chat(&chat::request("x")).await.error(429);
        gateway.log().wait_for("the last request", |entry| entry["request_id"] == "last").await;
        let metrics = gateway.metrics().await;
        let sum =
            |name: &str, labels: &[(&str, &str)]| metrics.sum(name, &[&[("provider", provider)], labels].concat());
        assert_close(sum("llm_proxy_requests_total", &[]), 8.0, &metrics);
        assert_close(sum("llm_proxy_requests_total", &[("status", "200")]), 4.0, &metrics);
        assert_close(sum("llm_proxy_requests_total", &[("status", "429")]), 4.0, &metrics);
        assert_close(sum("llm_proxy_errors_total", &[("error_type", "rate_limit")]), 4.0, &metrics);
        assert_close(sum("llm_proxy_tokens_total", &[]), 4.0 * 18.0, &metrics);
        assert_close(sum("llm_proxy_request_duration_seconds_count", &[]), 8.0, &metrics);
        assert!(sum("llm_proxy_response_time_seconds_count", &[]) >= 4.0);
        assert_close(sum("llm_proxy_active_connections", &[]), 0.0, &metrics);
        for name in ["weir_plugin_calls_total", "weir_plugin_generation"] {
            assert!(metrics.has(name), "{name} is missing: {}", metrics.text());
        }
    }
}

#[track_caller]
fn assert_close(seen: f64, expected: f64, metrics: &weir_tests::Metrics) {
    assert!((seen - expected).abs() < 0.5, "{seen} is not {expected}: {}", metrics.text());
}

#[tokio::test]
async fn labels_never_come_from_clients() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    for number in 0..50 {
        let body = chat::request_to(&format!("made-up-model-{number}"), "x");
        gateway.client().chat(&body).await.error(404);
        gateway.client().chat(&chat::request_to(&format!("openai/made-up-model-{number}"), "x")).await;
        gateway.client().get(&format!("/made-up-path-{number}")).await.error(404);
        gateway.client().with("x-request-id", &format!("made-up-id-{number}")).get("/health").await;
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.label_values().all(|value| !value.contains("made-up")), "{}", metrics.text());
}

#[tokio::test]
async fn every_line_of_the_log_is_json_with_the_agreed_fields() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    gateway.client().with("x-request-id", "seen").chat(&chat::request("x")).await.content();
    let entry = gateway.log().wait_for("the request", |entry| entry["request_id"] == "seen").await;
    for field in ["timestamp", "level", "logger", "message", "provider", "model", "tokens", "duration", "status_code"] {
        assert!(!entry[field].is_null(), "{field} is missing: {entry}");
    }
    for line in gateway.log().text().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "not JSON: {line}");
    }
}
