//! One loaded version of a plugin: a component that has been checked against its world, and what it says of itself.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use super::bindings::provider::ProviderPlugin;
use super::bindings::provider::exports::weir::plugin::provider::RateLimitHeader;
use super::bindings::routing::RoutingPlugin;
use super::bindings::types::Operation;
use super::cache::digest;
use super::call::{Fault, bounded};
use super::capability::{Capabilities, LogBudget};
use super::inspect::{check_header, check_world};
use super::instance::{self, Instance, State};
use super::sandbox::Sandbox;
use super::world::{Kind, World};
use crate::config::PluginLimits;

/// A component over this size is refused unread, in bytes. JavaScript and Python components have 12 to 40 MB.
pub(super) const LARGEST_COMPONENT: u64 = 128 << 20;

/// One loaded version of a plugin. It is freed when the last request that runs on it has ended.
pub struct Generation {
    /// The plugin's name: that of its file.
    pub name: String,
    /// Counts the versions loaded under this name, from 1.
    pub number: u64,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// Size of the component, in bytes.
    pub size: usize,
    /// What the plugin says of itself.
    pub descriptor: Descriptor,
    pub(super) sandbox: Sandbox,
    pub(super) pooled: InstancePre<State>,
    content: Arc<[u8]>,
}

/// What a plugin says of itself, checked.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// The name that the plugin gives itself.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence on what it does.
    pub summary: String,
    /// What it can do, by its kind.
    pub abilities: Abilities,
    /// The JSON Schema of its settings.
    pub settings_schema: serde_json::Value,
}

/// What a plugin can do.
#[derive(Debug, Clone)]
pub enum Abilities {
    /// Those of a provider plugin.
    Provider(ProviderAbilities),
    /// Those of a routing policy.
    Policy(PolicyAbilities),
}

/// What a provider plugin can do.
#[derive(Debug, Clone)]
pub struct ProviderAbilities {
    /// What it may be asked for.
    pub operations: Vec<Operation>,
    /// The headers in which its upstream tells of rate limits.
    pub rate_limits: Vec<RateLimitHeader>,
    /// How many inputs one request for embeddings may have.
    pub embedding_inputs: Option<u32>,
}

/// What a routing policy wants.
#[derive(Debug, Clone, Copy)]
pub struct PolicyAbilities {
    /// The text of the last user message with each request.
    pub wants_text: bool,
    /// To be told how attempts ended.
    pub wants_outcomes: bool,
    /// That requests are refused while it fails.
    pub fail_closed: bool,
}

impl Descriptor {
    /// The kind of plugin that this is.
    pub const fn kind(&self) -> Kind {
        match self.abilities {
            Abilities::Provider(_) => Kind::Provider,
            Abilities::Policy(_) => Kind::Policy,
        }
    }
}

impl Operation {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Models => "models",
            Self::Embeddings => "embeddings",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count-tokens",
        }
    }
}

/// Why a file is no plugin, in words for the operator.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{0}")]
    Read(String),
    /// It is not a component.
    #[error("{0}")]
    NotAComponent(String),
    /// It does not export a world that this host speaks.
    #[error("{0}")]
    World(String),
    /// It wants to import something that its world does not have.
    #[error("{0}")]
    Import(String),
    /// It failed while it was loaded.
    #[error("{0}")]
    Failed(String),
    /// The settings in the configuration do not fit.
    #[error("{0}")]
    Settings(String),
}

impl Generation {
    /// Compiles and checks a component, and asks it what it is. Takes up to many seconds where it was not compiled
    /// before, off the threads that serve.
    pub async fn load(sandbox: &Sandbox, name: &str, number: u64, content: Vec<u8>) -> Result<Arc<Self>, LoadError> {
        check_header(&content)?;
        let content: Arc<[u8]> = content.into();
        let digest = digest(&content);
        let component = compile(sandbox, &sandbox.pooled, &content, &digest).await?;
        let kind = check_world(&component, &sandbox.pooled)?;
        let pooled = link(&sandbox.linker.pooled, &component)?;
        let descriptor = match kind {
            Kind::Provider => describe::<ProviderPlugin>(sandbox, name, &pooled).await?,
            Kind::Policy => describe::<RoutingPlugin>(sandbox, name, &pooled).await?,
        };
        let (name, size, sandbox) = (name.to_owned(), content.len(), sandbox.clone());
        Ok(Arc::new(Self { name, number, digest, size, descriptor, sandbox, pooled, content }))
    }

    /// The component for instances past those that the pool has room for.
    pub(super) async fn overflow(&self) -> Result<InstancePre<State>, LoadError> {
        tracing::warn!(plugin = self.name, "the instance pool is used up; further instances take longer to make");
        let component = compile(&self.sandbox, &self.sandbox.overflow, &self.content, &self.digest).await?;
        link(&self.sandbox.linker.overflow, &component)
    }
}

async fn compile(
    sandbox: &Sandbox,
    engine: &Engine,
    content: &Arc<[u8]>,
    digest: &str,
) -> Result<Component, LoadError> {
    let (sandbox, engine, content, digest) = (sandbox.clone(), engine.clone(), Arc::clone(content), digest.to_owned());
    let compiled = tokio::task::spawn_blocking(move || sandbox.compile(&engine, &content, &digest)).await;
    match compiled {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(LoadError::NotAComponent(format!("the component is damaged or incomplete: {error:#}"))),
        Err(error) => Err(LoadError::Failed(format!("compiling it failed: {error}"))),
    }
}

fn link(linker: &Linker<State>, component: &Component) -> Result<InstancePre<State>, LoadError> {
    linker.instantiate_pre(component).map_err(|error| unfit(&error))
}

pub(super) fn unfit(error: &wasmtime::Error) -> LoadError {
    LoadError::World(format!("it does not fit its world: {error:#}"))
}

/// Asks the component what it is, on an instance that is used for nothing else.
async fn describe<W: World>(
    sandbox: &Sandbox,
    name: &str,
    component: &InstancePre<State>,
) -> Result<Descriptor, LoadError> {
    let linked = W::link(component.clone()).map_err(|error| unfit(&error))?;
    // Loading may take its time on a busy machine, and is no reason to refuse a good plugin.
    let limits = PluginLimits { call_deadline: std::time::Duration::from_secs(5), ..PluginLimits::default() };
    let capabilities = Capabilities {
        plugin: name.into(),
        request_id: "".into(),
        log: LogBudget::new(limits.log_lines_per_second),
        kv: sandbox.stores.of(name, &limits),
    };
    let failed = |fault: Fault| LoadError::Failed(format!("it failed when asked to describe itself: {fault:?}"));
    let (instance, _) = bounded(&limits, instance::new::<W>(&sandbox.pooled, &linked, &limits, capabilities)).await;
    let Instance { mut store, bindings, .. } = instance.map_err(failed)?;
    let (said, _) = bounded(&limits, bindings.describe(&mut store)).await;
    said.map_err(failed)?.checked()
}

/// What a plugin says of itself, not checked yet.
pub(super) struct Said {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) summary: String,
    pub(super) abilities: Abilities,
    pub(super) settings_schema: String,
}

impl Said {
    fn checked(self) -> Result<Descriptor, LoadError> {
        let Self { name, version, summary, abilities, settings_schema } = self;
        let settings_schema = serde_json::from_str(&settings_schema)
            .map_err(|error| LoadError::Failed(format!("its settings schema is not JSON: {error}")))?;
        jsonschema::validator_for(&settings_schema)
            .map_err(|error| LoadError::Failed(format!("its settings schema is not a JSON Schema: {error}")))?;
        Ok(Descriptor { name, version, summary, abilities, settings_schema })
    }
}
