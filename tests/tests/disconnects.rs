//! Clients that leave or stop reading: the upstream's call ends within two seconds, wherever it stood.

use std::time::Duration;

use serde_json::json;
use weir_tests::{Config, Dialect, Gateway, Script, Step, Upstream, chat, reply, within};

/// Within this time after a client has left, its upstream's connection is closed.
const PROMPTLY: Duration = Duration::from_secs(2);

fn begun(dialect: Dialect) -> Script {
    let mut events = dialect.opening();
    events.push(dialect.piece("some words"));
    reply::open_stream(&events)
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_stops_the_upstream() {
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let upstream = Upstream::always(vec![Step::Hang]).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let client = gateway.client();
            let body = chat::request_as(stream, "x").to_string();
            let headers = [("content-type", "application/json")];
            let mut waiting = Box::pin(client.try_open("POST", "/v1/chat/completions", &headers, body));
            tokio::select! {
                _ = &mut waiting => panic!("the upstream never answers"),
                () = upstream.received(1) => {}
            }
            drop(waiting);
            within(PROMPTLY, &format!("{dialect:?}, streamed {stream}: the upstream is left"), upstream.left(1)).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_between_head_and_first_event_stops_the_upstream() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(vec![reply::stream_head(), Step::Hang]).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let client = gateway.client();
        let headers = [("content-type", "application/json")];
        let mut waiting =
            Box::pin(client.try_open("POST", "/v1/chat/completions", &headers, chat::stream("x").to_string()));
        tokio::select! {
            _ = &mut waiting => panic!("there is no first event"),
            () = upstream.received(1) => {}
        }
        drop(waiting);
        within(PROMPTLY, "the upstream is left", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_stops_the_upstream() {
    for dialect in Dialect::ALL {
        // Once an upstream that is silent, where only the client's end can tell, and once one that goes on.
        for rest in [Step::Hang, Step::Flood(dialect.piece("and on ").into())] {
            let mut script = begun(dialect);
            let name = if matches!(rest, Step::Hang) { "silent" } else { "talking" };
            script.push(rest);
            let upstream = Upstream::always(script).await;
            let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
            let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
            streaming.read_until("some words").await;
            drop(streaming);
            within(PROMPTLY, &format!("{dialect:?}: the {name} upstream is left"), upstream.left(1)).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_over_http2_stops_the_upstream() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(vec![Step::Hang]).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let stream = gateway.raw().await.into_inner();
        let client = gateway.client();
        let body = chat::stream("x");
        let mut waiting = Box::pin(client.over_http2(stream, "POST", "/v1/chat/completions", &body));
        tokio::select! {
            _ = &mut waiting => panic!("the upstream never answers"),
            () = upstream.received(1) => {}
        }
        drop(waiting);
        within(PROMPTLY, "the upstream is left", upstream.left(1)).await;
    }
}

#[tokio::test]
async fn what_a_client_that_left_has_used_is_counted() {
    for dialect in Dialect::ALL {
        let mut script = begun(dialect);
        if dialect == Dialect::OpenAi {
            // As upstreams do that send their usage all along.
            let piece = dialect.piece("more").replace(
                "\"usage\":null",
                "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":2,\"total_tokens\":13}",
            );
            script.push(Step::Chunk(piece.into()));
        } else {
            // The usage of the prompt was in the first event of this dialect.
            script.push(Step::Chunk(dialect.piece("more").into()));
        }
        script.push(Step::Hang);
        let upstream = Upstream::always(script).await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let client = gateway.client().with("x-request-id", "left-early");
        let mut streaming = client.open_stream(&chat::stream_with_usage("x")).await;
        streaming.read_until("more").await;
        drop(streaming);
        let entry = gateway.log().wait_for("the request", |entry| entry["request_id"] == "left-early").await;
        assert_eq!(entry["provider"], dialect.plugin(), "{entry}");
        let metrics = gateway.metrics().await;
        let labels = [("provider", dialect.plugin())];
        assert!(metrics.sum("llm_proxy_requests_total", &labels) > 0.5, "{}", metrics.text());
        assert!(metrics.sum("llm_proxy_tokens_total", &labels) > 10.5, "{dialect:?}: {}", metrics.text());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back_and_costs_bounded_memory() {
    for dialect in Dialect::ALL {
        let mut script = begun(dialect);
        let piece = dialect.piece(&"a long piece of text ".repeat(500));
        script.push(Step::Flood(piece.repeat(20).into()));
        let upstream = Upstream::always(script).await;
        let config = Config::of(dialect, &upstream).set("/client_timeouts/write", json!("2s"));
        let gateway = Gateway::start(&config).await;
        let before = gateway.resident_bytes();
        let body = chat::stream("x").to_string();
        let mut raw = gateway.raw().await;
        raw.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            weir_tests::KEY,
            body.len(),
        ))
        .await;
        raw.read_until("some words").await;
        // Nothing is read from here on, and the connection stays open.
        within(Duration::from_secs(20), "the upstream is left after the write time-out", upstream.left(1)).await;
        let grown = gateway.resident_bytes().saturating_sub(before);
        assert!(grown < (64 << 20), "{dialect:?}: {grown} bytes for a client that does not read");
        drop(raw);
    }
}

#[tokio::test]
async fn a_hundred_clients_that_leave_do_no_harm_to_the_next() {
    for dialect in Dialect::ALL {
        let mut hanging = begun(dialect);
        hanging.push(Step::Hang);
        let upstream = Upstream::choosing(move |number, request| match number {
            0..100 => hanging.clone(),
            _ => dialect.answering("good")(number, request),
        })
        .await;
        let gateway = Gateway::start(&Config::of(dialect, &upstream)).await;
        let mut open = Vec::new();
        for _ in 0..100 {
            let mut streaming = gateway.client().open_stream(&chat::stream("x")).await;
            streaming.read_until("some words").await;
            open.push(streaming);
        }
        drop(open);
        within(PROMPTLY, "all are left", upstream.left(100)).await;
        assert_eq!(gateway.client().chat(&chat::request("x")).await.content(), "good");
        let transcript = gateway.client().stream(&chat::stream("x")).await;
        transcript.assert_complete();
        let metrics = gateway.metrics().await;
        let active = metrics.sum("llm_proxy_active_connections", &[("provider", dialect.plugin())]);
        assert!(active.abs() < 0.5, "{active} connections are still counted as active");
    }
}
