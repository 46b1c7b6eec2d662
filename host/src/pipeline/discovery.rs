//! Asks an upstream which models it has. When that is done, and what becomes of the answer, is told in
//! [`checks`](super::checks).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::attempt::{head, outgoing};
use super::failure;
use super::provider::Provider;
use crate::config::{ModelInfo, Prices};
use crate::error::{Cause, Error};
use crate::plugin::{Call, Encoded, Operation, RequestBody};
use crate::upstream::RetryHint;

/// A list of models is not read past this, in bytes, and not kept past so many entries.
const LARGEST_LIST: usize = 8 << 20;
const MOST_MODELS: usize = 10_000;
const MOST_MODALITIES: usize = 16;

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
