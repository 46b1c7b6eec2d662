//! Endpoints that a registry tells of: they appear, serve, and go without cutting anything off; and a registry that is
//! down takes nothing away.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use weir_tests::{
    Config, Dialect, Gate, Gateway, Provider, Script, Step, UPSTREAM_SECRET, Upstream, bounded, chat, reply,
};

const DIALECT: Dialect = Dialect::OpenAi;

/// A registry that says what the test tells it to. Nothing: it is down.
struct Registry {
    upstream: Upstream,
    said: Arc<Mutex<Option<Value>>>,
}

impl Registry {
    async fn saying(entries: Option<Value>) -> Self {
        let said = Arc::new(Mutex::new(entries));
        let says = Arc::clone(&said);
        let upstream = Upstream::choosing(move |_, _| match &*says.lock().unwrap() {
            Some(entries) => reply::json(200, &json!({ "endpoints": entries })),
            None => reply::whole(500, &[], "down"),
        })
        .await;
        Self { upstream, said }
    }

    async fn of(upstreams: &[&Upstream]) -> Self {
        Self::saying(Some(urls(upstreams))).await
    }

    fn says(&self, upstreams: &[&Upstream]) {
        *self.said.lock().unwrap() = Some(urls(upstreams));
    }

    fn is_down(&self) {
        *self.said.lock().unwrap() = None;
    }

    /// A provider named `group` with the endpoints of this registry, which is asked this often.
    fn provider(&self, interval: &str) -> Provider {
        let url = format!("http://{}/endpoints.json", self.upstream.address());
        let endpoints = json!({ "registry": { "url": url, "interval": interval, "token": "registry-token" } });
        Provider::of_plugin("openai", "-").without("base_url").named("group").set("/endpoints", endpoints)
    }
}

fn urls(upstreams: &[&Upstream]) -> Value {
    upstreams.iter().map(|upstream| DIALECT.base_url(upstream.address())).collect()
}

async fn answering(text: &'static str) -> Upstream {
    Upstream::choosing(DIALECT.answering(text)).await
}

async fn started(provider: Provider) -> Gateway {
    Gateway::start(&Config::new().provider(provider)).await
}

/// Has everything asked at once, and gives what was found for the only provider.
async fn discover(gateway: &Gateway) -> Value {
    let answer = gateway.admin().post("/discover", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"][0].clone()
}

async fn text(gateway: &Gateway) -> String {
    gateway.client().chat(&chat::request_to("group/m1", "x")).await.content()
}

/// Asks until the answer is this one.
async fn until_it_answers(gateway: &Gateway, expected: &str) {
    bounded(&format!("the answer {expected:?}"), async { while text(gateway).await != expected {} }).await;
}

#[tokio::test]
async fn an_endpoint_that_disappears_finishes_its_streams_while_another_serves() {
    let gate = Gate::new();
    let script: Script = {
        let mut script = reply::open_stream(&DIALECT.opening());
        script.push(Step::Chunk(DIALECT.piece("begun ").into()));
        script.push(Step::Wait(gate.clone()));
        script.push(Step::Chunk(DIALECT.piece("and finished").into()));
        script.extend(DIALECT.closing().into_iter().map(|event| Step::Chunk(event.into())));
        script.push(Step::LastChunk);
        script
    };
    let (old, new) = (Upstream::always(script).await, answering("from the new one").await);
    let registry = Registry::of(&[&old]).await;
    let gateway = started(registry.provider("1h")).await;
    let mut stream = gateway.client().open_stream(&chat::stream_to("group/m1", "x")).await;
    stream.read_until("begun").await;

    registry.says(&[&new]);
    let found = discover(&gateway).await;
    assert_eq!(found["endpoints"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["endpoints"][0]["name"], format!("group@{}", new.address()));
    for _ in 0..3 {
        assert_eq!(text(&gateway).await, "from the new one");
    }
    assert_eq!(old.requests().len(), 1, "nothing new goes to what has disappeared");

    gate.open();
    let transcript = stream.transcript().await;
    transcript.assert_complete();
    assert_eq!(transcript.content(), "begun and finished");
    // Nobody needs its connections any more.
    bounded("the end of the old connections", old.left(1)).await;
}

#[tokio::test]
async fn endpoints_come_and_go_by_themselves() {
    let (one, two) = (answering("one").await, answering("two").await);
    let registry = Registry::of(&[&one]).await;
    let gateway = started(registry.provider("20ms")).await;
    assert_eq!(text(&gateway).await, "one");
    registry.says(&[&one, &two]);
    until_it_answers(&gateway, "two").await;
    registry.says(&[&two]);
    discover(&gateway).await;
    let before = one.requests().len();
    for _ in 0..4 {
        assert_eq!(text(&gateway).await, "two");
    }
    assert_eq!(one.requests().len(), before);
    assert_eq!(gateway.metrics().await.sum("weir_discovered_endpoints", &[("provider", "group")]), 1.0);
    let asked = &registry.upstream.requests()[0];
    assert_eq!(
        (asked.path.as_str(), asked.header("authorization")),
        ("/endpoints.json", Some("Bearer registry-token"))
    );
    assert_eq!(one.requests()[0].header("authorization"), Some(format!("Bearer {UPSTREAM_SECRET}").as_str()));
}

#[tokio::test]
async fn endpoints_of_a_list_take_turns_under_one_name() {
    let (one, two) = (answering("one").await, answering("two").await);
    let provider = Provider::of_plugin("openai", "-").without("base_url").named("group");
    let gateway = started(provider.set("/endpoints", urls(&[&one, &two]))).await;
    for _ in 0..6 {
        text(&gateway).await;
    }
    assert_eq!((one.requests().len(), two.requests().len()), (3, 3));
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("llm_proxy_requests_total", &[("provider", "group")]), 6.0);
    for upstream in [&one, &two] {
        let address = upstream.address().to_string();
        assert!(!metrics.text().contains(&address), "labels come from the configuration alone");
    }
}

#[tokio::test]
async fn a_registry_that_goes_down_leaves_what_it_said_before() {
    let one = answering("one").await;
    let registry = Registry::of(&[&one]).await;
    let gateway = started(registry.provider("20ms")).await;
    registry.is_down();
    let down = |entry: &Value| entry["message"].as_str().is_some_and(|text| text.contains("registry does not answer"));
    gateway.log().wait_for("that the registry is down", down).await;
    let found = discover(&gateway).await;
    assert!(found["errors"][0].as_str().unwrap().contains("status 500"), "{found}");
    assert_eq!(found["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(text(&gateway).await, "one");
    assert!(gateway.metrics().await.sum("weir_discovery_errors_total", &[("provider", "group")]) >= 2.0);
    assert_eq!(gateway.log().entries().iter().filter(|entry| down(entry)).count(), 1, "told once");

    // A reload begins to ask anew, and goes on with what there was.
    let changed = Config::new().provider(registry.provider("30ms").timeout("connect", "4s"));
    gateway.replace_config(&changed.text().replace("127.0.0.1:0", &gateway.address().to_string()));
    let reloaded = gateway.admin().post("/plugins/reload", &json!({})).await.json();
    assert_eq!(reloaded["errors"], json!([]));
    assert_eq!(text(&gateway).await, "one");

    let two = answering("two").await;
    registry.says(&[&two]);
    assert_eq!(discover(&gateway).await["errors"], json!([]));
    assert_eq!(text(&gateway).await, "two");
}

#[tokio::test]
async fn without_any_endpoint_requests_are_refused_until_there_is_one() {
    let one = answering("one").await;
    for nothing in [None, Some(json!([]))] {
        let registry = Registry::saying(nothing.clone()).await;
        let gateway = started(registry.provider("1h")).await;
        let error = gateway.client().chat(&chat::request_to("group/m1", "x")).await.error(503);
        assert_eq!(error.code.as_deref(), Some("no_endpoint"), "{nothing:?}");
        error.says("group").says("no endpoint");
        let shown = gateway.client().get("/status/group").await.json();
        assert_eq!((&shown["status"], &shown["reasons"]), (&json!("unhealthy"), &json!(["it has no endpoints"])));
        assert_eq!(gateway.anonymous().get("/health").await.json()["providers"]["unhealthy"], 1);
        let checked = gateway.admin().send("POST", "/check?provider=group", &[], "").await.json();
        assert_eq!((&checked["status"], &checked["checked"]), (&json!("failed"), &json!(0)));
        registry.says(&[&one]);
        discover(&gateway).await;
        assert_eq!(text(&gateway).await, "one", "{nothing:?}");
        let shown = gateway.client().get("/status/group").await.json();
        assert_eq!((&shown["name"], &shown["status"]), (&json!("group"), &json!("healthy")));
        assert_eq!(shown["endpoints"].as_array().map(Vec::len), Some(1), "{shown}");
    }
}

#[tokio::test]
async fn models_are_those_of_all_endpoints_and_requests_go_to_who_has_them() {
    let serving = |model: &'static str| {
        Upstream::choosing(move |number, request| match request.path.as_str() {
            "/v1/models" => {
                reply::json(200, &json!({ "object": "list", "data": [{ "id": model, "object": "model" }] }))
            }
            _ => DIALECT.answering(model)(number, request),
        })
    };
    let (one, two) = (serving("m-one").await, serving("m-two").await);
    let registry = Registry::of(&[&one, &two]).await;
    let gateway = started(registry.provider("1h").models(&[])).await;
    let found = discover(&gateway).await;
    let mut models: Vec<&str> = found["models"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    models.sort_unstable();
    assert_eq!((models, &found["errors"]), (vec!["m-one", "m-two"], &json!([])));
    for model in ["m-one", "m-two", "group/m-one", "group/m-two"] {
        for _ in 0..3 {
            let answer = gateway.client().chat(&chat::request_to(model, "x")).await.content();
            assert!(model.ends_with(&answer), "{model}: {answer}");
        }
        assert_eq!(gateway.client().get(&format!("/v1/models/{model}")).await.status, 200, "{model}");
    }
}

#[tokio::test]
async fn endpoints_that_would_see_the_credential_in_the_clear_are_left_out() {
    let one = answering("one").await;
    let mut entries = urls(&[&one]);
    entries.as_array_mut().unwrap().extend([json!("http://192.0.2.1:8000"), json!("gopher://192.0.2.2")]);
    let registry = Registry::saying(Some(entries)).await;
    let gateway = started(registry.provider("1h")).await;
    let found = discover(&gateway).await;
    assert_eq!(found["endpoints"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["endpoints"][0]["url"], DIALECT.base_url(one.address()));
    gateway.log().wait_for("why", |entry| entry.to_string().contains("plain HTTP to another machine")).await;
    assert!(!gateway.log().text().contains(UPSTREAM_SECRET) && !gateway.log().text().contains("registry-token"));
}

#[tokio::test]
async fn many_who_ask_at_the_same_time_all_get_an_answer() {
    let one = answering("one").await;
    let registry = Registry::of(&[&one]).await;
    let gateway = started(registry.provider("1h")).await;
    let (first, second, third) = tokio::join!(discover(&gateway), discover(&gateway), discover(&gateway));
    for found in [first, second, third] {
        assert_eq!(found["errors"], json!([]));
        assert_eq!(found["endpoints"].as_array().unwrap().len(), 1);
    }
    assert!((2..=4).contains(&registry.upstream.requests().len()));
}

/// So many endpoints of an upstream, each with a path of its own.
fn endpoints_at(upstream: &Upstream, count: usize) -> Value {
    (0..count).map(|number| format!("http://{}/{number}/v1", upstream.address())).collect()
}

#[tokio::test]
async fn of_a_large_group_each_request_has_a_few_to_choose_from_and_all_of_them_serve() {
    const COUNT: usize = 40;
    let is_well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let upstream = Upstream::choosing(move |number, request| match well.load(std::sync::atomic::Ordering::Relaxed) {
        true => DIALECT.answering("good")(number, request),
        false => reply::json(503, &DIALECT.error("overloaded_error", "down")),
    })
    .await;
    let registry = Registry::saying(Some(endpoints_at(&upstream, COUNT))).await;
    let config = Config::new().provider(registry.provider("1h")).routed(json!({
        "name": "chat", "policy": "failover", "targets": ["group/m1"],
    }));
    let gateway = Gateway::start(&config).await;
    let paths = || upstream.requests().iter().map(|request| request.path.clone()).collect::<Vec<_>>();
    for (name, expected) in [("chat", 8), ("group/m1", 4)] {
        let before = paths().len();
        gateway.client().chat(&chat::request_to(name, "x")).await.error(503);
        let asked: std::collections::BTreeSet<String> = paths().split_off(before).into_iter().collect();
        assert_eq!((paths().len() - before, asked.len()), (expected, expected), "{name}: {asked:?}");
    }
    is_well.store(true, std::sync::atomic::Ordering::Relaxed);
    for name in ["chat", "group/m1"] {
        let before = paths().len();
        for _ in 0..COUNT * 8 {
            assert_eq!(gateway.client().chat(&chat::request_to(name, "x")).await.content(), "good");
        }
        let asked: std::collections::BTreeSet<String> = paths().split_off(before).into_iter().collect();
        assert!(asked.len() > COUNT / 2, "{name}: {} of {COUNT} were asked", asked.len());
    }
}

#[tokio::test]
async fn the_log_names_the_endpoint_that_answered_and_those_that_failed() {
    let down = Upstream::always(reply::json(503, &DIALECT.error("overloaded_error", "down"))).await;
    let good = answering("good").await;
    let entries = json!([
        { "url": DIALECT.base_url(down.address()), "name": "first" },
        { "url": DIALECT.base_url(good.address()), "priority": 1 },
    ]);
    let provider = Provider::of_plugin("openai", "-").without("base_url").named("group");
    let gateway = started(provider.set("/endpoints", entries)).await;
    assert_eq!(text(&gateway).await, "good");
    let line = gateway.log().wait_for("the request", |entry| entry["logger"] == "weir::request").await;
    let fields = [&line["provider"], &line["provider_endpoint"], &line["retried"]];
    assert_eq!(
        fields,
        [&json!("group"), &json!(good.address().to_string()), &json!("group@first/m1: 503 unavailable")]
    );
    let metrics = gateway.metrics().await;
    assert!(!metrics.label_values().any(|label| label.contains("first") || label.contains("127.0.0.1")));
}

#[tokio::test]
async fn discovery_is_for_operators() {
    let gateway = started(Provider::offline("demo", &["m1"])).await;
    gateway.client().post("/discover", &json!({})).await.error(403);
    gateway.anonymous().post("/discover", &json!({})).await.error(401);
    gateway.admin().get("/discover").await.error(405);
    let found = discover(&gateway).await;
    let expected = json!({ "provider": "demo", "registry": null, "endpoints": null, "models": ["m1"], "errors": [] });
    assert_eq!(found, expected);
}
