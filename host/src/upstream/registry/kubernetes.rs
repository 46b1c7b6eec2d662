//! A registry that is a Kubernetes API server: the EndpointSlices of a service are listed once and then watched.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

mod slice;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use self::slice::{Metadata, Slice};
use super::{Listing, PATIENCE, RegistryError, in_time};
use crate::config::{Kubernetes, Namespace, Secret};
use crate::upstream::{Credential, Endpoint, Events, Framing};

/// How long the server is asked to keep a watch open. It ends before the token does that it began with.
const WATCH_TIME: Duration = Duration::from_secs(240);

/// The largest event of a watch, in bytes: a slice has at most 1,000 endpoints, and about 100 by default.
const LARGEST_EVENT: usize = 2 << 20;

/// The most slices of one service.
const MOST_SLICES: usize = 1_000;

/// The largest file with a token or a namespace, in bytes.
const LARGEST_FILE: u64 = 64 << 10;

/// One service.
#[derive(Debug, Clone)]
pub(super) struct Service {
    config: Kubernetes,
    connect_timeout: Duration,
}

impl Service {
    /// The files of the service account are not read before they are needed, and each time anew.
    pub(super) fn new(config: &Kubernetes, connect_timeout: Duration) -> Self {
        Self { config: config.clone(), connect_timeout }
    }

    /// Lists the slices, and begins to watch them.
    pub(super) async fn follow(&self) -> Result<Following, RegistryError> {
        let namespace = match &self.config.namespace {
            Namespace::Named(name) => name.clone(),
            Namespace::In(file) => file_text(file).await?,
        };
        let service = &self.config.service;
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices\
             ?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
        );
        let (slices, version) = self.list(&path).await?;
        Ok(Following { service: self.clone(), path, slices, version, events: None })
    }

    async fn list(&self, path: &str) -> Result<(BTreeMap<String, Slice>, String), RegistryError> {
        let (server, credential) = self.server().await?;
        let incoming = super::get(&server, path.to_owned(), credential, false).await?;
        let list: SliceList =
            serde_json::from_slice(&super::read(incoming).await?).map_err(|error| super::nonsense(&error))?;
        let slices = list.items.into_iter().take(MOST_SLICES);
        let slices = slices.map(|slice| (slice.metadata.name.clone(), slice)).collect();
        Ok((slices, list.metadata.resource_version))
    }

    /// The server, with the token and the authorities as they are now: the kubelet replaces both while they are good.
    async fn server(&self) -> Result<(Endpoint, Credential), RegistryError> {
        let token = match &self.config.token_file {
            Some(file) => Some(Secret::new(file_text(file).await?)),
            None => None,
        };
        let credential = if token.is_some() { Credential::Bearer } else { Credential::None };
        let ca_file = self.config.ca_file.as_deref();
        let options = super::server(&self.config.api, token.as_ref(), ca_file, self.connect_timeout);
        let server = Endpoint::new(options).map_err(|error| RegistryError::new(error.to_string()))?;
        Ok((server, credential))
    }
}

/// A file with one line of text, such as a token.
async fn file_text(path: &Path) -> Result<String, RegistryError> {
    let path: PathBuf = path.to_owned();
    let unreadable = |path: &Path, reason: &str| RegistryError::new(format!("{} {reason}", path.display()));
    let read = tokio::task::spawn_blocking(move || {
        use io::Read;
        let mut text = String::new();
        let file = std::fs::File::open(&path);
        let done = file.and_then(|file| file.take(LARGEST_FILE).read_to_string(&mut text));
        match done {
            Ok(_) if text.trim().is_empty() => Err(unreadable(&path, "is empty")),
            Ok(_) => Ok(text.trim().to_owned()),
            Err(error) => Err(unreadable(&path, &format!("cannot be read: {error}"))),
        }
    });
    read.await.map_err(|_| RegistryError::new("a file could not be read"))?
}

/// The slices of a service as they are, and the watch that tells how they change.
#[derive(Debug)]
pub(super) struct Following {
    service: Service,
    path: String,
    slices: BTreeMap<String, Slice>,
    /// The version of the slices: where a watch goes on.
    version: String,
    events: Option<Events>,
}

/// Why a watch does not go on.
enum Stop {
    /// The server does not know the version any more: everything has to be listed again.
    Gone,
    Failed(RegistryError),
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

impl Following {
    /// All endpoints of all slices.
    pub(super) fn listing(&self) -> Listing {
        let Kubernetes { form, port, .. } = &self.service.config;
        Listing::of(self.slices.values().flat_map(|slice| slice.members(form, port.as_ref())))
    }

    /// Waits until the slices have changed.
    pub(super) async fn next(&mut self) -> Result<Listing, RegistryError> {
        match self.change().await {
            Ok(()) => Ok(self.listing()),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Gone) => {
                *self = in_time(self.service.clone().follow()).await?;
                Ok(self.listing())
            }
        }
    }

    /// Reads events until one has changed a slice. The server ends a watch now and then: that is no failure, and the
    /// next one goes on where it ended.
    async fn change(&mut self) -> Result<(), Stop> {
        loop {
            let (mut events, is_new) = match self.events.take() {
                Some(events) => (events, false),
                None => (in_time_or_gone(self.watch()).await?, true),
            };
            // The server ends it by itself before that. If not, the connection is dead and nobody has said so.
            let Ok(next) = tokio::time::timeout(WATCH_TIME + PATIENCE, events.next()).await else { continue };
            let Some(batch) = next.transpose().map_err(RegistryError::from)? else {
                // Asking on and on would be all that comes of a server that does not want to be watched.
                let reason = "its watch ended before it began";
                if is_new { return Err(RegistryError::new(reason).into()) } else { continue }
            };
            self.events = Some(events);
            let mut has_changed = false;
            for event in batch.iter() {
                has_changed |= self.apply(event.text())?;
            }
            if has_changed {
                return Ok(());
            }
        }
    }

    async fn watch(&self) -> Result<Events, Stop> {
        let (server, credential) = self.service.server().await?;
        let path = format!(
            "{}&watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            self.path,
            WATCH_TIME.as_secs(),
            self.version
        );
        match super::get(&server, path, credential, true).await {
            Ok(incoming) => incoming.events(Framing::Ndjson, LARGEST_EVENT).map_err(|error| Stop::Failed(error.into())),
            Err(error) if error.status == Some(StatusCode::GONE) => Err(Stop::Gone),
            Err(error) => Err(Stop::Failed(error)),
        }
    }

    /// Takes note of an event, and says whether the slices are others now.
    fn apply(&mut self, text: &str) -> Result<bool, Stop> {
        let nonsense = |error| Stop::Failed(super::nonsense(&error));
        let event: Event<'_> = serde_json::from_str(text).map_err(nonsense)?;
        if event.kind == "ERROR" {
            let status: Status = serde_json::from_str(event.object.get()).map_err(nonsense)?;
            return Err(match status.code {
                410 => Stop::Gone,
                code => Stop::Failed(RegistryError::new(format!("the watch ended with status {code}"))),
            });
        }
        let slice: Slice = serde_json::from_str(event.object.get()).map_err(nonsense)?;
        self.version.clone_from(&slice.metadata.resource_version);
        match event.kind {
            "ADDED" | "MODIFIED" => {
                self.slices.insert(slice.metadata.name.clone(), slice);
                if self.slices.len() > MOST_SLICES {
                    return Err(RegistryError::new("it has too many slices").into());
                }
            }
            "DELETED" => drop(self.slices.remove(&slice.metadata.name)),
            // A bookmark says only how far the server has come. What else there may be one day is not known.
            _ => return Ok(false),
        }
        Ok(true)
    }
}

async fn in_time_or_gone(watching: impl Future<Output = Result<Events, Stop>>) -> Result<Events, Stop> {
    in_time(async {
        match watching.await {
            Ok(events) => Ok(Ok(events)),
            Err(Stop::Gone) => Ok(Err(Stop::Gone)),
            Err(Stop::Failed(error)) => Err(error),
        }
    })
    .await?
}

#[derive(Deserialize)]
struct SliceList {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    items: Vec<Slice>,
}

/// An event of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a serde_json::value::RawValue,
}

/// What an `ERROR` carries.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}
