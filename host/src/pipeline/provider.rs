//! A configured provider, ready to be called: its plugin with its settings, its upstream, its budget and figures.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::header::HeaderName;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::endpoints::Source;
use super::models::Models;
use crate::config::{self, Limits, ModelInfo, Place, PluginLimits, Retries, Timeouts, UnsupportedParameters};
use crate::error::{Cause, Error};
use crate::plugin::{self, Generation, LoadError, Operation, ProviderPlugin};
use crate::standing::{Budget, Checks, Standing};
use crate::telemetry::{Metrics, ProviderMetrics};
use crate::upstream::{AwsCredentials, ConnectionOptions, Endpoint, EndpointOptions, RateLimit, Registry};

/// Models of one provider whose standing is kept apart. Clients choose the names, so there has to be an end: what is
/// over shares one standing.
const MOST_STANDINGS: usize = 1_000;

/// The name under which they do. No model has it, as an empty name is refused.
const OTHERS: &str = "";

/// Connections that nobody uses are closed after this long.
const POOL_IDLE: Duration = Duration::from_secs(60);

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
    /// What is said of the endpoint, if this is a member of a group.
    member: Option<config::Member>,
}

/// What outlives a change of the plugin: connections, the retry budget, the figures, the models that were found.
struct Upstream {
    endpoint: Option<Endpoint>,
    /// Where the endpoints of a group come from.
    source: Option<Arc<Source>>,
    retry_budget: Budget,
    hedge_budget: Budget,
    metrics: ProviderMetrics,
    /// How each of its targets stands, by the model's name.
    standings: ArcSwap<HashMap<String, Arc<Standing>>>,
    /// What active checks say, for all of its targets.
    checks: Arc<Checks>,
    /// How it stands by its checks alone: what is known of it while no target was asked.
    by_checks: Arc<Standing>,
    /// What asks it in the background, once that was started.
    asking: OnceLock<AbortHandle>,
    /// Its models, and what is known of them.
    models: Models,
}

/// Something of the configuration that cannot be used. Displays as `weir.yaml:12:5: provider ...`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}: {reason}")]
pub struct BuildError {
    /// Where it is configured.
    pub place: Place,
    /// What it is, with its name.
    pub what: String,
    /// Why it cannot be used.
    pub reason: Unusable,
}

/// What of it cannot be used.
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
        Self { place: config.place.clone(), what: format!("provider `{}`", config.name), reason }
    }

    pub(super) fn of_policy(config: &config::Model, policy: &config::Policy, reason: Unusable) -> Self {
        Self { place: policy.place.clone(), what: format!("model `{}`", config.name), reason }
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
            None => {
                let upstream = Upstream::new(config, metrics.provider(&config.name));
                Arc::new(upstream.map_err(|error| BuildError::new(config, Unusable::Upstream(error)))?)
            }
        };
        let operations = operations(config, &plugin);
        let rate_limits = plugin.abilities().rate_limits.iter().map(rate_limit).collect();
        let (config, limits) = (config.clone(), limits.clone());
        Ok(Self(Arc::new(Inner { config, limits, plugin, operations, rate_limits, upstream, member: None })))
    }

    /// Makes the member of this group that one of its endpoints is, taking over from the one before at the same place.
    pub(super) fn member_at(&self, member: &config::Member, before: Option<&Self>) -> Result<Self, String> {
        let config = self.0.config.at(member);
        let kept = before.filter(|before| before.0.config == config).map(|before| Arc::clone(&before.0.upstream));
        let upstream = match kept {
            Some(upstream) => upstream,
            // The figures of the members are those of the group: labels come from the configuration alone.
            None => Arc::new(Upstream::new(&config, self.metrics().clone())?),
        };
        let Inner { limits, plugin, operations, rate_limits, .. } = &*self.0;
        Ok(Self(Arc::new(Inner {
            config,
            limits: limits.clone(),
            plugin: Arc::clone(plugin),
            operations: operations.clone(),
            rate_limits: rate_limits.clone(),
            upstream,
            member: Some(member.clone()),
        })))
    }

    /// Whether its endpoints are several or come and go: see `members`.
    pub fn is_group(&self) -> bool {
        self.0.config.endpoints.is_some()
    }

    /// What the list or the registry says of this endpoint, if it is a member of a group.
    pub fn member(&self) -> Option<&config::Member> {
        self.0.member.as_ref()
    }

    /// Its name, and after an `@` that of the endpoint, if it is a member of a group. For operators.
    pub fn label(&self) -> String {
        let name = self.name();
        self.member().map_or_else(|| name.to_owned(), |member| format!("{name}@{}", member.label()))
    }

    /// Whether its models can be asked for without a configured name.
    pub(super) fn is_direct(&self) -> bool {
        self.0.config.direct
    }

    /// The registry that a group's endpoints come from, if they do.
    pub(super) fn source(&self) -> Option<&Arc<Source>> {
        self.0.upstream.source.as_ref()
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
        let own = self.0.config.embedding_inputs.or(self.0.plugin.abilities().embedding_inputs);
        own.and_then(|inputs| usize::try_from(inputs).ok())
    }

    /// The headers in which the upstream tells of its rate limits.
    pub(super) fn rate_limits(&self) -> &[(String, RateLimit)] {
        &self.0.rate_limits
    }

    pub(super) fn forward_headers(&self) -> &[HeaderName] {
        &self.0.config.forward_headers
    }

    /// What limits attempts that are made again.
    pub(super) fn retry_budget(&self) -> &Budget {
        &self.0.upstream.retry_budget
    }

    /// What limits attempts that are made beside others.
    pub(super) fn hedge_budget(&self) -> &Budget {
        &self.0.upstream.hedge_budget
    }

    /// How one of its models stands as a target.
    pub(super) fn standing(&self, model: &str) -> Arc<Standing> {
        let standings = &self.0.upstream.standings;
        if let Some(standing) = standings.load().get(model) {
            return Arc::clone(standing);
        }
        // Rare: the first request to a model. Whoever comes first makes it; the others find it then.
        standings.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() >= MOST_STANDINGS {
                // Of most mistyped names nothing ever came. The old table and its copy hold each standing once.
                known.retain(|_, standing| !standing.is_blank() || Arc::strong_count(standing) > 2);
            }
            let name = if known.len() < MOST_STANDINGS { model } else { OTHERS };
            known.entry(name.to_owned()).or_insert_with(|| self.new_standing());
            known
        });
        let known = standings.load();
        known.get(model).or_else(|| known.get(OTHERS)).map_or_else(|| self.new_standing(), Arc::clone)
    }

    /// How its targets stand that were looked up so far, by the model's name.
    pub(super) fn standings(&self) -> Arc<HashMap<String, Arc<Standing>>> {
        self.0.upstream.standings.load_full()
    }

    /// What active checks say.
    pub(super) fn checks(&self) -> &Checks {
        &self.0.upstream.checks
    }

    /// How it stands by its checks alone.
    pub(super) fn by_checks(&self) -> &Arc<Standing> {
        &self.0.upstream.by_checks
    }

    /// Takes note of a check that ended now, for all its targets. Returns whether the provider counts as failing.
    pub(super) fn checked(&self, now: Instant, took: Duration, result: Result<(), String>) -> bool {
        let failing = self.0.upstream.by_checks.checked(now, took, result);
        self.standings().values().for_each(|standing| standing.settle(now));
        failing
    }

    /// Forgets what its checks said. Returns whether there was anything that still counted.
    pub(super) fn forget_checks(&self, now: Instant) -> bool {
        let counted = self.checks().current(now).is_some();
        self.checks().clear();
        self.by_checks().settle(now);
        self.standings().values().for_each(|standing| standing.settle(now));
        counted
    }

    /// Keeps what asks it in the background.
    pub(super) fn set_asking(&self, task: AbortHandle) {
        // There is one for as long as the upstream stays the same.
        let _ = self.0.upstream.asking.set(task);
    }

    /// Ends what asks it in the background.
    pub(super) fn stop_asking(&self) {
        if let Some(task) = self.0.upstream.asking.get() {
            task.abort();
        }
    }

    /// Whether what is to ask it in the background does so.
    pub(super) fn is_asked_as_planned(&self) -> bool {
        self.0.upstream.asking.get().is_none_or(|task| !task.is_finished())
    }

    /// Whether its plugin answers by itself.
    pub(super) fn is_local(&self) -> bool {
        self.0.upstream.endpoint.is_none()
    }

    fn new_standing(&self) -> Arc<Standing> {
        let (options, checks) = (&self.0.config.standing, Arc::clone(&self.0.upstream.checks));
        Arc::new(Standing::with_checks(options, checks, Instant::now()))
    }

    pub(super) fn metrics(&self) -> &ProviderMetrics {
        &self.0.upstream.metrics
    }

    /// Keeps what the upstream says that it has.
    pub(super) fn set_discovered(&self, models: Vec<ModelInfo>) {
        self.0.upstream.models.set_discovered(models);
    }

    /// The upstream, if the provider has one.
    pub(super) fn endpoint(&self) -> Result<&Endpoint, Error> {
        self.0.upstream.endpoint.as_ref().ok_or_else(|| {
            let name = self.name();
            if self.is_group() {
                let message = format!("The provider `{name}` has no endpoint at present. Try again later.");
                let error = Error::new(Cause::Unavailable, message).with_code("no_endpoint");
                let reason = self.source().and_then(|source| source.error());
                return error.with_detail(reason.unwrap_or_else(|| "its registry has none".to_owned()));
            }
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
        self.0.upstream.models.list()
    }

    /// What is known of one of its models.
    pub(super) fn facts(&self, model: &str) -> Arc<ModelInfo> {
        self.0.upstream.models.facts(model)
    }

    /// Whether the provider has this model, as far as it is known.
    pub(super) fn has_model(&self, model: &str) -> bool {
        self.0.upstream.models.has(model)
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

impl Upstream {
    fn new(config: &config::Provider, metrics: ProviderMetrics) -> Result<Self, String> {
        let source = match &config.endpoints {
            None => None,
            Some(endpoints) => {
                // What the endpoints will have in common is looked at now, and not when the first of them appears.
                let member = config::Member::new(hyper::Uri::from_static("https://endpoint.invalid"));
                endpoint(&config.at(&member), &metrics)?;
                let registry = Registry::new(endpoints, config.timeouts.connect);
                let registry = registry.map_err(|error| format!("its registry cannot be asked: {error}"))?;
                registry.map(|registry| Arc::new(Source::new(registry)))
            }
        };
        let now = Instant::now();
        let checks = Arc::new(Checks::new(config.standing.health_checks.clone()));
        Ok(Self {
            endpoint: endpoint(config, &metrics)?,
            source,
            retry_budget: Budget::of_retries(&config.retries, now),
            hedge_budget: Budget::of_hedges(&config.standing.hedging, now),
            metrics,
            standings: ArcSwap::default(),
            by_checks: Arc::new(Standing::with_checks(&config.standing, Arc::clone(&checks), now)),
            checks,
            asking: OnceLock::new(),
            models: Models::new(config),
        })
    }
}

fn operations(config: &config::Provider, plugin: &ProviderPlugin) -> Vec<Operation> {
    let offered = plugin.abilities().operations.iter().copied();
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

fn endpoint(config: &config::Provider, metrics: &ProviderMetrics) -> Result<Option<Endpoint>, String> {
    let Some(base_url) = config.base_url.clone() else { return Ok(None) };
    let concurrency = &config.standing.concurrency;
    let connections = ConnectionOptions {
        limit: concurrency.connections,
        patience: concurrency.queue_timeout,
        counted: Some(metrics.upstream_connections()),
    };
    let options = EndpointOptions {
        connections,
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
