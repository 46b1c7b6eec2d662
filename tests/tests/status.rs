//! What operators, their scripts and load balancers see: health, status, checks, and the metrics that go with them.

use serde_json::{Value, json};
use weir_tests::{
    ADMIN_KEY, Client, Config, Dialect, Gate, Gateway, Provider, Script, Step, UPSTREAM_SECRET, Upstream, bounded,
    chat, reply,
};

const DIALECT: Dialect = Dialect::OpenAi;

/// An upstream that is well while its switch is on, for chats and for the list of models, and fails while it is off.
async fn switched() -> (Upstream, tokio::sync::watch::Sender<bool>) {
    let (switch, is_well) = tokio::sync::watch::channel(true);
    let upstream = Upstream::choosing(move |number, request| match (*is_well.borrow(), request.path.as_str()) {
        (true, "/v1/models") => reply::json(200, &json!({ "object": "list", "data": [{ "id": "m1" }] })),
        (true, _) => DIALECT.answering("good")(number, request),
        (false, _) => reply::json(503, &DIALECT.error("overloaded_error", "out of order")),
    })
    .await;
    (upstream, switch)
}

/// A provider whose breaker opens at the second failure in a row, for a second.
fn provider(upstream: &Upstream) -> Provider {
    Provider::new(DIALECT, upstream)
        .set("/breaker", json!({ "failures": 2, "open": "1s", "max_open": "1s", "strict": true }))
}

async fn started() -> (Upstream, tokio::sync::watch::Sender<bool>, Gateway) {
    let (upstream, switch) = switched().await;
    let gateway = Gateway::start(&Config::new().provider(provider(&upstream))).await;
    (upstream, switch, gateway)
}

async fn json_of(client: &Client, path: &str) -> Value {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn check(gateway: &Gateway) -> Value {
    let answer = gateway.admin().send("POST", "/check", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Asks until the answer is as it should be: for what takes a known time to come about.
async fn until(client: &Client, path: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        loop {
            let answer = json_of(client, path).await;
            if condition(&answer) {
                return answer;
            }
        }
    };
    bounded(what, asking).await
}

#[track_caller]
fn has_fields(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "`{name}` is missing in {value}");
    }
}

#[tokio::test]
async fn health_has_the_shape_that_scripts_read_and_needs_no_key() {
    let (_upstream, _switch, gateway) = started().await;
    let health = json_of(&gateway.anonymous(), "/health").await;
    assert_eq!(health["status"], "healthy");
    assert!(health["timestamp"].as_f64().is_some_and(|seconds| seconds > 1.7e9), "{health}");
    assert_eq!(health["providers"], json!({ "total": 1, "healthy": 0, "degraded": 0, "unhealthy": 0, "unknown": 1 }));
    assert_eq!((&health["uptime"], &health["last_check"]), (&json!("100.00%"), &Value::Null));
    assert!(health["version"].is_string());
    for component in ["api_server", "health_worker", "metrics_collector", "config_manager"] {
        assert_eq!(health["components"][component], "healthy", "{health}");
    }
    check(&gateway).await;
    let health = json_of(&gateway.anonymous(), "/health").await;
    assert_eq!(health["providers"]["healthy"], 1);
    let last_check = health["last_check"].as_str().unwrap();
    assert!(last_check.len() == 24 && last_check.ends_with('Z') && &last_check[10..11] == "T", "{last_check}");
}

#[tokio::test]
async fn a_provider_has_the_shape_that_scripts_read_and_tells_no_secret() {
    let (upstream, _switch, gateway) = started().await;
    gateway.client().chat(&chat::request("a secret prompt")).await.content();
    check(&gateway).await;
    let all = json_of(&gateway.client(), "/providers").await;
    let one = json_of(&gateway.client(), "/status/openai").await;
    let whole = json_of(&gateway.client(), "/status").await;
    assert_eq!((&all["total"], &all["providers"][0]["name"]), (&json!(1), &one["name"]));
    for provider in [&all["providers"][0], &whole["providers"][0], &one] {
        assert_eq!((&provider["name"], &provider["status"]), (&json!("openai"), &json!("healthy")));
        assert_eq!(provider["models"], json!(["m1"]));
        assert!(
            provider["response_time"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 30.0),
            "{provider}"
        );
        assert!(provider["last_check"].is_string());
        let breaker = &provider["circuit_breaker"];
        assert_eq!((&breaker["state"], &breaker["failure_count"]), (&json!("closed"), &json!(0)));
        assert_eq!(breaker.get("last_failure_time"), Some(&Value::Null));
        assert_eq!(provider["plugin"]["name"], "openai");
        has_fields(provider, &["reasons", "uptime", "health_check", "plugin"]);
        let target = &provider["targets"][0];
        assert_eq!((&target["model"], &target["requests"], &target["in_flight"]), (&json!("m1"), &json!(1), &json!(0)));
        has_fields(target, &["status", "reasons", "circuit_breaker", "uptime", "cooldown_seconds", "queued", "limit"]);
        has_fields(target, &["error_rate", "first_token_seconds", "answer_seconds", "ejected_seconds"]);
    }
    has_fields(&whole, &["status", "summary", "uptime", "models", "requests_in_flight", "draining", "components"]);
    for text in [all.to_string(), one.to_string(), whole.to_string()] {
        let told = [UPSTREAM_SECRET, "a secret prompt", &upstream.address().to_string()];
        assert!(told.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    let missing = gateway.client().get("/status/nobody").await.error(404);
    assert_eq!(missing.code.as_deref(), Some("provider_not_found"));
}

#[tokio::test]
async fn details_need_a_key_and_what_acts_needs_an_admin_key() {
    let (_upstream, _switch, gateway) = started().await;
    for path in ["/providers", "/status", "/status/openai"] {
        gateway.anonymous().get(path).await.error(401);
        gateway.client().send("POST", path, &[], "").await.error(405);
    }
    for path in ["/check", "/cache/clear"] {
        gateway.anonymous().send("POST", path, &[], "").await.error(401);
        gateway.client().send("POST", path, &[], "").await.error(403);
        gateway.admin().get(path).await.error(405);
        assert_eq!(gateway.admin().send("POST", path, &[], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn with_a_listener_of_its_own_the_administration_is_there_alone_and_health_on_both() {
    let (upstream, _switch) = switched().await;
    let config = Config::new().provider(provider(&upstream)).set("/admin_listen", json!("127.0.0.1:0"));
    let gateway = Gateway::start(&config).await;
    let other = gateway.administration().await;
    for (method, path) in [("GET", "/providers"), ("GET", "/status"), ("GET", "/status/openai"), ("POST", "/check")] {
        gateway.admin().send(method, path, &[], "").await.error(404);
        other.send(method, path, &[], "").await.error(401);
        let allowed = other.clone().with_key(ADMIN_KEY).send(method, path, &[], "").await;
        assert_eq!(allowed.status, 200, "{method} {path}: {}", allowed.text());
    }
    for client in [&gateway.anonymous(), &other] {
        json_of(client, "/health").await;
        json_of(client, "/ready").await;
    }
}

#[tokio::test]
async fn the_breaker_is_seen_open_half_open_and_closed_again() {
    let (_upstream, switch, gateway) = started().await;
    let state = async || {
        let provider = json_of(&gateway.client(), "/status/openai").await;
        let number = gateway.metrics().await.sum("llm_proxy_circuit_breaker_state", &[("provider", "openai")]);
        (provider["circuit_breaker"].clone(), number)
    };
    assert_eq!(state().await.1, 0.0);
    switch.send_replace(false);
    for _ in 0..2 {
        gateway.client().chat(&chat::request("x")).await.error(503);
    }
    let (open, number) = state().await;
    assert_eq!((&open["state"], &open["failure_count"], number), (&json!("open"), &json!(2), 2.0));
    assert!(open["last_failure_time"].is_string(), "{open}");
    let health = json_of(&gateway.anonymous(), "/health").await;
    assert_eq!((&health["status"], &health["providers"]["unhealthy"]), (&json!("unhealthy"), &json!(1)));
    let not_ready = gateway.anonymous().get("/ready").await;
    assert_eq!((not_ready.status.as_u16(), &not_ready.json()["status"]), (503, &json!("no_provider_can_serve")));
    let refused = gateway.client().chat(&chat::request("x")).await;
    assert_eq!(refused.error(503).code.as_deref(), Some("target_out_of_service"));
    assert!(refused.header("retry-after").is_some());

    switch.send_replace(true);
    let is_half_open = |provider: &Value| provider["circuit_breaker"]["state"] == "half_open";
    until(&gateway.client(), "/status/openai", "the breaker is half-open", is_half_open).await;
    assert_eq!(state().await.1, 1.0);
    assert_eq!(gateway.anonymous().get("/ready").await.status, 200);
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    let (closed, number) = state().await;
    assert_eq!((&closed["state"], &closed["failure_count"], number), (&json!("closed"), &json!(0), 0.0));
    let uptime = json_of(&gateway.anonymous(), "/health").await["uptime"].as_str().unwrap().to_owned();
    assert!(uptime.ends_with('%') && uptime != "100.00%", "it was down for a second: {uptime}");
}

#[tokio::test]
async fn checks_turn_a_provider_unhealthy_and_back() {
    let (upstream, switch) = switched().await;
    let checks = json!({ "enabled": true, "interval": "1s", "timeout": "5s", "rise": 2, "fall": 2 });
    let gateway = Gateway::start(&Config::new().provider(provider(&upstream).set("/health_checks", checks))).await;
    let client = gateway.client();
    let status = |status: &'static str| move |provider: &Value| provider["status"] == status;
    until(&client, "/status/openai", "a first check is well", status("healthy")).await;
    switch.send_replace(false);
    let failed = until(&client, "/status/openai", "the checks fail", status("unhealthy")).await;
    assert!(failed["reasons"][0].as_str().unwrap().contains("out of order"), "{failed}");
    assert_eq!(
        (&failed["health_check"]["failing"], &failed["circuit_breaker"]["state"]),
        (&json!(true), &json!("closed"))
    );
    assert_eq!(gateway.metrics().await.sum("weir_provider_health", &[("provider", "openai")]), 3.0);
    switch.send_replace(true);
    until(&client, "/status/openai", "the checks are well again", status("healthy")).await;
    let metrics = gateway.metrics().await;
    for outcome in ["ok", "failed"] {
        let count = metrics.sum("weir_health_checks_total", &[("provider", "openai"), ("outcome", outcome)]);
        assert!(count >= 2.0, "{outcome}: {count}");
    }
    assert!(upstream.requests().iter().all(|request| request.method == "GET" && request.path == "/v1/models"));
}

#[tokio::test]
async fn a_check_asks_now_all_providers_or_one() {
    let ((first, switch), (second, _switch)) = (switched().await, switched().await);
    let config = Config::new()
        .provider(provider(&first).named("first").set("/health_checks", json!({ "fall": 1, "rise": 1 })))
        .provider(provider(&second).named("second"))
        .provider(Provider::offline("demo", &["echo"]));
    let gateway = Gateway::start(&config).await;
    let all = check(&gateway).await;
    let outcomes = all["providers"].as_array().unwrap().iter().map(|provider| provider["check"]["outcome"].clone());
    assert_eq!(outcomes.collect::<Vec<_>>(), ["ok", "ok", "skipped"]);
    assert_eq!((&all["status"], &all["checked"]), (&json!("ok"), &json!(3)));
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    let counts = &json_of(&gateway.anonymous(), "/health").await["providers"];
    assert_eq!((&counts["healthy"], &counts["unknown"]), (&json!(3), &json!(0)));

    switch.send_replace(false);
    let by_query = gateway.admin().send("POST", "/check?provider=first", &[], "").await.json();
    assert_eq!((&by_query["status"], &by_query["checked"]), (&json!("failed"), &json!(1)));
    assert_eq!(by_query["providers"][0]["status"], "unhealthy");
    let health = json_of(&gateway.anonymous(), "/health").await;
    assert_eq!((&health["status"], &health["providers"]["unhealthy"]), (&json!("degraded"), &json!(1)));
    let by_body = gateway.admin().post("/check", &json!({ "provider": "second" })).await.json();
    assert_eq!((&by_body["status"], &by_body["providers"][0]["name"]), (&json!("ok"), &json!("second")));
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));

    let missing = gateway.admin().post("/check", &json!({ "provider": "nobody" })).await.error(404);
    assert_eq!(missing.code.as_deref(), Some("provider_not_found"));
    assert_eq!(
        gateway.admin().post("/check", &json!({ "provider": 7 })).await.error(400).param.as_deref(),
        Some("provider")
    );
    gateway.admin().post_bytes("/check", "{").await.error(400);
}

#[tokio::test]
async fn an_upstream_without_a_list_of_models_is_there_all_the_same() {
    for (status, expected) in [(404, "ok"), (403, "ok"), (429, "ok"), (401, "failed"), (500, "failed")] {
        let upstream = Upstream::always(reply::json(status, &DIALECT.error("api_error", "no"))).await;
        let gateway = Gateway::start(&Config::new().provider(provider(&upstream))).await;
        assert_eq!(check(&gateway).await["providers"][0]["check"]["outcome"], expected, "{status}");
    }
}

#[tokio::test]
async fn the_list_of_models_that_discovery_fetches_is_a_check() {
    let (upstream, _switch) = switched().await;
    let discovering = provider(&upstream).without("models");
    let gateway = Gateway::start(&Config::new().provider(discovering)).await;
    let is_known = |provider: &Value| provider["models"] == json!(["m1"]);
    let found = until(&gateway.client(), "/status/openai", "the models are known", is_known).await;
    assert_eq!(found["status"], "healthy");
    assert_eq!(upstream.only_request().path, "/v1/models");
}

#[tokio::test]
async fn names_that_nobody_has_are_no_targets() {
    let upstream =
        Upstream::choosing(|_, _| reply::json(404, &DIALECT.error("invalid_request_error", "no model"))).await;
    let config =
        Config::new().provider(provider(&upstream)).routed(json!({ "name": "all-*", "targets": ["openai/*"] }));
    let gateway = Gateway::start(&config).await;
    for name in ["openai/mistyped", "all-mistyped"] {
        gateway.client().chat(&chat::request_to(name, "x")).await.error(404);
    }
    let provider = json_of(&gateway.client(), "/status/openai").await;
    let targets: Vec<_> = provider["targets"].as_array().unwrap().iter().map(|target| &target["model"]).collect();
    assert!(targets.iter().all(|model| *model != "mistyped" && *model != "*"), "{targets:?}");
}

#[tokio::test]
async fn clearing_the_cache_forgets_what_checks_have_said() {
    let (_upstream, _switch, gateway) = started().await;
    check(&gateway).await;
    let cached = async || gateway.metrics().await.sum("llm_proxy_health_check_cache_size", &[]);
    assert_eq!(cached().await, 1.0);
    let cleared = gateway.admin().send("POST", "/cache/clear", &[], "").await.json();
    assert_eq!(cleared["cleared"]["health_checks"], 1);
    assert_eq!(cached().await, 0.0);
    let provider = json_of(&gateway.client(), "/status/openai").await;
    assert_eq!((&provider["status"], &provider["last_check"]), (&json!("unknown"), &Value::Null));
}

#[tokio::test]
async fn a_stream_keeps_its_place_until_it_ends_or_its_client_leaves() {
    let gate = Gate::new();
    let mut open: Script = reply::open_stream(&DIALECT.opening());
    open.push(Step::Chunk(DIALECT.piece("words").into()));
    open.push(Step::Wait(gate.clone()));
    open.extend(DIALECT.closing().into_iter().map(|event| Step::Chunk(event.into())));
    open.push(Step::LastChunk);
    let upstream = Upstream::choosing(move |number, request| {
        if request.wants_stream() { open.clone() } else { DIALECT.answering("good")(number, request) }
    })
    .await;
    let config = Config::new().provider(provider(&upstream)).set("/limits/requests_in_flight", json!(2));
    let gateway = Gateway::start(&config).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = gateway.client().open_stream(&chat::stream("x")).await;
        stream.read_until("words").await;
        streams.push(stream);
    }
    let refused = gateway.client().chat(&chat::request("x")).await;
    assert_eq!(refused.error(503).code.as_deref(), Some("overloaded"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(json_of(&gateway.client(), "/status").await["requests_in_flight"], 2);
    for path in ["/health", "/ready", "/providers"] {
        json_of(&gateway.client(), path).await;
    }
    assert_eq!(gateway.metrics().await.sum("weir_shed_total", &[("reason", "requests")]), 1.0);

    let has_room = |status: &Value| status["requests_in_flight"] == 1;
    drop(streams.pop());
    until(&gateway.client(), "/status", "a client has left", has_room).await;
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    gate.open();
    streams.remove(0).transcript().await.assert_complete();
    until(&gateway.client(), "/status", "the stream has ended", |status| status["requests_in_flight"] == 0).await;
}

#[tokio::test]
async fn at_the_limit_of_connections_work_is_refused_and_probes_are_answered() {
    let (upstream, _switch) = switched().await;
    let config = Config::new().provider(provider(&upstream)).set("/limits/connections", json!(2));
    let gateway = Gateway::start(&config).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut one = gateway.raw().await;
        one.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        one.read_answer().await;
        held.push(one);
    }
    // Large enough that it is still on its way when the answer is there.
    for text in ["x", &"x".repeat(1 << 20)] {
        let refused = gateway.client().chat(&chat::request(text)).await;
        assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), Some("close")));
        assert_eq!(refused.error(503).code.as_deref(), Some("overloaded"));
    }
    for path in ["/health", "/ready"] {
        json_of(&gateway.anonymous(), path).await;
    }
    // The metrics are asked for on one connection too many as well.
    assert_eq!(gateway.metrics().await.sum("weir_shed_total", &[("reason", "connections")]), 5.0);
    assert_eq!(upstream.requests().len(), 0);
    drop(held);
    let served = async { while gateway.client().chat(&chat::request("x")).await.status != 200 {} };
    bounded("there is room again", served).await;
}

#[tokio::test]
async fn short_of_memory_new_requests_are_refused_while_others_run_and_served_when_there_is_some_again() {
    let gate = Gate::new();
    let mut open: Script = reply::open_stream(&DIALECT.opening());
    open.push(Step::Chunk(DIALECT.piece("words").into()));
    open.push(Step::Wait(gate.clone()));
    open.extend(DIALECT.closing().into_iter().map(|event| Step::Chunk(event.into())));
    open.push(Step::LastChunk);
    let upstream = Upstream::choosing(move |number, request| {
        if request.wants_stream() { open.clone() } else { DIALECT.answering("good")(number, request) }
    })
    .await;
    let config = Config::new().provider(provider(&upstream)).set("/limits/memory_bytes", json!("1MiB"));
    let gateway = Gateway::start(&config).await;
    gateway.log().wait_for("a warning", |line| line["message"].to_string().contains("more memory")).await;
    // While nothing is in flight, nobody is turned away: it would help nobody.
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    let mut stream = gateway.client().open_stream(&chat::stream("x")).await;
    stream.read_until("words").await;
    let refused = gateway.client().chat(&chat::request("x")).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.error(503).code.as_deref(), Some("overloaded"));
    for path in ["/health", "/ready"] {
        json_of(&gateway.anonymous(), path).await;
    }
    assert_eq!(gateway.metrics().await.sum("weir_shed_total", &[("reason", "memory")]), 1.0);

    gateway.replace_config(&config.set("/limits/memory_bytes", json!("100GiB")).text());
    let served = async { while gateway.client().chat(&chat::request("x")).await.status != 200 {} };
    bounded("there is memory again", served).await;
    gate.open();
    stream.transcript().await.assert_complete();
}

#[tokio::test]
async fn a_stream_below_the_least_speed_ends_in_an_error_and_counts_against_the_target() {
    for dialect in Dialect::ALL {
        let mut trickle = reply::open_stream(&dialect.opening());
        trickle.push(Step::Chunk(dialect.piece("a").into()));
        trickle.push(Step::Hang);
        let upstream = Upstream::always(trickle).await;
        let limits = json!({ "min_speed": 10, "speed_window": "500ms", "idle": "20s" });
        let provider = Provider::new(dialect, &upstream).set("/timeouts", limits);
        let gateway = Gateway::start(&Config::new().provider(provider)).await;
        let transcript = gateway.client().stream(&chat::stream("x")).await;
        transcript.assert_broken();
        bounded("the upstream's connection is closed", upstream.left(1)).await;
        let path = format!("/status/{}", dialect.plugin());
        let counted = |one: &Value| one["targets"][0]["recent_failures"] == 1;
        until(&gateway.client(), &path, "the failure counts", counted).await;
        let labels = [("provider", dialect.plugin()), ("error_type", "timeout")];
        assert_eq!(gateway.metrics().await.sum("llm_proxy_errors_total", &labels), 1.0);
    }
}
