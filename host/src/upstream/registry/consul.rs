//! A registry that is a Consul agent, asked for one service by blocking queries: the agent answers when something has
//! changed, or when the time is up. <https://developer.hashicorp.com/consul/api-docs/features/blocking>

use std::time::Duration;

use hyper::header::HeaderName;
use serde::Deserialize;

use super::{Listing, PATIENCE, RegistryError};
use crate::config::{Consul, Form, Member};
use crate::upstream::{Credential, Endpoint, EndpointBuildError, Incoming};

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");
const INDEX: &str = "x-consul-index";

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    server: Endpoint,
    /// With its query, but without where in time.
    path: String,
    has_token: bool,
    interval: Duration,
    form: Form,
    passing: bool,
}

impl Service {
    pub(super) fn new(config: &Consul, connect_timeout: Duration) -> Result<Self, EndpointBuildError> {
        let options = super::server(&config.url, config.token.as_ref(), config.ca_file.as_deref(), connect_timeout);
        let service = &config.service;
        let mut path = match config.passing {
            true => format!("/v1/health/service/{service}?passing=1"),
            false => format!("/v1/catalog/service/{service}?"),
        };
        for (name, value) in [("tag", &config.tag), ("dc", &config.datacenter)] {
            if let Some(value) = value {
                path = format!("{path}&{name}={value}");
            }
        }
        Ok(Self {
            server: Endpoint::new(options)?,
            path,
            has_token: config.token.is_some(),
            interval: config.interval,
            form: config.form.clone(),
            passing: config.passing,
        })
    }

    /// What is registered, and the index to wait from for the next change: at once without one, else when something
    /// has changed or nothing has for the whole interval.
    pub(super) async fn list(&self, index: Option<u64>) -> Result<(Listing, u64), RegistryError> {
        let (path, hold) = match index {
            None => (self.path.clone(), Duration::ZERO),
            Some(index) => {
                let path = format!("{}&index={index}&wait={}ms", self.path, self.interval.as_millis());
                // The agent adds up to a sixteenth, so that not all clients return at once.
                (path, self.interval + self.interval / 16)
            }
        };
        let credential = if self.has_token { Credential::Header(TOKEN) } else { Credential::None };
        let answer = tokio::time::timeout(hold + PATIENCE, async {
            let incoming = super::get(&self.server, path, credential, false).await?;
            let next = next_index(&incoming, index)?;
            Ok((super::read(incoming).await?, next))
        });
        let silent = || RegistryError::new(format!("no answer within {} s", (hold + PATIENCE).as_secs()));
        let (body, next) = answer.await.unwrap_or_else(|_| Err(silent()))?;
        Ok((self.parse(&body)?, next))
    }

    fn parse(&self, body: &[u8]) -> Result<Listing, RegistryError> {
        let entries = match self.passing {
            true => {
                serde_json::from_slice::<Vec<Healthy>>(body).map(|list| list.into_iter().map(Entry::from).collect())
            }
            false => {
                serde_json::from_slice::<Vec<Cataloged>>(body).map(|list| list.into_iter().map(Entry::from).collect())
            }
        };
        let entries: Vec<Entry> = entries.map_err(|error| super::nonsense(&error))?;
        Ok(Listing::of(entries.into_iter().map(|entry| entry.member(&self.form))))
    }
}

/// An index that goes back means that the agent has started over: then so does whoever follows it. Zero would not be
/// waited for.
fn next_index(incoming: &Incoming, before: Option<u64>) -> Result<u64, RegistryError> {
    let text = incoming.headers.get(INDEX).and_then(|index| index.to_str().ok());
    let index: u64 = text
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| RegistryError::new("its answer has no `X-Consul-Index`: is this Consul?"))?;
    Ok(if before.is_some_and(|before| index < before) { 1 } else { index.max(1) })
}

/// An instance as `/v1/health/service/` has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healthy {
    node: Node,
    service: Instance,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    #[serde(default, rename = "ID")]
    id: String,
    #[serde(default)]
    address: String,
    port: u16,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    weights: Option<Weights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
}

/// An instance as `/v1/catalog/service/` has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cataloged {
    #[serde(default)]
    address: String,
    #[serde(default, rename = "ServiceID")]
    service_id: String,
    #[serde(default)]
    service_address: String,
    service_port: u16,
    #[serde(default)]
    service_tags: Option<Vec<String>>,
    #[serde(default)]
    service_weights: Option<Weights>,
}

/// What both have.
struct Entry {
    id: String,
    node_address: String,
    address: String,
    port: u16,
    tags: Vec<String>,
    weight: u32,
}

impl From<Healthy> for Entry {
    fn from(Healthy { node, service }: Healthy) -> Self {
        Self {
            id: service.id,
            node_address: node.address,
            address: service.address,
            port: service.port,
            tags: service.tags.unwrap_or_default(),
            weight: service.weights.map_or(1, |weights| weights.passing),
        }
    }
}

impl From<Cataloged> for Entry {
    fn from(entry: Cataloged) -> Self {
        Self {
            id: entry.service_id,
            node_address: entry.address,
            address: entry.service_address,
            port: entry.service_port,
            tags: entry.service_tags.unwrap_or_default(),
            weight: entry.service_weights.map_or(1, |weights| weights.passing),
        }
    }
}

impl Entry {
    /// A service without an address of its own is at that of its node.
    fn member(self, form: &Form) -> Result<Member, &'static str> {
        let host = if self.address.is_empty() { &self.node_address } else { &self.address };
        if host.is_empty() || self.port == 0 {
            return Err("has no address or no port");
        }
        let url = form.url(host, self.port)?;
        let name = (!self.id.is_empty()).then_some(self.id);
        Ok(Member { name, weight: self.weight, tags: self.tags, ..Member::new(url) })
    }
}
