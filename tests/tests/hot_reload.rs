//! Plugins are replaced while they are used: no request fails, no stream breaks, the new version shows, the old one is
//! freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_tests::guests::{Folder, variant, variant_answer};
use weir_tests::{Client, Config, Dialect, Gate, Gateway, Provider, Script, Step, Upstream, bounded, chat, reply};

const REPLACEMENTS: usize = 50;
const SOAK: usize = 10_000;

fn answer_of(number: usize) -> String {
    String::from_utf8_lossy(&variant_answer(number)).into_owned()
}

fn request(text: &str) -> serde_json::Value {
    chat::request_to("variant/m1", text)
}

fn stream(text: &str) -> serde_json::Value {
    chat::stream_to("variant/m1", text)
}

/// A long stream, or one that waits in its middle at the gate whose number is the prompt.
fn script_for(prompt: &str, gates: &[Gate]) -> Script {
    let piece = || Step::Chunk(Dialect::OpenAi.piece("x").into());
    let mut script = vec![reply::stream_head(), piece(), piece()];
    match prompt.parse().ok().and_then(|number: usize| gates.get(number)) {
        Some(gate) => script.push(Step::Wait(gate.clone())),
        None => script.extend((0..30).map(|_| piece())),
    }
    script.extend([piece(), Step::Chunk("data: [DONE]\n\n".into()), Step::LastChunk]);
    script
}

async fn started(folder: &Folder, gates: Vec<Gate>) -> (Upstream, Gateway) {
    let upstream = Upstream::choosing(move |_, request| match request.wants_stream() {
        true => script_for(request.json()["messages"][0]["content"].as_str().unwrap_or_default(), &gates),
        false => reply::json(200, &Dialect::OpenAi.answer("x")),
    })
    .await;
    let provider = Provider::of_plugin("variant", &Dialect::OpenAi.base_url(upstream.address()));
    let gateway = Gateway::start(&Config::new().plugins(folder.path()).provider(provider)).await;
    (upstream, gateway)
}

/// Clients that ask without a pause. Each checks every answer: whole, and all of one version.
struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..4).map(|number| {
            let (client, stop, served) = (client.clone(), Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask(&client, number % 2 == 0).await;
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { tasks: tasks.collect(), stop, served }
    }

    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            bounded("the end of a client", task).await.expect("no request failed");
        }
        self.served.load(Ordering::Relaxed)
    }
}

async fn ask(client: &Client, streamed: bool) {
    if streamed {
        let transcript = client.stream(&stream("x")).await;
        transcript.assert_complete();
        let content = transcript.content();
        let (first, _) = content.split_once(';').expect("a stream has pieces");
        assert_eq!(content, format!("{first};").repeat(33), "a stream is of one version");
    } else {
        assert!(client.chat(&request("x")).await.content().starts_with("variant "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_replacements_under_load_break_nothing() {
    let folder = Folder::new();
    folder.put("variant", &variant(variant_answer(0)));
    let gates: Vec<_> = (0..=REPLACEMENTS).map(|_| Gate::new()).collect();
    let (_upstream, gateway) = started(&folder, gates.clone()).await;
    let client = gateway.client();
    let load = Load::start(&client);
    let mut serving = 0;
    let mut loaded = 1;
    for (number, gate) in gates.iter().enumerate().skip(1) {
        // A stream that begins on the old version and ends when the new one serves.
        let mut open = client.open_stream(&stream(&number.to_string())).await;
        open.read_until(";").await;
        let before = serving;
        let good = variant(variant_answer(number));
        if number % 5 == 0 {
            folder.put("variant", b"this is no plugin");
            until(async || !gateway.plugin("variant").await["error"].is_null()).await;
        } else {
            if number % 5 == 1 {
                folder.overwrite("variant", &good[..good.len() / 2]);
                folder.overwrite("variant", &good);
            } else {
                folder.put("variant", &good);
            }
            (serving, loaded) = (number, loaded + 1);
            until(async || client.chat(&request("x")).await.content() == answer_of(number)).await;
        }
        assert_eq!(client.chat(&request("x")).await.content(), answer_of(serving));
        gate.open();
        let transcript = open.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), format!("{};", answer_of(before)).repeat(3), "a stream ends where it began");
    }
    assert!(load.finish().await > REPLACEMENTS, "the load was steady");
    until(async || gateway.plugin("variant").await["generations_alive"] == 1).await;
    let plugin = gateway.plugin("variant").await;
    assert_eq!(plugin["generation"], loaded, "{plugin}");
    assert_eq!(plugin["status"], "serving_old_generation", "the last file was a broken one: {plugin}");
    let shown = gateway.metrics().await.sum("weir_plugin_generation", &[("plugin", "variant")]);
    assert!((shown - f64::from(u32::try_from(loaded).unwrap())).abs() < 0.5, "{shown}");
}

#[tokio::test]
async fn ten_thousand_reloads_leave_memory_flat() {
    let folder = Folder::new();
    folder.put("variant", &variant(variant_answer(0)));
    let versions = tempfile::tempdir().unwrap();
    let paths = [0, 1].map(|number| {
        let path = versions.path().join(number.to_string());
        std::fs::write(&path, variant(variant_answer(number))).unwrap();
        path
    });
    let (_upstream, gateway) = started(&folder, Vec::new()).await;
    let admin = gateway.admin();
    let mut settled = 0;
    for number in 1..=SOAK {
        // A link costs no writing; its rename over the file is what a deployment does.
        let aside = folder.path().join("aside");
        std::fs::hard_link(&paths[number % 2], &aside).unwrap();
        std::fs::rename(&aside, folder.file("variant")).unwrap();
        let reload = admin.send("POST", "/plugins/reload", &[], "").await;
        assert_eq!(reload.status, 200, "{}", reload.text());
        if number % 100 == 0 {
            let answer = gateway.client().chat(&request("x")).await;
            assert_eq!(answer.content(), answer_of(number % 2), "after {number} reloads");
        }
        if number == SOAK / 10 {
            settled = gateway.resident_bytes();
        }
    }
    let plugin = gateway.plugin("variant").await;
    assert!(plugin["generation"].as_u64().is_some_and(|generation| generation > SOAK as u64), "{plugin}");
    assert!(plugin["generations_alive"].as_u64().is_some_and(|alive| alive <= 2), "{plugin}");
    let grown = gateway.resident_bytes().saturating_sub(settled);
    println!("{settled} bytes after {} reloads, {grown} more after {SOAK}", SOAK / 10);
    assert!(grown < (24 << 20), "{grown} bytes more after {SOAK} reloads");
}

/// Asks until the answer is yes.
async fn until(condition: impl AsyncFn() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    bounded("the change takes effect", asking).await;
}
