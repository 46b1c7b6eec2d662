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
