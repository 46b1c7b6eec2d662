//! The gateway as a whole: the snapshot that requests see, and how it is made anew while they run.
//!
//! A reload reads the configuration, loads what plugin files have changed, and makes a new snapshot aside that takes
//! over what did not change. Only a snapshot that is good in all its parts is swapped in; else the old one goes on
//! serving. Requests that run keep the snapshot that they began with.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::discovery::Discovered;
use super::policy::Policy;
use super::provider::{BuildError, Provider, Unusable};
use super::snapshot::Snapshot;
use super::{checks, discovery, endpoints, outliers};
use crate::config::{self, Config, Source};
use crate::plugin::{Generation, Library, LoadError, PluginState, Sandbox};
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
    is_draining: AtomicBool,
    is_short_of_memory: AtomicBool,
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
    /// Providers or policies cannot be used.
    #[error("{}", list(.0))]
    Unusable(Vec<BuildError>),
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
        let built = build(&config, &mut library, &metrics, None).await.map_err(StartError::Unusable)?;
        let fetcher = fetcher(&config, None).map_err(StartError::Fetcher)?;
        let gateway = Arc::new(Self {
            plugins: ArcSwap::from_pointee(library.states()),
            snapshot: ArcSwap::from_pointee(built.snapshot(config, fetcher, None)),
            library: Mutex::new(library),
            config_error: ArcSwap::default(),
            is_draining: AtomicBool::new(false),
            is_short_of_memory: AtomicBool::new(false),
            metrics,
            source,
        });
        gateway.report_plugins();
        gateway.follow(None);
        outliers::start(&gateway);
        endpoints::first_answers(&gateway.snapshot()).await;
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

    /// Asks all registries for endpoints and all upstreams for models, at once.
    pub async fn discover(self: &Arc<Self>) -> Vec<Discovered> {
        discovery::ask_all(self).await
    }

    /// From now on nothing new is to be sent here: what is in flight ends.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether it only ends what is in flight.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Notes whether the process holds more memory than `limits.memory_bytes` allows.
    pub fn set_short_of_memory(&self, is_short: bool) {
        if self.is_short_of_memory.swap(is_short, Ordering::Relaxed) != is_short {
            match is_short {
                true => tracing::warn!("the process holds more memory than it may: new requests are turned away"),
                false => tracing::info!("there is memory for new requests again"),
            }
        }
    }

    /// Whether it does.
    pub fn is_short_of_memory(&self) -> bool {
        self.is_short_of_memory.load(Ordering::Relaxed)
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
        let built = build(config, library, &self.metrics, Some(before)).await.map_err(|errors| list(&errors))?;
        let fetcher = fetcher(config, Some(before))?;
        self.swap(before, built.snapshot(Arc::clone(config), fetcher, Some(before)));
        Ok(())
    }

    /// Swaps in what comes of the snapshot that serves, if anything does. It is one reload among the others.
    pub(super) async fn replace(self: &Arc<Self>, change: impl FnOnce(&Snapshot) -> Option<Snapshot>) {
        let _others_wait = self.library.lock().await;
        let before = self.snapshot();
        if let Some(after) = change(&before) {
            self.swap(&before, after);
        }
    }

    fn swap(self: &Arc<Self>, before: &Snapshot, after: Snapshot) {
        self.snapshot.store(Arc::new(after));
        self.follow(Some(before));
        let after = self.snapshot();
        for provider in before.callable() {
            if after.current(provider).is_none() {
                // Would find out by itself, in minutes, and hold on to connections until then.
                provider.stop_asking();
            }
            if after.provider(provider.name()).is_none() {
                self.metrics.forget_standing(provider.name());
            }
        }
    }

    /// Begins to ask for the endpoints, the models and the health of the providers that are new.
    fn follow(self: &Arc<Self>, before: Option<&Snapshot>) {
        let after = self.snapshot();
        endpoints::start(self, before, &after);
        for provider in after.callable() {
            if before.and_then(|before| before.current(provider)).is_none() {
                checks::start(self, provider);
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

/// What a configuration is made of, all of it good.
struct Built {
    providers: Vec<Provider>,
    /// By the name of their model.
    policies: HashMap<String, Arc<Policy>>,
}

impl Built {
    fn snapshot(self, config: Arc<Config>, fetcher: Arc<Fetcher>, before: Option<&Snapshot>) -> Snapshot {
        Snapshot::new(config, self.providers, self.policies, fetcher, before)
    }
}

/// Makes the providers and policies of a configuration, taking over from those before. A plugin's new file whose
/// settings do not fit any more leaves the generation before it in service.
async fn build(
    config: &Config,
    library: &mut Library,
    metrics: &Metrics,
    before: Option<&Snapshot>,
) -> Result<Built, Vec<BuildError>> {
    let mut built = Built { providers: Vec::new(), policies: HashMap::new() };
    let mut errors = Vec::new();
    for provider in &config.providers {
        let before = before.and_then(|before| before.provider(&provider.name));
        match build_one(config, provider, library, metrics, before).await {
            Ok(provider) => built.providers.push(provider),
            Err(error) => errors.push(error),
        }
    }
    for model in &config.models {
        let Some(policy) = &model.policy else { continue };
        let before = before.and_then(|before| before.policy(&model.name));
        match build_policy(config, model, policy, library, metrics, before).await {
            Ok(policy) => {
                built.policies.insert(model.name.clone(), policy);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

async fn build_policy(
    config: &Config,
    model: &config::Model,
    policy: &config::Policy,
    library: &mut Library,
    metrics: &Metrics,
    before: Option<&Arc<Policy>>,
) -> Result<Arc<Policy>, BuildError> {
    let unusable = |reason| BuildError::of_policy(model, policy, reason);
    let generation = library.generation(&policy.plugin);
    let generation = generation.map_err(|error| unusable(Unusable::Plugin(policy.plugin.clone(), error)))?;
    let limits = config.plugins.limits_of(&policy.plugin);
    let built = Policy::build(model, policy, generation, limits, metrics, before).await;
    let (Err(Unusable::Plugin(_, error)), Some(before)) = (&built, before) else { return built.map_err(unusable) };
    match fall_back(library, &policy.plugin, before.generation(), error) {
        Some(old) => Policy::build(model, policy, old, limits, metrics, Some(before)).await.map_err(unusable),
        None => built.map_err(unusable),
    }
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
    match fall_back(library, &provider.plugin, before.plugin().generation(), error) {
        Some(old) => Provider::build(provider, &config.limits, plugin_limits, old, metrics, Some(before)).await,
        None => built,
    }
}

/// Takes a plugin's new file out of service for which what is configured does not fit, in favour of the generation
/// before it, if that is another one.
fn fall_back(
    library: &mut Library,
    plugin: &str,
    before: &Arc<Generation>,
    error: &LoadError,
) -> Option<Arc<Generation>> {
    let is_new = library.generation(plugin).is_ok_and(|current| !Arc::ptr_eq(&current, before));
    if before.name != plugin || !is_new {
        return None;
    }
    tracing::error!(plugin, "the new file was not taken into service: {error}");
    library.fall_back(Arc::clone(before), error.clone());
    Some(Arc::clone(before))
}

fn plugin_names(config: &Config) -> Vec<&str> {
    let policies = config.models.iter().filter_map(|model| model.policy.as_ref());
    let policies = policies.map(|policy| policy.plugin.as_str());
    let names: BTreeSet<&str> =
        config.providers.iter().map(|provider| provider.plugin.as_str()).chain(policies).collect();
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
