//! The configuration: one YAML file, read once into an immutable [`Config`] that the rest of Weir can trust.
//!
//! [`load`] goes from text to types in five steps, each a file: `document` parses the text into a tree that knows the
//! place of every value, `interpolate` fills in `${NAME}`, `overrides` writes `WEIR_...` variables into the tree,
//! `presets` completes the providers in it, and `read` turns it into the types here, reporting everything that is wrong
//! at once. Without a file, `found` makes the tree from what the environment shows. `watch` says when to load again.
//!
//! No code here knows a provider or a plugin by name (`presets.yaml` and `found.yaml` are data), opens a socket, or
//! looks at the process: the environment is given.

mod access;
mod aws;
mod ca_file;
mod condense;
mod document;
mod endpoints;
mod errors;
mod facts;
mod fetch;
mod fields;
mod found;
mod interpolate;
mod limits;
mod log;
mod model;
mod overrides;
mod plugins;
mod presets;
mod provider;
mod read;
mod secret;
mod standing;
mod suggest;
mod target;
#[cfg(test)]
mod tests;
mod timeouts;
mod values;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use access::{Cors, Key, KeySecret, Origins};
pub use aws::Aws;
pub use ca_file::CaFile;
pub use condense::Condense;
pub use endpoints::{Consul, DnsSrv, Endpoints, Form, JsonRegistry, Kubernetes, Member, Namespace, Port};
pub use errors::{Errors, Origin, Place, Problem};
pub use facts::{ModelInfo, Prices};
pub use fetch::Fetch;
pub use limits::Limits;
pub use model::{Model, Policy, matched};
pub use plugins::{PluginLimits, Plugins};
pub use provider::{Provider, UnsupportedParameters};
pub use secret::Secret;
pub use standing::{Breaker, Concurrency, Cooldown, Figures, HealthChecks, Hedging, Outliers, Standing};
pub(crate) use suggest::did_you_mean;
pub use target::Target;
pub use timeouts::{ClientTimeouts, Retries, Timeouts};
pub use watch::Watcher;

use errors::Problems;

use crate::telemetry::LogOptions;

/// A valid configuration. Two are equal when they say the same, so a reload can tell whether anything changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients come in. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Whether it is intended that anybody who reaches `listen` may use the gateway without a key. Only then may
    /// `listen` be reachable from other machines while there are no `keys`. Once there are, every request needs one.
    pub allow_anonymous: bool,
    /// A listener of its own for the administration, which then is no longer on `listen`. It asks for an admin key if
    /// there is one, and has to be on loopback if there is none. Default none.
    pub admin_listen: Option<SocketAddr>,
    /// The certificate of `listen`. Default none: plain HTTP.
    pub tls: Option<Tls>,
    /// Where the plugins are, and what they may use.
    pub plugins: Plugins,
    /// The keys of the clients, those that are switched on. Names and secrets are unique.
    pub keys: Vec<Key>,
    /// The providers, in the order of the file. Names are unique.
    pub providers: Vec<Provider>,
    /// The model names. Unique, and each leads to providers above.
    pub models: Vec<Model>,
    /// The model of a request that names none: one of `models`, or `provider/model`. Default none: such a request is
    /// refused.
    pub default_model: Option<String>,
    /// Limits of the gateway itself.
    pub limits: Limits,
    /// How long upstreams may take, unless a provider says otherwise.
    pub timeouts: Timeouts,
    /// How long clients may take.
    pub client_timeouts: ClientTimeouts,
    /// When failed attempts are made again, unless a provider says otherwise.
    pub retries: Retries,
    /// How targets are judged, unless a provider says otherwise.
    pub standing: Standing,
    /// How media are fetched that requests refer to.
    pub fetch: Fetch,
    /// What pages in a browser may do.
    pub cors: Cors,
    /// What is logged, and how. Default `info`, as text on a terminal and as JSON otherwise.
    pub log: LogOptions,
    /// The file that this was read from.
    pub file: Option<PathBuf>,
}

/// The certificate of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where it is configured.
    pub place: Place,
    /// The certificate chain (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl Config {
    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Every file and folder whose content this configuration depends on: what to watch for a reload.
    pub fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| [&tls.cert, &tls.key]);
        let authorities = self.providers.iter().filter_map(|provider| Some(&provider.ca_file.as_ref()?.path));
        let mut files: Vec<PathBuf> =
            self.file.iter().chain([&self.plugins.path]).chain(tls).chain(authorities).cloned().collect();
        files.sort();
        files.dedup();
        files
    }
}

/// What a configuration is made from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file. Without one: what the environment shows.
    pub file: Option<PathBuf>,
    /// The environment variables.
    pub environment: Environment,
}

/// Environment variables, by name. Printing them prints no values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From names and values.
    pub fn new<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Those of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(utf8).collect())
    }

    /// The same, with this variable if it is not set.
    #[must_use]
    pub fn or(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.entry(name.to_owned()).or_insert_with(|| value.into());
        self
    }

    /// The value of a variable, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads and checks a configuration. Blocks on the file.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(source: &Source) -> Result<Config, Errors> {
    match &source.file {
        Some(file) => from_text(&read_text(file)?, source),
        None => {
            let mut problems = Problems::default();
            from_tree(found::document(&source.environment, &mut problems)?, source, problems)
        }
    }
}

/// What the file of this source holds is given, and not read.
fn from_text(text: &str, source: &Source) -> Result<Config, Errors> {
    let mut problems = Problems::default();
    let name = source.file.as_deref().unwrap_or(Path::new("-")).to_string_lossy();
    let root = document::parse(text, &name, &mut problems)?;
    from_tree(root, source, problems)
}

fn from_tree(mut root: document::Node, source: &Source, mut problems: Problems) -> Result<Config, Errors> {
    interpolate::interpolate(&mut root, &source.environment, &mut problems);
    overrides::apply(&mut root, &source.environment, &mut problems);
    presets::apply(&mut root, &mut problems)?;
    let config = read::config(&root, source, &mut problems);
    problems.finish(config)
}

fn read_text(file: &Path) -> Result<String, Errors> {
    use std::io::Read;
    let origin = || Origin::File(file.to_string_lossy().into());
    let mut bytes = Vec::new();
    // Not the size that the file system tells: a device or a pipe has none.
    let most = document::LARGEST_FILE as u64 + 1;
    std::fs::File::open(file)
        .and_then(|opened| opened.take(most).read_to_end(&mut bytes))
        .map_err(|error| Errors::one(origin(), format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let lines = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Errors::one(origin(), format!("is not UTF-8 text; line {} holds other bytes", lines + 1))
    })
}
