//! Breaker, cooldown and limits as they show from outside: which upstream is asked, and which is left alone.

use serde_json::json;
use weir_tests::fleet::{CHAT, Fleet, PROVIDERS, model, well};
use weir_tests::{Config, Dialect, Gate, Provider, Script, Step, Upstream, bounded, chat, reply};

const DIALECT: Dialect = Dialect::OpenAi;

fn down() -> Script {
    reply::json(503, &DIALECT.error("overloaded_error", "down"))
}

fn two(config: Config) -> Config {
    config.routed(model(&PROVIDERS[..2], json!("failover")))
}

fn only(config: Config) -> Config {
    config.routed(model(&PROVIDERS[..1], json!("failover")))
}

/// A provider whose breaker opens after three failures, for this time.
fn breaker(provider: Provider, open: &str) -> Provider {
    provider.set("/breaker", json!({ "failures": 3, "open": open }))
}

/// The same, which lets nobody through.
fn strict(provider: Provider, open: &str) -> Provider {
    breaker(provider, open).set("/breaker/strict", json!(true))
}

#[tokio::test]
async fn a_target_that_keeps_failing_is_left_alone() {
    let upstreams = vec![Upstream::always(down()).await, well("good").await];
    let fleet = Fleet::configured(upstreams, |_, provider| breaker(provider, "60s"), two).await;
    for _ in 0..20 {
        assert_eq!(fleet.good(false).await.1, "second/m1");
    }
    assert_eq!(fleet.asked(), [3, 20]);
    let warned = |entry: &serde_json::Value| entry["level"] == "WARN" && entry["provider"] == "first";
    fleet.gateway.log().wait_for("the warning that it gets no requests", warned).await;
}

#[tokio::test]
async fn who_has_no_other_target_is_let_through_and_told_what_the_upstream_says() {
    let fleet = Fleet::configured(vec![Upstream::always(down()).await], |_, p| breaker(p, "60s"), only).await;
    for _ in 0..10 {
        let error = fleet.chat().await.error(503);
        assert_ne!(error.code.as_deref(), Some("target_out_of_service"));
    }
    assert_eq!(fleet.asked(), [10]);
}

#[tokio::test]
async fn a_strict_breaker_tells_at_once_when_to_come_back() {
    let fleet = Fleet::configured(vec![Upstream::always(down()).await], |_, p| strict(p, "60s"), only).await;
    for number in 0..10 {
        let answer = fleet.chat().await;
        let error = answer.error(503);
        if number >= 3 {
            assert_eq!(error.code.as_deref(), Some("target_out_of_service"));
            let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("a time to wait");
            assert!((1..=60).contains(&wait), "{wait}");
        }
    }
    assert_eq!(fleet.asked(), [3]);
}

#[tokio::test]
async fn one_request_finds_out_whether_a_target_is_back_while_the_others_go_elsewhere() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let first = Upstream::choosing(move |number, request| match number {
        0..3 => down(),
        3 => [vec![Step::Wait(waiting.clone())], DIALECT.answering("back")(number, request)].concat(),
        _ => DIALECT.answering("back")(number, request),
    })
    .await;
    let fleet = Fleet::configured(vec![first, well("good").await], |_, p| breaker(p, "200ms"), two).await;
    for _ in 0..3 {
        fleet.good(false).await;
    }
    // Somebody is the probe as soon as the time is over; everybody else goes on being served.
    let probing = async {
        let mut probes = tokio::task::JoinSet::new();
        while fleet.asked()[0] < 4 {
            let client = fleet.gateway.client();
            probes.spawn(async move { client.chat(&chat::request_to(CHAT, "x")).await.content() });
            tokio::task::yield_now().await;
            if probes.len() > 4 {
                assert_eq!(probes.join_next().await.expect("there are some").expect("none fails"), "good");
            }
        }
        probes
    };
    let mut probes = bounded("a probe", probing).await;
    for _ in 0..10 {
        assert_eq!(fleet.good(false).await.1, "second/m1", "there is one probe at a time");
    }
    assert_eq!(fleet.asked()[0], 4);
    gate.open();
    let mut texts = Vec::new();
    while let Some(text) = probes.join_next().await {
        texts.push(text.expect("none fails"));
    }
    assert_eq!(texts.iter().filter(|text| *text == "back").count(), 1, "{texts:?}");
    assert_eq!(fleet.good(false).await.1, "first/m1", "its breaker is closed");
}

#[tokio::test]
async fn a_target_that_names_a_time_is_left_alone_for_it() {
    let limited = reply::json_with(429, &["retry-after: 60"], &DIALECT.error("rate_limit_error", "slow down"));
    let fleet = Fleet::configured(vec![Upstream::always(limited).await, well("good").await], |_, p| p, two).await;
    for _ in 0..10 {
        assert_eq!(fleet.good(false).await.1, "second/m1");
    }
    assert_eq!(fleet.asked(), [1, 10]);
}

#[tokio::test]
async fn a_cooldown_ends_by_itself() {
    let first = Upstream::choosing(|number, request| match number {
        0 => reply::json(429, &DIALECT.error("rate_limit_error", "slow down")),
        _ => DIALECT.answering("good")(number, request),
    })
    .await;
    let brief = |_, provider: Provider| provider.set("/cooldown/default", json!("150ms"));
    let fleet = Fleet::configured(vec![first, well("good").await], brief, two).await;
    assert_eq!(fleet.good(false).await.1, "second/m1");
    fleet.until_answered_by("first").await;
}

#[tokio::test]
async fn if_all_targets_want_to_be_left_alone_the_client_gets_the_upstreams_own_word() {
    let limited = || reply::json_with(429, &["retry-after: 60"], &DIALECT.error("rate_limit_error", "slow down"));
    let upstreams = vec![Upstream::always(limited()).await, Upstream::always(limited()).await];
    let fleet = Fleet::configured(upstreams, |_, provider| provider, two).await;
    for _ in 0..5 {
        let answer = fleet.chat().await;
        answer.error(429).says("slow down");
        assert_eq!(answer.header("retry-after"), Some("60"));
    }
    let asked: usize = fleet.asked().iter().sum();
    assert_eq!(asked, 6, "the first request asks both, each later one somebody");
}

#[tokio::test]
async fn a_target_works_on_so_many_at_once_and_so_many_wait() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let first = Upstream::choosing(move |number, request| {
        [vec![Step::Wait(waiting.clone())], DIALECT.answering("first")(number, request)].concat()
    })
    .await;
    let narrow = |number, provider: Provider| match number {
        0 => provider.set("/concurrency", json!({ "limit": 2, "queue": 1, "queue_timeout": "20s" })),
        _ => provider,
    };
    let fleet = Fleet::configured(vec![first, well("second").await], narrow, two).await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let client = fleet.gateway.client();
        asking.spawn(async move { client.chat(&chat::request_to(CHAT, "x")).await.content() });
    }
    // Two are worked on and one waits, so that three go elsewhere.
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(bounded("an answer", asking.join_next()).await.expect("six were asked").expect("none fails"));
    }
    assert_eq!(texts, ["second"; 3]);
    assert_eq!(fleet.asked(), [2, 3]);
    gate.open();
    while let Some(text) = bounded("an answer", asking.join_next()).await {
        assert_eq!(text.expect("none fails"), "first");
    }
    assert_eq!(fleet.asked(), [3, 3]);
}

#[tokio::test]
async fn who_waits_in_vain_is_told_that_the_target_is_full() {
    let narrow = |_, provider: Provider| {
        provider.set("/concurrency", json!({ "limit": 1, "queue": 1, "queue_timeout": "200ms" }))
    };
    let fleet = Fleet::configured(vec![Upstream::always(vec![Step::Hang]).await], narrow, only).await;
    let client = fleet.gateway.client();
    let body = chat::request_to(CHAT, "x").to_string();
    let headers = [("content-type", "application/json")];
    let mut held = Box::pin(client.try_open("POST", "/v1/chat/completions", &headers, body));
    tokio::select! {
        _ = &mut held => panic!("the upstream never answers"),
        () = fleet.upstreams[0].received(1) => {}
    }
    let answer = fleet.chat().await;
    assert_eq!(answer.error(503).code.as_deref(), Some("target_full"));
    assert!(answer.header("retry-after").is_some());
    // Whoever leaves makes room.
    drop(held);
    bounded("the upstream is left", fleet.upstreams[0].left(1)).await;
    let asking = fleet.chat();
    tokio::select! {
        answer = asking => panic!("the upstream never answers: {}", answer.text()),
        () = fleet.upstreams[0].received(2) => {}
    }
}

#[tokio::test]
async fn a_client_that_leaves_says_nothing_about_the_target() {
    let fleet = Fleet::configured(vec![Upstream::always(vec![Step::Hang]).await], |_, p| breaker(p, "60s"), only).await;
    for number in 1..=6 {
        let asking = fleet.chat();
        tokio::select! {
            answer = asking => panic!("the upstream never answers: {}", answer.text()),
            () = fleet.upstreams[0].received(number) => {}
        }
    }
    bounded("the upstream is left", fleet.upstreams[0].left(6)).await;
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be_and_who_waits_for_one_in_vain_goes_elsewhere() {
    let gate = Gate::new();
    let mut open: Script = reply::open_stream(&DIALECT.opening());
    open.push(Step::Chunk(DIALECT.piece("words").into()));
    open.push(Step::Wait(gate.clone()));
    open.extend(DIALECT.closing().into_iter().map(|event| Step::Chunk(event.into())));
    open.push(Step::LastChunk);
    let first = Upstream::choosing(move |number, request| {
        if request.wants_stream() { open.clone() } else { DIALECT.answering("first")(number, request) }
    })
    .await;
    let limited = |number, provider: Provider| match number {
        0 => provider.set("/concurrency", json!({ "connections": 1, "queue_timeout": "100ms" })),
        _ => provider,
    };
    let both = |config| {
        let alone = json!({ "name": "alone", "targets": ["first/m1"] });
        two(config).routed(alone)
    };
    let fleet = Fleet::configured(vec![first, well("second").await], limited, both).await;
    let mut stream = fleet.gateway.client().open_stream(&chat::stream_to("alone", "x")).await;
    stream.read_until("words").await;
    let refused = fleet.gateway.client().chat(&chat::request_to("alone", "x")).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.error(503).code.as_deref(), Some("target_full"));
    assert_eq!(fleet.good(false).await.0, "second");
    let open = fleet.gateway.metrics().await.sum("weir_upstream_connections", &[("provider", "first")]);
    assert_eq!((open, fleet.asked()[0], fleet.upstreams[0].connections()), (1.0, 1, 1));

    gate.open();
    stream.transcript().await.assert_complete();
    for _ in 0..5 {
        assert_eq!(fleet.good(false).await.0, "first");
    }
    assert_eq!(fleet.upstreams[0].connections(), 1, "all of them on the same connection");
}

#[tokio::test]
async fn a_target_that_does_far_worse_than_its_siblings_is_taken_out_by_whatever_name_it_is_asked_for() {
    for (name, asked, targets) in
        [(CHAT, CHAT, ["first/m1", "second/m1"]), ("any-*", "any-m1", ["first/*", "second/*"])]
    {
        let configure = |config: Config| config.routed(json!({ "name": name, "targets": targets }));
        let uneven = |_, provider: Provider| {
            let provider = provider.set("/breaker", json!({ "enabled": false }));
            provider.set("/outliers", json!({ "minimum_requests": 3 }))
        };
        let fleet =
            Fleet::configured(vec![Upstream::always(down()).await, well("good").await], uneven, configure).await;
        let client = fleet.gateway.client();
        let ask = async || assert_eq!(client.chat(&chat::request_to(asked, "x")).await.content(), "good", "{name}");
        let is_out = || fleet.gateway.log().text().contains("far worse than its siblings");
        bounded("the first one is taken out", async {
            while !is_out() {
                ask().await;
            }
        })
        .await;
        let before = fleet.asked()[0];
        for _ in 0..5 {
            ask().await;
        }
        assert_eq!(fleet.asked()[0], before, "{name}");
    }
}
