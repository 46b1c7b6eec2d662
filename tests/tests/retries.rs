//! When a failed attempt is made again, how often, and when it must not be.

use serde_json::json;
use weir_tests::{Config, Dialect, Gateway, Provider, Script, Step, Upstream, chat, reply};

/// Both dialects, streamed and not.
fn forms() -> impl Iterator<Item = (Dialect, bool)> {
    Dialect::ALL.into_iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
}

/// An upstream that fails by the first scripts and is well from then on, and a gateway that tries three times.
async fn failing(dialect: Dialect, failures: Vec<Script>) -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(move |number, request| match failures.get(number) {
        Some(failure) => failure.clone(),
        None => dialect.answering("good")(number, request),
    })
    .await;
    let provider = Provider::new(dialect, &upstream).attempts(3);
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    (upstream, gateway)
}

/// The text of a good answer, streamed or not.
async fn text(gateway: &Gateway, stream: bool) -> String {
    if stream {
        let transcript = gateway.client().stream(&chat::stream("x")).await;
        transcript.assert_complete();
        transcript.content()
    } else {
        gateway.client().chat(&chat::request("x")).await.content()
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_the_client_sees_only_the_answer() {
    for (dialect, stream) in forms() {
        let error = |status, kind| reply::json(status, &dialect.error(kind, "later, please"));
        let with_wait =
            |wait: &str| reply::json_with(429, &[wait], &dialect.error("rate_limit_error", "later, please"));
        let failures: Vec<(&str, Script)> = vec![
            ("429 with a short retry-after-ms", with_wait("retry-after-ms: 20")),
            ("429 with retry-after: 0", with_wait("retry-after: 0")),
            ("429 with a fraction of a second", with_wait("retry-after: 0.05")),
            ("500", error(500, "api_error")),
            ("502", reply::whole(502, &["content-type: text/html"], "<html>Bad Gateway</html>")),
            ("503", error(503, "overloaded_error")),
            ("529", error(529, "overloaded_error")),
            ("a reset", vec![Step::Reset]),
            ("a close", vec![Step::Close]),
        ];
        for (name, failure) in failures {
            let (upstream, gateway) = failing(dialect, vec![failure]).await;
            assert_eq!(text(&gateway, stream).await, "good", "{dialect:?} streamed {stream}: {name}");
            let requests = upstream.requests();
            assert_eq!(requests.len(), 2, "{name}");
            assert_eq!(requests[0].body, requests[1].body, "the second attempt asks the same");
        }
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_event_is_tried_again() {
    for dialect in Dialect::ALL {
        let event = dialect.error_event("overloaded_error", "later, please");
        let failures = [vec![reply::stream_head(), Step::Reset], reply::stream(&[event])];
        for failure in failures {
            let (upstream, gateway) = failing(dialect, vec![failure]).await;
            assert_eq!(text(&gateway, true).await, "good", "{dialect:?}");
            assert_eq!(upstream.requests().len(), 2);
        }
    }
}

#[tokio::test]
async fn after_the_first_byte_of_a_stream_nothing_is_tried_again() {
    for dialect in Dialect::ALL {
        let mut events = dialect.opening();
        events.push(dialect.piece("some words"));
        for end in [Step::Reset, Step::Close, Step::LastChunk] {
            let mut script = reply::open_stream(&events);
            script.push(end);
            let (upstream, gateway) = failing(dialect, vec![script]).await;
            gateway.client().stream(&chat::stream("x")).await.assert_broken();
            assert_eq!(upstream.requests().len(), 1, "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn what_cannot_pass_is_not_tried_again() {
    for (dialect, stream) in forms() {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (422, "invalid_request_error"),
        ] {
            let (upstream, gateway) = failing(dialect, vec![reply::json(status, &dialect.error(kind, "no"))]).await;
            gateway.client().chat(&chat::request_as(stream, "x")).await.error(status);
            assert_eq!(upstream.requests().len(), 1, "{dialect:?} {status}");
        }
    }
    // A quota that is used up does not come back by waiting.
    let quota = json!({ "error": { "message": "quota", "type": "insufficient_quota", "param": null, "code": "insufficient_quota" } });
    let (upstream, gateway) = failing(Dialect::OpenAi, vec![reply::json(429, &quota)]).await;
    let error = gateway.client().chat(&chat::request("x")).await.error(429);
    assert_eq!(error.code.as_deref(), Some("insufficient_quota"));
    assert_eq!(upstream.requests().len(), 1);
    // The upstream knows best.
    for (dialect, stream) in forms() {
        let no = reply::json_with(503, &["x-should-retry: false"], &dialect.error("api_error", "do not come back"));
        let (upstream, gateway) = failing(dialect, vec![no]).await;
        let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
        answer.error(answer.status.as_u16()).says("do not come back");
        assert_eq!(upstream.requests().len(), 1, "{dialect:?}");
    }
}

#[tokio::test]
async fn attempts_end_and_the_last_error_is_what_the_client_sees() {
    for (dialect, stream) in forms() {
        let failures =
            (1..=9).map(|number| reply::json(503, &dialect.error("overloaded_error", &format!("failure {number}"))));
        let (upstream, gateway) = failing(dialect, failures.collect()).await;
        let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
        answer.error(503).says("failure 3");
        assert_eq!(upstream.requests().len(), 3, "{dialect:?}");
        assert_eq!(
            answer.header("x-should-retry"),
            Some("false"),
            "Weir has tried enough for the client: {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_limit_is_left_to_the_client() {
    for (dialect, stream) in forms() {
        let body = dialect.error("rate_limit_error", "much later, please");
        let (upstream, gateway) = failing(dialect, vec![reply::json_with(429, &["retry-after: 3600"], &body)]).await;
        let answer = gateway.client().chat(&chat::request_as(stream, "x")).await;
        answer.error(429).says("much later");
        assert_eq!(answer.header("retry-after"), Some("3600"));
        assert_eq!(upstream.requests().len(), 1, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_budget_keeps_retries_from_multiplying_the_load_on_a_failing_upstream() {
    let dialect = Dialect::OpenAi;
    let upstream = Upstream::always(reply::json(503, &dialect.error("overloaded_error", "down"))).await;
    let provider = Provider::new(dialect, &upstream)
        .attempts(10)
        .set("/retries/backoff", json!("1ms"))
        .set("/retries/max_backoff", json!("1ms"))
        .set("/retries/budget_ratio", json!(0.1))
        .set("/retries/budget_min_per_second", json!(1))
        // It would end the attempts before the budget does.
        .set("/breaker/enabled", json!(false));
    let gateway = Gateway::start(&Config::new().provider(provider)).await;
    for _ in 0..100 {
        gateway.client().chat(&chat::request("x")).await.error(503);
    }
    let attempts = upstream.requests().len();
    assert!((100..=200).contains(&attempts), "{attempts} attempts for 100 requests");
}

#[tokio::test]
async fn the_log_has_one_line_a_request_with_all_its_attempts() {
    let dialect = Dialect::OpenAi;
    let failure = reply::json(503, &dialect.error("overloaded_error", "later"));
    let (_upstream, gateway) = failing(dialect, vec![failure]).await;
    let client = gateway.client().with("x-request-id", "tried-twice");
    assert_eq!(client.chat(&chat::request("x")).await.content(), "good");
    let entry = gateway.log().wait_for("the request", |entry| entry["request_id"] == "tried-twice").await;
    assert!(entry.to_string().contains("503"), "the failed attempt is there: {entry}");
    // The answer of a later request shows that no further line for the first can be on its way.
    gateway.client().with("x-request-id", "after").chat(&chat::request("x")).await;
    gateway.log().wait_for("the next request", |entry| entry["request_id"] == "after").await;
    let lines = gateway
        .log()
        .entries()
        .into_iter()
        .filter(|entry| entry["request_id"] == "tried-twice" && entry["status_code"] == 200);
    assert_eq!(lines.count(), 1);
}
