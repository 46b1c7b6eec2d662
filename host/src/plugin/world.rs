//! The worlds of the contract, one for each kind of plugin, in the terms that they have in common.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::bindings::provider::{ProviderPlugin, ProviderPluginPre};
use super::bindings::routing::exports::weir::plugin::routing::Target;
use super::bindings::routing::{RoutingPlugin, RoutingPluginPre};
use super::bindings::types::Failure;
use super::generation::{Abilities, PolicyAbilities, ProviderAbilities, Said};
use super::instance::State;

/// Which kind of plugin a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It translates between the OpenAI API and one upstream API.
    Provider,
    /// It plans which targets serve a request.
    Policy,
}

impl Kind {
    /// All that there are.
    pub(super) const ALL: [Self; 2] = [Self::Provider, Self::Policy];

    /// The world that such a plugin implements.
    pub const fn world(self) -> &'static str {
        match self {
            Self::Provider => "provider-plugin",
            Self::Policy => "routing-plugin",
        }
    }

    /// The interface that such a plugin exports.
    pub(super) const fn interface(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Policy => "routing",
        }
    }

    /// For lists: what such a plugin is, in one word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Policy => "policy",
        }
    }

    /// For messages: what such a plugin is.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Provider => "a provider plugin",
            Self::Policy => "a routing policy",
        }
    }
}

/// The exports of one kind of plugin, bound to an instance.
pub(super) trait World: Sized + Send + 'static {
    /// The kind of plugin.
    const KIND: Kind;
    /// A component whose exports were looked up.
    type Linked: Send + Sync + 'static;
    /// What an instance is configured with.
    type Settings: Send + Sync + 'static;

    /// Looks the exports up.
    fn link(component: InstancePre<State>) -> wasmtime::Result<Self::Linked>;

    /// Makes an instance.
    fn instantiate(
        linked: &Self::Linked,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self>> + Send;

    /// Asks an instance what the plugin is.
    fn describe(&self, store: &mut Store<State>) -> impl Future<Output = wasmtime::Result<Said>> + Send;

    /// Hands an instance its settings.
    fn configure(
        &self,
        store: &mut Store<State>,
        settings: &Self::Settings,
    ) -> impl Future<Output = wasmtime::Result<Result<(), Failure>>> + Send;
}

impl World for ProviderPlugin {
    const KIND: Kind = Kind::Provider;
    type Linked = ProviderPluginPre<State>;
    type Settings = String;

    fn link(component: InstancePre<State>) -> wasmtime::Result<Self::Linked> {
        ProviderPluginPre::new(component)
    }

    async fn instantiate(linked: &Self::Linked, store: &mut Store<State>) -> wasmtime::Result<Self> {
        linked.instantiate_async(store).await
    }

    async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Said> {
        let said = self.weir_plugin_provider().call_describe(store).await?;
        let abilities = Abilities::Provider(ProviderAbilities {
            operations: said.operations,
            rate_limits: said.rate_limits,
            embedding_inputs: said.embedding_inputs,
        });
        let (name, version, summary) = (said.name, said.version, said.summary);
        Ok(Said { name, version, summary, abilities, settings_schema: said.settings_schema })
    }

    async fn configure(&self, store: &mut Store<State>, settings: &String) -> wasmtime::Result<Result<(), Failure>> {
        self.weir_plugin_provider().call_configure(store, settings).await
    }
}

impl World for RoutingPlugin {
    const KIND: Kind = Kind::Policy;
    type Linked = RoutingPluginPre<State>;
    type Settings = (String, Vec<Target>);

    fn link(component: InstancePre<State>) -> wasmtime::Result<Self::Linked> {
        RoutingPluginPre::new(component)
    }

    async fn instantiate(linked: &Self::Linked, store: &mut Store<State>) -> wasmtime::Result<Self> {
        linked.instantiate_async(store).await
    }

    async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Said> {
        let said = self.weir_plugin_routing().call_describe(store).await?;
        let abilities = Abilities::Policy(PolicyAbilities {
            wants_text: said.wants_text,
            wants_outcomes: said.wants_outcomes,
            fail_closed: said.fail_closed,
        });
        let (name, version, summary) = (said.name, said.version, said.summary);
        Ok(Said { name, version, summary, abilities, settings_schema: said.settings_schema })
    }

    async fn configure(
        &self,
        store: &mut Store<State>,
        (settings, targets): &Self::Settings,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.weir_plugin_routing().call_configure(store, settings, targets).await
    }
}
