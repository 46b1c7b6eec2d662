//! A registry that is a document in JSON at a URL: a list of endpoints, or an object with the list as `endpoints`. Each
//! is a URL, or an object with a `url` and what else is known of it.

use std::time::Duration;

use hyper::header::{ETAG, IF_NONE_MATCH};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{Listing, RegistryError};
use crate::config::{JsonRegistry, Member};
use crate::upstream::{Credential, Endpoint, EndpointBuildError, EndpointOptions};

/// The longest tag that is kept, in bytes.
const LONGEST_TAG: usize = 1 << 10;

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

    /// What the document says now. If its server knows that it still says what is known, it is not sent again.
    pub(super) async fn list(&self, known: Known) -> Result<Known, RegistryError> {
        let credential = if self.has_token { Credential::Bearer } else { Credential::None };
        let condition = known.tag.iter().map(|tag| (IF_NONE_MATCH.as_str().to_owned(), tag.clone()));
        let incoming = super::ask(&self.server, self.path.clone(), credential, false, condition.collect()).await?;
        match incoming.status {
            StatusCode::OK => {
                let tag = tag(&incoming.headers);
                Ok(Known { tag, listing: parse(&super::read(incoming).await?)? })
            }
            StatusCode::NOT_MODIFIED if known.tag.is_some() => Ok(known),
            status => Err(RegistryError::refused(status)),
        }
    }
}

/// What the document said the last time, and the tag by which its server knows that (RFC 9110, section 8.8.3).
#[derive(Debug, Default)]
pub(super) struct Known {
    tag: Option<String>,
    listing: Listing,
}

impl Known {
    pub(super) fn listing(&self) -> &Listing {
        &self.listing
    }
}

fn tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (tag.len() <= LONGEST_TAG).then(|| tag.to_owned())
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
