//! A provider plugin with its settings: what `pipeline` calls to translate requests and answers.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::bindings::exports::weir::plugin::provider::{
    Call, Encoded, Event, Position, Progress, RequestBody, ResponseHead,
};
use super::call::{CallError, Fault, Function, bounded};
use super::capability::{Capabilities, LogBudget};
use super::generation::{Generation, LoadError};
use super::instance::{self, Instance, State};
use super::limits::KEEP_MEMORY_BYTES;
use super::pool::Pool;
use super::quarantine::Quarantine;
use crate::config::PluginLimits;
use crate::telemetry::PluginMetrics;

/// One loaded version of a plugin with the settings of one provider, ready to be called.
///
/// A request holds on to it from start to end, so that a reload changes nothing for it.
pub struct ProviderPlugin {
    generation: Arc<Generation>,
    settings: String,
    limits: PluginLimits,
    capabilities: Capabilities,
    pool: Pool,
    quarantine: Quarantine,
    metrics: PluginMetrics,
}

impl ProviderPlugin {
    /// Checks the settings against the plugin's schema and makes the first instance with them.
    pub async fn new(
        generation: Arc<Generation>,
        settings: &serde_json::Value,
        limits: PluginLimits,
        metrics: PluginMetrics,
    ) -> Result<Arc<Self>, LoadError> {
        check_settings(&generation, settings)?;
        let capabilities = Capabilities {
            plugin: generation.name.as_str().into(),
            request_id: "".into(),
            log: LogBudget::new(limits.log_lines_per_second),
            kv: generation.sandbox.stores.of(&generation.name, &limits),
        };
        let plugin = Arc::new(Self {
            settings: settings.to_string(),
            pool: Pool::new(limits.instances, metrics.clone()),
            quarantine: Quarantine::new(),
            generation,
            limits,
            capabilities,
            metrics,
        });
        let instance = plugin.instantiate(&plugin.capabilities.request_id).await.map_err(refused)?;
        plugin.pool.put(instance);
        Ok(plugin)
    }

    /// The version that is loaded.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Whether this is what the same plugin with these settings and limits would be, so that it can go on serving
    /// after a change of configuration that does not concern it.
    pub fn fits(&self, generation: &Arc<Generation>, settings: &serde_json::Value, limits: &PluginLimits) -> bool {
        let settings = settings.to_string();
        Arc::ptr_eq(&self.generation, generation) && self.settings == settings && self.limits == *limits
    }

    /// Instances alive now.
    pub fn instances(&self) -> usize {
        self.pool.alive()
    }

    /// Whether the plugin is out of service because it keeps failing.
    pub fn is_quarantined(&self) -> bool {
        self.quarantine.is_active()
    }

    /// The error for the client of a call that failed, naming the plugin.
    pub fn fault_error(&self, fault: Fault) -> crate::error::Error {
        fault.into_error(&self.generation.name)
    }

    /// Translates a request. See `wit/provider.wit`.
    pub async fn encode(&self, id: &Arc<str>, call: &Call, document: &str) -> Result<Encoded, CallError> {
        // Every request begins here; what was let in may also come to its end.
        self.quarantine.admit().map_err(Fault::Quarantined)?;
        let mut instance = self.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let provider = bindings.weir_plugin_provider();
        let outcome = bounded(&self.limits, provider.call_encode(&mut *store, call, document)).await;
        let encoded = self.settle(Function::Encode, store, outcome)?;
        self.give_back(instance);
        let encoded = encoded.map_err(CallError::Failure)?;
        self.check_output(encoded_bytes(&encoded))?;
        Ok(encoded)
    }

    /// Translates a whole answer. See `wit/provider.wit`.
    pub async fn decode(
        &self,
        id: &Arc<str>,
        call: &Call,
        carry: Option<&str>,
        head: &ResponseHead,
        body: &str,
    ) -> Result<String, CallError> {
        let mut instance = self.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let provider = bindings.weir_plugin_provider();
        let outcome = bounded(&self.limits, provider.call_decode(&mut *store, call, carry, head, body)).await;
        let document = self.settle(Function::Decode, store, outcome)?;
        self.give_back(instance);
        let document = document.map_err(CallError::Failure)?;
        self.check_output(document.len())?;
        Ok(document)
    }

    /// Starts to translate a streamed answer, on an instance that belongs to this stream alone until it ends.
    pub async fn stream(
        self: &Arc<Self>,
        id: &Arc<str>,
        call: &Call,
        carry: Option<&str>,
        head: &ResponseHead,
        resume: Option<&Position>,
    ) -> Result<StreamDecoder, CallError> {
        let mut instance = self.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let decoder = bindings.weir_plugin_provider().stream_decoder();
        let opening = decoder.call_constructor(&mut *store, call, carry, head, resume);
        let outcome = bounded(&self.limits, opening).await;
        let resource = self.settle(Function::StreamOpen, store, outcome)?;
        Ok(StreamDecoder { plugin: Arc::clone(self), id: Arc::clone(id), instance, resource })
    }

    /// An instance that is ready for a call: one that waits, or a new one.
    async fn lease(&self, id: &Arc<str>) -> Result<Instance, CallError> {
        let mut instance = match self.pool.take() {
            Some(instance) => instance,
            None => self.instantiate(id).await?,
        };
        instance::prepare(&mut instance.store, &self.limits, id);
        Ok(instance)
    }

    async fn instantiate(&self, id: &Arc<str>) -> Result<Instance, CallError> {
        let permit = self.pool.permit()?;
        let running = self.generation.sandbox.call_begins();
        let mut capabilities = self.capabilities.clone();
        capabilities.request_id = Arc::clone(id);
        let instantiating = async { Ok(self.generation.instantiate(&self.limits, capabilities).await) };
        let (outcome, elapsed) = bounded(&self.limits, instantiating).await;
        let outcome = (outcome.and_then(|instance| instance), elapsed);
        let mut instance = self.count(Function::Instantiate, outcome)?;
        instance.permit = Some(permit);
        instance.store.data_mut().limiter.count_memory(self.metrics.clone());

        let Instance { store, bindings, .. } = &mut instance;
        instance::prepare(store, &self.limits, id);
        let provider = bindings.weir_plugin_provider();
        let outcome = bounded(&self.limits, provider.call_configure(&mut *store, &self.settings)).await;
        self.settle(Function::Configure, store, outcome)?.map_err(CallError::Failure)?;
        drop(running);
        Ok(instance)
    }

    /// Keeps an instance for later calls, unless it has served enough or has grown too large.
    fn give_back(&self, mut instance: Instance) {
        instance.calls += 1;
        let memory_bytes = instance.store.data().limiter.memory_bytes();
        if instance.calls < self.reuse() && memory_bytes <= KEEP_MEMORY_BYTES {
            self.pool.put(instance);
        }
    }

    /// Takes note of how a call ended, and finds the reason of a trap that memory was refused.
    fn settle<T>(
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

    fn count<T>(&self, function: Function, (result, elapsed): (Result<T, Fault>, Duration)) -> Result<T, Fault> {
        self.metrics.observe_call(function as usize, result.is_ok(), elapsed);
        match &result {
            Ok(_) => self.quarantine.succeeded(function),
            Err(fault) => self.report(function, fault),
        }
        result
    }

    fn report(&self, function: Function, fault: &Fault) {
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

    /// Calls that one instance serves before it is replaced.
    fn reuse(&self) -> usize {
        if self.limits.fresh_instances { 1 } else { self.limits.reuse }
    }

    fn check_output(&self, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.limits.output_bytes {
            return Ok(());
        }
        self.report(Function::Encode, &Fault::Output);
        Err(Fault::Output)
    }
}

/// The translation of one streamed answer, on an instance of its own.
///
/// Dropping it drops the instance; [`StreamDecoder::close`] gives it back for other calls.
pub struct StreamDecoder {
    plugin: Arc<ProviderPlugin>,
    id: Arc<str>,
    instance: Instance,
    resource: ResourceAny,
}

impl StreamDecoder {
    /// Translates the events that have arrived. After an error of either kind the decoder must be dropped.
    pub async fn push(&mut self, events: &[Event]) -> Result<Progress, CallError> {
        let plugin = &self.plugin;
        let Instance { store, bindings, .. } = &mut self.instance;
        instance::prepare(store, &plugin.limits, &self.id);
        let decoder = bindings.weir_plugin_provider().stream_decoder();
        let outcome = bounded(&plugin.limits, decoder.call_push(&mut *store, self.resource, events)).await;
        let progress = plugin.settle(Function::StreamPush, store, outcome)?.map_err(CallError::Failure)?;
        plugin.check_output(progress.chunks.iter().map(String::len).sum())?;
        Ok(progress)
    }

    /// Asks for what is still owed when the upstream has ended the stream by itself.
    pub async fn finish(&mut self) -> Result<Vec<String>, CallError> {
        let plugin = &self.plugin;
        let Instance { store, bindings, .. } = &mut self.instance;
        instance::prepare(store, &plugin.limits, &self.id);
        let decoder = bindings.weir_plugin_provider().stream_decoder();
        let outcome = bounded(&plugin.limits, decoder.call_finish(&mut *store, self.resource)).await;
        plugin.settle(Function::StreamFinish, store, outcome)?.map_err(CallError::Failure)
    }

    /// Ends the stream and gives the instance back for other calls.
    pub async fn close(mut self) {
        instance::prepare(&mut self.instance.store, &self.plugin.limits, &self.id);
        let dropping = self.resource.resource_drop_async(&mut self.instance.store);
        let (dropped, _) = bounded(&self.plugin.limits, dropping).await;
        if dropped.is_ok() {
            self.plugin.give_back(self.instance);
        }
    }
}

fn check_settings(generation: &Generation, settings: &serde_json::Value) -> Result<(), LoadError> {
    let validator = jsonschema::validator_for(&generation.descriptor.settings_schema)
        .map_err(|error| LoadError::Failed(format!("its settings schema is not a JSON Schema: {error}")))?;
    let problems: Vec<String> = validator
        .iter_errors(settings)
        .map(|error| match error.instance_path().as_str() {
            "" => format!("settings: {error}"),
            path => format!("settings{}: {error}", path.replace('/', ".")),
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(LoadError::Settings(problems.join("; "))) }
}

fn refused(error: CallError) -> LoadError {
    match error {
        CallError::Failure(failure) => LoadError::Settings(format!("the plugin refuses them: {}", failure.message)),
        CallError::Fault(fault) => LoadError::Failed(format!("it failed when it was configured: {fault:?}")),
    }
}

fn encoded_bytes(encoded: &Encoded) -> usize {
    match encoded {
        Encoded::Send(request) => {
            let body = match &request.body {
                RequestBody::None => 0,
                RequestBody::Document(document) => document.len(),
                RequestBody::Forward(edits) => {
                    edits.iter().map(|edit| edit.name.len() + edit.value.as_ref().map_or(0, String::len)).sum()
                }
            };
            let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
            let dropped: usize = request.dropped.iter().map(String::len).sum();
            body + headers + dropped + request.path.len() + request.carry.as_ref().map_or(0, String::len)
        }
        Encoded::Fetch(urls) => urls.iter().map(String::len).sum(),
        Encoded::Answer(document) => document.len(),
        Encoded::Chunks(chunks) => chunks.iter().map(String::len).sum(),
    }
}
