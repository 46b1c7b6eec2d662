//! Asks upstreams which models they have: one at a time, when [`checks`](super::checks) says so, or all of them and the
//! registries of endpoints at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde_json::Value;

use super::attempt::{head, outgoing};
use super::failure;
use super::provider::Provider;
use super::reload::Gateway;
use super::snapshot::Snapshot;
use crate::config::{self, ModelInfo, Prices};
use crate::error::{Cause, Error};
use crate::plugin::{Call, Encoded, Operation, RequestBody};
use crate::upstream::RetryHint;

/// A list of models is not read past this, in bytes, and not kept past so many entries.
const LARGEST_LIST: usize = 8 << 20;
const MOST_MODELS: usize = 10_000;
const MOST_MODALITIES: usize = 16;

/// How many upstreams are asked at the same time, and how long all of them together may take, when somebody waits.
const AT_ONCE: usize = 16;
const ALL: Duration = Duration::from_secs(30);

/// The list in the form of the OpenAI API.
#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

/// What is read of an entry, beside its name what the contract has names for. What makes no sense is not known.
#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    context_window: Value,
    #[serde(default)]
    max_output_tokens: Value,
    #[serde(default)]
    input_modalities: Value,
    #[serde(default)]
    output_modalities: Value,
    #[serde(default)]
    prices: Value,
}

impl From<Entry> for ModelInfo {
    fn from(entry: Entry) -> Self {
        let words = |list: &Value| {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(Value::as_str).take(MOST_MODALITIES).map(str::to_owned).collect()
        };
        let price = |name: &str| entry.prices.get(name).and_then(Value::as_f64).filter(|price| *price >= 0.0);
        Self {
            context_window: entry.context_window.as_u64(),
            max_output_tokens: entry.max_output_tokens.as_u64(),
            input_modalities: words(&entry.input_modalities),
            output_modalities: words(&entry.output_modalities),
            prices: price("input").zip(price("output")).map(|(input, output)| Prices {
                input,
                output,
                cached_input: price("cached_input"),
            }),
            id: entry.id,
        }
    }
}

fn can_be_asked(provider: &Provider) -> bool {
    provider.config().discover && provider.supports(Operation::Models)
}

/// What was found for one provider.
#[derive(Debug)]
pub struct Discovered {
    /// Its name.
    pub provider: String,
    /// Where its endpoints come from, as the configuration calls it; none of a provider with one `base_url`.
    pub registry: Option<&'static str>,
    /// Its endpoints, if they are several.
    pub endpoints: Vec<FoundEndpoint>,
    /// The models that it has, as far as they are known, those of all endpoints together.
    pub models: Vec<String>,
    /// What did not answer, and why. What was known of it before still holds.
    pub errors: Vec<String>,
}

/// One endpoint of a provider.
#[derive(Debug)]
pub struct FoundEndpoint {
    /// The provider's name and the endpoint's.
    pub name: String,
    /// What is said of it.
    pub member: config::Member,
    /// The models that it has, as far as they are known.
    pub models: Vec<String>,
}

/// Asks all registries, and then all upstreams, at once, and tells what there is by then.
pub(super) async fn ask_all(gateway: &Arc<Gateway>) -> Vec<Discovered> {
    let before = gateway.snapshot();
    let asking = before.providers().iter().filter_map(|provider| {
        let source = Arc::clone(provider.source()?);
        let label = provider.label();
        Some(async move { (label, source.ask().await.err()) })
    });
    let mut errors: Vec<(String, String)> = join_all(asking).await.into_iter().filter_map(failure_of).collect();
    // The endpoints may be others by now.
    let snapshot = gateway.snapshot();
    let upstreams: Vec<Provider> = snapshot.callable().filter(|provider| can_be_asked(provider)).cloned().collect();
    errors.extend(ask_upstreams(upstreams).await.into_iter().filter_map(failure_of));
    snapshot.providers().iter().map(|provider| found(&snapshot, provider, &errors)).collect()
}

/// Asks these upstreams for their models. Gives the name of each, and why it did not answer, if it did not.
async fn ask_upstreams(upstreams: Vec<Provider>) -> Vec<(String, Option<String>)> {
    let mut silent: BTreeSet<String> = upstreams.iter().map(Provider::label).collect();
    let asking = stream::iter(upstreams).map(async |provider| {
        let models = list(&provider, provider.config().standing.health_checks.timeout)
            .await
            .map(|listed| provider.set_discovered(listed.models));
        (provider.label(), models.err().map(|error| error.message))
    });
    let answers = asking.buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(ALL));
    let mut answers: Vec<(String, Option<String>)> = answers.collect().await;
    for (label, _) in &answers {
        silent.remove(label);
    }
    let late = format!("not asked within {} s", ALL.as_secs());
    answers.extend(silent.into_iter().map(|label| (label, Some(late.clone()))));
    answers
}

fn failure_of((label, error): (String, Option<String>)) -> Option<(String, String)> {
    Some((label, error?))
}

fn found(snapshot: &Snapshot, provider: &Provider, errors: &[(String, String)]) -> Discovered {
    let ids = |models: Vec<ModelInfo>| models.into_iter().map(|model| model.id).collect::<Vec<_>>();
    let endpoints = snapshot.members(provider.name()).iter().filter_map(|member| {
        let (name, models) = (member.label(), ids(member.models()));
        Some(FoundEndpoint { name, member: member.member()?.clone(), models })
    });
    let name = provider.name();
    let is_own = |label: &str| label == name || label.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
    Discovered {
        provider: name.to_owned(),
        registry: provider.config().endpoints.as_ref().map(config::Endpoints::kind),
        endpoints: endpoints.collect(),
        models: ids(snapshot.models_of(provider)),
        errors: errors
            .iter()
            .filter(|(label, _)| is_own(label))
            .map(|(label, error)| format!("{label}: {error}"))
            .collect(),
    }
}

/// A list of models.
pub(super) struct Listed {
    pub(super) models: Vec<ModelInfo>,
    /// Whether the upstream was asked for it. Some plugins know their models by themselves.
    pub(super) by_upstream: bool,
}

/// Asks once. Nothing in the error is a secret.
pub(super) async fn list(provider: &Provider, patience: Duration) -> Result<Listed, Error> {
    let listed = match tokio::time::timeout(patience, ask(provider, patience)).await {
        Ok(listed) => listed,
        Err(_) => Err(failure::silent(provider, patience)),
    };
    listed.map_err(|error| provider.scrub(error))
}

async fn ask(provider: &Provider, patience: Duration) -> Result<Listed, Error> {
    let id: Arc<str> = "discovery".into();
    let call = Call {
        operation: Operation::Models,
        model: String::new(),
        stream: false,
        include_usage: false,
        request_id: id.to_string(),
        headers: Vec::new(),
    };
    let plugin = provider.plugin();
    let encoded = plugin.encode(&id, &call, "").await.map_err(|error| failure::of_call(provider, error))?;
    let mut upstream = match encoded {
        Encoded::Answer(document) => return Ok(Listed { models: parse(&document)?, by_upstream: false }),
        Encoded::Send(upstream) => upstream,
        Encoded::Chunks(_) | Encoded::Fetch(_) => {
            return Err(failure::broken_plugin(provider, "it streamed a list of models, or has something fetched"));
        }
    };
    let body = match &upstream.body {
        RequestBody::Document(document) => Bytes::copy_from_slice(document.as_bytes()),
        RequestBody::None | RequestBody::Forward(_) => Bytes::new(),
    };
    let incoming = provider.endpoint()?.send(outgoing(provider, &call, &mut upstream, body)?).await?;
    let (status, head) = (incoming.status, head(incoming.status, &incoming.headers));
    let body = incoming.whole(LARGEST_LIST, patience).await?;
    let body = String::from_utf8_lossy(&body);
    let document = plugin.decode(&id, &call, upstream.carry.as_deref(), &head, &body).await;
    match document {
        Ok(document) => Ok(Listed { models: parse(&document)?, by_upstream: true }),
        Err(crate::plugin::CallError::Failure(refusal)) => {
            Err(failure::of_upstream(refusal, Some(status), RetryHint::default()))
        }
        Err(fault) => Err(failure::of_call(provider, fault)),
    }
}

fn parse(document: &str) -> Result<Vec<ModelInfo>, Error> {
    let list: List = serde_json::from_str(document).map_err(|error| {
        Error::new(Cause::BadAnswer, "The list of models makes no sense.").with_detail(error.to_string())
    })?;
    Ok(list.data.into_iter().map(ModelInfo::from).take(MOST_MODELS).collect())
}
