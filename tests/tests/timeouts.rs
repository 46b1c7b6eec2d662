//! Upstreams that hang, at every point where one can: the client has an answer after the configured time, the
//! upstream's connection is closed, and a stream that lives is not cut.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::Request;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_tests::{Config, Dialect, Gate, Gateway, Provider, Raw, Script, Step, Upstream, bounded, chat, reply};

/// Both dialects, streamed and not.
fn forms() -> impl Iterator<Item = (Dialect, bool)> {
    Dialect::ALL.into_iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
}

async fn started(dialect: Dialect, script: Script, timeouts: &[(&str, &str)]) -> (Upstream, Gateway) {
    let upstream = Upstream::always(script).await;
    let provider = Provider::new(dialect, &upstream);
    let provider = timeouts.iter().fold(provider, |provider, (name, value)| provider.timeout(name, value));
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    (upstream, gateway)
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_gateway_timeout() {
    for (dialect, stream) in forms() {
        let (upstream, gateway) = started(dialect, vec![Step::Hang], &[("first_byte", "300ms")]).await;
        let begun = Instant::now();
        let error = gateway.client().chat(&chat::request_as(stream, "x")).await.error(504);
        assert_eq!(error.code.as_deref(), Some("timeout"), "{dialect:?}");
        assert!(begun.elapsed() >= Duration::from_millis(300));
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn an_upstream_that_stops_within_its_head_is_a_gateway_timeout() {
    for (dialect, stream) in forms() {
        let script = vec![Step::Write("HTTP/1.1 200 OK\r\ncontent-ty".into()), Step::Hang];
        let (upstream, gateway) = started(dialect, script, &[("first_byte", "300ms")]).await;
        gateway.client().chat(&chat::request_as(stream, "x")).await.error(504);
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn a_stream_without_a_first_event_is_a_gateway_timeout() {
    for dialect in Dialect::ALL {
        let (upstream, gateway) =
            started(dialect, vec![reply::stream_head(), Step::Hang], &[("first_byte", "300ms")]).await;
        gateway.client().chat(&chat::stream("x")).await.error(504);
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_its_middle_is_a_gateway_timeout() {
    for dialect in Dialect::ALL {
        let whole = dialect.answer("good").to_string();
        let length = format!("content-length: {}", whole.len());
        let head = reply::head(200, &["content-type: application/json", &length]);
        let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
        let script = vec![head, Step::Write(half), Step::Hang];
        let (upstream, gateway) = started(dialect, script, &[("idle", "300ms")]).await;
        gateway.client().chat(&chat::request("x")).await.error(504);
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn an_answer_that_trickles_for_ever_ends_at_the_total_limit() {
    for dialect in Dialect::ALL {
        let head = reply::head(200, &["content-type: application/json", "transfer-encoding: chunked"]);
        let script = vec![head, Step::Drip(b' ', Duration::from_millis(50))];
        let (upstream, gateway) = started(dialect, script, &[("idle", "5s"), ("total", "1s")]).await;
        gateway.client().chat(&chat::request("x")).await.error(504);
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn a_stream_that_stops_in_its_middle_ends_in_an_error_event() {
    for dialect in Dialect::ALL {
        let mut events = dialect.opening();
        events.push(dialect.piece("some words"));
        let mut script = reply::open_stream(&events);
        script.push(Step::Hang);
        let (upstream, gateway) = started(dialect, script, &[("idle", "300ms")]).await;
        let transcript = gateway.client().stream(&chat::stream("x")).await;
        let error = transcript.assert_broken().expect("a time-out is told, not shown by a cut");
        assert_eq!(error.code.as_deref(), Some("timeout"), "{error:?}");
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn a_stream_that_trickles_bytes_but_no_events_is_not_progress_for_ever() {
    for dialect in Dialect::ALL {
        let mut events = dialect.opening();
        events.push(dialect.piece("some words"));
        let mut script = reply::open_stream(&events);
        script.push(Step::Chunk("data: {\"".into()));
        script.push(Step::Drip(b'x', Duration::from_millis(50)));
        let (upstream, gateway) = started(dialect, script, &[("idle", "500ms"), ("total", "60s")]).await;
        gateway.client().stream(&chat::stream("x")).await.assert_broken();
        bounded("the upstream's connection is closed", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn a_live_stream_is_not_cut_by_the_total_limit() {
    for dialect in Dialect::ALL {
        // The gates open over twice the total limit, which a whole answer would not survive.
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        let chunk = |event: String| Step::Chunk(event.into());
        let mut script = reply::open_stream(&dialect.opening());
        for gate in &gates {
            script.extend([chunk(dialect.piece("word ")), Step::Wait(gate.clone())]);
        }
        script.extend(dialect.closing().into_iter().map(chunk));
        script.push(Step::LastChunk);
        let (_upstream, gateway) = started(dialect, script, &[("idle", "20s"), ("total", "400ms")]).await;
        let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
        streaming.read_until("word ").await;
        // Real time has to pass here: it is the subject.
        let mut clock = tokio::time::interval(Duration::from_millis(400));
        for gate in &gates {
            clock.tick().await;
            gate.open();
        }
        let transcript = streaming.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "word word word ", "{dialect:?}");
    }
}

#[tokio::test]
async fn comments_keep_a_stream_alive() {
    for dialect in Dialect::ALL {
        let gates: Vec<_> = (0..4).map(|_| Gate::new()).collect();
        let mut script = reply::open_stream(&dialect.opening());
        script.push(Step::Chunk(dialect.piece("words").into()));
        for gate in &gates {
            script.extend([Step::Wait(gate.clone()), Step::Chunk(": still thinking\n\n".into())]);
        }
        script.extend(dialect.closing().into_iter().map(|event| Step::Chunk(event.into())));
        script.push(Step::LastChunk);
        let (_upstream, gateway) = started(dialect, script, &[("idle", "2s")]).await;
        let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
        streaming.read_until("words").await;
        let mut clock = tokio::time::interval(Duration::from_millis(700));
        for gate in &gates {
            clock.tick().await;
            gate.open();
        }
        streaming.transcript().await.assert_complete();
    }
}

#[tokio::test]
async fn a_request_head_that_is_never_finished_is_closed_and_costs_the_others_nothing() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/client_timeouts/header", "1s".into());
    let gateway = Gateway::start(&config).await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut raw = gateway.raw().await;
        raw.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n").await;
        slow.push(raw);
    }
    for _ in 0..20 {
        assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
    }
    for mut raw in slow {
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_body_that_stops_is_answered_and_closed() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/client_timeouts/body", "500ms".into());
    let gateway = Gateway::start(&config).await;
    for framing in ["content-length: 1000\r\n\r\n{\"model\"", "transfer-encoding: chunked\r\n\r\n8\r\n{\"model\""] {
        let mut raw: Raw = gateway.raw().await;
        let key = weir_tests::KEY;
        raw.send(format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{framing}")).await;
        let answer = raw.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
        assert!(answer.contains("\"error\""), "{answer}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_request_body_that_trickles_is_answered_at_its_total_limit_and_closed() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/client_timeouts/body_total", "500ms".into());
    let gateway = Gateway::start(&config).await;
    for (framing, piece) in [("content-length: 100000", " "), ("transfer-encoding: chunked", "1\r\n \r\n")] {
        let begun = Instant::now();
        let (mut reading, mut writing) = gateway.raw().await.into_inner().into_split();
        let key = weir_tests::KEY;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n"
        );
        writing.write_all(head.as_bytes()).await.unwrap();
        let trickling = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_millis(50));
            while writing.write_all(piece.as_bytes()).await.is_ok() {
                clock.tick().await;
            }
        });
        let mut answer = Vec::new();
        // Whoever goes on sending may be cut off after the answer.
        let _ = bounded("the gateway closes the connection", reading.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{framing}: {answer:?}");
        assert!(answer.contains("\"type\":\"invalid_request_error\"") && answer.contains("body_total"), "{answer}");
        assert!(begun.elapsed() >= Duration::from_millis(500));
        trickling.abort();
    }
    assert!(upstream.requests().is_empty());
}

/// A body that gives a byte of white space now and then, or never.
struct Trickle(Option<tokio::time::Interval>);

impl Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(clock) = &mut self.get_mut().0 else { return Poll::Pending };
        ready!(clock.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

#[tokio::test]
async fn a_slow_body_over_http2_is_answered_and_the_connection_goes_on() {
    let upstream = Upstream::choosing(Dialect::OpenAi.answering("good")).await;
    let config = Config::of(Dialect::OpenAi, &upstream).set("/client_timeouts/body_total", "1s".into());
    let gateway = Gateway::start(&config.set("/client_timeouts/body", "500ms".into())).await;
    let stream = TokioIo::new(gateway.raw().await.into_inner());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut ask = async |body: BoxBody<Bytes, Infallible>| {
        let request = Request::post("http://x/v1/chat/completions").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {}", weir_tests::KEY)).body(body).unwrap();
        let answer = bounded("an answer over HTTP/2", sender.send_request(request)).await.unwrap();
        let status = answer.status().as_u16();
        (status, String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned())
    };
    let trickle = Trickle(Some(tokio::time::interval(Duration::from_millis(50))));
    for (body, expected) in [(trickle, "longer than 1 s"), (Trickle(None), "stopped arriving")] {
        let (status, text) = ask(body.boxed()).await;
        assert_eq!(status, 408, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let (status, text) = ask(http_body_util::Full::new(chat::request("x").to_string().into()).boxed()).await;
    assert_eq!(status, 200, "{text}");
    connection.abort();
}
