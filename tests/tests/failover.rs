//! What befalls the first of several targets, over real sockets, and what becomes of the request: which attempts are
//! made, what the client sees, and what log and metrics say of it.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use weir_tests::fleet::{CHAT, Fleet, PROVIDERS, well};
use weir_tests::{Dialect, Script, Step, Upstream, chat, reply};

const DIALECT: Dialect = Dialect::OpenAi;

/// What is wrong with the first target.
enum Fault {
    /// What its upstream does, streamed or not.
    Script(fn(bool) -> Script),
    /// Another base URL than that of its upstream.
    Elsewhere(String),
}

/// A fault and the error that it is to be taken for.
struct Case(&'static str, Fault, u16, &'static str);

fn error(status: u16, kind: &str) -> Script {
    reply::json(status, &DIALECT.error(kind, "no"))
}

fn limited(header: &str) -> Script {
    reply::json_with(429, &[header], &DIALECT.error("rate_limit_error", "slow down"))
}

fn html() -> Script {
    reply::whole(200, &["content-type: text/html"], "<html><body>Welcome</body></html>")
}

fn half_an_answer() -> Script {
    let whole = DIALECT.answer("good").to_string();
    let head = reply::head(200, &["content-type: application/json", &format!("content-length: {}", whole.len())]);
    vec![head, Step::Write(whole[..whole.len() / 2].to_owned().into()), Step::Close]
}

fn half_a_document() -> Script {
    let whole = DIALECT.answer("good").to_string();
    reply::whole(200, &["content-type: application/json"], &whole[..whole.len() / 2])
}

/// The head of an answer and what follows it.
fn begun(stream: bool, then: Step) -> Script {
    let whole = reply::head(200, &["content-type: application/json", "content-length: 100"]);
    vec![if stream { reply::stream_head() } else { whole }, then]
}

/// A port that nobody listens at.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("a bound listener has an address")
}

/// A port that answers TLS with something else.
async fn no_tls() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    let accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 64];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    (address, accepting)
}

/// Everything that is the first target's own fault, so that the second one may do better.
fn faults(nobody: SocketAddr, no_tls: SocketAddr) -> Vec<Case> {
    use Fault::{Elsewhere, Script};
    vec![
        Case("refused connection", Elsewhere(format!("http://{nobody}/v1")), 502, "connection"),
        Case("no such host", Elsewhere("http://no-such-host.invalid/v1".into()), 502, "connection"),
        Case("no TLS", Elsewhere(format!("https://{no_tls}/v1")), 502, "connection"),
        Case("reset", Script(|_| vec![Step::Reset]), 502, "connection"),
        Case("close", Script(|_| vec![Step::Close]), 502, "connection"),
        Case("reset after the head", Script(|stream| begun(stream, Step::Reset)), 502, "bad_answer"),
        Case("429", Script(|_| error(429, "rate_limit_error")), 429, "rate_limit"),
        Case("429, come back soon", Script(|_| limited("retry-after-ms: 20")), 429, "rate_limit"),
        Case("429, come back late", Script(|_| limited("retry-after: 3600")), 429, "rate_limit"),
        Case("500", Script(|_| error(500, "api_error")), 500, "unavailable"),
        Case("502 in HTML", Script(|_| reply::whole(502, &["content-type: text/html"], "<p>x")), 502, "unavailable"),
        Case("503", Script(|_| error(503, "overloaded_error")), 503, "unavailable"),
        Case("529", Script(|_| error(529, "overloaded_error")), 503, "unavailable"),
        Case("401", Script(|_| error(401, "authentication_error")), 401, "authentication"),
        Case("403", Script(|_| error(403, "permission_error")), 403, "permission"),
        Case("404", Script(|_| error(404, "not_found_error")), 404, "not_found"),
        Case("redirect", Script(|_| reply::whole(302, &["location: http://127.0.0.1:1/"], "")), 502, "bad_answer"),
        Case("HTML", Script(|_| html()), 502, "bad_answer"),
        Case("empty", Script(|_| reply::whole(200, &["content-type: application/json"], "")), 502, "bad_answer"),
        Case("no JSON", Script(|_| half_a_document()), 502, "bad_answer"),
        Case("silence", Script(|_| vec![Step::Hang]), 504, "timeout"),
        Case("silence after the head", Script(|stream| begun(stream, Step::Hang)), 504, "timeout"),
    ]
}

/// Faults that only whole answers, or only streams, can have.
fn faults_by_form() -> Vec<(bool, Case)> {
    use Fault::Script;
    let failed = |_| reply::stream(&[DIALECT.error_event("overloaded_error", "busy")]);
    vec![
        (false, Case("half an answer", Script(|_| half_an_answer()), 502, "bad_answer")),
        (false, Case("an error with status 200", Script(|_| error(200, "api_error")), 503, "unavailable")),
        (true, Case("an error event first", Script(failed), 503, "unavailable")),
        (true, Case("a stream of nothing", Script(|_| reply::stream(&[])), 502, "bad_answer")),
        (true, Case("[DONE] alone", Script(|_| reply::stream(&["data: [DONE]\n\n".into()])), 502, "bad_answer")),
    ]
}

/// The first target has the fault, the others are well.
async fn broken(fault: &Fault, stream: bool) -> Fleet {
    let (script, elsewhere) = match fault {
        Fault::Script(script) => (script(stream), None),
        Fault::Elsewhere(url) => (vec![Step::Close], Some(url.clone())),
    };
    let upstreams = vec![Upstream::always(script).await, well("good").await, well("never asked").await];
    Fleet::start(upstreams, |number, provider| {
        let provider = provider.timeout("first_byte", "250ms").timeout("idle", "250ms").timeout("connect", "2s");
        match &elsewhere {
            Some(url) if number == 0 => provider.set("/base_url", json!(url)).set("/allow_http", json!(true)),
            _ => provider,
        }
    })
    .await
}

/// The line that the log has of the only request.
async fn line(fleet: &Fleet) -> Value {
    fleet.gateway.log().wait_for("the request", |entry| entry["endpoint"] == "/v1/chat/completions").await
}

async fn check(case: &Case, stream: bool) {
    let Case(name, fault, status, label) = case;
    let what = format!("{name}, streamed {stream}");
    let fleet = broken(fault, stream).await;
    assert_eq!(fleet.good(stream).await, ("good".to_owned(), "second/m1".to_owned()), "{what}");
    let was_reached = usize::from(matches!(fault, Fault::Script(_)));
    assert_eq!(fleet.asked(), [was_reached, 1, 0], "{what}");
    let line = line(&fleet).await;
    assert_eq!((&line["provider"], &line["attempts"]), (&json!("second"), &json!(2)), "{what}: {line}");
    let retried = line["retried"].as_str().unwrap_or_default();
    assert_eq!(retried, format!("first/m1: {status} {label}"), "{what}");
    let metrics = fleet.settled().await;
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    for (provider, attempts) in PROVIDERS.into_iter().zip([1.0, 1.0, 0.0]) {
        assert_eq!(count("weir_attempts_total", &[("provider", provider)]), attempts, "{what}: {provider}");
    }
    assert_eq!(count("weir_failovers_total", &[("provider", "first")]), 1.0, "{what}");
    assert_eq!(count("weir_retries_total", &[]), 0.0, "{what}");
    assert_eq!(count("llm_proxy_errors_total", &[("provider", "first"), ("error_type", label)]), 1.0, "{what}");
    assert_eq!(count("llm_proxy_errors_total", &[]), 1.0, "{what}");
    assert_eq!(count("llm_proxy_requests_total", &[("provider", "second"), ("status", "200")]), 1.0, "{what}");
    assert_eq!(count("llm_proxy_requests_total", &[]), 1.0, "{what}");
}

#[tokio::test]
async fn what_is_the_first_targets_fault_the_client_never_sees() {
    let (nobody, (no_tls, accepting)) = (closed_port().await, no_tls().await);
    for case in faults(nobody, no_tls) {
        for stream in [false, true] {
            check(&case, stream).await;
        }
    }
    for (stream, case) in faults_by_form() {
        check(&case, stream).await;
    }
    accepting.abort();
}

#[tokio::test]
async fn what_no_target_would_take_is_not_asked_of_another() {
    let refusals: [(u16, Value); 3] = [
        (400, DIALECT.error("invalid_request_error", "`temperature` is too high")),
        (422, DIALECT.error("invalid_request_error", "no such role")),
        (
            400,
            json!({ "error": { "message": "filtered", "type": "invalid_request_error", "param": null,
            "code": "content_filter" } }),
        ),
    ];
    for (status, body) in refusals {
        for stream in [false, true] {
            let upstreams = vec![Upstream::always(reply::json(status, &body)).await, well("never asked").await];
            let fleet = Fleet::configured(upstreams, |_, provider| provider, two_targets).await;
            let request = chat::with(chat::request_as(stream, "x"), "model", json!(CHAT));
            let error = fleet.gateway.client().chat(&request).await.error(status);
            assert_eq!(Some(error.message.as_str()), body["error"]["message"].as_str());
            assert_eq!(fleet.asked(), [1, 0], "{status} streamed {stream}");
        }
    }
}

fn two_targets(config: weir_tests::Config) -> weir_tests::Config {
    config.routed(weir_tests::fleet::model(&PROVIDERS[..2], json!("failover")))
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_target_with_more_room() {
    let too_long = json!({ "error": { "message": "maximum context length is 8000 tokens", "param": "messages",
        "type": "invalid_request_error", "code": "context_length_exceeded" } });
    for (windows, asked) in [([8_000, 4_000, 100_000], [1, 0, 1]), ([8_000, 4_000, 8_000], [1, 0, 0])] {
        for stream in [false, true] {
            let upstreams =
                vec![Upstream::always(reply::json(400, &too_long)).await, well("too small").await, well("good").await];
            let window = |number: usize| json!([{ "id": "m1", "context_window": windows[number] }]);
            let fleet = Fleet::start(upstreams, |number, provider| provider.set("/models", window(number))).await;
            if asked[2] == 1 {
                assert_eq!(fleet.good(stream).await.1, "third/m1");
            } else {
                let request = chat::with(chat::request_as(stream, "x"), "model", json!(CHAT));
                let error = fleet.gateway.client().chat(&request).await.error(400);
                assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
            }
            assert_eq!(fleet.asked(), asked, "streamed {stream}");
        }
    }
}

#[tokio::test]
async fn what_one_provider_cannot_do_another_is_asked_for() {
    let upstreams = vec![well("never asked").await, well("good").await];
    let fleet = Fleet::configured(
        upstreams,
        |number, provider| match number {
            0 => provider.set("/plugin", json!("anthropic")),
            _ => provider,
        },
        two_targets,
    )
    .await;
    let audio = json!([{ "role": "user", "content": [
        { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } },
    ] }]);
    let answer = fleet.gateway.client().chat(&json!({ "model": CHAT, "messages": audio })).await;
    assert_eq!((answer.content().as_str(), answer.header("x-weir-target")), ("good", Some("second/m1")));
    assert_eq!(fleet.asked(), [0, 1]);
}

#[tokio::test]
async fn if_all_fail_the_client_sees_the_last_error_and_is_told_not_to_start_over() {
    for stream in [false, true] {
        let upstreams = vec![
            Upstream::always(error(500, "api_error")).await,
            Upstream::always(error(401, "authentication_error")).await,
            Upstream::always(limited("retry-after: 7")).await,
        ];
        let fleet = Fleet::start(upstreams, |_, provider| provider).await;
        let request = chat::with(chat::request_as(stream, "x"), "model", json!(CHAT));
        let answer = fleet.gateway.client().chat(&request).await;
        answer.error(429).says("slow down");
        assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (Some("7"), Some("false")));
        assert_eq!(fleet.asked(), [1, 1, 1], "streamed {stream}");
        let alarm = |entry: &Value| entry["level"] == "ERROR" && entry["provider"] == "second";
        fleet.gateway.log().wait_for("the alarm about the credential", alarm).await;
    }
}

#[tokio::test]
async fn after_the_first_byte_no_other_target_is_asked() {
    let begun = |end: Vec<Step>| {
        let mut script = reply::open_stream(&[DIALECT.opening(), vec![DIALECT.piece("some words")]].concat());
        script.extend(end);
        script
    };
    let chunk = |text: String| Step::Chunk(text.into());
    let ends = [
        ("reset", vec![Step::Reset], "bad_answer"),
        ("close", vec![Step::Close], "bad_answer"),
        ("no end", vec![Step::LastChunk], "bad_answer"),
        ("cut event", vec![chunk("data: {\"id\":\"x".into()), Step::LastChunk], "bad_answer"),
        ("garbage", vec![chunk("data: {{{\n\n".into()), Step::LastChunk], "bad_answer"),
        ("silence", vec![Step::Hang], "timeout"),
        ("an error", vec![chunk(DIALECT.error_event("overloaded_error", "busy")), Step::LastChunk], "unavailable"),
        ("a trickle", vec![Step::Drip(b':', std::time::Duration::from_millis(20))], "timeout"),
    ];
    for (name, end, label) in ends {
        let upstreams = vec![Upstream::always(begun(end)).await, well("never asked").await];
        let fleet = Fleet::configured(upstreams, |_, provider| provider.timeout("idle", "300ms"), two_targets).await;
        let transcript = fleet.stream().await;
        transcript.assert_broken();
        assert!(transcript.text().contains("some words"), "{name}");
        assert_eq!(fleet.asked(), [1, 0], "{name}");
        let metrics = fleet.settled().await;
        let labels = [("provider", "first"), ("error_type", label)];
        assert_eq!(metrics.sum("llm_proxy_errors_total", &labels), 1.0, "{name}: {}", metrics.text());
        assert_eq!(metrics.sum("weir_attempts_total", &[]), 1.0, "{name}");
        assert_eq!(metrics.sum("weir_failovers_total", &[]), 0.0, "{name}");
    }
}

#[tokio::test]
async fn the_limit_for_the_whole_of_a_request_ends_it_without_another_attempt() {
    let head = reply::head(200, &["content-type: application/json", "transfer-encoding: chunked"]);
    let trickle = vec![head, Step::Drip(b' ', std::time::Duration::from_millis(20))];
    let upstreams = vec![Upstream::always(trickle).await, well("never asked").await];
    let fleet = Fleet::configured(upstreams, |_, provider| provider.timeout("total", "400ms"), two_targets).await;
    fleet.chat().await.error(504);
    assert_eq!(fleet.asked(), [1, 0]);
}

#[tokio::test]
async fn a_provider_that_flaps_costs_no_request() {
    for stream in [false, true] {
        let flapping = Upstream::choosing(move |number, request| match number / 3 % 2 {
            0 => DIALECT.answering("flap")(number, request),
            _ => error(503, "overloaded_error"),
        })
        .await;
        let fleet = Fleet::configured(vec![flapping, well("steady").await], |_, provider| provider, two_targets).await;
        for _ in 0..60 {
            let (text, target) = fleet.good(stream).await;
            let expected = if target == "first/m1" { "flap" } else { "steady" };
            assert_eq!(text, expected);
        }
        let [first, second] = fleet.asked()[..] else { panic!("two upstreams") };
        let metrics = fleet.settled().await;
        let attempts = u32::try_from(first + second).expect("few attempts");
        assert_eq!(metrics.sum("weir_attempts_total", &[]), f64::from(attempts));
        assert_eq!(metrics.sum("llm_proxy_requests_total", &[("status", "200")]), 60.0);
    }
}
