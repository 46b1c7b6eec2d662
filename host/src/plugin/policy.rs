//! A routing policy with its settings and targets: what `pipeline` asks for a plan.

use std::sync::Arc;

use super::bindings::routing::RoutingPlugin as World;
use super::bindings::routing::exports::weir::plugin::routing::{Attempt, Candidate, Outcome, Request, Target};
use super::call::{CallError, Fault, Function, bounded};
use super::generation::{Abilities, Generation, LoadError, PolicyAbilities};
use super::guest::{Guest, check_settings};
use super::instance::Instance;
use crate::config::PluginLimits;
use crate::telemetry::PluginMetrics;

/// The most attempts that a plan may have.
const MOST_ATTEMPTS: usize = 64;

/// One loaded version of a policy with the settings and targets of one model name, ready to be asked.
pub struct PolicyPlugin {
    guest: Guest<World>,
    abilities: PolicyAbilities,
}

impl PolicyPlugin {
    /// Checks the settings against the policy's schema and makes the first instance with them.
    pub async fn new(
        generation: Arc<Generation>,
        settings: &serde_json::Value,
        targets: Vec<Target>,
        limits: PluginLimits,
        metrics: PluginMetrics,
    ) -> Result<Self, LoadError> {
        let Abilities::Policy(abilities) = generation.descriptor.abilities else {
            return Err(LoadError::World("it is a provider plugin, not a routing policy".into()));
        };
        check_settings(&generation, settings)?;
        let guest = Guest::new(generation, (settings.to_string(), targets), limits, metrics).await?;
        Ok(Self { guest, abilities })
    }

    /// The version that is loaded.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.guest.generation
    }

    /// Whether this is what the same policy with these settings, targets and limits would be, so that it can go on
    /// serving after a change of configuration that does not concern it.
    pub fn fits(
        &self,
        generation: &Arc<Generation>,
        settings: &serde_json::Value,
        targets: &[Target],
        limits: &PluginLimits,
    ) -> bool {
        let alike = |(own, other): (&Target, &Target)| {
            own.provider == other.provider
                && own.model == other.model
                && own.priority == other.priority
                && own.weight.to_bits() == other.weight.to_bits()
                && own.tags == other.tags
        };
        let settings = settings.to_string();
        let (own_settings, own) = self.guest.settings();
        self.guest.is_on(generation, limits)
            && own.len() == targets.len()
            && own.iter().zip(targets).all(alike)
            && *own_settings == settings
    }

    /// What it wants.
    pub fn abilities(&self) -> PolicyAbilities {
        self.abilities
    }

    /// Plans a request. See `wit/routing.wit`. A plan that breaks the contract is a fault, like a trap.
    pub async fn plan(
        &self,
        id: &Arc<str>,
        request: &Request,
        candidates: &[Candidate],
    ) -> Result<Vec<Attempt>, CallError> {
        self.guest.quarantine.admit().map_err(Fault::Quarantined)?;
        let mut instance = self.guest.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let routing = bindings.weir_plugin_routing();
        let outcome = bounded(&self.guest.limits, routing.call_plan(&mut *store, request, candidates)).await;
        let plan = self.guest.settle(Function::Plan, store, outcome)?;
        self.guest.give_back(instance);
        let plan = plan.map_err(CallError::Failure)?;
        if plan.is_empty() || plan.len() > MOST_ATTEMPTS || !plan.iter().all(|attempt| can_be_made(attempt, candidates))
        {
            self.guest.report(Function::Plan, &Fault::Output);
            return Err(Fault::Output.into());
        }
        Ok(plan)
    }

    /// Tells how attempts ended.
    pub async fn observe(&self, id: &Arc<str>, outcomes: &[Outcome]) -> Result<(), CallError> {
        self.guest.quarantine.admit().map_err(Fault::Quarantined)?;
        let mut instance = self.guest.lease(id).await?;
        let Instance { store, bindings, .. } = &mut instance;
        let routing = bindings.weir_plugin_routing();
        let outcome = bounded(&self.guest.limits, routing.call_observe(&mut *store, outcomes)).await;
        self.guest.settle(Function::Observe, store, outcome)?;
        self.guest.give_back(instance);
        Ok(())
    }
}

/// Whether an attempt is at one of the candidates, and has time.
fn can_be_made(attempt: &Attempt, candidates: &[Candidate]) -> bool {
    let limits = [attempt.first_byte_ms, attempt.idle_ms, attempt.total_ms];
    (attempt.candidate as usize) < candidates.len() && limits.iter().all(|limit| *limit != Some(0))
}
