//! Guests that misbehave while they run: the request that met one gets a clear error, everybody else their answer, and
//! the memory that it took comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinHandle;
use weir_tests::guests::Folder;
use weir_tests::{
    Answer, Client, Config, Dialect, Gate, Gateway, Provider, Script, Step, Transcript, Upstream, bounded, chat, reply,
    run,
};

/// Memory that may be more afterwards than before, in bytes: what an allocator and a thread pool keep for themselves.
const MARGIN: u64 = 64 << 20;

/// A gateway with the hostile plugin, and a good one beside it.
struct Stage {
    upstream: Upstream,
    gateway: Gateway,
    _folder: Folder,
}

impl Stage {
    async fn set() -> Self {
        let gate = Gate::new();
        gate.open();
        Self::with_gate(gate).await
    }

    /// With streams whose second half waits at a gate.
    async fn with_gate(gate: Gate) -> Self {
        let upstream = Upstream::choosing(move |_, request| match request.wants_stream() {
            true => gated(&gate),
            false => reply::json(200, &Dialect::OpenAi.answer("calm")),
        })
        .await;
        let folder = Folder::new().with_guest("hostile").with_plugin("openai");
        let hostile = Provider::of_plugin("hostile", &Dialect::OpenAi.base_url(upstream.address())).models(&["calm"]);
        let openai = Provider::new(Dialect::OpenAi, &upstream);
        let config = Config::new().plugins(folder.path()).provider(hostile).provider(openai);
        let gateway = Gateway::start(&config).await;
        Self { upstream, gateway, _folder: folder }
    }

    async fn chat(&self, model: &str, text: &str, stream: bool) -> Answer {
        let request = chat::with(chat::request_as(stream, text), "model", json!(format!("hostile/{model}")));
        self.gateway.client().chat(&request).await
    }

    /// The same plugin and another one still answer.
    async fn is_well(&self) {
        assert!(self.gateway.is_running());
        for model in ["hostile/calm", "openai/m1"] {
            assert_eq!(self.gateway.client().chat(&chat::request_to(model, "x")).await.content(), "calm", "{model}");
        }
    }
}

fn gated(gate: &Gate) -> Script {
    let chunk = |event: String| Step::Chunk(event.into());
    let mut script = reply::open_stream(&Dialect::OpenAi.opening());
    script.push(chunk(Dialect::OpenAi.piece("first ")));
    script.push(Step::Wait(gate.clone()));
    script.push(chunk(Dialect::OpenAi.piece("second")));
    script.extend(Dialect::OpenAi.closing().into_iter().map(chunk));
    script.push(Step::LastChunk);
    script
}

/// Clients of the good plugin and of the calm side of the hostile one, who ask over and over and count their answers.
struct Bystanders {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bystanders {
    fn start(client: &Client) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = ["hostile/calm", "openai/m1"].map(|model| {
            let (client, stop, served) = (client.clone(), Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.chat(&chat::request_to(model, "x")).await.content(), "calm", "{model}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { stop, served, tasks: tasks.into() }
    }

    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            bounded("a bystander is served", task).await.expect("every bystander was served");
        }
        self.served.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_call_that_goes_wrong_is_an_error_of_that_request_alone() {
    let stage = Stage::set().await;
    stage.is_well().await;
    let before = stage.gateway.resident_bytes();
    let whole = [
        "encode-spin",
        "encode-allocate",
        "encode-trap",
        "encode-recurse",
        "encode-garbage",
        "encode-not-a-chat",
        "encode-not-an-object",
        "encode-nul",
        "encode-large",
        "encode-huge",
        "encode-internal",
        "encode-many-headers",
        "decode-spin",
        "decode-allocate",
        "decode-trap",
        "decode-recurse",
        "decode-garbage",
        "decode-not-a-chat",
        "decode-not-an-object",
        "decode-large",
        "decode-huge",
        "decode-internal",
    ];
    let streamed = [
        "encode-spin",
        "encode-allocate",
        "encode-trap",
        "encode-recurse",
        "encode-garbage-chunks",
        "encode-no-chunks",
        "encode-internal",
        "start-spin",
        "start-allocate",
        "start-trap",
        "start-recurse",
    ];
    let bystanders = Bystanders::start(&stage.gateway.client());
    for (model, stream) in whole.map(|model| (model, false)).into_iter().chain(streamed.map(|model| (model, true))) {
        let answer = stage.chat(model, "x", stream).await;
        println!("{model}, streamed {stream}: {} {}", answer.status, answer.text());
        let status = answer.status.as_u16();
        assert!((500..600).contains(&status), "{model}: {status} {}", answer.text());
        let error = answer.error(status);
        assert_eq!(error.kind, "server_error", "{model}");
        for inside in ["inside of the plugin", "wasm", "unreachable", "backtrace", "stack"] {
            assert!(!error.message.contains(inside), "{model}: nothing of the inside: {}", error.message);
        }
        stage.is_well().await;
    }
    assert!(bystanders.finish().await > 0);
    let after = stage.gateway.resident_bytes();
    assert!(after < before + MARGIN, "{before} bytes before, {after} after");
    let traps = stage.gateway.metrics().await.sum("weir_plugin_traps_total", &[("plugin", "hostile")]);
    assert!(traps >= 10.0, "traps are counted: {traps}");
}

#[tokio::test]
async fn a_call_that_goes_wrong_in_mid_stream_ends_that_stream_alone_with_an_error() {
    for misdeed in ["spin", "allocate", "trap", "recurse", "garbage", "lines", "large", "huge", "early-end", "internal"]
    {
        println!("{misdeed}");
        in_mid_stream(misdeed).await.assert_broken();
    }
}

#[tokio::test]
async fn chunks_that_say_nothing_are_left_out_or_end_that_stream_alone() {
    for misdeed in ["not-a-chat", "many"] {
        let transcript = in_mid_stream(misdeed).await;
        println!("{misdeed}: {}", transcript.text());
        if transcript.finish_reasons().is_empty() {
            transcript.assert_broken();
        } else {
            transcript.assert_complete();
        }
        assert!(transcript.bytes.len() < 10_000, "nothing of it reaches the client");
    }
}

/// The stream of a decoder that misbehaves after its first piece, while two good streams are open beside it.
async fn in_mid_stream(misdeed: &str) -> Transcript {
    beside_two_that_are_well(&format!("push-{misdeed}"), None).await
}

#[tokio::test]
async fn a_decoder_that_goes_wrong_when_it_is_parked_ends_that_stream_alone_with_an_error() {
    for misdeed in ["park-spin", "park-allocate", "park-trap", "park-recurse", "park-huge"] {
        while_parked(misdeed, ("stream-park", "fault")).await.assert_broken();
    }
    for misdeed in ["park-garbage", "unpark-spin", "unpark-trap", "unpark-allocate", "unpark-refuse"] {
        while_parked(misdeed, ("stream-park", "ok")).await.assert_broken();
    }
}

#[tokio::test]
async fn a_decoder_that_cannot_be_parked_keeps_its_instance() {
    for misdeed in ["park-never", "park-large"] {
        let transcript = while_parked(misdeed, ("stream-park", "ok")).await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "first second", "{misdeed}");
    }
}

/// The stream of a decoder that misbehaves when the upstream pauses or goes on, while two good streams are open beside it.
async fn while_parked(misdeed: &str, called: (&str, &str)) -> Transcript {
    beside_two_that_are_well(misdeed, Some(called)).await
}

/// The stream of a decoder that misbehaves when its upstream goes on, or before: it goes on after the plugin was `called`,
/// by a function with an outcome. Two good streams are open beside it.
async fn beside_two_that_are_well(misdeed: &str, called: Option<(&str, &str)>) -> Transcript {
    println!("{misdeed}");
    let gate = Gate::new();
    let stage = Stage::with_gate(gate.clone()).await;
    let before = stage.gateway.resident_bytes();
    let client = stage.gateway.client();
    let open = async |model: &str| {
        let mut streaming = client.open_stream(&chat::stream_to(model, "x")).await;
        streaming.read_until("first ").await;
        streaming
    };
    let bad = open(&format!("hostile/{misdeed}")).await;
    if let Some((function, outcome)) = called {
        let labels = [("plugin", "hostile"), ("function", function), ("outcome", outcome)];
        let called = async || stage.gateway.metrics().await.sum("weir_plugin_calls_total", &labels) > 0.5;
        bounded("the upstream's pause is noticed", async { while !called().await {} }).await;
    }
    let (same, other) = (open("hostile/calm").await, open("openai/m1").await);
    gate.open();
    let (bad, same, other) = tokio::join!(bad.transcript(), same.transcript(), other.transcript());
    for good in [same, other] {
        good.assert_complete();
        assert_eq!(good.content(), "first second", "{misdeed}");
    }
    stage.is_well().await;
    let after = stage.gateway.resident_bytes();
    assert!(after < before + MARGIN, "{misdeed}: {before} bytes before, {after} after");
    bad
}

#[tokio::test]
async fn a_call_that_goes_wrong_at_the_very_end_of_a_stream_harms_nobody() {
    let stage = Stage::set().await;
    for misdeed in ["spin", "allocate", "trap", "recurse", "garbage"] {
        let request = chat::stream_to(&format!("hostile/finish-{misdeed}"), "x");
        // The answer is complete by then: whether it counts as such is the host's choice, that it ends is not.
        let transcript = stage.gateway.client().stream(&request).await;
        assert_eq!(transcript.content(), "first second", "{misdeed}");
        stage.is_well().await;
    }
}

#[tokio::test]
async fn a_path_that_leaves_the_base_url_is_refused() {
    let stage = Stage::set().await;
    let paths = [
        "",
        "x",
        "chat",
        "//evil.example/x",
        "http://evil.example/x",
        "https://evil.example",
        "@evil.example/",
        ":80/x",
        ".evil.example/",
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/.%2E/x",
        "/a/%2e%2e%2fx",
        "/./x",
        "/a\\..\\x",
        "/a b",
        "/a#b",
        "/a\r\nx-injected: yes",
        "/a\nb",
        "/a\tb",
        "/é",
        "\\\\evil.example\\x",
        "*",
    ];
    for path in paths {
        let answer = stage.chat("encode-path", path, false).await;
        println!("{path:?}: {}", answer.text());
        answer.error(500);
        stage.gateway.client().chat(&chat::request_to("hostile/calm", "x")).await.content();
    }
    let calm = paths.len();
    let requests = stage.upstream.requests();
    assert_eq!(requests.len(), calm, "only the calm requests arrived");
    assert!(requests.iter().all(|request| request.path == "/v1/chat/completions"));
}

#[tokio::test]
async fn a_header_or_method_that_is_the_hosts_is_refused() {
    let stage = Stage::set().await;
    let headers = [
        "host: evil.example",
        "authorization: Bearer stolen",
        "proxy-authorization: x",
        "cookie: a=b",
        "content-length: 5",
        "transfer-encoding: chunked",
        "connection: close",
        "upgrade: h2c",
        "te: trailers",
        "keep-alive: 5",
        "expect: 100-continue",
        "x-a: b\r\nx-injected: yes",
        "x-a: b\nc",
        "x a: b",
        ": b",
        "x-a\r\nx-b: c",
        ":authority: evil.example",
    ];
    let methods = ["", "CONNECT", "GET /x HTTP/1.1\r\n", "PO ST", "é"];
    let cases = headers.map(|header| ("encode-header", header)).into_iter();
    for (model, text) in cases.chain(methods.map(|method| ("encode-method", method))) {
        let answer = stage.chat(model, text, false).await;
        println!("{text:?}: {}", answer.text());
        answer.error(500);
        stage.gateway.client().chat(&chat::request_to("hostile/calm", "x")).await.content();
    }
    for request in stage.upstream.requests() {
        assert!(request.header("x-injected").is_none(), "{request:?}");
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {}", weir_tests::UPSTREAM_SECRET)));
    }
}

#[tokio::test]
async fn a_guest_reaches_no_socket_no_file_and_no_environment() {
    let stage = Stage::set().await;
    let listener = Upstream::always(vec![Step::Hang]).await;
    let answer = stage.chat("encode-reach", &listener.address().to_string(), false).await;
    let content = answer.content();
    assert!(content.starts_with("socket=false file=false folder=false environment=0"), "{content}");
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_the_request_goes_on_or_fails_alone() {
    let stage = Stage::set().await;
    let before = stage.gateway.resident_bytes();
    let bystanders = Bystanders::start(&stage.gateway.client());
    for model in ["encode-flood-log", "encode-flood-stderr", "decode-flood-log"] {
        let answer = stage.chat(model, "x", false).await;
        println!("{model}: {}", answer.text());
        if answer.status != 200 {
            answer.error(answer.status.as_u16());
        }
    }
    assert!(bystanders.finish().await > 0);
    stage.is_well().await;
    let log = stage.gateway.log().text();
    let flood: Vec<_> = log.lines().filter(|line| line.contains("a flood of")).collect();
    assert!(flood.len() < 2_000, "{} lines of the flood are in the log", flood.len());
    assert!(flood.iter().all(|line| line.len() < 10_000), "long lines are cut");
    assert!(stage.gateway.resident_bytes() < before + MARGIN);
}

#[tokio::test]
async fn while_one_spins_every_connection_is_served() {
    let stage = Stage::set().await;
    let spin = stage.gateway.client();
    let spin = tokio::spawn(async move { spin.chat(&chat::request_to("hostile/encode-spin", "x")).await });
    let spins = Arc::new(AtomicBool::new(true));
    // As many connections as it takes for some to be on the thread that the one spins on.
    let others: Vec<_> = (0..8)
        .map(|_| {
            let (client, spins) = (stage.gateway.client(), Arc::clone(&spins));
            tokio::spawn(async move {
                let mut served = 0;
                while spins.load(Ordering::Relaxed) {
                    assert_eq!(client.chat(&chat::request_to("openai/m1", "x")).await.content(), "calm");
                    served += 1;
                }
                served
            })
        })
        .collect();
    let answer = bounded("the end of the one that spins", spin).await.unwrap();
    spins.store(false, Ordering::Relaxed);
    assert_eq!(answer.error(500).code.as_deref(), Some("plugin_deadline"));
    for other in others {
        // Hundreds if nothing else runs on this machine; two or three if a guest did not give way to sockets.
        let served = bounded("a bystander is served", other).await.unwrap();
        assert!(served >= 8, "served {served} times while another one spun");
    }
}

#[tokio::test]
async fn many_that_spin_at_the_same_time_do_not_starve_another_plugin() {
    let stage = Stage::set().await;
    let spins: Vec<_> = (0..32)
        .map(|_| {
            let client = stage.gateway.client();
            tokio::spawn(async move { client.chat(&chat::request_to("hostile/encode-spin", "x")).await })
        })
        .collect();
    for _ in 0..50 {
        let answer = stage.gateway.client().chat(&chat::request_to("openai/m1", "x")).await;
        assert_eq!(answer.content(), "calm");
        assert_eq!(stage.gateway.anonymous().get("/health").await.status, 200);
    }
    for spin in spins {
        let answer = bounded("the end of one that spins", spin).await.unwrap();
        answer.error(answer.status.as_u16());
        assert!(answer.status.is_server_error());
    }
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_is_taken_out_of_service_and_comes_back_by_itself() {
    let stage = Stage::set().await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = stage.chat("encode-trap", "x", false).await;
        answer.error(answer.status.as_u16());
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses[0], 500);
    assert_eq!(statuses[19], 503, "{statuses:?}");
    let other = stage.gateway.client().chat(&chat::request_to("openai/m1", "x")).await;
    assert_eq!(other.content(), "calm");
    let recovered = async {
        while stage.chat("calm", "x", false).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    bounded("the plugin comes back", recovered).await;
    stage.is_well().await;
}

#[tokio::test]
async fn settings_that_a_plugin_refuses_or_chokes_on_are_refused_at_start() {
    let folder = Folder::new().with_guest("hostile");
    let cases = [
        (json!({ "configure": "refuse" }), "refused on principle"),
        (json!({ "configure": "spin" }), "hostile"),
        (json!({ "configure": "allocate" }), "hostile"),
        (json!({ "configure": "trap" }), "hostile"),
        (json!({ "configure": "recurse" }), "hostile"),
        (json!({ "configure": 7 }), "configure"),
        (json!({ "confgure": "refuse" }), "confgure"),
    ];
    for (settings, words) in cases {
        let provider = Provider::of_plugin("hostile", "http://127.0.0.1:1").settings(settings.clone());
        let place = tempfile::tempdir().unwrap();
        let file = Config::new().plugins(folder.path()).provider(provider).write(place.path());
        for arguments in [&["check"][..], &["serve", "--config"]] {
            let finished = run(&[arguments, &[file.to_str().unwrap()]].concat(), &[]).await;
            assert_eq!(finished.code, Some(1), "{settings}: {}", finished.output);
            assert!(finished.output.contains(words), "{settings}: {}", finished.output);
        }
    }
}
