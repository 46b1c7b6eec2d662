//! A mixed load for a while: streams, tool calls, large prompts, clients that leave, policies and configurations that
//! are replaced, providers that come and go. Nothing is lost that could have been served, everything adds up, and
//! nothing is left behind.
//!
//! `WEIR_SOAK_SECONDS` says for how long, half a minute by default; `cargo xtask test --soak 300` sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use weir_tests::fleet::{CHAT, Fleet, PROVIDERS, model};
use weir_tests::guests::{Folder, guest, plugin};
use weir_tests::{Client, Config, Dialect, Metrics, Provider, Recorded, Script, Step, Upstream, bounded, chat, reply};

const DIALECT: Dialect = Dialect::OpenAi;

/// Clients that ask without a pause.
const CLIENTS: usize = 8;

/// Memory that may be more at the end than after the first third, in bytes: what an allocator keeps for itself.
const MARGIN: u64 = 48 << 20;

/// What clients were served, and what they did not wait for.
#[derive(Default)]
struct Counts {
    served: AtomicUsize,
    /// Left in the middle of a stream.
    left: AtomicUsize,
    /// Left at some time, perhaps before the gateway knew of the request.
    left_early: AtomicUsize,
}

/// How long the load goes on.
fn length() -> Duration {
    let seconds = std::env::var("WEIR_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// An upstream that is well or in trouble, as `mood` says: what it begins well it ends well.
async fn moody(mood: &Arc<AtomicUsize>) -> Upstream {
    let mood = Arc::clone(mood);
    Upstream::choosing(move |number, request| match mood.load(Ordering::Relaxed) % 8 {
        0 => reply::json(503, &DIALECT.error("overloaded_error", "down")),
        1 => vec![Step::Reset],
        2 => vec![Step::Hang],
        3 => reply::json_with(429, &["retry-after-ms: 100"], &DIALECT.error("rate_limit_error", "slow down")),
        _ => answer(number, request),
    })
    .await
}

/// A good answer to what is asked: text or tool calls, or a stream that never ends for a client that will leave.
fn answer(number: usize, request: &Recorded) -> Script {
    let document = request.json();
    let call = [("call_1", "weather", json!({ "city": "Oslo" }))];
    match (request.wants_stream(), document["tools"].is_array()) {
        (true, _) if document["user"] == "leaves" => {
            let mut script = reply::open_stream(&[DIALECT.opening(), vec![DIALECT.piece("some words")]].concat());
            script.push(Step::Hang);
            script
        }
        (true, true) => reply::stream(&DIALECT.tool_stream(&call)),
        (false, true) => reply::json(200, &DIALECT.tool_answer(&call)),
        _ => DIALECT.answering("good words")(number, request),
    }
}

/// One request of a client's, of the kind that its turn says. Whatever is lost fails the test.
async fn ask(client: &Client, turn: usize, counts: &Counts) {
    let large = "many words ".repeat(if turn % 16 == 7 { 50_000 } else { 20 });
    let request = |stream| chat::with(chat::request_as(stream, &large), "model", json!(CHAT));
    let tools = |stream| chat::with(request(stream), "tools", json!([chat::tool("weather")]));
    match turn % 8 {
        0 | 1 | 7 => assert_eq!(client.chat(&request(false)).await.content(), "good words"),
        2 | 3 => {
            let transcript = client.stream(&request(true)).await;
            transcript.assert_complete();
            assert_eq!(transcript.content(), "good words");
        }
        4 => {
            let transcript = client.stream(&tools(true)).await;
            transcript.assert_complete();
            assert_eq!(transcript.tool_calls()[0].arguments, r#"{"city":"Oslo"}"#);
        }
        5 => {
            let mut stream = client.open_stream(&chat::with(request(true), "user", json!("leaves"))).await;
            stream.read_until("some words").await;
            counts.left.fetch_add(1, Ordering::Relaxed);
            return;
        }
        _ => {
            let body = tools(false).to_string();
            let json = [("content-type", "application/json")];
            let asking = client.try_open("POST", "/v1/chat/completions", &json, body);
            // Sometimes before the answer, sometimes after it.
            let _ = timeout(Duration::from_micros(300 * (turn as u64 % 7)), asking).await;
            counts.left_early.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
    counts.served.fetch_add(1, Ordering::Relaxed);
}

/// Clients that ask until they are stopped.
fn clients(client: &Client, counts: &Arc<Counts>, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
    let one = |number: usize| {
        let (client, counts, stop) = (client.clone(), Arc::clone(counts), Arc::clone(stop));
        tokio::spawn(async move {
            let mut turn = number;
            while !stop.load(Ordering::Relaxed) {
                ask(&client, turn, &counts).await;
                turn += 1;
            }
        })
    };
    (0..CLIENTS).map(one).collect()
}

/// Two providers whose moods change, each at its own pace, and one that is always well.
fn change_moods(moods: [Arc<AtomicUsize>; 2]) -> Vec<JoinHandle<()>> {
    let paces = [Duration::from_millis(310), Duration::from_millis(470)];
    let change = |(mood, pace): (Arc<AtomicUsize>, Duration)| {
        tokio::spawn(async move {
            let mut clock = interval(pace);
            loop {
                clock.tick().await;
                mood.fetch_add(3, Ordering::Relaxed);
            }
        })
    };
    moods.into_iter().zip(paces).map(change).collect()
}

/// Replaces policy and configuration in turn until the time is over. Returns how often.
async fn replace(fleet: &Fleet, folder: &Folder, time: Duration) -> usize {
    let policies = [plugin("failover"), plugin("fastest"), plugin("least-busy"), guest("hostile-policy")];
    let text = std::fs::read_to_string(fleet.gateway.config_file()).expect("the configuration is there");
    let configurations = ["20s", "21s"].map(|idle| text.replace("20s", idle).replace("21s", idle));
    // Real time has to pass here: it is the subject.
    let (mut clock, mut round) = (interval(Duration::from_millis(700)), 0);
    let replacing = async {
        loop {
            clock.tick().await;
            round += 1;
            folder.put("choice", &policies[round % policies.len()]);
            if round % 2 == 0 {
                fleet.gateway.replace_config(&configurations[round / 2 % 2]);
            }
        }
    };
    let _: Result<(), _> = timeout(time, replacing).await;
    round
}

async fn started(folder: &Folder, moods: &[Arc<AtomicUsize>; 2]) -> Fleet {
    let steady = Upstream::choosing(answer).await;
    let upstreams = [moody(&moods[0]).await, moody(&moods[1]).await, steady].map(Upstream::forgetful).into();
    let path = folder.path().to_owned();
    let hasty = |number, provider: Provider| {
        let provider = provider.timeout("first_byte", if number == 2 { "20s" } else { "250ms" }).timeout("idle", "20s");
        let provider = provider.set("/breaker", json!({ "failures": 4, "open": "300ms", "max_open": "600ms" }));
        match number {
            1 => provider.set("/concurrency", json!({ "limit": 3, "queue": 2, "queue_timeout": "50ms" })),
            _ => provider,
        }
    };
    let configure = |config: Config| config.plugins(&path).routed(model(&PROVIDERS, json!("choice")));
    Fleet::configured(upstreams, hasty, configure).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_load_loses_nothing_and_leaves_nothing_behind() {
    let folder = Folder::new().with_plugin("openai");
    folder.put("choice", &plugin("failover"));
    let moods = [4, 6].map(|mood| Arc::new(AtomicUsize::new(mood)));
    let fleet = started(&folder, &moods).await;
    let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let asking = clients(&fleet.gateway.client(), &counts, &stop);
    let changing = change_moods(moods);

    let mut replaced = replace(&fleet, &folder, length() / 3).await;
    let settled = fleet.gateway.resident_bytes();
    replaced += replace(&fleet, &folder, length() * 2 / 3).await;

    stop.store(true, Ordering::Relaxed);
    for client in asking {
        bounded("the end of a client", client).await.expect("no request is lost");
    }
    changing.iter().for_each(JoinHandle::abort);
    let metrics = fleet.settled().await;
    let grown = fleet.gateway.resident_bytes().saturating_sub(settled);
    let [served, left, early] =
        [&counts.served, &counts.left, &counts.left_early].map(|count| count.load(Ordering::Relaxed));
    println!("{served} served, {left} left, {early} left early, {replaced} replacements, {grown} bytes more");
    assert!(served > 100 && left > 10, "the load was steady");
    adds_up(&fleet, &metrics, [served, left, early]).await;
    nothing_is_left(&fleet).await;
    assert!(grown < MARGIN, "{grown} bytes more than after the first third");
}

/// Requests and attempts as the gateway counted them are those that clients and upstreams saw.
async fn adds_up(fleet: &Fleet, metrics: &Metrics, [served, left, early]: [usize; 3]) {
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels) as usize;
    let endpoint = ("endpoint", "/v1/chat/completions");
    let requests = count("llm_proxy_requests_total", &[endpoint]);
    assert!((served + left..=served + left + early).contains(&requests), "{requests} of {served}+{left}+{early}");
    let good = count("llm_proxy_requests_total", &[endpoint, ("status", "200")]);
    let gone = count("llm_proxy_errors_total", &[("error_type", "client_closed")]);
    assert_eq!(good + gone, requests, "nobody was told of a failure: {}", metrics.text());
    assert!((served..=served + early).contains(&good), "{good} good ones of {served}+{early}");
    // On a busy machine the log may fall behind; what it leaves out, it counts.
    let dropped = count("weir_log_lines_dropped", &[]);
    let wanted = format!("{requests} requests, but {dropped}");
    let written = fleet.gateway.log().wait_until(&wanted, |entries| {
        let lines = entries.iter().filter(|entry| entry["endpoint"] == "/v1/chat/completions").count();
        (lines + dropped >= requests).then_some(lines)
    });
    let lines = written.await;
    assert!(lines <= requests, "{lines} lines of {requests} requests");
    let attempts = count("weir_attempts_total", &[]);
    let asked: usize = fleet.asked().iter().sum();
    assert!(asked <= attempts && asked + early >= attempts, "{asked} requests at upstreams, {attempts} attempts");
    assert_eq!(count("weir_policy_fallbacks_total", &[]), 0);
    assert_eq!(count("weir_plugin_traps_total", &[]), 0);
}

/// Connections, instances, generations and gauges are back where they began.
async fn nothing_is_left(fleet: &Fleet) {
    let is_quiet = async || {
        let metrics = fleet.gateway.metrics().await;
        let gauge = |name: &str| metrics.sum(name, &[]);
        let upstream: usize = fleet.upstreams.iter().map(Upstream::open_connections).sum();
        let plugins = fleet.gateway.plugins().await;
        let plugins = plugins["data"].as_array().cloned().unwrap_or_default();
        let state = json!({
            "in flight": gauge("llm_proxy_active_connections"),
            // That of the client that asks.
            "clients": gauge("weir_connections") - 1.0,
            "idle connections too many": upstream.saturating_sub(64),
            "other files": gauge("process_open_fds") as usize > upstream + 64,
            "instances too many": gauge("weir_plugin_instances") > 64.0,
            "old generations": plugins.iter().any(|plugin| plugin["generations_alive"] != 1),
        });
        let is_zero = |value: &Value| value == &json!(0.0) || value == &json!(0) || value == &json!(false);
        (state.as_object().is_some_and(|state| state.values().all(is_zero)), state)
    };
    let mut last = Value::Null;
    let waiting = async {
        loop {
            let (quiet, state) = is_quiet().await;
            last = state;
            if quiet {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(weir_tests::PATIENCE, waiting).await.is_ok(), "something is left: {last}");
}
