//! One loaded version of a plugin with its settings, and the instances that serve its calls: what all kinds of plugins
//! have in common.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jsonschema::error::ValidationErrorKind;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use wasmtime::Store;

use super::call::{CallError, Fault, Function, bounded};
use super::capability::{Capabilities, LogBudget};
use super::generation::{Generation, LoadError, unfit};
use super::instance::{self, Instance, State};
use super::limits::{KEEP_MEMORY_BYTES, WAIT_FACTOR};
use super::pool::Pool;
use super::quarantine::Quarantine;
use super::world::World;
use crate::config::{PluginLimits, did_you_mean};
use crate::telemetry::PluginMetrics;

/// A plugin with its settings, ready to be called.
pub(super) struct Guest<W: World> {
    pub(super) generation: Arc<Generation>,
    pub(super) limits: PluginLimits,
    pub(super) quarantine: Quarantine,
    settings: W::Settings,
    pooled: W::Linked,
    /// For instances past those that the pool has room for. Made when it is needed first.
    overflow: OnceCell<W::Linked>,
    capabilities: Capabilities,
    pool: Pool<W>,
    metrics: PluginMetrics,
}

impl<W: World> Guest<W> {
    /// Makes the first instance with these settings, which have been checked against the plugin's schema.
    pub(super) async fn new(
        generation: Arc<Generation>,
        settings: W::Settings,
        limits: PluginLimits,
        metrics: PluginMetrics,
    ) -> Result<Self, LoadError> {
        let kind = generation.descriptor.kind();
        if kind != W::KIND {
            return Err(LoadError::World(format!("it is {}, not {}", kind.describe(), W::KIND.describe())));
        }
        let pooled = W::link(generation.pooled.clone());
        let capabilities = Capabilities {
            plugin: generation.name.as_str().into(),
            request_id: "".into(),
            log: LogBudget::new(limits.log_lines_per_second),
            kv: generation.sandbox.stores.of(&generation.name, &limits),
        };
        let guest = Self {
            settings,
            pooled: pooled.map_err(|error| unfit(&error))?,
            overflow: OnceCell::new(),
            pool: Pool::new(limits.instances, metrics.clone()),
            quarantine: Quarantine::new(),
            generation,
            limits,
            capabilities,
            metrics,
        };
        let instance = guest.instantiate(&guest.capabilities.request_id).await.map_err(refused)?;
        guest.pool.put(instance);
        Ok(guest)
    }

    /// What instances are configured with.
    pub(super) fn settings(&self) -> &W::Settings {
        &self.settings
    }

    /// Whether this runs on this generation, within these limits.
    pub(super) fn is_on(&self, generation: &Arc<Generation>, limits: &PluginLimits) -> bool {
        Arc::ptr_eq(&self.generation, generation) && self.limits == *limits
    }

    /// Instances alive now.
    pub(super) fn instances(&self) -> usize {
        self.pool.alive()
    }

    /// Whether so many instances are taken that nobody should hold one without need.
    pub(super) fn is_crowded(&self) -> bool {
        self.pool.is_crowded()
    }

    /// An instance that is ready for a call: one that waits, or a new one.
    pub(super) async fn lease(&self, id: &Arc<str>) -> Result<Instance<W>, CallError> {
        let mut instance = match self.pool.take() {
            Some(instance) => instance,
            None => self.instantiate(id).await?,
        };
        instance::prepare(&mut instance.store, &self.limits, id);
        Ok(instance)
    }

    /// The same for a stream that has begun, which must not fail because others have, too: waits until an instance is free,
    /// for as long as a call may wait.
    pub(super) async fn lease_soon(&self, id: &Arc<str>) -> Result<Instance<W>, CallError> {
        match self.lease(id).await {
            Err(CallError::Fault(Fault::Busy)) => {
                let longest = self.limits.call_deadline.saturating_mul(WAIT_FACTOR);
                timeout(longest, self.lease_when_free(id)).await.unwrap_or(Err(Fault::Busy.into()))
            }
            outcome => outcome,
        }
    }

    async fn lease_when_free(&self, id: &Arc<str>) -> Result<Instance<W>, CallError> {
        loop {
            let mut freed = pin!(self.pool.freed());
            // Before it is tried, so that nothing that becomes free meanwhile is missed.
            freed.as_mut().enable();
            match self.lease(id).await {
                Err(CallError::Fault(Fault::Busy)) => freed.await,
                outcome => return outcome,
            }
        }
    }

    /// Keeps an instance for later calls, unless it has served enough or has grown too large.
    pub(super) fn give_back(&self, mut instance: Instance<W>) {
        instance.calls += 1;
        let memory_bytes = instance.store.data().limiter.memory_bytes();
        if instance.calls < self.reuse() && memory_bytes <= KEEP_MEMORY_BYTES {
            self.pool.put(instance);
        }
    }

    /// Takes note of how a call ended, and finds the reason of a trap that memory was refused.
    pub(super) fn settle<T>(
        &self,
        function: Function,
        store: &Store<State>,
        (result, elapsed): (Result<T, Fault>, Duration),
    ) -> Result<T, CallError> {
        let result = result.map_err(|fault| match fault {
            Fault::Trap(_) if store.data().limiter.exceeded() => Fault::Memory,
            fault => fault,
        });
        Ok(self.count(function, (result, elapsed))?)
    }

    /// Takes note of a fault of the guest's.
    pub(super) fn report(&self, function: Function, fault: &Fault) {
        self.metrics.count_trap(fault.label());
        if !fault.is_guests() {
            return;
        }
        let (at, plugin, function) = (function, &*self.generation.name, function.label());
        tracing::warn!(plugin, function, kind = fault.label(), "a plugin call failed: {fault:?}");
        if self.quarantine.failed(at) {
            tracing::error!(plugin, "the plugin keeps failing and is out of service for a while");
        }
    }

    async fn instantiate(&self, id: &Arc<str>) -> Result<Instance<W>, CallError> {
        let permit = self.pool.permit()?;
        let mut capabilities = self.capabilities.clone();
        capabilities.request_id = Arc::clone(id);
        let instantiating = async { Ok(self.new_instance(capabilities).await) };
        let (outcome, elapsed) = bounded(&self.limits, instantiating).await;
        let outcome = (outcome.and_then(|instance| instance), elapsed);
        let mut instance = self.count(Function::Instantiate, outcome)?;
        instance.permit = Some(permit);
        instance.store.data_mut().limiter.count_memory(self.metrics.clone());

        let Instance { store, bindings, .. } = &mut instance;
        instance::prepare(store, &self.limits, id);
        let outcome = bounded(&self.limits, bindings.configure(store, &self.settings)).await;
        self.settle(Function::Configure, store, outcome)?.map_err(CallError::Failure)?;
        Ok(instance)
    }

    /// A new instance, from the pool or, when that is used up, from memory of its own.
    async fn new_instance(&self, capabilities: Capabilities) -> Result<Instance<W>, Fault> {
        let sandbox = &self.generation.sandbox;
        match instance::new(&sandbox.pooled, &self.pooled, &self.limits, capabilities.clone()).await {
            Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {}
            outcome => return outcome.map_err(|error| Fault::Trap(format!("{error:#}"))),
        }
        let overflow = self.overflow.get_or_try_init(|| self.link_overflow()).await;
        let overflow = overflow.map_err(|error| Fault::Trap(error.to_string()))?;
        let outcome = instance::new(&sandbox.overflow, overflow, &self.limits, capabilities).await;
        outcome.map_err(|error| Fault::Trap(format!("{error:#}")))
    }

    async fn link_overflow(&self) -> Result<W::Linked, LoadError> {
        let component = self.generation.overflow().await?;
        W::link(component).map_err(|error| unfit(&error))
    }

    fn count<T>(&self, function: Function, (result, elapsed): (Result<T, Fault>, Duration)) -> Result<T, Fault> {
        self.metrics.observe_call(function as usize, result.is_ok(), elapsed);
        match &result {
            Ok(_) => self.quarantine.succeeded(function),
            Err(fault) => self.report(function, fault),
        }
        result
    }

    /// Calls that one instance serves before it is replaced.
    fn reuse(&self) -> usize {
        if self.limits.fresh_instances { 1 } else { self.limits.reuse }
    }
}

/// Checks settings against the schema of their plugin.
pub(super) fn check_settings(generation: &Generation, settings: &serde_json::Value) -> Result<(), LoadError> {
    let validator = jsonschema::validator_for(&generation.descriptor.settings_schema)
        .map_err(|error| LoadError::Failed(format!("its settings schema is not a JSON Schema: {error}")))?;
    let problems: Vec<String> = validator
        .iter_errors(settings)
        .map(|error| {
            let path = error.instance_path().as_str().replace('/', ".");
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    let known = known_keys(&generation.descriptor.settings_schema, error.schema_path().as_str());
                    let unknown = |key: &String| format!("unknown key `{key}`{}", did_you_mean(key, known.clone()));
                    format!("settings{path}: {}", unexpected.iter().map(unknown).collect::<Vec<_>>().join(", "))
                }
                _ => format!("settings{path}: {error}"),
            }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(LoadError::Settings(problems.join("; "))) }
}

/// The keys that an object may have, by the place in the schema that says that it has no others.
fn known_keys<'a>(schema: &'a serde_json::Value, place: &str) -> Vec<&'a str> {
    let (parent, _) = place.rsplit_once('/').unwrap_or_default();
    let properties = schema.pointer(&format!("{parent}/properties")).and_then(serde_json::Value::as_object);
    properties.map_or_else(Vec::new, |properties| properties.keys().map(String::as_str).collect())
}

fn refused(error: CallError) -> LoadError {
    match error {
        CallError::Failure(failure) => LoadError::Settings(format!("the plugin refuses them: {}", failure.message)),
        CallError::Fault(fault) => LoadError::Failed(format!("it failed when it was configured: {fault:?}")),
    }
}
