//! Whole answers of upstreams that are errors, nonsense, or no answer at all: what the client learns of them.

use std::io::Write as _;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_tests::{Answer, Config, Dialect, Gateway, Provider, Script, Step, UPSTREAM_SECRET, Upstream, chat, reply};

/// Asks once, streamed or not, of an upstream with this script.
async fn ask(dialect: Dialect, stream: bool, script: Script) -> Answer {
    let upstream = Upstream::always(script).await;
    let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
    gateway.client().chat(&chat::request_as(stream, "x")).await
}

/// Both dialects, streamed and not.
fn forms() -> impl Iterator<Item = (Dialect, bool)> {
    Dialect::ALL.into_iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
}

#[tokio::test]
async fn an_upstreams_error_keeps_its_status_and_its_words() {
    let cases = [
        (400, "invalid_request_error", 400),
        (401, "authentication_error", 401),
        (403, "permission_error", 403),
        (404, "not_found_error", 404),
        (413, "request_too_large", 413),
        (422, "invalid_request_error", 422),
        (429, "rate_limit_error", 429),
        (500, "api_error", 500),
        (503, "overloaded_error", 503),
    ];
    for (dialect, stream) in forms() {
        let upstream = Upstream::choosing(move |number, _| {
            let (status, kind, _) = cases[number];
            reply::json(status, &dialect.error(kind, &format!("the upstream says {status}")))
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for (status, _, expected) in cases {
            let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
            println!("{dialect:?} {status}: {} {}", answer.status, answer.text());
            // The status class has to survive; whether a 5xx is passed on or becomes 502 or 503 is Weir's choice.
            let expected = if expected >= 500 { answer.status.as_u16().clamp(500, 599) } else { expected };
            let error = answer.error(expected);
            error.says(&format!("the upstream says {status}"));
        }
    }
}

#[tokio::test]
async fn an_overloaded_upstream_of_status_529_is_unavailable() {
    for stream in [false, true] {
        let script = reply::json(529, &Dialect::Anthropic.error("overloaded_error", "Overloaded"));
        ask(Dialect::Anthropic, stream, script).await.error(503).says("Overloaded");
    }
}

#[tokio::test]
async fn error_bodies_of_any_form_become_readable_errors() {
    let words = "the model is on holiday";
    let bodies: Vec<(&str, String, bool)> = vec![
        ("OpenAI", json!({ "error": { "message": words, "type": "t", "param": null, "code": "c" } }).to_string(), true),
        ("a numeric code", json!({ "error": { "message": words, "code": 400 } }).to_string(), true),
        (
            "Anthropic",
            json!({ "type": "error", "error": { "type": "invalid_request_error", "message": words } }).to_string(),
            true,
        ),
        ("a bare string", json!({ "error": words, "code": "invalid-argument" }).to_string(), true),
        ("a message", json!({ "message": words, "id": "1" }).to_string(), true),
        ("FastAPI's detail", json!({ "detail": words }).to_string(), true),
        (
            "FastAPI's list",
            json!({ "detail": [{ "loc": ["body", "model"], "msg": words, "type": "missing" }] }).to_string(),
            true,
        ),
        (
            "vLLM",
            json!({ "object": "error", "message": words, "type": "BadRequestError", "code": 400 }).to_string(),
            true,
        ),
        ("a list", json!([{ "error": { "message": words } }]).to_string(), false),
        ("a JSON string", json!(words).to_string(), true),
        ("text", words.to_owned(), true),
        ("HTML", format!("<html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"), false),
        ("empty", String::new(), false),
        ("null", "null".to_owned(), false),
        ("cut JSON", r#"{"error":{"message":"the mod"#.to_owned(), false),
        ("an empty object", "{}".to_owned(), false),
        ("an empty message", json!({ "error": { "message": "" } }).to_string(), false),
        ("a null message", json!({ "error": { "message": null, "type": null } }).to_string(), false),
        ("blanks", "  \n ".to_owned(), false),
        ("one megabyte", format!("{words} {}", "!".repeat(1 << 20)), false),
    ];
    for (dialect, stream) in forms() {
        let answers = bodies.clone();
        let upstream = Upstream::choosing(move |number, _| {
            let status = [400, 429][number % 2];
            reply::whole(status, &["content-type: application/json"], &answers[number / 2].1)
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for (name, _, readable) in &bodies {
            for status in [400, 429] {
                let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
                println!("{dialect:?} {name}: {}", answer.text().chars().take(300).collect::<String>());
                let error = answer.error(status);
                if *readable {
                    error.says(words);
                }
                assert!(!error.message.contains('<'), "no HTML in a message: {}", error.message);
                assert!(error.message.len() < 20_000, "a message of a length that one can read");
                for inside in ["serde", "panicked", "undefined", "expected value", "wasm"] {
                    assert!(!error.message.contains(inside), "nothing of the inside: {}", error.message);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_429_stays_a_429_with_its_retry_after() {
    for (dialect, stream) in forms() {
        let body = dialect.error("rate_limit_error", "slow down");
        let answer = ask(dialect, stream, reply::json_with(429, &["retry-after: 17"], &body)).await;
        let error = answer.error(429);
        error.says("slow down");
        assert_eq!(answer.header("retry-after"), Some("17"), "{dialect:?}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_has_the_code_that_clients_look_for() {
    for stream in [false, true] {
        let openai = json!({ "error": {
            "message": "This model's maximum context length is 8192 tokens.",
            "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
        } });
        let error = ask(Dialect::OpenAi, stream, reply::json(400, &openai)).await.error(400);
        assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
        error.says("8192 tokens");
        let message = "prompt is too long: 3333404 tokens > 200000 maximum";
        let anthropic = Dialect::Anthropic.error("invalid_request_error", message);
        let error = ask(Dialect::Anthropic, stream, reply::json(400, &anthropic)).await.error(400);
        assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
        error.says(message);
    }
}

#[tokio::test]
async fn a_200_that_is_no_answer_is_a_bad_gateway() {
    let json = ["content-type: application/json"];
    let html = ["content-type: text/html"];
    for (dialect, stream) in forms() {
        let whole = dialect.answer("good").to_string();
        let cases: Vec<(&str, Script)> = vec![
            (
                "HTML",
                reply::whole(200, &html, "<!doctype html><html><body>Log in to the hotel's network</body></html>"),
            ),
            ("HTML that claims to be JSON", reply::whole(200, &json, "<html></html>")),
            ("nothing", reply::whole(200, &json, "")),
            ("204", vec![reply::head(204, &[])]),
            ("an empty object", reply::whole(200, &json, "{}")),
            ("a list", reply::whole(200, &json, "[]")),
            ("null", reply::whole(200, &json, "null")),
            ("cut JSON of the right length", reply::whole(200, &json, &whole[..whole.len() / 2])),
            ("text", reply::whole(200, &["content-type: text/plain"], "upstream connect error or disconnect")),
            ("not UTF-8", reply::whole(200, &json, b"{\"id\":\"\xff\xfe\"")),
        ];
        let scripts: Vec<Script> = cases.iter().map(|(_, script)| script.clone()).collect();
        let upstream = Upstream::start(scripts).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for (name, _) in cases {
            let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
            println!("{dialect:?} streamed {stream}, {name}: {}", answer.text());
            let error = answer.error(502);
            assert!(!error.message.contains('<'), "no HTML in a message: {}", error.message);
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_is_a_bad_gateway() {
    for dialect in Dialect::ALL {
        let whole = dialect.answer("good").to_string();
        let length = format!("content-length: {}", whole.len());
        let head = reply::head(200, &["content-type: application/json", &length]);
        let chunked = reply::head(200, &["content-type: application/json", "transfer-encoding: chunked"]);
        let half = || whole.as_bytes()[..whole.len() / 2].to_vec().into();
        for end in [Step::Close, Step::Reset] {
            ask(dialect, false, vec![head.clone(), Step::Write(half()), end.clone()]).await.error(502);
            ask(dialect, false, vec![chunked.clone(), Step::Chunk(half()), end]).await.error(502);
        }
        let bad_size = Step::Write("zz\r\nhello\r\n0\r\n\r\n".into());
        ask(dialect, false, vec![chunked.clone(), bad_size, Step::Close]).await.error(502);
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_is_a_bad_gateway() {
    for (dialect, stream) in forms() {
        for words in [
            "",
            "SSH-2.0-OpenSSH_9.9\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        ] {
            let script = vec![Step::Write(words.into()), Step::Close];
            let answer = ask(dialect, stream, script).await;
            println!("{words:?}: {}", answer.text());
            answer.error(502);
        }
        ask(dialect, stream, vec![Step::Reset]).await.error(502);
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_the_connection_is_a_bad_gateway() {
    for (dialect, stream) in forms() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let provider = Provider::of_plugin(dialect.plugin(), &dialect.base_url(address));
        let gateway = Gateway::start(&Config::new().provider(provider)).await;
        let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
        let error = answer.error(502);
        assert!(!error.message.contains(&address.to_string()), "no inner address for clients: {}", error.message);
    }
}

#[tokio::test]
async fn a_200_with_an_error_in_it_is_an_error() {
    for (dialect, stream) in forms() {
        let error = dialect.error("overloaded_error", "the upstream is out of breath");
        let answer = ask(dialect, stream, reply::json(200, &error)).await;
        assert!(answer.status.as_u16() >= 400, "{dialect:?}: {} {}", answer.status, answer.text());
        answer.error(answer.status.as_u16()).says("out of breath");
    }
    let numeric = json!({ "error": { "code": 429, "message": "out of breath" } });
    ask(Dialect::OpenAi, false, reply::json(200, &numeric)).await.error(429).says("out of breath");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for (dialect, stream) in forms() {
        for status in [301, 302, 303, 307, 308] {
            let elsewhere = Upstream::choosing(dialect.answering("from elsewhere")).await;
            let location = format!("location: {}{}", dialect.base_url(elsewhere.address()), "/anything");
            let upstream = Upstream::always(reply::whole(status, &[&location], "")).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
            let error = answer.error(502);
            assert!(!error.message.contains("127.0.0.1"), "{}", error.message);
            assert!(answer.header("location").is_none());
            assert_eq!(elsewhere.connections(), 0, "neither the prompt nor the key went elsewhere");
            assert_eq!(upstream.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn surplus_bytes_after_an_answer_never_reach_another_client() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::choosing(move |number, _| {
            let mut script = reply::json(200, &dialect.answer(&format!("answer {number}")));
            let surplus = dialect.answer("of somebody else").to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                surplus.len()
            );
            script.push(Step::Write((head + &surplus).into()));
            script
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        for number in 0..10 {
            let answer = gateway.client().chat(&chat::request("x")).await;
            assert_eq!(answer.content(), format!("answer {number}"), "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn compressed_answers_are_decoded_and_a_bomb_is_stopped() {
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let zlib = |plain: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    for dialect in Dialect::ALL {
        let whole = dialect.answer("good").to_string();
        let stream = dialect.text_stream(&["go", "od"]).concat();
        for (name, body, streamed) in [
            ("gzip", gzip(whole.as_bytes()), gzip(stream.as_bytes())),
            ("deflate", zlib(whole.as_bytes()), zlib(stream.as_bytes())),
        ] {
            let encoding = format!("content-encoding: {name}");
            let answer =
                ask(dialect, false, reply::whole(200, &["content-type: application/json", &encoding], body)).await;
            assert_eq!(answer.content(), "good", "{dialect:?} {name}");
            assert!(answer.header("content-encoding").is_none());
            let script = reply::whole(200, &["content-type: text/event-stream", &encoding], streamed);
            let upstream = Upstream::always(script).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let transcript = gateway.client().stream(&chat::stream("x")).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), "good", "{dialect:?} {name}");
        }
        let lie = reply::whole(200, &["content-type: application/json", "content-encoding: gzip"], &whole);
        ask(dialect, false, lie).await.error(502);

        let bomb = gzip(&vec![b' '; 128 << 20]);
        let script = reply::whole(200, &["content-type: application/json", "content-encoding: gzip"], bomb);
        let upstream = Upstream::start(vec![script, reply::json(200, &dialect.answer("good"))]).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream).set("/limits/answer_bytes", json!(8 << 20))).await;
        let before = gateway.resident_bytes();
        gateway.client().chat(&chat::request("x")).await.error(502);
        assert!(gateway.resident_bytes() < before + (64 << 20), "the bomb did not go off");
        assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_stopped_while_it_comes() {
    for dialect in Dialect::ALL {
        let head = reply::head(200, &["content-type: application/json", "transfer-encoding: chunked"]);
        let upstream = Upstream::always(vec![head, Step::Flood(vec![b' '; 64 << 10].into())]).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream).set("/limits/answer_bytes", json!(4 << 20))).await;
        gateway.client().chat(&chat::request("x")).await.error(502);
        weir_tests::bounded("the upstream is left alone", upstream.left(1)).await;
        assert!(upstream.flooded() < (32 << 20), "{} bytes were taken", upstream.flooded());
    }
}

#[tokio::test]
async fn an_upstreams_error_shows_no_secret() {
    for (dialect, stream) in forms() {
        let echo =
            format!("Incorrect API key provided: {UPSTREAM_SECRET}. You can find your key at https://example.com");
        let answer = ask(dialect, stream, reply::json(401, &dialect.error("authentication_error", &echo))).await;
        answer.error(401).says("Incorrect API key");
        assert!(!answer.text().contains(UPSTREAM_SECRET), "{}", answer.text());
    }
}

#[tokio::test]
async fn optional_parts_that_are_missing_are_no_reason_to_fail() {
    let openai = |edit: &dyn Fn(&mut Value)| {
        let mut answer = Dialect::OpenAi.answer("good");
        edit(&mut answer);
        answer
    };
    let answers = [
        openai(&|answer| {
            answer.as_object_mut().unwrap().remove("usage");
        }),
        openai(&|answer| {
            answer.as_object_mut().unwrap().remove("id");
        }),
        openai(&|answer| {
            answer["created"] = Value::Null;
        }),
        openai(&|answer| {
            answer["service_tier"] = json!("on_demand");
        }),
        openai(&|answer| {
            answer["choices"][0]["finish_reason"] = json!("eos");
        }),
        openai(&|answer| {
            answer["choices"][0].as_object_mut().unwrap().remove("index");
        }),
        openai(&|answer| {
            answer["choices"][0]["message"]["tool_calls"] = json!([]);
        }),
        openai(&|answer| {
            answer["x_groq"] = json!({ "id": "req_1" });
        }),
    ];
    for answer in answers {
        let seen = ask(Dialect::OpenAi, false, reply::json(200, &answer)).await;
        assert_eq!(seen.content(), "good", "{answer}");
        let seen = seen.json();
        assert_eq!(seen["choices"][0]["finish_reason"], "stop", "{seen}");
        assert_eq!(seen["choices"][0]["index"], 0, "{seen}");
        assert!(seen["id"].is_string() && seen["created"].is_u64(), "{seen}");
    }
    // Some upstreams keep the connection alive with blanks before the answer.
    let padded = format!("\n   \n{}", Dialect::OpenAi.answer("good"));
    let script = reply::whole(200, &["content-type: application/json"], padded);
    assert_eq!(ask(Dialect::OpenAi, false, script).await.content(), "good");
}
