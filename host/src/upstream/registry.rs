//! Where a provider's endpoints are registered, and how the registry is asked: once, and then again whenever something
//! may have changed. Each kind has a file; what they have in common is here.
//!
//! A [`Watch`] gives the whole set each time. It keeps none: who is told of a failure goes on with the set before.

mod consul;
mod dns;
mod json;
mod kubernetes;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode, Uri};
use tokio::time::Instant;

use super::{Credential, Endpoint, EndpointBuildError, EndpointOptions, Incoming, Outgoing};
use crate::config::{Endpoints, Member, Secret};

/// How long a registry may take to answer, and a watch to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 8 << 20;

/// The most endpoints of one provider. What a registry has beyond is left out, and told.
pub const MOST_ENDPOINTS: usize = 1_000;

/// The most, and the longest, of what an entry may say of itself besides its URL.
const MOST_WORDS: usize = 64;
const LONGEST_WORD: usize = 256;

/// What a registry says at one time: all that it has.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The endpoints, each URL once, at most [`MOST_ENDPOINTS`], in an order that does not depend on the registry's.
    pub members: Vec<Member>,
    /// How many entries are not among them: no URLs, or too many.
    pub left_out: usize,
    /// Why, of the first.
    pub reason: Option<&'static str>,
}

impl Listing {
    /// Checks what a registry said. What is said twice counts once.
    fn of(entries: impl IntoIterator<Item = Result<Member, &'static str>>) -> Self {
        let mut listing = Self::default();
        for entry in entries {
            match entry {
                Ok(member) if listing.members.iter().any(|other| other.url == member.url) => {}
                Ok(_) if listing.members.len() == MOST_ENDPOINTS => listing.leave_out("is one too many"),
                Ok(member) => listing.members.push(shortened(member)),
                Err(reason) => listing.leave_out(reason),
            }
        }
        // Registries shuffle: without an order, every answer would look like a change.
        listing.members.sort_by_key(|member| (member.priority, member.url.to_string()));
        listing
    }

    fn leave_out(&mut self, reason: &'static str) {
        self.left_out += 1;
        self.reason.get_or_insert(reason);
    }
}

/// The member with no more words than are looked at.
fn shortened(member: Member) -> Member {
    let is_short = |word: &String| !word.is_empty() && word.len() <= LONGEST_WORD && !word.contains(char::is_control);
    let short = |words: Vec<String>| words.into_iter().filter(is_short).take(MOST_WORDS).collect();
    let name = member.name.filter(is_short);
    Member { name, tags: short(member.tags), models: short(member.models), ..member }
}

/// Why a registry did not answer, or not with anything of use. For the log: holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RegistryError {
    reason: String,
    /// The status of an answer that is a refusal.
    status: Option<StatusCode>,
}

impl RegistryError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), status: None }
    }

    fn refused(status: StatusCode) -> Self {
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": is its token good, and allowed this?",
            _ => "",
        };
        Self { reason: format!("it answered with status {status}{hint}"), status: Some(status) }
    }
}

impl From<crate::error::Error> for RegistryError {
    fn from(error: crate::error::Error) -> Self {
        Self::new(error.detail.unwrap_or(error.message))
    }
}

/// One registry, ready to be asked.
#[derive(Debug)]
pub struct Registry(Kind);

#[derive(Debug)]
enum Kind {
    Json(json::Document),
    Dns(dns::Records),
    Consul(consul::Service),
    Kubernetes(kubernetes::Service),
}

impl Registry {
    /// The registry that the configuration names; none for a list. `connect_timeout` is for the registry itself.
    ///
    /// # Errors
    /// One that could never be asked, such as one whose certificates are not where they should be.
    pub fn new(endpoints: &Endpoints, connect_timeout: Duration) -> Result<Option<Self>, EndpointBuildError> {
        let kind = match endpoints {
            Endpoints::List(_) => return Ok(None),
            Endpoints::Registry(config) => Kind::Json(json::Document::new(config, connect_timeout)?),
            Endpoints::DnsSrv(config) => Kind::Dns(dns::Records::new(config)),
            Endpoints::Consul(config) => Kind::Consul(consul::Service::new(config, connect_timeout)?),
            Endpoints::Kubernetes(config) => Kind::Kubernetes(kubernetes::Service::new(config, connect_timeout)),
        };
        Ok(Some(Self(kind)))
    }

    /// Begins to follow it. Nothing is sent before [`Watch::next`].
    pub fn watch(self: &Arc<Self>) -> Watch {
        Watch { registry: Arc::clone(self), state: State::Fresh }
    }
}

/// A registry that is being followed.
#[derive(Debug)]
pub struct Watch {
    registry: Arc<Registry>,
    state: State,
}

/// How far a watch has come.
#[derive(Debug)]
enum State {
    /// Nothing is known yet, or not any more.
    Fresh,
    /// It is worth asking again at this time.
    Due(Instant),
    /// The same for a document, of which this is known.
    DueFor(Instant, json::Known),
    /// Consul answers when it is past this index.
    Index(u64),
    /// Kubernetes tells of changes as they happen.
    Following(Box<kubernetes::Following>),
}

impl Watch {
    /// Whether the next call asks at once, and so has an answer within seconds.
    pub fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh)
    }

    /// All that is registered: the first time at once, then when it may have changed, however long that takes. After an
    /// error, and after a call that was dropped, the next one asks at once and for everything.
    ///
    /// # Errors
    /// The registry cannot be reached, refuses, or says what makes no sense.
    pub async fn next(&mut self) -> Result<Listing, RegistryError> {
        let registry = Arc::clone(&self.registry);
        let state = std::mem::replace(&mut self.state, State::Fresh);
        if let State::Due(time) | State::DueFor(time, _) = state {
            tokio::time::sleep_until(time).await;
        }
        let (listing, state) = match (&registry.0, state) {
            (Kind::Json(document), state) => {
                let known = if let State::DueFor(_, known) = state { known } else { json::Known::default() };
                let known = in_time(document.list(known)).await?;
                (known.listing().clone(), State::DueFor(Instant::now() + document.interval, known))
            }
            (Kind::Dns(records), _) => {
                let (listing, fresh) = in_time(records.list()).await?;
                (listing, State::Due(Instant::now() + fresh))
            }
            (Kind::Consul(service), state) => {
                let index = if let State::Index(index) = state { Some(index) } else { None };
                let (listing, index) = service.list(index).await?;
                (listing, State::Index(index))
            }
            (Kind::Kubernetes(_), State::Following(mut following)) => {
                (following.next().await?, State::Following(following))
            }
            (Kind::Kubernetes(service), _) => {
                let following = Box::new(in_time(service.follow()).await?);
                (following.listing(), State::Following(following))
            }
        };
        self.state = state;
        Ok(listing)
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
    let silent = || RegistryError::new(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(silent()))
}

/// Where a registry with an HTTP API is, and how to be let in.
fn server(url: &Uri, token: Option<&Secret>, ca_file: Option<&Path>, connect_timeout: Duration) -> EndpointOptions {
    EndpointOptions {
        secret: token.map(|token| token.expose().into()),
        connect_timeout,
        ca_file: ca_file.map(Path::to_owned),
        ..EndpointOptions::new("registry", url.clone())
    }
}

/// Asks for a document. Redirects are not followed: they would lead the token elsewhere.
async fn get(
    server: &Endpoint,
    path: String,
    credential: Credential,
    is_stream: bool,
) -> Result<Incoming, RegistryError> {
    let incoming = ask(server, path, credential, is_stream, Vec::new()).await?;
    match incoming.status {
        StatusCode::OK => Ok(incoming),
        status => Err(RegistryError::refused(status)),
    }
}

/// The same, whatever the status, with further headers.
async fn ask(
    server: &Endpoint,
    path: String,
    credential: Credential,
    is_stream: bool,
    mut headers: Vec<(String, String)>,
) -> Result<Incoming, RegistryError> {
    headers.push(("accept".into(), "application/json".into()));
    let outgoing = Outgoing {
        method: Method::GET,
        path,
        headers,
        body: Bytes::new(),
        credential,
        accept_stream: is_stream,
        request_id: "discovery".into(),
    };
    Ok(server.send(outgoing).await?)
}

/// The whole of a document.
async fn read(incoming: Incoming) -> Result<Bytes, RegistryError> {
    Ok(incoming.whole(LARGEST_ANSWER, PATIENCE).await?)
}

fn nonsense(error: &serde_json::Error) -> RegistryError {
    // The position and not the text, which is an outsider's.
    RegistryError::new(format!("its answer makes no sense: line {}, column {}", error.line(), error.column()))
}
