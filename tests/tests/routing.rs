//! Where names lead, who decides between targets, and what a target adds to a request.

use serde_json::{Value, json};
use weir_tests::fleet::{CHAT, Fleet, PROVIDERS, model, well};
use weir_tests::{ADMIN_KEY, Client, Config, Dialect, Gateway, KEY, Provider, Upstream, bounded, chat, reply, run};

/// Two providers that are well, with these models.
async fn fleet(models: &[Value]) -> Fleet {
    let upstreams = vec![well("first").await, well("second").await, well("third").await];
    let named = |number, provider: Provider| if number == 1 { provider.models(&["m1", "own"]) } else { provider };
    let configure = |config: Config| {
        models.iter().fold(config, |config, model| config.routed(model.clone())).set("/default_model", json!(CHAT))
    };
    Fleet::configured(upstreams, named, configure).await
}

fn of(text: &str) -> Value {
    chat::request_to(text, "x")
}

#[tokio::test]
async fn every_way_to_name_a_target_leads_to_it() {
    let models = [
        json!({ "name": CHAT, "aliases": ["gpt-4o", "org/chat"], "targets": ["first/m1"] }),
        json!({ "name": "task:*", "targets": ["second/model-*"] }),
        json!({ "name": "task:code", "targets": ["first/coder"] }),
        json!({ "name": "*-latest", "targets": ["third/*"] }),
        json!({ "name": "fixed-*", "targets": ["third/always"] }),
        json!({ "name": "third/*", "targets": ["first/of-third-*"] }),
    ];
    let fleet = fleet(&models).await;
    let cases = [
        (CHAT, 0, "m1"),
        ("gpt-4o", 0, "m1"),
        ("org/chat", 0, "m1"),
        ("task:code", 0, "coder"),
        ("task:docs", 1, "model-docs"),
        ("task:", 1, "model-"),
        ("llama-latest", 2, "llama"),
        ("fixed-x", 2, "always"),
        ("second/m1", 1, "m1"),
        ("second/whatever/it-is", 1, "whatever/it-is"),
        ("own", 1, "own"),
        ("third/m9", 0, "of-third-m9"),
    ];
    for (name, upstream, expected) in cases {
        let before = fleet.asked()[upstream];
        let answer = fleet.gateway.client().chat(&of(name)).await;
        assert_eq!(answer.content(), PROVIDERS[upstream], "{name}");
        assert_eq!(answer.header("x-weir-target"), None, "{name}: there was no choice");
        let sent = fleet.upstreams[upstream].requests()[before].json();
        assert_eq!(sent["model"], expected, "{name}");
    }
    let mut nameless = of(CHAT);
    nameless.as_object_mut().expect("a request is an object").remove("model");
    assert_eq!(fleet.gateway.client().chat(&nameless).await.content(), "first", "the default model");
    let answer = fleet.gateway.client().post("/v1/messages", &nameless).await;
    assert_eq!(answer.json()["content"][0]["text"], "first", "the default model in another dialect");
    let unknown = fleet.gateway.client().chat(&of("chatt")).await.error(404);
    assert_eq!(unknown.code.as_deref(), Some("model_not_found"));
    unknown.says("`chat`");
    let list = fleet.gateway.client().get("/v1/models").await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
    assert!(ids.contains(&CHAT) && ids.contains(&"task:code"), "{ids:?}");
    assert!(!ids.iter().any(|id| id.contains('*') || *id == "gpt-4o"), "{ids:?}");
}

#[tokio::test]
async fn models_of_a_provider_that_is_not_direct_are_reached_by_configured_names_alone() {
    let upstreams = vec![well("first").await, well("second").await];
    let hidden = |number, provider: Provider| match number {
        1 => provider.models(&["m1", "own"]).set("/direct", json!(false)),
        _ => provider,
    };
    let configure = |config: Config| config.routed(json!({ "name": CHAT, "targets": ["second/m1"] }));
    let fleet = Fleet::configured(upstreams, hidden, configure).await;
    let client = fleet.gateway.client();
    assert_eq!(client.chat(&of(CHAT)).await.content(), "second");
    for name in ["second/m1", "own", "second/own"] {
        let error = client.chat(&of(name)).await.error(404);
        assert_eq!(error.code.as_deref(), Some("model_not_found"), "{name}");
    }
    let list = client.get("/v1/models").await.text();
    assert!(list.contains("\"chat\"") && !list.contains("\"own\""), "{list}");
}

#[tokio::test]
async fn a_mistyped_name_gets_the_near_ones_wherever_it_is_asked_for() {
    let fleet = fleet(&[json!({ "name": CHAT, "targets": ["first/m1"] })]).await;
    let client = fleet.gateway.client();
    for name in ["chatt", "frist/chat", "scond/own"] {
        let near = if name.ends_with("own") { "`own`" } else { "`chat`" };
        client.chat(&of(name)).await.error(404).says(near);
        client.get(&format!("/v1/models/{name}")).await.error(404).says(near);
    }
}

#[tokio::test]
async fn the_longest_answer_has_one_name_whatever_the_target_the_client_and_the_api_call_it() {
    // What the operator sets, by which name; what the client says; and what of the three names the upstream sees.
    for (kind, own, client, expected) in [
        ("defaults", "max_tokens", "max_completion_tokens", json!({ "max_completion_tokens": 3 })),
        ("defaults", "max_completion_tokens", "max_tokens", json!({ "max_tokens": 3 })),
        ("defaults", "max_tokens", "top_p", json!({ "max_tokens": 7 })),
        ("parameters", "max_tokens", "max_completion_tokens", json!({ "max_tokens": 7 })),
        ("parameters", "max_completion_tokens", "max_tokens", json!({ "max_completion_tokens": 7 })),
    ] {
        let target = json!({ "target": "first/m1", kind: { own: 7 } });
        let fleet = fleet(&[json!({ "name": CHAT, "targets": [target] })]).await;
        let mut request = json!({ "model": CHAT, "messages": [{ "role": "user", "content": "x" }] });
        request[client] = if client == "top_p" { json!(0.5) } else { json!(3) };
        assert_eq!(fleet.gateway.client().chat(&request).await.status, 200);
        let mut sent = fleet.upstreams[0].only_request().json();
        sent.as_object_mut().expect("a request is an object").retain(|name, _| name.starts_with("max_"));
        assert_eq!(sent, expected, "{kind} {own}, the client says {client}");
    }
}

#[tokio::test]
async fn each_target_sees_its_own_defaults_and_parameters() {
    let targets = json!([
        { "target": "first/m1", "defaults": { "temperature": 0.1, "top_p": 0.5 }, "parameters": { "seed": 7 } },
        { "target": "second/m1", "parameters": { "max_tokens": 5, "stop": ["\n"] } },
    ]);
    for stream in [false, true] {
        let failing = reply::json(500, &Dialect::OpenAi.error("api_error", "no"));
        let upstreams = vec![Upstream::always(failing).await, well("good").await];
        let configure = |config: Config| config.routed(json!({ "name": CHAT, "targets": targets }));
        let fleet = Fleet::configured(upstreams, |_, provider| provider, configure).await;
        let request = chat::with(chat::with(chat::request_as(stream, "x"), "model", json!(CHAT)), "top_p", json!(0.9));
        assert_eq!(fleet.gateway.client().chat(&request).await.status, 200);
        let [first, second] = [0, 1].map(|number| fleet.upstreams[number].only_request().json());
        assert_eq!((&first["temperature"], &first["top_p"], &first["seed"]), (&json!(0.1), &json!(0.9), &json!(7)));
        assert_eq!((&second["max_tokens"], &second["stop"]), (&json!(5), &json!(["\n"])));
        assert_eq!((&second["temperature"], &second["seed"]), (&Value::Null, &Value::Null), "that is the first one's");
        assert_eq!((&first["max_tokens"], &second["top_p"]), (&json!(256), &json!(0.9)), "what the client says");
    }
}

fn tagged(policy: Value, tags: [&str; 3]) -> Value {
    let targets: Vec<Value> = PROVIDERS
        .iter()
        .zip(tags)
        .map(|(provider, tag)| json!({ "target": format!("{provider}/m1"), "tags": [tag] }))
        .collect();
    json!({ "name": CHAT, "policy": policy, "targets": targets })
}

async fn target(client: &Client, request: &Value) -> String {
    let answer = client.chat(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-weir-target").expect("the answer names its target").to_owned()
}

#[tokio::test]
async fn a_clients_words_choose_the_target() {
    let fleet = fleet(&[tagged(json!("task"), ["fast", "light", "heavy"])]).await;
    let client = fleet.gateway.client();
    for (header, value, expected) in [
        ("x-weir-tags", "search", "first/m1"),
        ("x-weir-tags", "unknown, task:code", "third/m1"),
        ("x-weir-task", "docs", "second/m1"),
        ("x-weir-task", "HEAVY", "third/m1"),
        ("x-other", "HEAVY", "second/m1"),
    ] {
        assert_eq!(target(&client.clone().with(header, value), &of(CHAT)).await, expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_key_or_a_header_permits_what_is_guarded() {
    let settings = json!({ "permissions": [{ "header": { "name": "x-weir-final-check" } }, { "key_tag": "cloud" }] });
    let policy = json!({ "plugin": "guarded", "settings": settings });
    let upstreams = vec![well("cloud").await, well("local").await, well("local").await];
    let configure = |config: Config| {
        config.routed(tagged(policy, ["cloud", "local", "local"])).set(
            "/keys",
            json!([{ "name": "dev", "key": KEY }, { "name": "ops", "key": ADMIN_KEY, "admin": true, "tags": ["cloud"] }]),
        )
    };
    let fleet = Fleet::configured(upstreams, |_, provider| provider, configure).await;
    let (plain, permitted) = (fleet.gateway.client(), fleet.gateway.admin());
    assert_eq!(target(&plain, &of(CHAT)).await, "second/m1");
    assert_eq!(target(&permitted, &of(CHAT)).await, "first/m1");
    assert_eq!(target(&plain.clone().with("x-weir-final-check", "1"), &of(CHAT)).await, "first/m1");
    assert_eq!(target(&plain.with("x-weir-final-check", "0"), &of(CHAT)).await, "second/m1");
}

#[tokio::test]
async fn a_refusal_of_the_policy_reaches_the_client() {
    let policy = json!({ "plugin": "guarded", "settings": {} });
    let fleet = fleet(&[tagged(policy, ["cloud", "cloud", "cloud"])]).await;
    for stream in [false, true] {
        let request = chat::with(chat::request_as(stream, "x"), "model", json!(CHAT));
        let error = fleet.gateway.client().chat(&request).await.error(403);
        assert_eq!(error.code.as_deref(), Some("permission_required"));
    }
    assert_eq!(fleet.asked(), [0, 0, 0]);
}

#[tokio::test]
async fn weights_users_and_prices_decide_where_they_are_to() {
    let sticky = json!({ "plugin": "weighted", "settings": { "sticky": "user" } });
    let fleet = fleet(&[model(&PROVIDERS, sticky)]).await;
    let client = fleet.gateway.client();
    for user in ["ann", "bob", "eve"] {
        let request = chat::with(of(CHAT), "user", json!(user));
        let stays = target(&client, &request).await;
        for _ in 0..5 {
            assert_eq!(target(&client, &request).await, stays, "{user}");
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    let spreading = async {
        while seen.len() < 3 {
            seen.insert(target(&client, &of(CHAT)).await);
        }
    };
    bounded("requests without a user go everywhere", spreading).await;

    let upstreams = vec![well("dear").await, well("cheap").await, well("unknown").await];
    let priced = |number, provider: Provider| match number {
        2 => provider,
        _ => {
            let input = if number == 0 { 3.0 } else { 0.5 };
            provider.set("/models", json!([{ "id": "m1", "prices": { "input": input, "output": 1.0 } }]))
        }
    };
    let configure = |config: Config| config.routed(model(&PROVIDERS, json!("cheapest")));
    let fleet = Fleet::configured(upstreams, priced, configure).await;
    for stream in [false, true] {
        assert_eq!(fleet.good(stream).await, ("cheap".to_owned(), "second/m1".to_owned()));
    }
}

/// Who answered a request of this operation.
async fn target_of(client: &Client, operation: &str, mut request: Value) -> String {
    request["model"] = json!(CHAT);
    let answer = client.post(&format!("/v1/{operation}"), &request).await;
    assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
    answer.header("x-weir-target").expect("the answer names its target").to_owned()
}

/// One thing that is said to a model, in the words of each operation, with a limit of the answer.
fn asked(text: &str, limit: u64) -> [(&'static str, Value); 4] {
    let messages = json!([{ "role": "user", "content": text }]);
    [
        ("chat/completions", json!({ "messages": messages, "max_tokens": limit })),
        ("messages", json!({ "messages": messages, "max_tokens": limit })),
        ("responses", json!({ "input": text, "max_output_tokens": limit })),
        ("completions", json!({ "prompt": text, "max_tokens": limit })),
    ]
}

/// The same as an image of so many bytes of base64, where the operation has images.
fn pictured(bytes: usize) -> [(&'static str, Value); 3] {
    let data = "iVBORw0K".repeat(bytes / 8);
    let url = format!("data:image/png;base64,{data}");
    let said = |parts: Value| json!([{ "role": "user", "content": [parts] }]);
    let chat = said(json!({ "type": "image_url", "image_url": { "url": url } }));
    let message = said(json!({ "type": "image",
        "source": { "type": "base64", "media_type": "image/png", "data": data } }));
    let response = said(json!({ "type": "input_image", "image_url": url }));
    [
        ("chat/completions", json!({ "messages": chat })),
        ("messages", json!({ "messages": message, "max_tokens": 100 })),
        ("responses", json!({ "input": response })),
    ]
}

/// Three providers that only chat: a small blind model, a large one that sees, and one in the cloud.
async fn seeing_and_blind(policy: Value) -> Fleet {
    let upstreams = vec![well("blind").await, well("seeing").await, well("cloud").await];
    let adapt = |number: usize, provider: Provider| {
        let (modalities, most) = if number == 0 { (json!(["text"]), 1_000) } else { (json!(["text", "image"]), 8_000) };
        let model = json!({ "id": "m1", "context_window": 20_000, "max_output_tokens": most,
            "input_modalities": modalities });
        provider.set("/models", json!([model])).set("/operations", json!(["chat", "models"]))
    };
    Fleet::configured(upstreams, adapt, |config| config.routed(tagged(policy, ["light", "heavy", "cloud"]))).await
}

#[tokio::test]
async fn what_a_model_can_hold_decides_in_every_dialect() {
    let fleet = seeing_and_blind(json!("guarded")).await;
    let client = fleet.gateway.client();
    for (limit, expected) in [(500, "first/m1"), (4_000, "second/m1")] {
        for (operation, request) in asked("Hello", limit) {
            assert_eq!(target_of(&client, operation, request).await, expected, "{operation}: {limit}");
        }
    }
    // Many more bytes than the window has tokens: a picture is not read as text.
    for (operation, request) in pictured(400_000) {
        assert_eq!(target_of(&client, operation, request).await, "second/m1", "{operation}");
    }
    for (operation, request) in asked(&"far too many words ".repeat(8_000), 100) {
        let path = format!("/v1/{operation}");
        let refused = client.post(&path, &chat::with(request, "model", json!(CHAT))).await;
        assert!(refused.text().contains("does not fit any target"), "{operation}: {}", refused.text());
    }
}

#[tokio::test]
async fn what_is_said_decides_in_every_dialect() {
    let fleet = seeing_and_blind(json!({ "plugin": "task", "settings": { "tiers": { "fast": ["cloud"] } } })).await;
    let client = fleet.gateway.client();
    for (text, expected) in [
        ("Search the web for the weather", "third/m1"),
        ("Write a comment and a changelog", "first/m1"),
        ("There is a bug, please fix the function", "second/m1"),
    ] {
        for (operation, request) in asked(text, 100) {
            assert_eq!(target_of(&client, operation, request).await, expected, "{operation}: {text}");
        }
    }
}

#[tokio::test]
async fn a_user_stays_with_a_target_in_every_dialect() {
    let fleet = seeing_and_blind(json!({ "plugin": "weighted", "settings": { "sticky": "user" } })).await;
    let client = fleet.gateway.client();
    for user in ["ann", "bob", "eve", "kim"] {
        let mut seen = std::collections::BTreeSet::new();
        for (operation, request) in asked("Hello", 100) {
            let (name, value) = match operation {
                "messages" => ("metadata", json!({ "user_id": user })),
                _ => ("user", json!(user)),
            };
            for _ in 0..3 {
                seen.insert(target_of(&client, operation, chat::with(request.clone(), name, value.clone())).await);
            }
        }
        assert_eq!(seen.len(), 1, "{user}: {seen:?}");
    }
}

/// Checks a configuration whose model stands on line 8, and returns what is said of it.
async fn checked(model: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("weir.yaml");
    let plugins = weir_tests::guests::built_plugins();
    let cache = weir_tests::guests::compile_cache();
    let text = format!(
        "listen: 127.0.0.1:0\nplugins:\n  path: {}\n  cache: {}\nproviders:\n  - {{ name: a, plugin: demo, models: [m] }}\nmodels:\n{model}\n",
        plugins.display(),
        cache.display()
    );
    std::fs::write(&file, text).expect("a temporary folder can be written to");
    let finished = run(&["check", &file.to_string_lossy()], &[]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.output);
    finished.output
}

#[tokio::test]
async fn a_policy_or_setting_that_is_not_there_is_refused_with_its_place() {
    for (model, says) in [
        ("  - { name: x, targets: [a/m, a/n], policy: fialover }", "fialover"),
        ("  - { name: x, targets: [a/m, a/n], policy: demo }", "demo"),
        ("  - { name: x, targets: [a/m, a/n], policy: { plugin: failover, settings: { hedge: 5 } } }", "hedge"),
        (
            "  - { name: x, targets: [a/m, a/n], policy: { plugin: failover, settings: { hedge_ms: soon } } }",
            "hedge_ms",
        ),
        ("  - { name: x, targets: [a/m, a/n], policy: guarded }", "cloud"),
        ("  - { name: x, targets: [b/m] }", "`b`"),
        ("  - { name: x, targets: [] }", "targets"),
        ("  - { name: x, targets: [\"a/*\"] }", "stands for nothing"),
        ("  - { name: x, targets: [{ target: a/m, parameters: { model: y } }] }", "`model`"),
        ("  - { name: x, targets: [a/m], aliases: [x] }", "is taken"),
    ] {
        let output = checked(model).await;
        assert!(output.contains("weir.yaml:8"), "{model}: {output}");
        assert!(output.contains(says), "{model}: {output}");
    }
}

#[tokio::test]
async fn a_reload_to_a_policy_that_is_not_there_changes_nothing() {
    let fleet = fleet(&[model(&PROVIDERS, json!("failover"))]).await;
    assert_eq!(fleet.good(false).await.0, "first");
    let text = std::fs::read_to_string(fleet.gateway.config_file()).expect("the file is there");
    assert!(text.contains("\"failover\""));
    fleet.gateway.replace_config(&text.replace("\"failover\"", "\"fialover\""));
    let refused = fleet.gateway.admin().send("POST", "/plugins/reload", &[], "").await;
    assert!(refused.text().contains("fialover"), "{}", refused.text());
    assert_eq!(fleet.good(true).await.0, "first");
    let reversed = text.replace("first/m1", "x/m1").replace("third/m1", "first/m1").replace("x/m1", "third/m1");
    fleet.gateway.replace_config(&reversed);
    fleet.until_answered_by("third").await;
}

#[tokio::test]
async fn a_model_with_one_target_needs_no_policy() {
    let gateway = Gateway::start(
        &Config::new().provider(Provider::offline("demo", &["demo"])).model(CHAT, &[json!("demo/demo")]),
    )
    .await;
    assert_eq!(gateway.client().chat(&of(CHAT)).await.status, 200);
    let plugins = gateway.plugins().await;
    assert!(!plugins.to_string().contains("failover"), "none is loaded: {plugins}");
}
