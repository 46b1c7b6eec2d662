//! Start, reload and end of the process.

use serde_json::json;
use weir_tests::{
    ADMIN_KEY, Config, Dialect, Gate, Gateway, Provider, Script, Signal, Step, Upstream, chat, reply, run,
};

/// A stream that waits at a gate in its middle.
fn gated(dialect: Dialect, gate: &Gate) -> Script {
    let mut events = dialect.opening();
    events.push(dialect.piece("the first words"));
    let mut script = reply::open_stream(&events);
    script.push(Step::Wait(gate.clone()));
    script.push(Step::Chunk(dialect.piece(" and the last").into()));
    script.extend(dialect.closing().into_iter().map(|event| Step::Chunk(event.into())));
    script.push(Step::LastChunk);
    script
}

#[tokio::test]
async fn a_stream_in_flight_ends_well_after_sigterm_and_then_the_process_ends() {
    for dialect in Dialect::ALL {
        let gate = Gate::new();
        let upstream = Upstream::always(gated(dialect, &gate)).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
        streaming.read_until("the first words").await;
        let mut idle = gateway.raw().await;
        idle.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        idle.read_answer().await;
        gateway.signal(Signal::TERM);
        assert_eq!(idle.read_to_end().await, "", "the drain has begun");
        // Whoever asks anew from now on is told, and given no work.
        let probe = gateway.anonymous();
        assert_eq!(probe.get("/ready").await.json()["status"], "draining");
        let health = probe.get("/health").await;
        assert_eq!((health.status.as_u16(), &health.json()["components"]["api_server"]), (200, &json!("draining")));
        let refused = gateway.client().chat(&chat::request("x")).await;
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.error(503).code.as_deref(), Some("draining"));
        assert_eq!(gateway.metrics().await.sum("weir_shed_total", &[("reason", "draining")]), 1.0);
        assert_eq!(upstream.requests().len(), 1);
        assert!(gateway.is_running(), "a request is in flight");
        gate.open();
        let transcript = streaming.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "the first words and the last");
        assert!(gateway.ended().await.success());
    }
}

#[tokio::test]
async fn the_listener_for_the_administration_is_there_to_the_end_of_the_drain() {
    let (dialect, gate) = (Dialect::OpenAi, Gate::new());
    let upstream = Upstream::always(gated(dialect, &gate)).await;
    let gateway = Gateway::start(&Config::of(dialect, &upstream).set("/admin_listen", json!("127.0.0.1:0"))).await;
    let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
    streaming.read_until("the first words").await;
    let operator = gateway.administration().await.with_key(ADMIN_KEY);
    gateway.signal(Signal::TERM);
    until(async || operator.get("/ready").await.status == 503).await;
    let status = operator.get("/status").await.json();
    assert_eq!((&status["draining"], &status["requests_in_flight"]), (&json!(true), &json!(1)));
    assert_eq!(operator.get("/metrics").await.status, 200);
    assert_eq!(operator.chat(&chat::request("x")).await.error(503).code.as_deref(), Some("draining"));
    gate.open();
    streaming.transcript().await.assert_complete();
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn the_drain_has_a_deadline() {
    let dialect = Dialect::OpenAi;
    let upstream = Upstream::always(gated(dialect, &Gate::new())).await;
    let config = Config::of(dialect, &upstream).set("/client_timeouts/drain", json!("500ms"));
    let gateway = Gateway::start(&config).await;
    let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
    streaming.read_until("the first words").await;
    gateway.signal(Signal::TERM);
    streaming.transcript().await.assert_broken();
    gateway.ended().await;
}

#[tokio::test]
async fn sigterm_without_work_ends_the_process_at_once_and_idle_connections_do_not_hold_it() {
    let gateway = Gateway::start(&Config::new()).await;
    let mut idle = gateway.raw().await;
    idle.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    idle.read_answer().await;
    let silent = gateway.raw().await;
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    assert_eq!(idle.read_to_end().await, "");
    drop(silent);
}

#[tokio::test]
async fn a_new_configuration_takes_over_without_dropping_a_request() {
    for dialect in Dialect::ALL {
        let gate = Gate::new();
        let old = Upstream::always(gated(dialect, &gate)).await;
        let new = Upstream::choosing(dialect.answering("from the new upstream")).await;
        let gateway = Gateway::start(&Config::of(dialect, &old)).await;
        let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
        streaming.read_until("the first words").await;

        let config = Config::new().provider(Provider::new(dialect, &new).models(&["m1", "m2"]));
        gateway.replace_config(&config.text());
        gateway.signal(Signal::HUP);
        gateway
            .log()
            .wait_for("the reload", |entry| entry["message"].as_str().is_some_and(|text| text.contains("reload")))
            .await;
        until(async || gateway.client().get("/v1/models").await.text().contains("m2\"")).await;
        assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "from the new upstream");

        gate.open();
        let transcript = streaming.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "the first words and the last", "{dialect:?}");
    }
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let old = Upstream::choosing(Dialect::OpenAi.answering("old")).await;
    let new = Upstream::choosing(Dialect::OpenAi.answering("new")).await;
    let gateway = Gateway::start(&Config::of(Dialect::OpenAi, &old)).await;
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "old");
    gateway.replace_config(&Config::of(Dialect::OpenAi, &new).text());
    until(async || gateway.client().chat(&chat::request("x")).await.content() == "new").await;
}

#[tokio::test]
async fn an_invalid_configuration_keeps_the_old_one_serving_and_says_so() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream);
    let gateway = Gateway::start(&config).await;
    let broken = [
        ("not YAML", "listen: [".to_owned()),
        ("an unknown key", config.clone().set("/lisen", json!("127.0.0.1:1")).text()),
        ("an unknown plugin", config.clone().provider(Provider::of_plugin("nowhere", "http://127.0.0.1:1")).text()),
        ("only an unknown plugin", Config::new().provider(Provider::of_plugin("nowhere", "http://127.0.0.1:1")).text()),
        ("settings that do not fit", config.clone().set("/providers/0", json!({
            "name": "openai", "plugin": "openai", "base_url": "http://127.0.0.1:1/v1", "settings": { "no_such_setting": 1 },
        })).text()),
    ];
    for (name, text) in broken {
        gateway.replace_config(&text);
        gateway.signal(Signal::HUP);
        until(async || !gateway.plugins().await["configuration_error"].is_null() || any_plugin_error(&gateway).await)
            .await;
        assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good", "{name}");
        assert_eq!(gateway.plugin("openai").await["generation"], 1, "{name}: what serves is listed");
        gateway.replace_config(&config.text());
        gateway.signal(Signal::HUP);
        until(async || gateway.plugins().await["configuration_error"].is_null() && !any_plugin_error(&gateway).await)
            .await;
    }
}

async fn any_plugin_error(gateway: &Gateway) -> bool {
    let plugins = gateway.plugins().await;
    plugins["data"].as_array().is_some_and(|plugins| plugins.iter().any(|plugin| !plugin["error"].is_null()))
}

/// Asks until the answer is yes.
async fn until(condition: impl AsyncFn() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    weir_tests::bounded("the change takes effect", asking).await;
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_refused_at_start_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.yaml");
    let plugins = weir_tests::guests::built_plugins();
    let head = format!("listen: 127.0.0.1:0\nplugins: {{ path: {} }}\n", plugins.display());
    let cases = [
        ("an unknown key", "provders: []\n", "weir.yaml:3", "providers"),
        (
            "an unknown key of a provider",
            "providers:\n  - name: openai\n    base_ulr: http://127.0.0.1:1\n",
            "weir.yaml:5",
            "base_url",
        ),
        (
            "a missing variable",
            "providers:\n  - { name: openai, base_url: \"http://127.0.0.1:1\", api_key: \"${NOT_SET_ANYWHERE}\" }\n",
            "weir.yaml:4",
            "NOT_SET_ANYWHERE",
        ),
        ("a wrong type", "limits: { body_bytes: many }\n", "weir.yaml:3", "body_bytes"),
        (
            "a plugin that is not there",
            "providers:\n  - { name: nobody, plugin: nowhere, base_url: \"http://127.0.0.1:1\" }\n",
            "weir.yaml:4:5: provider `nobody`",
            "nowhere",
        ),
        (
            "settings that do not fit",
            "providers:\n  - name: openai\n    base_url: http://127.0.0.1:1\n    settings: { no_such_setting: 1 }\n",
            "weir.yaml:4:5: provider `openai`",
            "no_such_setting",
        ),
        (
            "a policy's settings that do not fit",
            "providers:\n  - { name: demo, models: [m] }\nmodels:\n  - name: chat\n    targets: [demo/m]\n    policy:\n      \
             plugin: weighted\n      settings:\n        stiky: user\n",
            "weir.yaml:11:9: model `chat`",
            "unknown key `stiky`; did you mean `sticky`?",
        ),
        (
            "a policy that is none",
            "providers:\n  - { name: demo, models: [m] }\nmodels:\n  - name: chat\n    targets: [demo/m]\n    policy: demo\n",
            "weir.yaml:8:13: model `chat`",
            "it is a provider plugin, not a routing policy",
        ),
        ("not YAML", "providers: [\n", "weir.yaml", ""),
    ];
    for (name, text, place, words) in cases {
        std::fs::write(&file, format!("{head}{text}")).unwrap();
        let path = file.to_str().unwrap();
        for arguments in [vec!["check", path], vec!["serve", "--config", path]] {
            let finished = run(&arguments, &[("HOME", folder.path().to_str().unwrap())]).await;
            assert_eq!(finished.code, Some(1), "{name}: {}", finished.output);
            assert!(finished.output.contains(words), "{name}: {}", finished.output);
            if arguments[0] == "check" {
                assert!(finished.output.contains(place), "{name}: {}", finished.output);
            }
        }
    }
}

#[tokio::test]
async fn a_good_configuration_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let file = Config::of(Dialect::OpenAi, &upstream).write(folder.path());
    let finished = run(&["check", file.to_str().unwrap()], &[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.output);
    assert_eq!(upstream.connections(), 0, "a check talks to nobody");
}

#[tokio::test]
async fn a_single_value_can_be_set_from_the_environment() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream);
    let gateway = Gateway::start_with(&config, &[("WEIR_LIMITS__BODY_BYTES", "1000")]).await;
    gateway.client().chat(&chat::request(&"x".repeat(2_000))).await.error(413);
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
}

#[tokio::test]
async fn the_command_line_explains_itself() {
    for arguments in
        [vec!["--help"], vec!["serve", "--help"], vec!["check", "--help"], vec!["plugin", "--help"], vec!["--version"]]
    {
        let finished = run(&arguments, &[]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.output);
        assert!(finished.output.to_lowercase().contains("weir"), "{}", finished.output);
    }
    assert_ne!(run(&["no-such-command"], &[]).await.code, Some(0));
}

#[tokio::test]
async fn a_plugin_is_shown_as_what_it_is_a_provider_or_a_policy() {
    let folder = weir_tests::guests::built_plugins();
    let provider = ["demo 0.1.0, a provider plugin", "provider-plugin", "operations  chat", "weir:plugin/types"];
    let policy = ["guarded 0.1.0, a routing policy", "routing-plugin", "if it fails requests are refused", "settings"];
    for (name, words, others) in [("demo", provider, "if it fails"), ("guarded", policy, "operations")] {
        let file = folder.join(format!("{name}.wasm"));
        let finished = run(&["plugin", "inspect", file.to_str().unwrap()], &[]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.output);
        for words in words {
            assert!(finished.output.contains(words), "{words} is missing: {}", finished.output);
        }
        assert!(!finished.output.contains(others), "{}", finished.output);
    }
    let listed = run(&["plugin", "list"], &[("WEIR_PLUGINS__PATH", folder.to_str().unwrap())]).await;
    let kinds: Vec<Vec<&str>> = listed.output.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    for expected in [["demo", "provider", "0.1.0"], ["failover", "policy", "0.1.0"]] {
        assert!(kinds.iter().any(|kind| *kind == expected), "{}", listed.output);
    }
}
