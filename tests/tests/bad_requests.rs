//! Requests that are wrong: each is refused at once, in the form of the OpenAI API, with words that say what is wrong
//! and where, and none of them reaches an upstream.

use serde_json::{Value, json};
use weir_tests::{Client, Config, Dialect, Gateway, Upstream, bounded, chat};

/// A gateway with a provider of this dialect whose upstream would answer anything.
async fn started(dialect: Dialect) -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(dialect.answering("good")).await;
    let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_and_the_message_says_why() {
    let nested = |open: &str, close: &str| {
        format!(
            r#"{{"model":"m1","messages":[{{"role":"user","content":"x"}}],"x":{}{}}}"#,
            open.repeat(100_000),
            close.repeat(100_000)
        )
    };
    let in_text = |text: &str| format!(r#"{{"model":"m1","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no body", vec![], "body"),
        ("blanks only", b" \r\n\t ".to_vec(), "body"),
        ("a cut document", br#"{"model":"m1","messages":["#.to_vec(), "JSON"),
        ("a trailing comma", [in_text("x").trim_end_matches('}').as_bytes(), b",}"].concat(), "JSON"),
        ("two documents", br#"{"model":"m1"}{"model":"m1"}"#.to_vec(), "JSON"),
        ("single quotes", b"{'model':'m1'}".to_vec(), "JSON"),
        ("not a number", br#"{"model":"m1","temperature":NaN}"#.to_vec(), "JSON"),
        ("a form", b"model=m1&messages=x".to_vec(), "JSON"),
        ("a list", b"[]".to_vec(), "object"),
        ("a text", br#""x""#.to_vec(), "object"),
        ("null", b"null".to_vec(), "object"),
        ("a number", b"17".to_vec(), "object"),
        ("true", b"true".to_vec(), "object"),
        ("a byte order mark and Latin-1", b"\xef\xbb\xbf{\"model\":\"caf\xe9\"}".to_vec(), ""),
        (
            "bytes that are not UTF-8",
            b"{\"model\":\"m1\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}".to_vec(),
            "UTF-8",
        ),
        ("UTF-16", "{\"model\":\"m1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(), ""),
        ("a NUL byte in a text", in_text("a\0b").into_bytes(), "JSON"),
        ("a line end in a text", in_text("a\nb").into_bytes(), "JSON"),
        ("a bad escape", in_text("\\x41").into_bytes(), "JSON"),
        ("lists nested 100,000 deep", nested("[", "]").into_bytes(), ""),
        ("objects nested 100,000 deep", nested(r#"{"a":"#, "}").replacen(r#"{"a":}"#, "{}", 1).into_bytes(), ""),
        ("an open nest of 100,000", nested("[", "").into_bytes(), ""),
        (
            "the same key twice",
            br#"{"model":"m1","model":"m2","messages":[{"role":"user","content":"x"}]}"#.to_vec(),
            "model",
        ),
        ("a whole request and a word", [in_text("x").as_bytes(), b" and"].concat(), "JSON"),
    ];
    let (upstream, gateway) = started(Dialect::OpenAi).await;
    for (name, body, words) in cases {
        let answer = gateway.client().post_bytes("/v1/chat/completions", body).await;
        println!("{name}: {}", answer.text());
        let error = answer.error(400);
        assert_eq!(error.kind, "invalid_request_error", "{name}");
        error.says(words);
    }
    assert!(upstream.requests().is_empty(), "nothing of it reached the upstream");
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
}

#[tokio::test]
async fn invalid_json_is_refused_with_the_place_where_it_ends_to_be_json() {
    let (_upstream, gateway) = started(Dialect::OpenAi).await;
    let body = "{\n  \"model\": \"m1\",\n  \"messages\": [oops]\n}";
    let error = gateway.client().post_bytes("/v1/chat/completions", body).await.error(400);
    error.says("line 3").says("column 16");
}

#[tokio::test]
async fn a_lone_surrogate_is_refused_or_carried_but_never_an_error_of_the_gateway() {
    for dialect in Dialect::ALL {
        let (_upstream, gateway) = started(dialect).await;
        for stream in ["false", "true"] {
            let message = r#"{"role":"user","content":"\ud83d and \udc00"}"#;
            let body = format!(r#"{{"model":"m1","stream":{stream},"messages":[{message}]}}"#);
            let answer = gateway.client().post_bytes("/v1/chat/completions", body).await;
            assert!(answer.status.as_u16() < 500, "{dialect:?}: {}", answer.text());
            if answer.status != 200 {
                answer.error(400);
            }
        }
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let message = json!([{ "role": "user", "content": "x" }]);
    let fields: Vec<(&str, Value, &str)> = vec![
        ("model", json!(null), "model"),
        ("model", json!(7), "model"),
        ("model", json!(""), "model"),
        ("model", json!(["m1"]), "model"),
        ("messages", json!(null), "messages"),
        ("messages", json!([]), "messages"),
        ("messages", json!("hello"), "messages"),
        ("messages", json!({ "role": "user", "content": "x" }), "messages"),
        ("messages", json!(["hello"]), "messages[0]"),
        ("messages", json!([{ "content": "x" }]), "messages[0].role"),
        ("messages", json!([{ "role": 1, "content": "x" }]), "messages[0].role"),
        ("messages", json!([{ "role": "wizard", "content": "x" }]), "messages[0].role"),
        ("messages", json!([{ "role": "user", "content": 5 }]), "messages[0].content"),
        (
            "messages",
            json!([{ "role": "user", "content": "x" }, { "role": "user", "content": {} }]),
            "messages[1].content",
        ),
        ("messages", json!([{ "role": "user", "content": [{ "text": "x" }] }]), "messages[0].content[0].type"),
        ("stream", json!("yes"), "stream"),
        ("stream", json!(1), "stream"),
        ("temperature", json!("hot"), "temperature"),
        ("temperature", json!(2.5), "temperature"),
        ("top_p", json!(-1), "top_p"),
        ("max_tokens", json!("many"), "max_tokens"),
        ("max_tokens", json!(1.5), "max_tokens"),
        ("max_completion_tokens", json!(-3), "max_completion_tokens"),
        ("n", json!(0), "n"),
        ("stop", json!(5), "stop"),
        ("tools", json!({}), "tools"),
        ("tools", json!([1]), "tools[0]"),
        ("stream_options", json!({ "include_usage": true }), "stream_options"),
    ];
    let (upstream, gateway) = started(Dialect::OpenAi).await;
    for (field, value, param) in fields {
        let body = chat::with(json!({ "model": "m1", "messages": message }), field, value.clone());
        let answer = gateway.client().chat(&body).await;
        println!("{field} = {value}: {}", answer.text());
        let error = answer.error(400);
        assert_eq!(error.param.as_deref(), Some(param), "{field} = {value}");
        assert_eq!(error.kind, "invalid_request_error", "{field} = {value}");
        error.says(field);
    }
    for field in ["model", "messages"] {
        let mut body = chat::request("x");
        body.as_object_mut().unwrap().remove(field);
        let error = gateway.client().chat(&body).await.error(400);
        assert_eq!(error.param.as_deref(), Some(field));
    }
    assert!(upstream.requests().is_empty(), "nothing of it reached the upstream");
}

#[tokio::test]
async fn explicit_nulls_and_unknown_fields_are_no_reason_to_refuse() {
    for dialect in Dialect::ALL {
        let (upstream, gateway) = started(dialect).await;
        let mut body = chat::request("x");
        for field in ["temperature", "top_p", "n", "stop", "stream", "stream_options", "tools", "tool_choice", "user"] {
            body[field] = Value::Null;
        }
        for (field, value) in [("top_k", json!(5)), ("x_unheard_of", json!({ "a": [1] }))] {
            body[field] = value;
        }
        assert_eq!(gateway.client().chat(&body).await.content(), "good", "{dialect:?}");
        if dialect == Dialect::OpenAi {
            let sent = upstream.only_request().json();
            assert_eq!((&sent["top_k"], &sent["x_unheard_of"]), (&json!(5), &json!({ "a": [1] })));
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_413() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/limits/body_bytes", json!(10_000));
    let gateway = Gateway::start(&config).await;
    let large = chat::request(&"x".repeat(20_000)).to_string();

    let error = gateway.client().post_bytes("/v1/chat/completions", large.clone()).await.error(413);
    error.says("10000");

    // Without a length the limit holds as well, and the connection does not stay open for the rest.
    let mut raw = gateway.raw().await;
    let head = request_head(&gateway, "transfer-encoding: chunked");
    raw.send(head).await;
    raw.send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    assert!(raw.read_until("\r\n").await.contains("413"));

    // A length over the limit is refused before the body is sent.
    let mut raw = gateway.raw().await;
    raw.send(request_head(&gateway, "content-length: 99999999999")).await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    let small = chat::request(&"x".repeat(5_000));
    assert_eq!(gateway.client().chat(&small).await.content(), "good");
    assert_eq!(upstream.requests().len(), 1);
}

fn request_head(gateway: &Gateway, line: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n{line}\r\n\r\n",
        gateway.address(),
        weir_tests::KEY,
    )
}

#[tokio::test]
async fn the_content_type_has_to_be_json() {
    let (upstream, gateway) = started(Dialect::OpenAi).await;
    let body = chat::request("x").to_string();
    let post = async |headers: &[(&str, &str)]| {
        gateway.client().send("POST", "/v1/chat/completions", headers, body.clone()).await
    };
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        assert_eq!(post(&[("content-type", good)]).await.content(), "good", "{good}");
    }
    let served = upstream.requests().len();
    for bad in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"]
    {
        let answer = post(&[("content-type", bad)]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 415), "{bad}: {}", answer.text());
        answer.error(answer.status.as_u16()).says("application/json");
    }
    assert_eq!(upstream.requests().len(), served);
}

#[tokio::test]
async fn an_unknown_model_is_404_and_the_message_lists_near_matches() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let provider = weir_tests::Provider::new(Dialect::OpenAi, &upstream).models(&["gpt-4o-mini", "gpt-4o", "o3"]);
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    for stream in [false, true] {
        let body = chat::with(chat::request_as(stream, "x"), "model", json!("gpt-4o-mni"));
        let error = gateway.client().chat(&body).await.error(404);
        assert_eq!((error.code.as_deref(), error.param.as_deref()), (Some("model_not_found"), Some("model")));
        assert_eq!(error.kind, "invalid_request_error");
        error.says("gpt-4o-mni").says("gpt-4o-mini");
    }
    let error = gateway.client().chat(&chat::request_to("nobody/knows-it", "x")).await.error(404);
    assert_eq!(error.code.as_deref(), Some("model_not_found"));
    // A name of any length and content is a name that is not known.
    for name in
        ["m".repeat(100_000), "../../etc/passwd".to_owned(), "openai/".to_owned(), "/".to_owned(), "a\u{0}b".to_owned()]
    {
        let answer = gateway.client().chat(&chat::request_to(&name, "x")).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{}", answer.text());
        assert!(answer.body.len() < 4_000, "the answer does not repeat a name of any length");
        answer.error(answer.status.as_u16());
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn ten_thousand_headers_are_refused_and_the_next_client_is_served() {
    let (_upstream, gateway) = started(Dialect::OpenAi).await;
    let mut raw = gateway.raw().await;
    let headers: String = (0..10_000).map(|number| format!("x-header-{number}: value\r\n")).collect();
    raw.send(format!("GET /v1/models HTTP/1.1\r\nhost: x\r\n{headers}\r\n")).await;
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(answer.contains("\"error\""), "{answer}");
    assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
}

#[tokio::test]
async fn a_compressed_request_is_decoded_or_refused_and_a_bomb_is_stopped() {
    use std::io::Write;
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/limits/body_bytes", json!(4 << 20));
    let gateway = Gateway::start(&config).await;
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let post = async |client: &Client, body: Vec<u8>| {
        let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
        client.send("POST", "/v1/chat/completions", &headers, body).await
    };
    let answer = post(&gateway.client(), gzip(chat::request("x").to_string().as_bytes())).await;
    if answer.status == 200 {
        assert_eq!(answer.content(), "good");
        let before = gateway.resident_bytes();
        let bomb = gzip(&vec![b' '; 128 << 20]);
        let answer = bounded("the bomb is stopped", post(&gateway.client(), bomb)).await;
        answer.error(413);
        assert!(gateway.resident_bytes() < before + (64 << 20), "a bomb is not inflated past the limit");
    } else {
        answer.error(415).says("content-encoding");
    }
}
