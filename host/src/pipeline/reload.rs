//! The gateway as a whole: the snapshot that requests see, and how it is made anew while they run.
//!
//! A reload reads the configuration, loads what plugin files have changed, and makes a new snapshot aside that takes
//! over what did not change. Only a snapshot that is good in all its parts is swapped in; else the old one goes on
//! serving. Requests that run keep the snapshot that they began with.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::discovery;
use super::provider::{BuildError, Provider, Unusable};
use super::snapshot::Snapshot;
use crate::config::{self, Config, Source};
use crate::plugin::{Library, PluginState, Sandbox};
use crate::telemetry::Metrics;
use crate::upstream::{FetchOptions, Fetcher};

/// The gateway: what every request starts from.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    metrics: Metrics,
    source: Source,
    /// One reload at a time. Requests never take this lock.
    library: Mutex<Library>,
    /// What operators see, replaced after each reload.
    plugins: ArcSwap<Vec<PluginState>>,
    config_error: ArcSwap<Option<String>>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error("{0}")]
    Config(#[from] config::Errors),
    /// The sandbox cannot be made on this machine.
    #[error("the sandbox cannot be made: {0}")]
    Sandbox(String),
    /// TLS for the fetching of media cannot be set up.
    #[error("media cannot be fetched: {0}")]
    Fetcher(String),
    /// Providers cannot be used.
    #[error("{}", list(.0))]
    Providers(Vec<BuildError>),
}

/// What a reload did.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// What was wrong. What it concerns goes on as it was.
    pub errors: Vec<String>,
}

impl Gateway {
    /// Makes everything ready, or says why not.
    pub async fn start(source: Source, config: Config, metrics: Metrics) -> Result<Arc<Self>, StartError> {
        let sandbox = Sandbox::new(&config.plugins.cache).map_err(|error| StartError::Sandbox(error.to_string()))?;
        let mut library = Library::new(sandbox, config.plugins.path.clone());
        library.refresh(&plugin_names(&config)).await;
        let config = Arc::new(config);
        let (providers, errors) = build(&config, &mut library, &metrics, None).await;
        if !errors.is_empty() {
            return Err(StartError::Providers(errors));
        }
        let fetcher = fetcher(&config, None).map_err(StartError::Fetcher)?;
        let gateway = Arc::new(Self {
            plugins: ArcSwap::from_pointee(library.states()),
            snapshot: ArcSwap::from_pointee(Snapshot::new(config, providers, fetcher)),
            library: Mutex::new(library),
            config_error: ArcSwap::default(),
            metrics,
            source,
        });
        gateway.report_plugins();
        for provider in gateway.snapshot().providers() {
            discovery::start(&gateway, provider);
        }
        Ok(gateway)
    }

    /// What a request sees from start to end.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The plugins as they stand.
    pub fn plugins(&self) -> Arc<Vec<PluginState>> {
        self.plugins.load_full()
    }

    /// Why the configuration as it stands now does not serve, if it does not.
    pub fn config_error(&self) -> Option<String> {
        (**self.config_error.load()).clone()
    }

    /// Reads configuration and plugins anew and swaps in what is good.
    pub async fn reload(self: &Arc<Self>) -> Reloaded {
        let mut library = self.library.lock().await;
        let before = self.snapshot();
        let mut config_error = None;
        let config = match config::load(&self.source) {
            // What did not change keeps its identity.
            Ok(config) if config == **before.config() => Arc::clone(before.config()),
            Ok(config) => Arc::new(config),
            Err(errors) => {
                config_error = Some(errors.to_string());
                Arc::clone(before.config())
            }
        };
        // Those that serve as well: they go on if the new configuration is refused.
        let names: BTreeSet<&str> = plugin_names(&config).into_iter().chain(plugin_names(before.config())).collect();
        for name in library.refresh(&Vec::from_iter(names)).await {
            self.metrics.count_plugin_reload_error(&name);
        }
        if let Err(error) = self.take_over(&before, &config, &mut library).await {
            config_error = Some(error);
            // New plugin files are taken into service whatever becomes of the configuration. Its own providers can be
            // used, since a plugin that has come not to fit them falls back.
            let _ = self.take_over(&before, before.config(), &mut library).await;
        }
        library.keep(&plugin_names(self.snapshot().config()));
        let plugins = library.states();
        let plugin_error = |plugin: &PluginState| Some(format!("plugin `{}`: {}", plugin.name, plugin.error.as_ref()?));
        let errors = config_error.iter().cloned().chain(plugins.iter().filter_map(plugin_error)).collect();
        self.plugins.store(Arc::new(plugins));
        self.report_plugins();
        self.report_config(&before, config_error);
        Reloaded { errors }
    }

    /// Swaps in this configuration on the plugins as they are now, if all of its providers can be used.
    async fn take_over(
        self: &Arc<Self>,
        before: &Snapshot,
        config: &Arc<Config>,
        library: &mut Library,
    ) -> Result<(), String> {
        let (providers, errors) = build(config, library, &self.metrics, Some(before)).await;
        if !errors.is_empty() {
            return Err(list(&errors));
        }
        let fetcher = fetcher(config, Some(before))?;
        self.swap(before, Snapshot::new(Arc::clone(config), providers, fetcher));
        Ok(())
    }

    fn swap(self: &Arc<Self>, before: &Snapshot, after: Snapshot) {
        self.snapshot.store(Arc::new(after));
        for provider in self.snapshot().providers() {
            let is_new = before.provider(provider.name()).is_none_or(|before| !before.shares_upstream(provider));
            if is_new {
                discovery::start(self, provider);
            }
        }
    }

    /// Tells what became of the configuration: why it was refused, or what has changed in the one that serves.
    fn report_config(&self, before: &Snapshot, error: Option<String>) {
        // A file that stays invalid while plugins are reloaded is one failure, not many.
        if let Some(error) = error.as_ref().filter(|error| self.config_error().as_ref() != Some(error)) {
            tracing::error!("the configuration was refused at its reload, the one before goes on serving: {error}");
            self.metrics.count_config_reload(false);
        }
        let snapshot = self.snapshot();
        if !Arc::ptr_eq(before.config(), snapshot.config()) {
            for key in only_at_start(before.config(), snapshot.config()) {
                tracing::warn!("a change of `{key}` takes effect at the next start");
            }
            tracing::info!("the configuration was reloaded");
            self.metrics.count_config_reload(true);
        }
        self.config_error.store(Arc::new(error));
    }

    fn report_plugins(&self) {
        for plugin in self.plugins().iter() {
            let generation = plugin.serving.as_ref().map_or(0, |serving| serving.generation);
            self.metrics.plugin(&plugin.name, &[]).set_generation(generation);
        }
    }
}

/// Makes the providers of a configuration, taking over from those before. A plugin's new file whose settings do not
/// fit any more leaves the generation before it in service.
async fn build(
    config: &Config,
    library: &mut Library,
    metrics: &Metrics,
    before: Option<&Snapshot>,
) -> (Vec<Provider>, Vec<BuildError>) {
    let (mut providers, mut errors) = (Vec::new(), Vec::new());
    for provider in &config.providers {
        let before = before.and_then(|before| before.provider(&provider.name));
        match build_one(config, provider, library, metrics, before).await {
            Ok(provider) => providers.push(provider),
            Err(error) => errors.push(error),
        }
    }
    (providers, errors)
}

async fn build_one(
    config: &Config,
    provider: &config::Provider,
    library: &mut Library,
    metrics: &Metrics,
    before: Option<&Provider>,
) -> Result<Provider, BuildError> {
    let generation = library.generation(&provider.plugin).map_err(|error| BuildError::plugin(provider, error))?;
    let plugin_limits = config.plugins.limits_of(&provider.plugin);
    let built = Provider::build(provider, &config.limits, plugin_limits, generation, metrics, before).await;
    let (Err(BuildError { reason: Unusable::Plugin(_, error), .. }), Some(before)) = (&built, before) else {
        return built;
    };
    let old = Arc::clone(before.plugin().generation());
    let is_new = library.generation(&provider.plugin).is_ok_and(|current| !Arc::ptr_eq(&current, &old));
    if old.name != provider.plugin || !is_new {
        return built;
    }
    tracing::error!(plugin = provider.plugin, "the new file was not taken into service: {error}");
    library.fall_back(Arc::clone(&old), error.clone());
    Provider::build(provider, &config.limits, plugin_limits, old, metrics, Some(before)).await
}

fn plugin_names(config: &Config) -> Vec<&str> {
    let names: BTreeSet<&str> = config.providers.iter().map(|provider| provider.plugin.as_str()).collect();
    names.into_iter().collect()
}

/// What fetches media: the one from before, if nothing of its options has changed.
fn fetcher(config: &Config, before: Option<&Snapshot>) -> Result<Arc<Fetcher>, String> {
    if let Some(before) = before.filter(|before| before.config().fetch == config.fetch) {
        return Ok(Arc::clone(before.fetcher()));
    }
    let config::Fetch { enabled, max_bytes, timeout, private_addresses, redirects } = config.fetch.clone();
    let options = FetchOptions { enabled, max_bytes, timeout, private_addresses, redirects };
    Fetcher::new(options).map(Arc::new).map_err(|error| error.to_string())
}

/// Keys of the configuration that a reload cannot change.
fn only_at_start(before: &Config, after: &Config) -> Vec<&'static str> {
    // How long a body may take is looked up by each request.
    let body_total = before.client_timeouts.body_total;
    let of_connections = config::ClientTimeouts { body_total, ..after.client_timeouts.clone() };
    let changed = [
        ("listen", before.listen != after.listen),
        ("admin_listen", before.admin_listen != after.admin_listen),
        ("plugins.path", before.plugins.path != after.plugins.path),
        ("plugins.cache", before.plugins.cache != after.plugins.cache),
        ("client_timeouts", before.client_timeouts != of_connections),
        ("tls", before.tls.is_some() != after.tls.is_some()),
        ("log", before.log != after.log),
        ("limits.connections", before.limits.connections != after.limits.connections),
        ("limits.headers", before.limits.headers != after.limits.headers),
        ("limits.header_bytes", before.limits.header_bytes != after.limits.header_bytes),
        ("limits.streams_per_connection", before.limits.streams_per_connection != after.limits.streams_per_connection),
    ];
    changed.into_iter().filter_map(|(key, has_changed)| has_changed.then_some(key)).collect()
}

fn list(errors: &[BuildError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
