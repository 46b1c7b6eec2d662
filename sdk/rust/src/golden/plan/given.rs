//! The file of a case: the records of the contract in JSON, with a default for whatever it does not say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Header;
use crate::golden::case::operation;
use crate::routing::{Breaker, Candidate, Entry, Health, Prices, Request, Target};

/// What stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Given {
    /// The policy's settings. None by default.
    settings: Option<Value>,
    /// The model's targets.
    targets: Vec<GivenTarget>,
    request: GivenRequest,
    /// How the targets stand. By default all of them do, and nothing is known of any.
    candidates: Option<Vec<GivenCandidate>>,
}

/// A target as in the gateway's configuration: `provider/model`, or an object with more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum GivenTarget {
    Name(String),
    Full(FullTarget),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullTarget {
    target: String,
    /// Its place in the list by default.
    priority: Option<u32>,
    weight: Option<f64>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenRequest {
    model: String,
    /// `chat` by default.
    operation: Option<String>,
    stream: bool,
    key: Option<String>,
    key_tags: Vec<String>,
    user: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body_bytes: u64,
    messages: Option<u32>,
    prompt_tokens: u64,
    answer_tokens: Option<u64>,
    tools: u32,
    images: u32,
    text: Option<String>,
    entropy: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GivenCandidate {
    /// Its place in the list by default.
    target: Option<u32>,
    /// `unknown` by default.
    health: Option<String>,
    /// `closed` by default.
    breaker: Option<String>,
    cooldown_ms: u64,
    in_flight: u32,
    queued: u32,
    limit: Option<u32>,
    samples: Option<u64>,
    error_rate: f64,
    answer_ms: Option<f64>,
    first_token_ms: Option<f64>,
    prices: Option<GivenPrices>,
    context_window: Option<u64>,
    max_output_tokens: Option<u64>,
    takes_images: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenPrices {
    input: f64,
    output: f64,
}

impl Given {
    pub(super) fn settings(&self) -> Value {
        self.settings.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        (0..).zip(&self.targets).map(|(place, target)| target.to_contract(place)).collect()
    }

    pub(super) fn request(&self) -> Result<Request, String> {
        self.request.to_contract()
    }

    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, String> {
        match &self.candidates {
            Some(candidates) => (0..).zip(candidates).map(|(place, given)| given.to_contract(place)).collect(),
            None => {
                Ok((0..).zip(&self.targets).map(|(target, _)| Candidate { target, ..Candidate::default() }).collect())
            }
        }
    }
}

impl GivenTarget {
    fn to_contract(&self, place: u32) -> Target {
        let name = match self {
            Self::Name(name) => name,
            Self::Full(full) => &full.target,
        };
        let (provider, model) = name.split_once('/').unwrap_or((name, ""));
        let named =
            Target { provider: provider.to_owned(), model: model.to_owned(), priority: place, ..Target::default() };
        match self {
            Self::Name(_) => named,
            Self::Full(full) => Target {
                priority: full.priority.unwrap_or(place),
                weight: full.weight.unwrap_or(named.weight),
                tags: full.tags.clone(),
                ..named
            },
        }
    }
}

impl GivenRequest {
    fn to_contract(&self) -> Result<Request, String> {
        let header = |(name, value): (&String, &String)| Header::new(name, value);
        let entry = |(name, value): (&String, &String)| Entry { name: name.clone(), value: value.clone() };
        Ok(Request {
            id: "golden".to_owned(),
            model: self.model.clone(),
            operation: operation(self.operation.as_deref())?,
            stream: self.stream,
            key: self.key.clone(),
            key_tags: self.key_tags.clone(),
            user: self.user.clone(),
            tags: self.tags.clone(),
            metadata: self.metadata.iter().map(entry).collect(),
            headers: self.headers.iter().map(header).collect(),
            body_bytes: self.body_bytes,
            messages: self.messages.unwrap_or(1),
            prompt_tokens: self.prompt_tokens,
            answer_tokens: self.answer_tokens,
            tools: self.tools,
            images: self.images,
            text: self.text.clone(),
            now_ms: 1_700_000_000_000,
            entropy: self.entropy,
        })
    }
}

impl GivenCandidate {
    fn to_contract(&self, place: u32) -> Result<Candidate, String> {
        let health = match self.health.as_deref() {
            None | Some("unknown") => Health::Unknown,
            Some("healthy") => Health::Healthy,
            Some("degraded") => Health::Degraded,
            Some("unhealthy") => Health::Unhealthy,
            Some(other) => return Err(format!("there is no health `{other}`")),
        };
        let breaker = match self.breaker.as_deref() {
            None | Some("closed") => Breaker::Closed,
            Some("half-open") => Breaker::HalfOpen,
            Some("open") => Breaker::Open,
            Some(other) => return Err(format!("there is no breaker `{other}`")),
        };
        let is_measured = self.answer_ms.is_some() || self.first_token_ms.is_some();
        Ok(Candidate {
            target: self.target.unwrap_or(place),
            health,
            breaker,
            cooldown_ms: self.cooldown_ms,
            in_flight: self.in_flight,
            queued: self.queued,
            limit: self.limit,
            samples: self.samples.unwrap_or(if is_measured { 100 } else { 0 }),
            error_rate: self.error_rate,
            answer_ms: self.answer_ms,
            first_token_ms: self.first_token_ms,
            prices: self.prices.map(|prices| Prices { input: prices.input, output: prices.output }),
            context_window: self.context_window,
            max_output_tokens: self.max_output_tokens,
            takes_images: self.takes_images,
        })
    }
}
