//! A provider plugin with its settings: what `pipeline` calls to translate requests and answers.

use std::sync::Arc;

use super::bindings::provider::ProviderPlugin as World;
use super::bindings::provider::exports::weir::plugin::provider::{Call, Encoded, Position, RequestBody, ResponseHead};
use super::call::{CallError, Fault, Function, bounded};
use super::generation::{Abilities, Generation, LoadError, ProviderAbilities};
use super::guest::{Guest, check_settings};
use super::instance::Instance;
use super::stream::StreamDecoder;
use crate::config::PluginLimits;
use crate::telemetry::PluginMetrics;

/// One loaded version of a plugin with the settings of one provider, ready to be called.
///
/// A request holds on to it from start to end, so that a reload changes nothing for it.
pub struct ProviderPlugin {
    pub(super) guest: Guest<World>,
    abilities: ProviderAbilities,
}

impl ProviderPlugin {
    /// Checks the settings against the plugin's schema and makes the first instance with them.
    pub async fn new(
        generation: Arc<Generation>,
        settings: &serde_json::Value,
        limits: PluginLimits,
        metrics: PluginMetrics,
    ) -> Result<Arc<Self>, LoadError> {
        let Abilities::Provider(abilities) = generation.descriptor.abilities.clone() else {
            return Err(LoadError::World("it is a routing policy, not a provider plugin".into()));
        };
        check_settings(&generation, settings)?;
        let guest = Guest::new(generation, settings.to_string(), limits, metrics).await?;
        Ok(Arc::new(Self { guest, abilities }))
    }

    /// The version that is loaded.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.guest.generation
    }

    /// What it can do.
    pub fn abilities(&self) -> &ProviderAbilities {
        &self.abilities
    }

    /// Whether this is what the same plugin with these settings and limits would be, so that it can go on serving
    /// after a change of configuration that does not concern it.
    pub fn fits(&self, generation: &Arc<Generation>, settings: &serde_json::Value, limits: &PluginLimits) -> bool {
        let settings = settings.to_string();
        self.guest.is_on(generation, limits) && *self.guest.settings() == settings
    }

    /// Instances alive now.
    pub fn instances(&self) -> usize {
        self.guest.instances()
    }

    /// Whether the plugin is out of service because it keeps failing.
    pub fn is_quarantined(&self) -> bool {
        self.guest.quarantine.is_active()
    }

    /// The error for the client of a call that failed, naming the plugin.
    pub fn fault_error(&self, fault: Fault) -> crate::error::Error {
        fault.into_error(&self.guest.generation.name)
    }

    /// Translates a request. See `wit/provider.wit`.
    pub async fn encode(&self, id: &Arc<str>, call: &Call, document: &str) -> Result<Encoded, CallError> {
        // Every request begins here; what was let in may also come to its end.
        self.guest.quarantine.admit().map_err(Fault::Quarantined)?;
        let mut instance = self.guest.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let provider = bindings.weir_plugin_provider();
        let outcome = bounded(&self.guest.limits, provider.call_encode(&mut *store, call, document)).await;
        let encoded = self.guest.settle(Function::Encode, store, outcome)?;
        self.guest.give_back(instance);
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
        let mut instance = self.guest.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let provider = bindings.weir_plugin_provider();
        let outcome = bounded(&self.guest.limits, provider.call_decode(&mut *store, call, carry, head, body)).await;
        let document = self.guest.settle(Function::Decode, store, outcome)?;
        self.guest.give_back(instance);
        let document = document.map_err(CallError::Failure)?;
        self.check_output(document.len())?;
        Ok(document)
    }

    /// Starts to translate a streamed answer.
    pub async fn stream(
        self: &Arc<Self>,
        id: &Arc<str>,
        call: &Call,
        carry: Option<&str>,
        head: &ResponseHead,
        resume: Option<&Position>,
    ) -> Result<StreamDecoder, CallError> {
        StreamDecoder::open(self, id, call, carry, head, resume).await
    }

    pub(super) fn check_output(&self, bytes: usize) -> Result<(), Fault> {
        if bytes <= self.guest.limits.output_bytes {
            return Ok(());
        }
        self.guest.report(Function::Encode, &Fault::Output);
        Err(Fault::Output)
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
