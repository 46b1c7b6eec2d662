//! Policies that misbehave, and policies that are replaced while requests run: every request is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use weir_tests::fleet::{CHAT, Fleet, PROVIDERS, model, well};
use weir_tests::guests::{Folder, guest, plugin};
use weir_tests::{Client, Config, Dialect, Gate, Provider, Step, Upstream, bounded, chat, reply, run};

/// Two targets behind the hostile policy, and a folder for its file.
async fn hostile(settings: Value) -> (Fleet, Folder) {
    let folder = Folder::new().with_plugin("openai").with_guest("hostile-policy");
    let path = folder.path().to_owned();
    let policy = json!({ "plugin": "hostile-policy", "settings": settings });
    let upstreams = vec![well("first").await, well("second").await];
    let configure = |config: Config| config.plugins(&path).routed(model(&PROVIDERS[..2], policy));
    (Fleet::configured(upstreams, |_, provider| provider, configure).await, folder)
}

fn asking(stream: bool) -> Value {
    chat::with(chat::request_as(stream, "x"), "model", json!(CHAT))
}

#[tokio::test]
async fn a_policy_that_fails_leaves_the_order_of_priority() {
    for misdeed in ["trap", "spin", "allocate", "empty", "nobody", "endless", "at-once", "internal"] {
        for stream in [false, true] {
            let (fleet, _folder) = hostile(json!({})).await;
            assert_eq!(fleet.good(stream).await.0, "second", "without a misdeed the policy decides");
            let client = fleet.gateway.client().with("x-weir-tags", misdeed);
            let answer = client.chat(&asking(stream)).await;
            assert_eq!(answer.status, 200, "{misdeed}: {}", answer.text());
            assert_eq!(answer.header("x-weir-target"), Some("first/m1"), "{misdeed}");
            let metrics = fleet.settled().await;
            let fallbacks = metrics.sum("weir_policy_fallbacks_total", &[("policy", "hostile-policy")]);
            assert_eq!(fallbacks, 1.0, "{misdeed}: {}", metrics.text());
            let warned = |entry: &Value| entry["level"] == "WARN" && entry["plugin"] == "hostile-policy";
            fleet.gateway.log().wait_for("a warning about the policy", warned).await;
            assert!(!answer.text().contains("inside"), "the client learns nothing of it");
            // It recovers by itself, whatever it did.
            fleet.until_answered_by("second").await;
        }
    }
}

#[tokio::test]
async fn a_policys_refusal_is_not_taken_for_its_failure() {
    let (fleet, _folder) = hostile(json!({})).await;
    let client = fleet.gateway.client().with("x-weir-tags", "refuse");
    client.chat(&asking(false)).await.error(400).says("ask for something else");
    assert_eq!(fleet.settled().await.sum("weir_policy_fallbacks_total", &[]), 0.0);
    assert_eq!(fleet.asked(), [0, 0]);
}

#[tokio::test]
async fn a_policy_that_cannot_bear_to_hear_of_outcomes_costs_no_request() {
    let (fleet, _folder) = hostile(json!({ "deaf": true })).await;
    let trapped = async {
        while fleet.gateway.metrics().await.sum("weir_plugin_traps_total", &[("plugin", "hostile-policy")]) < 2.0 {
            fleet.good(true).await;
        }
    };
    bounded("it hears of outcomes", trapped).await;
}

#[tokio::test]
async fn a_policy_that_refuses_its_targets_keeps_the_gateway_from_starting() {
    let folder = Folder::new().with_plugin("demo").with_guest("hostile-policy");
    let policy = json!({ "plugin": "hostile-policy", "settings": { "refuse": true } });
    let config = Config::new()
        .plugins(folder.path())
        .provider(Provider::offline("demo", &["demo"]))
        .routed(json!({ "name": CHAT, "policy": policy, "targets": ["demo/demo"] }));
    let file = config.write(folder.path());
    let finished = run(&["check", &file.to_string_lossy()], &[]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.output);
    assert!(finished.output.contains("refused on principle") && finished.output.contains("weir.yaml:"));
}

/// Clients that ask without a pause, streamed and not, and check every answer.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<usize>>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..4).map(|number| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut served = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.chat(&asking(number % 2 == 0)).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    served += 1;
                }
                served
            })
        });
        Self { tasks: tasks.collect(), stop }
    }

    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut served = 0;
        for task in self.tasks {
            served += bounded("the end of a client", task).await.expect("no request failed");
        }
        served
    }
}

/// A stream in whose middle the upstream waits, for a request that says so.
fn gated(text: &'static str, gate: &Gate) -> impl Fn(usize, &weir_tests::Recorded) -> Vec<Step> + use<> {
    let gate = gate.clone();
    move |number, request| {
        if !request.json().to_string().contains("wait") {
            return Dialect::OpenAi.answering(text)(number, request);
        }
        let chunk = |event: String| Step::Chunk(event.into());
        let mut script =
            reply::open_stream(&[Dialect::OpenAi.opening(), vec![Dialect::OpenAi.piece("begun ")]].concat());
        script.extend([Step::Wait(gate.clone()), chunk(Dialect::OpenAi.piece(text))]);
        script.extend(Dialect::OpenAi.closing().into_iter().map(chunk));
        script.push(Step::LastChunk);
        script
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_replaced_under_load_and_the_next_decision_is_the_new_ones() {
    let folder = Folder::new().with_plugin("openai");
    let versions = [plugin("failover"), guest("hostile-policy")];
    folder.put("choice", &versions[0]);
    let gate = Gate::new();
    let upstreams =
        vec![Upstream::choosing(gated("first", &gate)).await, Upstream::choosing(gated("second", &gate)).await];
    let path = folder.path().to_owned();
    let configure = |config: Config| config.plugins(&path).routed(model(&PROVIDERS[..2], json!("choice")));
    let fleet = Fleet::configured(upstreams, |_, provider| provider, configure).await;
    let client = fleet.gateway.client();
    let load = Load::start(&client);
    let mut open = Vec::new();
    for round in 1..=10 {
        let target = PROVIDERS[(round - 1) % 2];
        let mut stream = client.open_stream(&chat::stream_to(CHAT, "wait")).await;
        stream.read_until("begun ").await;
        open.push((target, stream));
        folder.put("choice", &versions[round % 2]);
        fleet.until_answered_by(PROVIDERS[round % 2]).await;
        for _ in 0..5 {
            assert_eq!(fleet.good(round % 2 == 0).await.0, PROVIDERS[round % 2], "the new policy decides alone");
        }
    }
    gate.open();
    for (target, stream) in open {
        let transcript = stream.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), format!("begun {target}"), "a stream ends where it began");
    }
    assert!(load.finish().await > 50, "the load was steady");
    let freed = async {
        while fleet.gateway.plugin("choice").await["generations_alive"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    bounded("the old generations are freed", freed).await;
    let metrics = fleet.settled().await;
    assert_eq!(metrics.sum("weir_policy_fallbacks_total", &[]), 0.0);
    assert_eq!(metrics.sum("llm_proxy_errors_total", &[]), 0.0);
}
