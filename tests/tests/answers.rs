//! Good answers: what upstreams send arrives whole and in the form of the OpenAI API, in both dialects, streamed and not.

use serde_json::{Value, json};
use weir_tests::{
    COMPLETION_TOKENS, Config, Dialect, Gate, Gateway, PROMPT_TOKENS, Step, ToolCall, Upstream, chat, reply,
};

const TEXT: &str = "Grüße aus 東京 🗼: \"quoted\", a\\b,\ttab,\nline and \u{2028} separator.";

async fn serving(
    dialect: Dialect,
    choose: impl Fn(bool) -> weir_tests::Script + Send + Sync + 'static,
) -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(move |_, request| choose(request.wants_stream())).await;
    let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_text_arrives_unchanged_in_every_form() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(dialect.answering(TEXT)).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let answer = gateway.client().chat(&chat::request("x")).await;
        assert_eq!(answer.content(), TEXT, "{dialect:?}");
        let body = answer.json();
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["choices"][0]["index"], 0);
        assert_eq!(body["choices"][0]["message"]["role"], "assistant");
        assert!(body["id"].as_str().is_some_and(|id| !id.is_empty()));
        assert!(body["created"].is_u64());
        assert!(body.get("error").is_none());
        assert!(body["choices"][0]["message"].get("tool_calls").is_none(), "absent rather than null");
        assert_usage(&body["usage"]);

        let transcript = gateway.client().stream(&chat::stream("x")).await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), TEXT, "{dialect:?}");
        assert_eq!(transcript.finish_reasons(), ["stop"]);
        assert!(transcript.usages().is_empty(), "no usage unless it is asked for: {}", transcript.text());
    }
}

#[tokio::test]
async fn usage_comes_once_at_the_end_of_a_stream_if_it_is_asked_for() {
    for dialect in Dialect::ALL {
        let (_upstream, gateway) = serving(dialect, move |_| reply::stream(&dialect.text_stream(&["a", "b"]))).await;
        let transcript = gateway.client().stream(&chat::stream_with_usage("x")).await;
        transcript.assert_complete();
        let usages = transcript.usages();
        assert_eq!(usages.len(), 1, "{}", transcript.text());
        assert_usage(&usages[0]);
        let last = transcript.chunks().pop().unwrap();
        assert!(last["usage"].is_object() && last["choices"] == json!([]), "{last}");
    }
}

#[tokio::test]
async fn tool_calls_arrive_with_their_ids_names_and_arguments() {
    let cases: [Vec<(&str, &str, Value)>; 3] = [
        vec![("call_1", "get_weather", json!({ "city": "Zürich \"old town\"" }))],
        vec![("call_1", "get_weather", json!({ "city": "Paris" })), ("call_2", "get_time", json!({ "city": "Rome" }))],
        vec![("call_1", "now", json!({}))],
    ];
    for dialect in Dialect::ALL {
        for calls in &cases {
            let answers = calls.clone();
            let (_upstream, gateway) = serving(dialect, move |stream| match stream {
                true => reply::stream(&dialect.tool_stream(&answers)),
                false => reply::json(200, &dialect.tool_answer(&answers)),
            })
            .await;
            let tools = json!([chat::tool("get_weather"), chat::tool("get_time"), chat::tool("now")]);
            let answer = gateway.client().chat(&chat::with(chat::request("x"), "tools", tools.clone())).await;
            let body = answer.json();
            assert_eq!(body["choices"][0]["finish_reason"], "tool_calls", "{dialect:?} {body}");
            let whole: Vec<_> =
                body["choices"][0]["message"]["tool_calls"].as_array().unwrap().iter().map(whole_call).collect();
            assert_calls(&whole, calls);

            let transcript = gateway.client().stream(&chat::with(chat::stream("x"), "tools", tools)).await;
            transcript.assert_complete();
            assert_eq!(transcript.finish_reasons(), ["tool_calls"], "{dialect:?}");
            assert_calls(&transcript.tool_calls(), calls);
        }
    }
}

#[tokio::test]
async fn tools_and_their_results_arrive_upstream() {
    for dialect in Dialect::ALL {
        let (upstream, gateway) = serving(dialect, move |_| reply::json(200, &dialect.answer("sunny"))).await;
        let body = json!({
            "model": "m1", "max_tokens": 50,
            "tools": [chat::tool("get_weather")],
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "Weather?" },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "call_1", "type": "function", "function": { "name": "get_weather", "arguments": "{\"city\":\"Rome\"}" } },
                    { "id": "call_2", "type": "function", "function": { "name": "get_weather", "arguments": "" } },
                ] },
                { "role": "tool", "tool_call_id": "call_1", "content": "18 degrees" },
                { "role": "tool", "tool_call_id": "call_2", "content": [{ "type": "text", "text": "unknown" }] },
            ],
        });
        assert_eq!(gateway.client().chat(&body).await.content(), "sunny", "{dialect:?}");
        let sent = upstream.only_request().body;
        let sent = String::from_utf8_lossy(&sent);
        for words in
            ["Be brief.", "Weather?", "call_1", "call_2", "Rome", "18 degrees", "unknown", "What the tests call."]
        {
            assert!(sent.contains(words), "{dialect:?}: {words:?} is missing in {sent}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_passed_on_as_it_comes_and_not_when_it_is_whole() {
    for dialect in Dialect::ALL {
        let gate = Gate::new();
        let mut script = vec![reply::stream_head()];
        let chunk = |event: String| Step::Chunk(event.into_bytes().into());
        script.extend(dialect.opening().into_iter().map(chunk));
        script.push(chunk(dialect.piece("the first words")));
        script.push(Step::Wait(gate.clone()));
        script.push(chunk(dialect.piece(" and the last")));
        script.extend(dialect.closing().into_iter().map(chunk));
        script.push(Step::LastChunk);
        let upstream = Upstream::always(script).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
        streaming.read_until("the first words").await;
        gate.open();
        let transcript = streaming.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "the first words and the last", "{dialect:?}");
    }
}

#[tokio::test]
async fn upstream_connections_are_used_again() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(dialect.answering("good")).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for _ in 0..10 {
            assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
            gateway.client().stream(&chat::stream("x")).await.assert_complete();
        }
        assert!(upstream.connections() <= 3, "{} connections for 20 requests", upstream.connections());
    }
}

#[tokio::test]
async fn a_stale_upstream_connection_costs_no_request() {
    // The upstream closes after each answer, without saying so in a header.
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(move |number, request| {
            let mut script = dialect.answering("good")(number, request);
            script.push(Step::Close);
            script
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for _ in 0..20 {
            assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good", "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_large_prompt_and_a_large_answer_pass() {
    for dialect in Dialect::ALL {
        let text = "Lorem ipsum, 東京. ".repeat(100_000);
        let answer = dialect.answer(&text);
        let upstream = Upstream::always(reply::json(200, &answer)).await;
        let gateway =
            Gateway::start(&Config::of(dialect, &upstream).set("/plugins/limits/call_deadline", json!("10s"))).await;
        let prompt = "a longer question ".repeat(100_000);
        assert_eq!(gateway.client().chat(&chat::request(&prompt)).await.content(), text, "{dialect:?}");
        assert!(String::from_utf8_lossy(&upstream.only_request().body).contains(&prompt));
    }
}

#[tokio::test]
async fn the_demo_provider_answers_offline_streamed_and_not() {
    let gateway = Gateway::start(&Config::new().provider(weir_tests::Provider::offline("demo", &["demo"]))).await;
    let answer = gateway.client().chat(&chat::request_to("demo", "is anybody there")).await;
    assert!(answer.content().contains("is anybody there"), "{}", answer.text());
    let transcript = gateway.client().stream(&chat::stream_to("demo", "is anybody there")).await;
    transcript.assert_complete();
    assert!(transcript.content().contains("is anybody there"), "{}", transcript.text());
}

fn assert_usage(usage: &Value) {
    assert_eq!(usage["prompt_tokens"], PROMPT_TOKENS, "{usage}");
    assert_eq!(usage["completion_tokens"], COMPLETION_TOKENS, "{usage}");
    assert_eq!(usage["total_tokens"], PROMPT_TOKENS + COMPLETION_TOKENS, "{usage}");
}

fn whole_call(call: &Value) -> ToolCall {
    assert_eq!(call["type"], "function");
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not text in {call}")).to_owned();
    ToolCall {
        id: text(&call["id"]),
        name: text(&call["function"]["name"]),
        arguments: text(&call["function"]["arguments"]),
    }
}

fn assert_calls(seen: &[ToolCall], expected: &[(&str, &str, Value)]) {
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, (id, name, arguments)) in seen.iter().zip(expected) {
        assert_eq!((seen.id.as_str(), seen.name.as_str()), (*id, *name));
        let parsed: Value =
            serde_json::from_str(&seen.arguments).expect("arguments are JSON, also when there are none");
        assert_eq!(parsed, *arguments);
    }
}
