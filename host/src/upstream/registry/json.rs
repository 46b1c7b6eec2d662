//! A registry that is a document in JSON at a URL: a list of endpoints, or an object with the list as `endpoints`. Each
//! is a URL, or an object with a `url` and what else is known of it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Listing, RegistryError};
use crate::config::{JsonRegistry, Member};
use crate::upstream::{Credential, Endpoint, EndpointBuildError, EndpointOptions};

/// The document.
#[derive(Debug)]
pub(super) struct Document {
    server: Endpoint,
    /// With its query.
    path: String,
    has_token: bool,
    pub(super) interval: Duration,
}

impl Document {
    pub(super) fn new(config: &JsonRegistry, connect_timeout: Duration) -> Result<Self, EndpointBuildError> {
        let mut parts = config.url.clone().into_parts();
        let path = parts.path_and_query.replace(hyper::http::uri::PathAndQuery::from_static("/"));
        let server = hyper::Uri::from_parts(parts).unwrap_or_else(|_| config.url.clone());
        let options = super::server(&server, config.token.as_ref(), config.ca_file.as_deref(), connect_timeout);
        Ok(Self {
            server: Endpoint::new(EndpointOptions { headers: config.headers.clone(), ..options })?,
            path: path.map_or_else(|| "/".to_owned(), |path| path.to_string()),
            has_token: config.token.is_some(),
            interval: config.interval,
        })
    }

    pub(super) async fn list(&self) -> Result<Listing, RegistryError> {
        let credential = if self.has_token { Credential::Bearer } else { Credential::None };
        let incoming = super::get(&self.server, self.path.clone(), credential, false).await?;
        parse(&super::read(incoming).await?)
    }
}

/// An entry that is more than a URL. What makes no sense of the rest does not count.
#[derive(Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    weight: Value,
    #[serde(default)]
    priority: Value,
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    models: Value,
}

fn parse(document: &[u8]) -> Result<Listing, RegistryError> {
    let document: Value = serde_json::from_slice(document).map_err(|error| super::nonsense(&error))?;
    let entries = document.get("endpoints").unwrap_or(&document);
    let Some(entries) = entries.as_array() else {
        return Err(RegistryError::new("its answer is neither a list nor an object with the list `endpoints`"));
    };
    let listing = Listing::of(entries.iter().map(member));
    // An empty list says that there are none. A list of which nothing is understood says something else.
    match listing.reason.filter(|_| listing.members.is_empty()) {
        Some(reason) => Err(RegistryError::new(format!("no entry of its list is an endpoint: the first {reason}"))),
        None => Ok(listing),
    }
}

fn member(entry: &Value) -> Result<Member, &'static str> {
    if let Some(url) = entry.as_str() {
        return Member::url(url).map(Member::new);
    }
    let entry = Entry::deserialize(entry).map_err(|_| "is neither a URL nor an object with a `url`")?;
    let words =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Member {
        name: entry.name.as_str().map(str::to_owned),
        weight: entry.weight.as_u64().and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
        priority: entry.priority.as_u64().and_then(|priority| u16::try_from(priority).ok()).unwrap_or(0),
        tags: words(&entry.tags),
        models: words(&entry.models),
        ..Member::new(Member::url(&entry.url)?)
    })
}
