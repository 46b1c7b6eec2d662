//! The figures that Prometheus reads. Their names are what operators already graph; their labels come from configured
//! names and fixed lists only, never from what a client sends.

mod connections;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use super::process;
pub use connections::{Connections, OpenConnection, Shed, UpstreamConnections};

/// Seconds that a request may take, from local models to long reasoning.
const REQUEST_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// Seconds that a plugin call may take: a warm one takes microseconds.
const CALL_BUCKETS: [f64; 14] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 1e-1, 1.0];

/// All figures of the process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: IntCounterVec,
    errors: IntCounterVec,
    tokens: IntCounterVec,
    durations: HistogramVec,
    response_times: HistogramVec,
    active: IntGaugeVec,
    retries: IntCounterVec,
    attempts: IntCounterVec,
    failovers: IntCounterVec,
    hedges: IntCounterVec,
    hedge_tokens: IntCounterVec,
    policy_fallbacks: IntCounterVec,
    discovery_errors: IntCounterVec,
    endpoints: IntGaugeVec,
    config_reloads: IntCounterVec,
    plugin_calls: IntCounterVec,
    plugin_seconds: HistogramVec,
    plugin_traps: IntCounterVec,
    plugin_instances: IntGaugeVec,
    plugin_memory: IntGaugeVec,
    plugin_generation: IntGaugeVec,
    plugin_reload_errors: IntCounterVec,
    connections: IntGaugeVec,
    upstream_connections: IntGaugeVec,
    breaker_states: IntGaugeVec,
    provider_health: IntGaugeVec,
    health_checks: IntCounterVec,
    health_check_cache: IntGaugeVec,
    shed: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All figures, at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let requests =
            make.counters("llm_proxy_requests_total", "Requests answered.", &["provider", "endpoint", "status"]);
        let errors = make.counters("llm_proxy_errors_total", "Errors by kind.", &["provider", "error_type"]);
        let tokens = make.counters("llm_proxy_tokens_total", "Tokens used.", &["provider", "operation"]);
        let durations = make.histograms(
            "llm_proxy_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            &["provider", "endpoint"],
            &REQUEST_BUCKETS,
        );
        let response_times = make.histograms(
            "llm_proxy_response_time_seconds",
            "From sending a request upstream to the first of its answer.",
            &["provider"],
            &REQUEST_BUCKETS,
        );
        let active = make.gauges("llm_proxy_active_connections", "Requests in flight.", &["provider"]);
        let retries = make.counters("weir_retries_total", "Attempts made again.", &["provider"]);
        let attempts = make.counters("weir_attempts_total", "Attempts made.", &["provider"]);
        let failovers = make.counters(
            "weir_failovers_total",
            "Attempts that another target made good, or tried to.",
            &["provider"],
        );
        let hedges = make.counters("weir_hedges_total", "Attempts made beside another.", &["provider"]);
        let what = "Tokens of the prompts of attempts made beside another, as an estimate.";
        let hedge_tokens = make.counters("weir_hedge_tokens_total", what, &["provider"]);
        let policy_fallbacks = make.counters(
            "weir_policy_fallbacks_total",
            "Requests that kept to the order of priority because their policy failed.",
            &["policy"],
        );
        let discovery_errors =
            make.counters("weir_discovery_errors_total", "Registries that did not answer.", &["provider"]);
        let endpoints = make.gauges("weir_discovered_endpoints", "Endpoints that registries have.", &["provider"]);
        let config_reloads = make.counters("weir_config_reloads_total", "Reloads of a changed file.", &["outcome"]);
        let plugin_calls =
            make.counters("weir_plugin_calls_total", "Calls of plugins.", &["plugin", "function", "outcome"]);
        let plugin_seconds = make.histograms(
            "weir_plugin_call_seconds",
            "Time of a plugin call.",
            &["plugin", "function"],
            &CALL_BUCKETS,
        );
        let plugin_traps = make.counters("weir_plugin_traps_total", "Faults of plugins.", &["plugin", "kind"]);
        let plugin_instances = make.gauges("weir_plugin_instances", "Instances alive.", &["plugin"]);
        let plugin_memory =
            make.gauges("weir_plugin_memory_bytes", "Linear memory of the instances alive, in bytes.", &["plugin"]);
        let plugin_generation = make.gauges("weir_plugin_generation", "The generation that serves.", &["plugin"]);
        let plugin_reload_errors =
            make.counters("weir_plugin_reload_errors_total", "Files that could not be loaded.", &["plugin"]);
        let connections = make.gauges("weir_connections", "Connections of clients.", &["listener"]);
        let upstream_connections = make.gauges(
            "weir_upstream_connections",
            "Connections to the provider's upstreams, unused ones included.",
            &["provider"],
        );
        let breaker_states = make.gauges(
            "llm_proxy_circuit_breaker_state",
            "The worst circuit breaker of the provider's targets: 0 closed, 1 half-open, 2 open.",
            &["provider"],
        );
        let provider_health = make.gauges(
            "weir_provider_health",
            "How well the provider is: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy.",
            &["provider"],
        );
        let health_checks = make.counters("weir_health_checks_total", "Health checks made.", &["provider", "outcome"]);
        let health_check_cache =
            make.gauges("llm_proxy_health_check_cache_size", "Results of health checks that still count.", &[]);
        let shed = make.counters("weir_shed_total", "What the gateway turned away at its own limits.", &["reason"]);
        process::register(&registry);
        Self(Arc::new(Inner {
            registry,
            requests,
            errors,
            tokens,
            durations,
            response_times,
            active,
            retries,
            attempts,
            failovers,
            hedges,
            hedge_tokens,
            policy_fallbacks,
            discovery_errors,
            endpoints,
            config_reloads,
            plugin_calls,
            plugin_seconds,
            plugin_traps,
            plugin_instances,
            plugin_memory,
            plugin_generation,
            plugin_reload_errors,
            connections,
            upstream_connections,
            breaker_states,
            provider_health,
            health_checks,
            health_check_cache,
            shed,
        }))
    }

    /// All figures in the text format of Prometheus.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let families = self.0.registry.gather();
        match TextEncoder::new().encode_utf8(&families, &mut text) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "the figures cannot be written");
                String::new()
            }
        }
    }

    /// The figures of one policy.
    pub fn policy(&self, name: &str) -> PolicyMetrics {
        PolicyMetrics { fallbacks: self.0.policy_fallbacks.with_label_values(&[name]) }
    }

    /// The figures of one provider.
    pub fn provider(&self, name: &str) -> ProviderMetrics {
        let inner = &*self.0;
        let tokens = |operation| inner.tokens.with_label_values(&[name, operation]);
        ProviderMetrics {
            all: self.clone(),
            provider: name.into(),
            usual: Arc::default(),
            prompt_tokens: tokens("prompt"),
            completion_tokens: tokens("completion"),
            response_time: inner.response_times.with_label_values(&[name]),
            active: inner.active.with_label_values(&[name]),
            retries: inner.retries.with_label_values(&[name]),
            attempts: inner.attempts.with_label_values(&[name]),
            failovers: inner.failovers.with_label_values(&[name]),
            hedges: inner.hedges.with_label_values(&[name]),
            hedge_tokens: inner.hedge_tokens.with_label_values(&[name]),
            connections: inner.upstream_connections.with_label_values(&[name]),
        }
    }

    /// The figures of one plugin. `functions` are the labels of its functions, in the order of their numbers.
    pub fn plugin(&self, name: &str, functions: &[&str]) -> PluginMetrics {
        let inner = &*self.0;
        let of = |function: &&str| Function {
            succeeded: inner.plugin_calls.with_label_values(&[name, function, "ok"]),
            failed: inner.plugin_calls.with_label_values(&[name, function, "fault"]),
            seconds: inner.plugin_seconds.with_label_values(&[name, function]),
        };
        PluginMetrics {
            all: self.clone(),
            plugin: name.into(),
            functions: functions.iter().map(of).collect(),
            instances: inner.plugin_instances.with_label_values(&[name]),
            memory: inner.plugin_memory.with_label_values(&[name]),
            generation: inner.plugin_generation.with_label_values(&[name]),
        }
    }

    /// The count of the connections of one listener.
    pub fn connections(&self, listener: &'static str) -> Connections {
        Connections::new(self.0.connections.with_label_values(&[listener]), self.shed("connections"))
    }

    /// The count of what is turned away because of one of the gateway's limits.
    pub fn shed(&self, reason: &'static str) -> Shed {
        Shed::new(self.0.shed.with_label_values(&[reason]))
    }

    /// Notes how a provider stands: the number of its worst breaker, and of its health.
    pub fn set_standing(&self, provider: &str, breaker: u8, health: u8) {
        self.0.breaker_states.with_label_values(&[provider]).set(breaker.into());
        self.0.provider_health.with_label_values(&[provider]).set(health.into());
    }

    /// Leaves out how a provider stands that is not there any more.
    pub fn forget_standing(&self, provider: &str) {
        for gauges in [&self.0.breaker_states, &self.0.provider_health] {
            // A provider that nobody has asked about yet has none.
            let _ = gauges.remove_label_values(&[provider]);
        }
    }

    /// Notes how many providers have a result of a health check that still counts.
    pub fn set_health_check_cache(&self, size: usize) {
        let none: [&str; 0] = [];
        self.0.health_check_cache.with_label_values(&none).set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// Counts a request that was answered.
    pub fn count_request(&self, provider: &str, endpoint: &str, status: u16, elapsed: Duration) {
        let mut digits = [0; 3];
        self.0.requests.with_label_values(&[provider, endpoint, status_label(status, &mut digits)]).inc();
        self.0.durations.with_label_values(&[provider, endpoint]).observe(elapsed.as_secs_f64());
    }

    /// Counts an error.
    pub fn count_error(&self, provider: &str, error_type: &'static str) {
        self.0.errors.with_label_values(&[provider, error_type]).inc();
    }

    /// Counts a reload of a configuration that had changed.
    pub fn count_config_reload(&self, succeeded: bool) {
        let outcome = if succeeded { "ok" } else { "error" };
        self.0.config_reloads.with_label_values(&[outcome]).inc();
    }

    /// Counts a registry that did not answer.
    pub fn count_discovery_error(&self, provider: &str) {
        self.0.discovery_errors.with_label_values(&[provider]).inc();
    }

    /// Notes how many endpoints a provider has by its registry.
    pub fn set_endpoints(&self, provider: &str, count: usize) {
        self.0.endpoints.with_label_values(&[provider]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a plugin's file that could not be loaded.
    pub fn count_plugin_reload_error(&self, plugin: &str) {
        self.0.plugin_reload_errors.with_label_values(&[plugin]).inc();
    }
}

/// The figures of one provider, looked up once.
#[derive(Clone)]
pub struct ProviderMetrics {
    all: Metrics,
    provider: Arc<str>,
    /// Looked up once as well: those of the path that was asked for first, when all goes well.
    usual: Arc<OnceLock<Usual>>,
    prompt_tokens: IntCounter,
    completion_tokens: IntCounter,
    response_time: Histogram,
    active: IntGauge,
    retries: IntCounter,
    attempts: IntCounter,
    failovers: IntCounter,
    hedges: IntCounter,
    hedge_tokens: IntCounter,
    connections: IntGauge,
}

/// The figures of requests to one path that are answered with 200.
struct Usual {
    endpoint: &'static str,
    answered: IntCounter,
    seconds: Histogram,
}

impl ProviderMetrics {
    /// Counts a request that was answered.
    pub fn count_request(&self, endpoint: &'static str, status: u16, elapsed: Duration) {
        if status == 200 {
            let inner = &*self.all.0;
            let usual = self.usual.get_or_init(|| Usual {
                endpoint,
                answered: inner.requests.with_label_values(&[&*self.provider, endpoint, "200"]),
                seconds: inner.durations.with_label_values(&[&*self.provider, endpoint]),
            });
            if usual.endpoint == endpoint {
                usual.answered.inc();
                usual.seconds.observe(elapsed.as_secs_f64());
                return;
            }
        }
        self.all.count_request(&self.provider, endpoint, status, elapsed);
    }

    /// Counts an error.
    pub fn count_error(&self, error_type: &'static str) {
        self.all.count_error(&self.provider, error_type);
    }

    /// Counts what an answer cost.
    pub fn count_tokens(&self, prompt: u64, completion: u64) {
        self.prompt_tokens.inc_by(prompt);
        self.completion_tokens.inc_by(completion);
    }

    /// Notes how long the upstream took to begin its answer.
    pub fn observe_response_time(&self, elapsed: Duration) {
        self.response_time.observe(elapsed.as_secs_f64());
    }

    /// Counts a health check.
    pub fn count_health_check(&self, succeeded: bool) {
        let outcome = if succeeded { "ok" } else { "failed" };
        self.all.0.health_checks.with_label_values(&[&*self.provider, outcome]).inc();
    }

    /// Counts an attempt that is made again.
    pub fn count_retry(&self) {
        self.retries.inc();
    }

    /// Counts an attempt.
    pub fn count_attempt(&self) {
        self.attempts.inc();
    }

    /// Counts an attempt after which another target was asked.
    pub fn count_failover(&self) {
        self.failovers.inc();
    }

    /// Counts an attempt that is made beside another, with the tokens of its prompt: one of the two is paid for nothing.
    pub fn count_hedge(&self, prompt_tokens: u64) {
        self.hedges.inc();
        self.hedge_tokens.inc_by(prompt_tokens);
    }

    /// The count of the connections to its upstreams.
    pub fn upstream_connections(&self) -> UpstreamConnections {
        UpstreamConnections::new(self.connections.clone())
    }

    /// A request is in flight.
    pub fn connection_opened(&self) {
        self.active.inc();
    }

    /// It is not any more.
    pub fn connection_closed(&self) {
        self.active.dec();
    }
}

/// The figures of one policy, looked up once.
#[derive(Clone)]
pub struct PolicyMetrics {
    fallbacks: IntCounter,
}

impl PolicyMetrics {
    /// Counts a request that was served without the policy, since that failed.
    pub fn count_fallback(&self) {
        self.fallbacks.inc();
    }
}

/// The figures of one plugin, looked up once.
#[derive(Clone)]
pub struct PluginMetrics {
    all: Metrics,
    plugin: Arc<str>,
    functions: Arc<[Function]>,
    instances: IntGauge,
    memory: IntGauge,
    generation: IntGauge,
}

struct Function {
    succeeded: IntCounter,
    failed: IntCounter,
    seconds: Histogram,
}

impl PluginMetrics {
    /// Counts a call of the function with this number.
    pub fn observe_call(&self, function: usize, succeeded: bool, elapsed: Duration) {
        let Some(function) = self.functions.get(function) else { return };
        if succeeded {
            function.succeeded.inc()
        } else {
            function.failed.inc()
        }
        function.seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a fault.
    pub fn count_trap(&self, kind: &'static str) {
        self.all.0.plugin_traps.with_label_values(&[&*self.plugin, kind]).inc();
    }

    /// Counts instances that were made (above zero) or dropped (below zero).
    pub fn add_instances(&self, count: i64) {
        self.instances.add(count);
    }

    /// Counts linear memory that instances took (above zero) or gave back (below zero), in bytes.
    pub fn add_memory(&self, bytes: i64) {
        self.memory.add(bytes);
    }

    /// Notes which generation serves.
    pub fn set_generation(&self, generation: u64) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }
}

/// The status as a label, without an allocation.
fn status_label(status: u16, digits: &mut [u8; 3]) -> &str {
    let status = status.min(999);
    for (place, divisor) in digits.iter_mut().zip([100, 10, 1]) {
        *place = b'0' + u8::try_from(status / divisor % 10).unwrap_or(0);
    }
    std::str::from_utf8(digits).unwrap_or("000")
}

/// Makes and registers figures. Their names are constants, so a failure is a mistake in this file: the figure is then
/// left out of the output, and a test finds it.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels), || {
            IntCounterVec::new(Opts::new("invalid", "invalid"), labels)
        })
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels), || {
            IntGaugeVec::new(Opts::new("invalid", "invalid"), labels)
        })
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = |name: &str| HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options(name), labels), || HistogramVec::new(options("invalid"), labels))
    }

    #[allow(clippy::expect_used, reason = "names and labels are constants of this file, and a test makes them all")]
    fn registered<T: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<T>,
        otherwise: impl Fn() -> prometheus::Result<T>,
    ) -> T {
        let figure = made.or_else(|_| otherwise()).expect("constant names and labels are valid");
        let _ = self.0.register(Box::new(figure.clone()));
        figure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_the_name_that_operators_graph() {
        let metrics = Metrics::new();
        let provider = metrics.provider("acme");
        provider.count_request("/v1/chat/completions", 200, Duration::from_millis(5));
        provider.count_error("timeout");
        provider.count_tokens(3, 4);
        provider.observe_response_time(Duration::from_millis(1));
        provider.count_retry();
        provider.connection_opened();
        let plugin = metrics.plugin("acme", &["encode", "decode"]);
        plugin.observe_call(1, true, Duration::from_micros(3));
        plugin.count_trap("deadline");
        plugin.add_instances(2);
        plugin.add_memory(65_536);
        let connection = metrics.connections("public").open();
        plugin.set_generation(7);
        metrics.count_plugin_reload_error("acme");
        metrics.count_config_reload(true);
        metrics.count_discovery_error("acme");
        metrics.set_endpoints("acme", 5);
        metrics.set_standing("acme", 2, 3);
        metrics.set_health_check_cache(4);
        provider.count_health_check(false);
        metrics.shed("requests").count();
        let text = metrics.render();
        for line in [
            r#"llm_proxy_requests_total{endpoint="/v1/chat/completions",provider="acme",status="200"} 1"#,
            r#"llm_proxy_errors_total{error_type="timeout",provider="acme"} 1"#,
            r#"llm_proxy_tokens_total{operation="completion",provider="acme"} 4"#,
            r#"llm_proxy_tokens_total{operation="prompt",provider="acme"} 3"#,
            r#"llm_proxy_request_duration_seconds_count{endpoint="/v1/chat/completions",provider="acme"} 1"#,
            r#"llm_proxy_response_time_seconds_count{provider="acme"} 1"#,
            r#"llm_proxy_active_connections{provider="acme"} 1"#,
            r#"weir_retries_total{provider="acme"} 1"#,
            r#"weir_plugin_calls_total{function="decode",outcome="ok",plugin="acme"} 1"#,
            r#"weir_plugin_call_seconds_count{function="decode",plugin="acme"} 1"#,
            r#"weir_plugin_traps_total{kind="deadline",plugin="acme"} 1"#,
            r#"weir_plugin_instances{plugin="acme"} 2"#,
            r#"weir_plugin_memory_bytes{plugin="acme"} 65536"#,
            r#"weir_connections{listener="public"} 1"#,
            r#"weir_plugin_generation{plugin="acme"} 7"#,
            r#"weir_plugin_reload_errors_total{plugin="acme"} 1"#,
            r#"weir_config_reloads_total{outcome="ok"} 1"#,
            r#"weir_discovery_errors_total{provider="acme"} 1"#,
            r#"weir_discovered_endpoints{provider="acme"} 5"#,
            r#"llm_proxy_circuit_breaker_state{provider="acme"} 2"#,
            r#"llm_proxy_health_check_cache_size 4"#,
            r#"weir_provider_health{provider="acme"} 3"#,
            r#"weir_health_checks_total{outcome="failed",provider="acme"} 1"#,
            r#"weir_shed_total{reason="requests"} 1"#,
            r#"weir_shed_total{reason="connections"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
        drop(connection);
        metrics.forget_standing("acme");
        let text = metrics.render();
        assert!(text.contains(r#"weir_connections{listener="public"} 0"#));
        assert!(
            !text.contains("llm_proxy_circuit_breaker_state{") && !text.contains("weir_provider_health{"),
            "{text}"
        );
    }

    #[test]
    fn a_status_is_a_label_of_three_digits() {
        for status in [200, 404, 599, 7] {
            assert_eq!(status_label(status, &mut [0; 3]), format!("{status:03}"));
        }
    }
}
