//! The operations besides chat, and what the host does for all of them: batches, media, limits, what is left out.

use serde_json::{Value, json};
use weir_tests::{Answer, Config, Dialect, Gateway, Provider, Recorded, Script, Upstream, chat, reply};

/// A picture of one pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

/// What an upstream of embeddings answers: for each input its number of letters and its place in the request.
fn embed(request: &Recorded) -> Script {
    let asked = request.json();
    let inputs = asked["input"].as_array().cloned().unwrap_or_else(|| vec![asked["input"].clone()]);
    let entry = |(place, input): (usize, &Value)| {
        let letters = input.as_str().map_or(0, str::len);
        json!({ "object": "embedding", "index": place, "embedding": [letters, place] })
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(entry).collect();
    let usage = json!({ "prompt_tokens": inputs.len(), "total_tokens": inputs.len() });
    reply::json(200, &json!({ "object": "list", "data": data, "model": "m1", "usage": usage }))
}

async fn embedding(inputs_at_once: u32, request: &Value) -> (usize, Answer) {
    let upstream = Upstream::choosing(|_, request| embed(request)).await;
    let provider = Provider::new(Dialect::OpenAi, &upstream).set("/embedding_inputs", json!(inputs_at_once));
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    let answer = gateway.client().post("/v1/embeddings", request).await;
    (upstream.requests().len(), answer)
}

#[tokio::test]
async fn inputs_past_the_upstreams_limit_go_in_several_requests_and_come_back_as_one_list() {
    let request = json!({ "model": "m1", "input": ["a", "bb", "ccc", "dddd", "eeeee"] });
    let (requests, answer) = embedding(2, &request).await;
    let answer = answer.json();
    assert_eq!(requests, 3);
    let letters: Vec<&Value> = answer["data"].as_array().unwrap().iter().map(|entry| &entry["embedding"][0]).collect();
    assert_eq!(letters, [1, 2, 3, 4, 5]);
    let places: Vec<&Value> = answer["data"].as_array().unwrap().iter().map(|entry| &entry["index"]).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 5, "total_tokens": 5 }));
}

#[tokio::test]
async fn embeddings_come_in_the_encoding_that_was_asked_for() {
    let request = json!({ "model": "m1", "input": "abc", "encoding_format": "base64" });
    let (_, answer) = embedding(10, &request).await;
    // 3.0 and 0.0 as little-endian 32-bit floats.
    assert_eq!(answer.json()["data"][0]["embedding"], "AABAQAAAAAA=");
}

#[tokio::test]
async fn a_request_for_embeddings_that_makes_no_sense_is_refused_with_the_field_at_fault() {
    for (request, param) in [
        (json!({ "model": "m1" }), "input"),
        (json!({ "model": "m1", "input": [] }), "input"),
        (json!({ "model": "m1", "input": 7 }), "input"),
        (json!({ "model": "m1", "input": "x", "dimensions": "many" }), "dimensions"),
    ] {
        let (requests, answer) = embedding(10, &request).await;
        assert_eq!((requests, answer.error(400).param.as_deref()), (0, Some(param)), "{request}");
    }
}

/// A chat with a seed, which Anthropic has nothing like, under this policy.
async fn seeded(policy: &str) -> Answer {
    let upstream = Upstream::choosing(Dialect::Anthropic.answering("hi")).await;
    let provider = Provider::new(Dialect::Anthropic, &upstream).set("/unsupported_parameters", json!(policy));
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    gateway.client().chat(&chat::with(chat::request("x"), "seed", json!(7))).await
}

#[tokio::test]
async fn what_an_upstream_lacks_is_told_dropped_or_refused_as_the_operator_says() {
    let warned = seeded("warn").await;
    assert_eq!((warned.status.as_u16(), warned.header("x-weir-dropped-parameters")), (200, Some("seed")));
    let dropped = seeded("drop").await;
    assert_eq!((dropped.status.as_u16(), dropped.header("x-weir-dropped-parameters")), (200, None));
    let refused = seeded("refuse").await.error(400);
    assert_eq!((refused.code.as_deref(), refused.param.as_deref()), (Some("unsupported_parameter"), Some("seed")));
}

fn with_picture(url: &str) -> Value {
    let parts =
        json!([{ "type": "text", "text": "What is it?" }, { "type": "image_url", "image_url": { "url": url } }]);
    json!({ "model": "m1", "messages": [{ "role": "user", "content": parts }] })
}

#[tokio::test]
async fn the_host_fetches_pictures_for_an_upstream_that_takes_them_inline_and_no_others() {
    let pictures = Upstream::always(reply::whole(200, &["content-type: image/png"], PIXEL)).await;
    let answer = json!({ "model": "m1", "message": { "role": "assistant", "content": "A dot." }, "done": true,
        "done_reason": "stop" });
    let upstream = Upstream::always(reply::json(200, &answer)).await;
    let provider = Provider::of_plugin("ollama", &format!("http://{}", upstream.address()));
    let config = Config::new().provider(provider);
    let url = format!("http://{}/dot.png?secret=1", pictures.address());

    let gateway = Gateway::start(&config).await;
    let refused = gateway.client().chat(&with_picture(&url)).await.error(400);
    assert!(refused.message.contains("/dot.png") && !refused.message.contains("secret"), "{}", refused.message);
    assert!(pictures.requests().is_empty() && upstream.requests().is_empty());

    let gateway = Gateway::start(&config.set("/fetch/private_addresses", json!(true))).await;
    let answer = gateway.client().chat(&with_picture(&url)).await;
    assert_eq!(answer.content(), "A dot.");
    let sent = upstream.requests()[0].json();
    assert!(sent["messages"][0]["images"][0].as_str().is_some_and(|image| image.starts_with("iVBORw0KGgo")), "{sent}");
    assert!(pictures.requests()[0].header("authorization").is_none());
}

#[tokio::test]
async fn an_upstreams_rate_limits_have_openais_names() {
    let body = Dialect::Anthropic.answer("hi");
    let limits = [
        "anthropic-ratelimit-requests-limit: 50",
        "anthropic-ratelimit-requests-remaining: 49",
        "anthropic-ratelimit-input-tokens-remaining: 1000",
    ];
    let upstream = Upstream::always(reply::json_with(200, &limits, &body)).await;
    let gateway = Gateway::start(&Config::of(Dialect::Anthropic, &upstream)).await;
    let answer = gateway.client().chat(&chat::request("x")).await;
    for (name, value) in [
        ("x-ratelimit-limit-requests", Some("50")),
        ("x-ratelimit-remaining-requests", Some("49")),
        ("x-ratelimit-remaining-tokens", Some("1000")),
        ("anthropic-ratelimit-requests-limit", None),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn clients_of_messages_get_their_errors_and_request_ids_in_their_own_form() {
    let upstream = Upstream::always(reply::json(429, &Dialect::OpenAi.error("rate_limit_error", "Slow down"))).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let request = json!({ "model": "m1", "max_tokens": 9, "messages": [{ "role": "user", "content": "x" }] });
    let answer = gateway.client().post("/v1/messages", &request).await;
    assert_eq!(answer.status.as_u16(), 429);
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"], json!({ "type": "rate_limit_error", "message": "Slow down" }));
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    assert_eq!(answer.json()["request_id"].as_str(), answer.header("request-id"));
    let denied = gateway.anonymous().post("/v1/messages", &request).await;
    assert_eq!((denied.status.as_u16(), &denied.json()["error"]["type"]), (401, &json!("authentication_error")));
}

#[tokio::test]
async fn clients_of_messages_get_what_an_upstream_of_messages_says_beside_its_answers() {
    let headers = [
        "request-id: req_upstream",
        "anthropic-ratelimit-requests-remaining: 49",
        "anthropic-organization-id: secret",
        "x-should-retry: false",
    ];
    let overloaded = Dialect::Anthropic.error("overloaded_error", "Overloaded");
    let whole = Upstream::always(reply::json_with(200, &headers, &Dialect::Anthropic.answer("hi"))).await;
    let failing = Upstream::always(reply::json_with(529, &headers, &overloaded)).await;
    for (upstream, status, should_retry) in [(whole, 200, None), (failing, 529, Some("false"))] {
        let gateway = Gateway::start(&Config::of(Dialect::Anthropic, &upstream)).await;
        let request = json!({ "model": "m1", "max_tokens": 9, "messages": [{ "role": "user", "content": "x" }] });
        let answer = gateway.client().post("/v1/messages", &request).await;
        assert_eq!(answer.status.as_u16(), status);
        for (name, value) in [
            ("x-upstream-request-id", Some("req_upstream")),
            ("anthropic-ratelimit-requests-remaining", Some("49")),
            ("x-ratelimit-remaining-requests", Some("49")),
            ("anthropic-organization-id", None),
            ("x-should-retry", should_retry),
        ] {
            assert_eq!(answer.header(name), value, "{status} {name}");
        }
        if status == 529 {
            assert_eq!(answer.json()["error"], json!({ "type": "overloaded_error", "message": "Overloaded" }));
            assert_eq!(answer.json()["request_id"].as_str(), answer.header("request-id"));
        }
    }
}

#[tokio::test]
async fn a_client_of_another_dialect_hears_of_its_own_fields() {
    let upstream = Upstream::always(reply::json(200, &Dialect::OpenAi.answer("hi"))).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let client = gateway.client();
    let mut request = json!({ "model": "m1", "max_tokens": 9, "messages": [{ "role": "user", "content": "x" }] });
    request["speed"] = "fast".into();
    let answer = client.post("/v1/messages", &request).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-dropped-parameters")), (200, Some("speed")));
    request["max_tokens"] = 0.into();
    let refused = client.post("/v1/messages", &request).await;
    assert_eq!(refused.status.as_u16(), 400);
    assert!(refused.text().contains("'max_tokens'"), "{}", refused.text());
}

#[tokio::test]
async fn what_needs_a_store_is_refused_with_the_field_at_fault() {
    let gateway = Gateway::start(&Config::new().provider(Provider::offline("demo", &["demo"]))).await;
    let client = gateway.client();
    let request = json!({ "model": "demo", "input": "x", "previous_response_id": "resp_1" });
    let refused = client.post("/v1/responses", &request).await.error(400);
    assert_eq!(refused.param.as_deref(), Some("previous_response_id"));
    client.get("/v1/responses/resp_1").await.error(400).says("not stored");
    let answer = client.post("/v1/responses", &json!({ "model": "demo", "input": "Hello" })).await.json();
    assert_eq!((&answer["object"], &answer["status"]), (&json!("response"), &json!("completed")));
}

#[tokio::test]
async fn a_stream_by_the_name_of_a_document_is_still_a_stream() {
    let events = Dialect::OpenAi.text_stream(&["some", " words"]).concat();
    let upstream = Upstream::always(reply::whole(200, &["content-type: application/json"], events)).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &upstream)).await;
    let transcript = gateway.client().stream(&chat::stream("x")).await;
    transcript.assert_complete();
    assert_eq!(transcript.content(), "some words");
}

/// Each preset is used with its plugin as built: its settings have to fit, and its operations have to be there.
#[tokio::test]
async fn every_preset_fits_its_plugin() {
    let data = include_str!("../../host/src/config/presets.yaml");
    let names: Vec<&str> = data
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '-']) && line.ends_with(':'))
        .map(|line| line.trim_end_matches(':'))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    let config = names.iter().fold(Config::new(), |config, name| {
        // Those that need to know where a customer's own resource is get an address; what they have wins for others.
        let provider = Provider::of_plugin(name, "http://127.0.0.1:9").named(name).set("/preset", json!(name));
        let provider = provider.without("plugin").set("/discover", json!(false));
        // A cloud that has to know whose it is.
        let of_project = name.starts_with("vertex");
        config.provider(if of_project { provider.set("/settings/project", json!("acme")) } else { provider })
    });
    let gateway = Gateway::start(&config).await;
    let models = gateway.client().get("/v1/models").await.json();
    assert_eq!(models["data"].as_array().map(Vec::len), Some(names.len()), "one model was named for each");
}
