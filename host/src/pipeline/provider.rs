//! A configured provider, ready to be called: its plugin with its settings, its upstream, its budget and figures.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use hyper::header::HeaderName;

use super::retry::Budget;
use crate::config::{self, Limits, ModelInfo, Place, PluginLimits, Retries, Timeouts, UnsupportedParameters};
use crate::error::{Cause, Error};
use crate::plugin::{self, Generation, LoadError, Operation, ProviderPlugin};
use crate::telemetry::{Metrics, ProviderMetrics};
use crate::upstream::{AwsCredentials, Endpoint, EndpointOptions, RateLimit};

/// Connections that nobody uses are closed after this long.
const POOL_IDLE: std::time::Duration = std::time::Duration::from_secs(60);

/// A configured provider. Cheap to clone; a request or a stream holds on to the one that it began with.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    config: config::Provider,
    limits: Limits,
    plugin: Arc<ProviderPlugin>,
    /// What the plugin can do and the operator says that the upstream can.
    operations: Vec<Operation>,
    rate_limits: Vec<(String, RateLimit)>,
    upstream: Arc<Upstream>,
}

/// What outlives a change of the plugin: connections, the retry budget, the figures, the models that were found.
struct Upstream {
    endpoint: Option<Endpoint>,
    budget: Budget,
    metrics: ProviderMetrics,
    /// The models that the upstream says it has; set once it has been asked.
    discovered: OnceLock<ArcSwap<Vec<ModelInfo>>>,
}

/// A provider of the configuration that cannot be used. Displays as `weir.yaml:12:5: provider ...`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: provider `{provider}`: {reason}")]
pub struct BuildError {
    /// Where it is configured.
    pub place: Place,
    /// Its name.
    pub provider: String,
    /// Why it cannot be used.
    pub reason: Unusable,
}

/// What of a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its plugin, by name, with its settings.
    #[error("the plugin `{0}` cannot be used: {1}")]
    Plugin(String, LoadError),
    /// Its upstream.
    #[error("{0}")]
    Upstream(String),
}

impl BuildError {
    pub(super) fn plugin(config: &config::Provider, error: LoadError) -> Self {
        Self::new(config, Unusable::Plugin(config.plugin.clone(), error))
    }

    fn new(config: &config::Provider, reason: Unusable) -> Self {
        Self { place: config.place.clone(), provider: config.name.clone(), reason }
    }
}

impl Provider {
    /// Makes a provider, taking over from the one before under this name what has not changed.
    pub(super) async fn build(
        config: &config::Provider,
        limits: &Limits,
        plugin_limits: &PluginLimits,
        generation: Arc<Generation>,
        metrics: &Metrics,
        before: Option<&Self>,
    ) -> Result<Self, BuildError> {
        let reused = before.filter(|before| before.0.plugin.fits(&generation, &config.settings, plugin_limits));
        let plugin = match reused {
            Some(before) => Arc::clone(&before.0.plugin),
            None => {
                let metrics = metrics.plugin(&config.plugin, &plugin::FUNCTIONS);
                let plugin = ProviderPlugin::new(generation, &config.settings, plugin_limits.clone(), metrics).await;
                plugin.map_err(|error| BuildError::plugin(config, error))?
            }
        };
        let kept = before.filter(|before| before.0.config == *config).map(|before| Arc::clone(&before.0.upstream));
        let upstream = match kept {
            Some(upstream) => upstream,
            None => Arc::new(Upstream {
                endpoint: endpoint(config).map_err(|error| BuildError::new(config, Unusable::Upstream(error)))?,
                budget: Budget::new(&config.retries),
                metrics: metrics.provider(&config.name),
                discovered: OnceLock::new(),
            }),
        };
        let operations = operations(config, plugin.generation());
        let rate_limits = plugin.generation().descriptor.rate_limits.iter().map(rate_limit).collect();
        let (config, limits) = (config.clone(), limits.clone());
        Ok(Self(Arc::new(Inner { config, limits, plugin, operations, rate_limits, upstream })))
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    pub(super) fn config(&self) -> &config::Provider {
        &self.0.config
    }

    pub(super) fn plugin(&self) -> &Arc<ProviderPlugin> {
        &self.0.plugin
    }

    pub(super) fn supports(&self, operation: Operation) -> bool {
        self.0.operations.contains(&operation)
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.0.config.timeouts
    }

    pub(super) fn retries(&self) -> &Retries {
        &self.0.config.retries
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn unsupported_parameters(&self) -> UnsupportedParameters {
        self.0.config.unsupported_parameters
    }

    /// How many inputs one request for embeddings may have.
    pub(super) fn embedding_inputs(&self) -> Option<usize> {
        let own = self.0.config.embedding_inputs.or(self.0.plugin.generation().descriptor.embedding_inputs);
        own.and_then(|inputs| usize::try_from(inputs).ok())
    }

    /// The headers in which the upstream tells of its rate limits.
    pub(super) fn rate_limits(&self) -> &[(String, RateLimit)] {
        &self.0.rate_limits
    }

    pub(super) fn forward_headers(&self) -> &[HeaderName] {
        &self.0.config.forward_headers
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.0.upstream.budget
    }

    pub(super) fn metrics(&self) -> &ProviderMetrics {
        &self.0.upstream.metrics
    }

    /// Keeps what the upstream says that it has.
    pub(super) fn set_discovered(&self, models: Vec<ModelInfo>) {
        self.0.upstream.discovered.get_or_init(ArcSwap::default).store(Arc::new(models));
    }

    /// The upstream, if the provider has one.
    pub(super) fn endpoint(&self) -> Result<&Endpoint, Error> {
        self.0.upstream.endpoint.as_ref().ok_or_else(|| {
            let name = self.name();
            let message = format!("The provider `{name}` has no `base_url`, but its plugin wants to call an upstream.");
            Error::new(Cause::Internal, message)
        })
    }

    /// Whether this is the same provider with the same connections, whatever plugin it runs on.
    pub(super) fn shares_upstream(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.upstream, &other.0.upstream)
    }

    /// The models that the operator named, then those that the upstream says it has.
    pub(super) fn models(&self) -> Vec<ModelInfo> {
        let named = &self.0.config.models;
        let mut models = named.clone();
        if let Some(discovered) = self.0.upstream.discovered.get() {
            let others = discovered.load();
            let others = others.iter().filter(|model| named.iter().all(|named| named.id != model.id));
            models.extend(others.map(|model| self.known(model.clone())));
        }
        models
    }

    /// A model that the upstream told of, with what the operator knows of it.
    fn known(&self, model: ModelInfo) -> ModelInfo {
        match self.0.config.facts(&model.id) {
            Some(facts) => facts.clone().or_known(&[model]),
            None => model,
        }
    }

    /// What is known of one of its models.
    pub(super) fn facts(&self, model: &str) -> ModelInfo {
        let known = self.models().into_iter().find(|known| known.id == model);
        known.unwrap_or_else(|| self.known(ModelInfo::named(model)))
    }

    /// Whether the provider has this model, as far as it is known.
    pub(super) fn has_model(&self, model: &str) -> bool {
        let discovered = || self.0.upstream.discovered.get();
        self.0.config.models.iter().any(|known| known.id == model)
            || discovered().is_some_and(|models| models.load().iter().any(|known| known.id == model))
    }

    /// Takes the credential out of an error's texts, where an upstream has quoted it.
    pub(super) fn scrub(&self, mut error: Error) -> Error {
        let aws = self.0.config.aws.as_ref();
        let secrets = [
            self.0.config.api_key.as_ref(),
            aws.map(|aws| &aws.secret_access_key),
            aws.and_then(|aws| aws.session_token.as_ref()),
        ];
        for secret in secrets.into_iter().flatten().map(config::Secret::expose) {
            // A secret of a few letters would tear words apart, and is none.
            if secret.len() < 8 {
                continue;
            }
            if error.message.contains(secret) {
                error.message = error.message.replace(secret, "***");
            }
            error.detail = error.detail.map(|detail| detail.replace(secret, "***"));
        }
        error
    }
}

fn operations(config: &config::Provider, generation: &Generation) -> Vec<Operation> {
    let offered = generation.descriptor.operations.iter().copied();
    let allowed = |operation: &Operation| match &config.operations {
        Some(names) => names.iter().any(|name| name == operation.name()),
        None => true,
    };
    offered.filter(allowed).collect()
}

fn rate_limit(header: &plugin::RateLimitHeader) -> (String, RateLimit) {
    let tells = match header.tells {
        plugin::RateLimit::LimitRequests => RateLimit::LimitRequests,
        plugin::RateLimit::RemainingRequests => RateLimit::RemainingRequests,
        plugin::RateLimit::ResetRequests => RateLimit::ResetRequests,
        plugin::RateLimit::LimitTokens => RateLimit::LimitTokens,
        plugin::RateLimit::RemainingTokens => RateLimit::RemainingTokens,
        plugin::RateLimit::ResetTokens => RateLimit::ResetTokens,
    };
    (header.name.clone(), tells)
}

fn endpoint(config: &config::Provider) -> Result<Option<Endpoint>, String> {
    let Some(base_url) = config.base_url.clone() else { return Ok(None) };
    let options = EndpointOptions {
        provider: config.name.clone(),
        base_url,
        secret: config.api_key.as_ref().map(|secret| secret.expose().into()),
        aws: config.aws.as_ref().map(|aws| AwsCredentials {
            region: aws.region.clone(),
            access_key_id: aws.access_key_id.expose().into(),
            secret_access_key: aws.secret_access_key.expose().into(),
            session_token: aws.session_token.as_ref().map(|token| token.expose().into()),
        }),
        headers: config.headers.clone(),
        connect_timeout: config.timeouts.connect,
        ca_file: config.ca_file.as_ref().map(|file| file.path.clone()),
        pool_idle: POOL_IDLE,
    };
    Endpoint::new(options).map(Some).map_err(|error| error.to_string())
}
