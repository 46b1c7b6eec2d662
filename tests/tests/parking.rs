//! Streams that wait for their upstream give their plugin's instance to others, and nobody can tell by what comes out.

use serde_json::{Value, json};
use weir_tests::guests::{Folder, variant, variant_answer};
use weir_tests::{Config, Dialect, Gate, Gateway, Provider, Script, Step, Transcript, Upstream, bounded, chat, reply};

/// A gateway in front of one plugin, and an upstream that goes on when the test says so.
struct Stage {
    _upstream: Upstream,
    gateway: Gateway,
    folder: Folder,
    plugin: &'static str,
}

impl Stage {
    /// With streams of this script. The plugin may have so many instances.
    async fn set(folder: Folder, plugin: &'static str, dialect: Dialect, instances: usize, script: Script) -> Self {
        let upstream = Upstream::choosing(move |_, request| match request.wants_stream() {
            true => script.clone(),
            false => reply::json(200, &dialect.answer("calm")),
        })
        .await;
        let provider = Provider::of_plugin(plugin, &dialect.base_url(upstream.address()));
        let config = Config::new().plugins(folder.path()).provider(provider);
        let gateway = Gateway::start(&config.set("/plugins/limits/instances", json!(instances))).await;
        Self { _upstream: upstream, gateway, folder, plugin }
    }

    async fn claude(instances: usize, script: Script) -> Self {
        Self::set(Folder::new().with_plugin("anthropic"), "anthropic", Dialect::Anthropic, instances, script).await
    }

    fn stream(&self) -> Value {
        chat::stream_to(&format!("{}/m1", self.plugin), "x")
    }

    /// How often a function of the plugin was called.
    async fn calls(&self, function: &str) -> usize {
        let labels = [("plugin", self.plugin), ("function", function), ("outcome", "ok")];
        number(self.gateway.metrics().await.sum("weir_plugin_calls_total", &labels))
    }

    /// How many instances there are.
    async fn instances(&self) -> usize {
        number(self.gateway.metrics().await.sum("weir_plugin_instances", &[("plugin", self.plugin)]))
    }

    /// Waits until streams were parked so often.
    async fn parked(&self, times: usize) {
        until(async || self.calls("stream-park").await >= times).await;
    }
}

fn number(value: f64) -> usize {
    format!("{value}").parse().expect("a count is a whole number")
}

async fn until(condition: impl AsyncFn() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    bounded("what is waited for", asking).await;
}

fn chunk(event: String) -> Step {
    Step::Chunk(event.into())
}

/// The first words, a pause until the gate opens, and the rest.
fn paused(dialect: Dialect, gate: &Gate) -> Script {
    let mut script = reply::open_stream(&dialect.opening());
    script.push(chunk(dialect.piece("first ")));
    script.push(Step::Wait(gate.clone()));
    script.push(chunk(dialect.piece("second")));
    script.extend(dialect.closing().into_iter().map(chunk));
    script.push(Step::LastChunk);
    script
}

/// The chunks without the time, in which two streams may differ.
fn chunks(transcript: &Transcript) -> Vec<Value> {
    let timeless = |mut chunk: Value| {
        chunk["created"] = Value::Null;
        chunk
    };
    transcript.chunks().into_iter().map(timeless).collect()
}

#[tokio::test]
async fn a_stream_that_is_parked_between_any_two_of_its_events_comes_out_as_if_it_never_were() {
    let texts = Dialect::Anthropic.text_stream(&["Grüße ", "aus \"東京\" ", "🗼\n"]);
    let tools =
        Dialect::Anthropic.tool_stream(&[("call_1", "look", json!({ "at": "it" })), ("call_2", "wait", json!({}))]);
    for events in [texts, tools] {
        let fluent = Stage::claude(4, reply::stream(&events)).await;
        let expected = fluent.gateway.client().stream(&fluent.stream()).await;
        expected.assert_complete();

        let gates: Vec<Gate> = events.iter().map(|_| Gate::new()).collect();
        let steps =
            gates.iter().zip(&events).flat_map(|(gate, event)| [Step::Wait(gate.clone()), chunk(event.clone())]);
        let script = [vec![reply::stream_head()], steps.collect(), vec![Step::LastChunk]].concat();
        let halting = Stage::claude(4, script).await;
        let (client, request) = (halting.gateway.client(), halting.stream());
        let streaming = tokio::spawn(async move { client.stream(&request).await });
        // Before the first event there is nothing to park.
        for (times, gate) in (0..).zip(&gates) {
            halting.parked(times).await;
            gate.open();
        }
        let transcript = bounded("the end of the stream", streaming).await.expect("the client got its stream");
        transcript.assert_complete();
        assert_eq!(chunks(&transcript), chunks(&expected));
        assert_eq!(halting.calls("stream-unpark").await, events.len() - 1);
    }
}

#[tokio::test]
async fn hundreds_of_slow_streams_share_a_few_instances() {
    const STREAMS: usize = 300;
    const AT_ONCE: usize = 6;
    let gate = Gate::new();
    let stage = Stage::claude(AT_ONCE + 2, paused(Dialect::Anthropic, &gate)).await;
    let client = stage.gateway.client();
    let mut open = Vec::new();
    while open.len() < STREAMS {
        for _ in 0..AT_ONCE {
            let mut stream = client.open_stream(&stage.stream()).await;
            stream.read_until("first ").await;
            open.push(stream);
        }
        stage.parked(open.len()).await;
    }
    assert!(stage.instances().await <= AT_ONCE + 2);
    // Whoever comes now is served at once, though many more streams are open than there may be instances.
    assert_eq!(client.chat(&chat::request_to("anthropic/m1", "x")).await.content(), "calm");
    gate.open();
    for stream in open {
        let transcript = stream.transcript().await;
        transcript.assert_complete();
        assert_eq!(transcript.content(), "first second");
    }
    assert!(stage.instances().await <= AT_ONCE + 2);
}

#[tokio::test]
async fn a_parked_stream_goes_on_with_the_version_that_it_began_on() {
    let answer = |number| String::from_utf8_lossy(&variant_answer(number)).into_owned();
    let folder = Folder::new();
    folder.put("variant", &variant(variant_answer(1)));
    let gate = Gate::new();
    let piece = || chunk(Dialect::OpenAi.piece("x"));
    let rest = [Step::Wait(gate.clone()), piece(), chunk("data: [DONE]\n\n".to_owned()), Step::LastChunk];
    let script = [vec![reply::stream_head(), piece(), piece()], rest.to_vec()].concat();
    let stage = Stage::set(folder, "variant", Dialect::OpenAi, 100, script).await;
    let client = stage.gateway.client();

    let mut stream = client.open_stream(&stage.stream()).await;
    stream.read_until(";").await;
    stage.parked(1).await;
    stage.folder.put("variant", &variant(variant_answer(2)));
    until(async || client.chat(&chat::request_to("variant/m1", "x")).await.content() == answer(2)).await;
    assert_eq!(stage.gateway.plugin("variant").await["generations_alive"], 2);
    gate.open();
    let transcript = stream.transcript().await;
    transcript.assert_complete();
    assert_eq!(transcript.content(), format!("{};", answer(1)).repeat(3));
    until(async || stage.gateway.plugin("variant").await["generations_alive"] == 1).await;
}
