//! A second target is asked when the first is silent: whoever answers is kept, the other is let go, and there is a cap.

use serde_json::json;
use weir_tests::fleet::{Fleet, PROVIDERS, model, well};
use weir_tests::{Config, Dialect, Gate, Provider, Step, Upstream, bounded, chat};

const DIALECT: Dialect = Dialect::OpenAi;

fn hedged(config: Config) -> Config {
    config.routed(model(&PROVIDERS[..2], json!({ "plugin": "failover", "settings": { "hedge_ms": 100 } })))
}

#[tokio::test]
async fn a_silent_target_gets_another_beside_it_and_is_let_go() {
    for stream in [false, true] {
        let upstreams = vec![Upstream::always(vec![Step::Hang]).await, well("good").await];
        let fleet = Fleet::configured(upstreams, |_, provider| provider, hedged).await;
        assert_eq!(fleet.good(stream).await, ("good".to_owned(), "second/m1".to_owned()));
        bounded("the loser's connection is closed", fleet.upstreams[0].left(1)).await;
        assert_eq!(fleet.asked(), [1, 1]);
        let metrics = fleet.settled().await;
        assert_eq!(metrics.sum("weir_hedges_total", &[("provider", "second")]), 1.0);
        assert_eq!(metrics.sum("weir_hedges_total", &[]), 1.0);
        let tokens = metrics.sum("weir_hedge_tokens_total", &[("provider", "second")]);
        assert!((1.0..100.0).contains(&tokens), "the prompt is short: {tokens}");
        assert_eq!(metrics.sum("weir_attempts_total", &[]), 2.0);
        assert_eq!(metrics.sum("llm_proxy_errors_total", &[]), 0.0, "to be slower is no error");
        assert_eq!(metrics.sum("llm_proxy_requests_total", &[("provider", "second")]), 1.0);
    }
}

#[tokio::test]
async fn the_first_is_kept_if_it_answers_first_after_all() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let first = Upstream::choosing(move |number, request| {
        [vec![Step::Wait(waiting.clone())], DIALECT.answering("first")(number, request)].concat()
    })
    .await;
    let fleet = Fleet::configured(vec![first, Upstream::always(vec![Step::Hang]).await], |_, p| p, hedged).await;
    let asking = fleet.good(true);
    let opening = async {
        fleet.upstreams[1].received(1).await;
        gate.open();
    };
    let ((text, target), ()) = tokio::join!(asking, opening);
    assert_eq!((text.as_str(), target.as_str()), ("first", "first/m1"));
    bounded("the loser's connection is closed", fleet.upstreams[1].left(1)).await;
}

#[tokio::test]
async fn nobody_is_doubled_who_answers_in_time() {
    let fleet = Fleet::configured(vec![well("first").await, well("second").await], |_, p| p, hedged).await;
    for stream in [false, true] {
        assert_eq!(fleet.good(stream).await.0, "first");
    }
    assert_eq!(fleet.asked(), [2, 0]);
}

#[tokio::test]
async fn only_so_many_requests_are_doubled() {
    const REQUESTS: usize = 12;
    // Some are always allowed, so that a quiet gateway can double any at all.
    for (ratio, hedges) in [(0.0, 0..=0), (0.1, 3..=5), (1.0, REQUESTS..=REQUESTS)] {
        let upstreams = vec![Upstream::always(vec![Step::Hang]).await, well("good").await];
        let slow = |_, provider: Provider| {
            let provider = provider.timeout("first_byte", "300ms").set("/breaker/enabled", json!(false));
            provider.set("/outliers/enabled", json!(false)).set("/hedging/ratio", json!(ratio))
        };
        let fleet = Fleet::configured(upstreams, slow, hedged).await;
        for _ in 0..REQUESTS {
            // Nobody is worse off for not being doubled than without hedging.
            assert_eq!(fleet.good(false).await.0, "good");
        }
        let metrics = fleet.settled().await;
        let doubled = metrics.sum("weir_hedges_total", &[("provider", "second")]) as usize;
        assert!(hedges.contains(&doubled), "{doubled} at a ratio of {ratio}");
        assert_eq!(fleet.asked()[1], REQUESTS);
    }
}

#[tokio::test]
async fn nobody_waits_in_a_queue_for_a_second_target() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let second = Upstream::choosing(move |_, _| vec![Step::Wait(waiting.clone()), Step::Close]).await;
    let first = Upstream::always(vec![Step::Hang]).await;
    let narrow = |number, provider: Provider| match number {
        1 => provider.set("/concurrency", json!({ "limit": 1, "queue": 8, "queue_timeout": "20s" })),
        _ => provider.timeout("first_byte", "600ms"),
    };
    let fleet = Fleet::configured(vec![first, second], narrow, |config| {
        hedged(config).routed(json!({ "name": "second-only", "targets": ["second/m1"] }))
    })
    .await;
    // The only place at the second target is taken.
    let client = fleet.gateway.client();
    let holding = tokio::spawn(async move { client.chat(&chat::request_to("second-only", "x")).await.status });
    fleet.upstreams[1].received(1).await;
    let asking = fleet.chat();
    let noticing = async {
        // The first attempt is watched all the while: it runs into its own limit, and only then its turn comes.
        bounded("the first target's connection is closed", fleet.upstreams[0].left(1)).await;
        assert_eq!(fleet.asked(), [1, 1]);
        gate.open();
    };
    let (answer, ()) = tokio::join!(asking, noticing);
    answer.error(502);
    assert_eq!(fleet.asked(), [1, 2]);
    bounded("the other client's answer", holding).await.expect("it does not fail");
}
