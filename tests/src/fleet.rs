//! One model name that leads to several targets, each a provider of its own at a scripted upstream.

use serde_json::{Value, json};

use crate::{Answer, Config, Dialect, Gateway, Metrics, Provider, Transcript, Upstream, bounded, chat};

/// The name that clients ask for.
pub const CHAT: &str = "chat";

/// The names of the providers, in the order of the targets.
pub const PROVIDERS: [&str; 3] = ["first", "second", "third"];

/// A gateway with the model [`CHAT`].
pub struct Fleet {
    /// The upstreams of the targets.
    pub upstreams: Vec<Upstream>,
    /// The gateway.
    pub gateway: Gateway,
}

impl Fleet {
    /// Starts a gateway before upstreams that speak the OpenAI dialect. `adapt` sees the number of each provider, and
    /// may change it.
    pub async fn start(upstreams: Vec<Upstream>, adapt: impl Fn(usize, Provider) -> Provider) -> Self {
        Self::configured(upstreams, adapt, |config| config.routed(model(&PROVIDERS, json!("failover")))).await
    }

    /// The same with models of one's own.
    pub async fn configured(
        upstreams: Vec<Upstream>,
        adapt: impl Fn(usize, Provider) -> Provider,
        configure: impl FnOnce(Config) -> Config,
    ) -> Self {
        let mut config = Config::new();
        for (number, upstream) in upstreams.iter().enumerate() {
            let provider = Provider::new(Dialect::OpenAi, upstream).named(PROVIDERS[number]);
            config = config.provider(adapt(number, provider));
        }
        let gateway = Gateway::start(&configure(config)).await;
        Self { upstreams, gateway }
    }

    /// How many requests each upstream got.
    #[must_use]
    pub fn asked(&self) -> Vec<usize> {
        self.upstreams.iter().map(Upstream::asked).collect()
    }

    /// Asks for a whole answer.
    pub async fn chat(&self) -> Answer {
        self.gateway.client().chat(&chat::request_to(CHAT, "x")).await
    }

    /// Asks for a stream.
    pub async fn stream(&self) -> Transcript {
        self.gateway.client().stream(&chat::stream_to(CHAT, "x")).await
    }

    /// Asks for a good answer, streamed or not. Returns its text and the target that gave it.
    pub async fn good(&self, stream: bool) -> (String, String) {
        let target = |headers: &hyper::HeaderMap| {
            let target = headers.get("x-weir-target").expect("where there is a choice, the answer names the target");
            target.to_str().expect("a target is text").to_owned()
        };
        if stream {
            let transcript = self.stream().await;
            transcript.assert_complete();
            (transcript.content(), target(&transcript.headers))
        } else {
            let answer = self.chat().await;
            (answer.content(), target(&answer.headers))
        }
    }

    /// Asks until this target answers.
    pub async fn until_answered_by(&self, provider: &str) {
        let target = format!("{provider}/m1");
        let asking = async { while self.good(false).await.1 != target {} };
        bounded(&format!("an answer of `{provider}`"), asking).await;
    }

    /// The metrics when no request is in flight any more: what an account adds comes a moment after the answer.
    pub async fn settled(&self) -> Metrics {
        let asking = async {
            loop {
                let metrics = self.gateway.metrics().await;
                if metrics.sum("llm_proxy_active_connections", &[]) == 0.0 {
                    return metrics;
                }
                tokio::task::yield_now().await;
            }
        };
        bounded("no request is in flight", asking).await
    }
}

/// The model [`CHAT`] with a target at each of these providers.
#[must_use]
pub fn model(providers: &[&str], policy: Value) -> Value {
    let targets: Vec<String> = providers.iter().map(|provider| format!("{provider}/m1")).collect();
    json!({ "name": CHAT, "policy": policy, "targets": targets })
}

/// An upstream that answers every request well, with a text.
pub async fn well(text: &'static str) -> Upstream {
    Upstream::choosing(Dialect::OpenAi.answering(text)).await
}
