//! Chats that do not fit their model are made shorter where the operator wants that, and the client is told.

use serde_json::{Value, json};
use weir_tests::fleet::CHAT;
use weir_tests::{Config, Dialect, Gateway, Provider, Recorded, Upstream, reply};

const SYSTEM: &str = "You are brief.";
const LAST: &str = "And what was the first thing that I said?";

/// A conversation of a system message, forty long turns and a question.
fn long_chat(stream: bool) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": SYSTEM })];
    for turn in 0..20 {
        messages.push(json!({ "role": "user", "content": format!("{turn}: {}", "many words ".repeat(40)) }));
        messages.push(json!({ "role": "assistant", "content": "some more words ".repeat(30) }));
    }
    messages.push(json!({ "role": "user", "content": LAST }));
    json!({ "model": CHAT, "messages": messages, "stream": stream, "max_tokens": 100 })
}

fn messages(request: &Recorded) -> Vec<Value> {
    request.json()["messages"].as_array().expect("a chat has messages").clone()
}

/// A gateway whose model `chat` leads to this upstream. `window` is what is known of the model there.
async fn gateway(upstream: &Upstream, window: Option<u64>, condense: Value) -> Gateway {
    let provider = Provider::new(Dialect::OpenAi, upstream).named("first");
    let model = window.map_or_else(|| json!("m1"), |window| json!({ "id": "m1", "context_window": window }));
    let provider = provider.set("/models", json!([model]));
    let routed = json!({ "name": CHAT, "targets": ["first/m1"], "condense": condense });
    Gateway::start(&Config::new().provider(provider).routed(routed)).await
}

/// The same conversation in the words of the other operations that have conversations.
fn long_conversations(stream: bool) -> [(&'static str, Value); 2] {
    let chat = long_chat(stream);
    let said = json!(chat["messages"].as_array().expect("a chat has messages")[1..]);
    let response = json!({ "model": CHAT, "instructions": SYSTEM, "input": said, "stream": stream,
        "max_output_tokens": 100 });
    let message = json!({ "model": CHAT, "system": SYSTEM, "messages": said, "stream": stream, "max_tokens": 100 });
    [("/v1/responses", response), ("/v1/messages", message)]
}

fn is_condensed(sent: &Recorded) {
    let messages = messages(sent);
    assert!(messages.len() < 42, "{} messages", messages.len());
    assert_eq!(messages.first().map(|message| &message["content"]), Some(&json!(SYSTEM)));
    assert_eq!(messages.last().map(|message| &message["content"]), Some(&json!(LAST)));
}

#[tokio::test]
async fn a_chat_over_a_known_window_is_made_shorter_before_it_is_sent() {
    for stream in [false, true] {
        let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
        let gateway = gateway(&upstream, Some(2_000), json!({ "mode": "cut" })).await;
        let headers = if stream {
            gateway.client().stream(&long_chat(true)).await.headers
        } else {
            gateway.client().chat(&long_chat(false)).await.headers
        };
        let told = headers.get("x-weir-condensed").expect("the client is told").to_str().unwrap();
        assert!(told.contains("messages=") && !told.contains("messages=0"), "{told}");
        is_condensed(&upstream.only_request());
    }
}

#[tokio::test]
async fn a_chat_that_the_upstream_refuses_as_too_long_is_made_shorter_and_asked_once_more() {
    let refusal = json!({ "error": {
        "message": "This model's maximum context length is 2000 tokens. However, your messages resulted in 9000 tokens.",
        "type": "invalid_request_error", "code": "context_length_exceeded", "param": "messages" } });
    let answering = Dialect::OpenAi.answering("good");
    let choose = move |number: usize, request: &Recorded| match messages(request).len() {
        42 => reply::json(400, &refusal),
        _ => answering(number, request),
    };
    let upstream = Upstream::choosing(choose).await;
    let gateway = gateway(&upstream, None, json!({ "mode": "cut" })).await;
    let answer = gateway.client().chat(&long_chat(false)).await;
    assert_eq!(answer.content(), "good");
    assert!(answer.header("x-weir-condensed").is_some());
    let [first, second] = upstream.requests().try_into().expect("two requests");
    assert_eq!(messages(&first).len(), 42);
    is_condensed(&second);
}

#[tokio::test]
async fn without_being_asked_for_it_nothing_is_made_shorter() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = gateway(&upstream, Some(2_000), json!({ "enabled": false })).await;
    let answer = gateway.client().chat(&long_chat(false)).await;
    assert_eq!((answer.content().as_str(), answer.header("x-weir-condensed")), ("good", None));
    assert_eq!(messages(&upstream.only_request()).len(), 42);
}

#[tokio::test]
async fn clearing_the_cache_forgets_the_chats_that_were_made_shorter() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let gateway = gateway(&upstream, Some(2_000), json!({ "mode": "cut" })).await;
    let clear = async || gateway.admin().send("POST", "/cache/clear", &[], "").await.json()["cleared"].clone();
    for _ in 0..2 {
        assert_eq!(gateway.client().chat(&long_chat(false)).await.content(), "good");
    }
    // The same chat twice is one entry.
    assert_eq!(clear().await, json!({ "health_checks": 0, "condensed_chats": 1 }));
    assert_eq!(clear().await, json!({ "health_checks": 0, "condensed_chats": 0 }));
    assert_eq!(gateway.client().chat(&long_chat(false)).await.content(), "good");
    assert_eq!(clear().await["condensed_chats"], 1);
    let sent: Vec<Vec<Value>> = upstream.requests().iter().map(messages).collect();
    assert!(sent.iter().all(|one| *one == sent[0]), "what is made anew is the same");
}

#[tokio::test]
async fn a_long_request_of_another_operation_is_made_a_shorter_chat_where_its_upstream_would_take_it_as_it_is() {
    for stream in [false, true] {
        for (path, request) in long_conversations(stream) {
            let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
            let provider = Provider::new(Dialect::OpenAi, &upstream).named("first");
            let provider = provider
                .set("/models", json!([{ "id": "m1", "context_window": 2_000 }]))
                .set("/operations", json!(["chat", "models", "responses"]));
            let routed = json!({ "name": CHAT, "targets": ["first/m1"], "condense": {} });
            let gateway = Gateway::start(&Config::new().provider(provider).routed(routed)).await;
            let answer = gateway.client().post(path, &request).await;
            assert!(answer.header("x-weir-condensed").is_some(), "{path}: {}", answer.text());
            let whole = if path == "/v1/messages" { r#""type":"message""# } else { r#""object":"response""# };
            assert!(answer.text().contains(whole), "{path}: {}", answer.text());
            let sent = upstream.only_request();
            assert_eq!(sent.path, "/v1/chat/completions", "{path}");
            is_condensed(&sent);
        }
    }
}

#[tokio::test]
async fn a_request_of_another_operation_that_the_upstream_refuses_as_too_long_is_made_a_shorter_chat() {
    let refusal = json!({ "error": { "message": "Your input exceeds the context window of this model.",
        "type": "invalid_request_error", "code": "context_length_exceeded", "param": "input" } });
    let answering = Dialect::OpenAi.answering("good");
    let choose = move |number: usize, request: &Recorded| match request.path.as_str() {
        "/v1/responses" => reply::json(400, &refusal),
        _ => answering(number, request),
    };
    let upstream = Upstream::choosing(choose).await;
    let gateway = gateway(&upstream, None, json!({})).await;
    let [(path, request), _] = long_conversations(false);
    let answer = gateway.client().post(path, &request).await;
    assert_eq!(answer.json()["output"][0]["content"][0]["text"], "good", "{}", answer.text());
    assert!(answer.header("x-weir-condensed").is_some());
    let [first, second] = upstream.requests().try_into().expect("two requests");
    assert_eq!(first.json()["input"].as_array().map(Vec::len), Some(41));
    is_condensed(&second);
}

#[tokio::test]
async fn a_request_that_cannot_be_said_in_a_chat_goes_the_way_it_came() {
    let answer = json!({ "id": "resp_1", "object": "response", "status": "completed", "model": "m1", "output": [] });
    let upstream = Upstream::always(reply::json(200, &answer)).await;
    let gateway = gateway(&upstream, Some(2_000), json!({})).await;
    let [(path, mut request), _] = long_conversations(false);
    request["tools"] = json!([{ "type": "web_search" }]);
    let answer = gateway.client().post(path, &request).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-weir-condensed")), (200, None), "{}", answer.text());
    assert_eq!(upstream.only_request().json()["input"], request["input"]);
}

#[tokio::test]
async fn a_policy_that_finds_a_prompt_too_long_is_asked_again_with_the_shorter_one() {
    let (open, cloud) = (Dialect::OpenAi.answering("open"), Dialect::OpenAi.answering("cloud"));
    let (open, cloud) = (Upstream::choosing(open).await, Upstream::choosing(cloud).await);
    let provider = |name: &str, upstream: &Upstream, window: u64| {
        let model = json!({ "id": "m1", "context_window": window });
        Provider::new(Dialect::OpenAi, upstream).named(name).set("/models", json!([model]))
    };
    let config = Config::new().provider(provider("cloud", &cloud, 100_000)).provider(provider("open", &open, 2_000));
    let targets = json!([{ "target": "cloud/m1", "tags": ["cloud"] }, "open/m1"]);
    let model = json!({ "name": CHAT, "policy": "guarded", "targets": targets, "condense": { "mode": "cut" } });
    let gateway = Gateway::start(&config.routed(model)).await;
    let client = gateway.client();
    let answer = client.chat(&long_chat(false)).await;
    assert_eq!((answer.content().as_str(), answer.header("x-weir-target")), ("open", Some("open/m1")));
    assert!(answer.header("x-weir-condensed").is_some());
    is_condensed(&open.only_request());

    let permitted = client.clone().with("x-weir-final-check", "1").chat(&long_chat(false)).await;
    assert_eq!((permitted.content().as_str(), permitted.header("x-weir-condensed")), ("cloud", None));

    let mut hopeless = long_chat(false);
    hopeless["max_tokens"] = json!(3_000);
    let error = client.chat(&hopeless).await.error(400);
    assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
    error.says("needs no permission");
}
