//! What planning adds to a request: whole requests, answered by the gateway's own pipeline in this process without any
//! network, to names with several targets and to one with a single target. What they cost more is the plan: the
//! summary of the request, how each candidate stands, the call of the policy, and reading what it says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};
use weir::chat::request::Peek;
use weir::config::{self, Environment, Source};
use weir::pipeline::{Account, Gateway, Request, Snapshot, answer};
use weir::plugin::Operation;
use weir::telemetry::Metrics;

use crate::options::Options;
use crate::plugins::{microseconds, processor_time};
use crate::report::{rounded, spread};

/// How many candidates there are, and what planning with them may add, in microseconds.
const SIZES: [(usize, f64); 2] = [(3, 12.0), (100, 60.0)];

/// Requests that are timed together.
const REQUESTS: usize = 1_000;

/// What requests to the provider itself are called in the table.
const DIRECT: &str = "provider/model";
/// What requests to a name with one target are called.
const SINGLE: &str = "one target";

/// The policies that come with Weir.
const POLICIES: [&str; 7] = ["failover", "weighted", "fastest", "cheapest", "least-busy", "task", "guarded"];

/// The microseconds of whole requests, by who plans and how many targets there are.
#[derive(Debug, Default)]
pub struct Planning(BTreeMap<(&'static str, usize), Vec<f64>>);

/// Measures every policy with each number of candidates, in turn.
pub async fn measure(options: &Options) -> Result<Planning> {
    eprintln!("bench: planning");
    let file = write_config(options)?;
    let source = Source { file: Some(file), environment: Environment::default() };
    let config = config::load(&source).map_err(|errors| anyhow!("{errors}"))?;
    let gateway = Gateway::start(source, config, Metrics::new()).await?;
    let snapshot = gateway.snapshot();
    let mut planning = Planning::default();
    let names = POLICIES.into_iter().flat_map(|policy| SIZES.map(|(size, _)| (policy, size)));
    let names: Vec<_> = [(DIRECT, 0), (SINGLE, 1)].into_iter().chain(names).collect();
    for _ in 0..options.plugin_rounds {
        for (policy, size) in &names {
            let model = if *policy == DIRECT { "demo/m0".to_owned() } else { name(policy, *size) };
            let sample = time(&snapshot, gateway.metrics(), &model).await?;
            planning.0.entry((*policy, *size)).or_default().push(sample);
        }
    }
    Ok(planning)
}

/// The mean processor time of a request, in microseconds.
async fn time(snapshot: &Snapshot, metrics: &Metrics, model: &str) -> Result<f64> {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "Say something." }] }).to_string();
    let body = Bytes::from(body);
    let id: Arc<str> = "bench".into();
    let begun = processor_time();
    for _ in 0..REQUESTS {
        let peek = Peek::chat(&body, None).map_err(|error| anyhow!("{}", error.message))?;
        let account = Account::open(metrics, "/v1/chat/completions", &id);
        let (id, body, operation, headers) = (Arc::clone(&id), body.clone(), Operation::Chat, HeaderMap::new());
        let request = Request { id, operation, body, peek, headers, key: None };
        if let Err((error, _)) = answer(snapshot, request, account).await {
            return Err(anyhow!("a request to {model} failed: {}", error.message));
        }
    }
    Ok(microseconds(processor_time() - begun) / REQUESTS as f64)
}

fn name(policy: &str, size: usize) -> String {
    format!("{policy} of {size}").replace(' ', "-")
}

fn write_config(options: &Options) -> Result<PathBuf> {
    let folder = options.out.parent().unwrap_or(std::path::Path::new(".")).join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let most = SIZES.iter().map(|(size, _)| *size).max().unwrap_or(1);
    let models: Vec<Value> = (0..most)
        .map(|number| json!({ "id": format!("m{number}"), "context_window": 100_000, "prices": { "input": 1.0, "output": 2.0 } }))
        .collect();
    // The tags are those that some policies need; every second target has one.
    let targets = |size: usize| -> Vec<Value> {
        let tag = |number: usize| if number.is_multiple_of(2) { json!(["light"]) } else { json!(["cloud"]) };
        (0..size).map(|number| json!({ "target": format!("demo/m{number}"), "tags": tag(number) })).collect()
    };
    let named = |policy: &str, size| json!({ "name": name(policy, size), "policy": policy, "targets": targets(size) });
    let single = json!({ "name": name(SINGLE, 1), "targets": ["demo/m0"] });
    let routed = POLICIES.iter().flat_map(|policy| SIZES.map(|(size, _)| named(policy, size)));
    let config = json!({
        "listen": "127.0.0.1:0",
        "plugins": {
            "path": std::path::absolute(&options.plugins)?, "cache": std::path::absolute(folder.join("cache"))?,
        },
        "providers": [{ "name": "demo", "plugin": "demo", "models": models }],
        "models": std::iter::once(single).chain(routed).collect::<Vec<_>>(),
    });
    let file = folder.join("planning.yaml");
    std::fs::write(&file, serde_json::to_string_pretty(&config)?)?;
    Ok(file)
}

impl Planning {
    /// Prints a row for each policy: what its plan adds to a request to a single target.
    pub fn print(&self) {
        if self.0.is_empty() {
            return;
        }
        println!("\nPlanning: microseconds of processor time that it adds to a request");
        let heads = SIZES.map(|(size, _)| format!("{:>16}", format!("{size} candidates")));
        println!("{:<16}{}", "", heads.concat());
        println!("{SINGLE:<16}{:>16}  more than to {DIRECT}", rounded(self.added(SINGLE, 1, (DIRECT, 0))));
        for policy in POLICIES {
            let cells = SIZES.map(|(size, _)| format!("{:>16}", rounded(self.added(policy, size, (SINGLE, 1)))));
            println!("{policy:<16}{}  {}", cells.concat(), self.verdict(policy));
        }
        println!("{:<16}{}", "goal", SIZES.map(|(_, most)| format!("{:>16}", format!("<= {most}"))).concat());
    }

    /// Every sample, and what each plan adds.
    pub fn to_json(&self) -> Value {
        let rows = self.0.iter().map(|((policy, size), samples)| {
            let added = self.added(policy, *size, (SINGLE, 1));
            (name(policy, *size), json!({ "microseconds": samples, "added": added }))
        });
        Value::Object(rows.collect())
    }

    fn added(&self, policy: &'static str, size: usize, beside: (&'static str, usize)) -> f64 {
        let median = |key| self.0.get(&key).map_or(f64::NAN, |samples| spread(samples).median);
        median((policy, size)) - median(beside)
    }

    fn verdict(&self, policy: &'static str) -> &'static str {
        let is_reached = |(size, most)| self.added(policy, size, (SINGLE, 1)) <= most;
        if SIZES.into_iter().all(is_reached) { "reached" } else { "MISSED" }
    }
}
