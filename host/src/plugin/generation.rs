//! One loaded version of a plugin: a component that has been checked against its world, and what it says of itself.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store};

use super::bindings::exports::weir::plugin::provider::{Descriptor as ContractDescriptor, RateLimitHeader};
use super::bindings::weir::plugin::types::Operation;
use super::bindings::{ProviderPlugin as Bindings, ProviderPluginPre as Pre};
use super::cache::digest;
use super::call::{Fault, bounded};
use super::capability::{Capabilities, LogBudget};
use super::inspect::{check_header, check_world};
use super::instance::{self, Instance, State};
use super::sandbox::Sandbox;
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
    content: Arc<[u8]>,
    pooled: Pre<State>,
    overflow: OnceCell<Pre<State>>,
}

/// What a plugin says of itself, checked.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// The name that the plugin gives itself.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One sentence on what it speaks.
    pub summary: String,
    /// What it can do.
    pub operations: Vec<Operation>,
    /// The headers in which its upstream tells of rate limits.
    pub rate_limits: Vec<RateLimitHeader>,
    /// How many inputs one request for embeddings may have.
    pub embedding_inputs: Option<u32>,
    /// The JSON Schema of its settings.
    pub settings_schema: serde_json::Value,
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
        check_world(&component, &sandbox.pooled)?;
        let pooled = link(&sandbox.linker.pooled, &component)?;
        let descriptor = describe(sandbox, name, &pooled).await?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            number,
            digest,
            size: content.len(),
            descriptor,
            sandbox: sandbox.clone(),
            content,
            pooled,
            overflow: OnceCell::new(),
        }))
    }

    /// A new instance, from the pool or, when that is used up, from memory of its own.
    pub(super) async fn instantiate(
        &self,
        limits: &PluginLimits,
        capabilities: Capabilities,
    ) -> Result<Instance, Fault> {
        match instantiate(&self.sandbox.pooled, &self.pooled, limits, capabilities.clone()).await {
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {}
            outcome => return outcome.map_err(|error| Fault::Trap(format!("{error:#}"))),
        }
        let overflow = self.overflow.get_or_try_init(|| self.link_overflow()).await;
        let overflow = overflow.map_err(|error| Fault::Trap(error.to_string()))?;
        let outcome = instantiate(&self.sandbox.overflow, overflow, limits, capabilities).await;
        outcome.map_err(|error| Fault::Trap(format!("{error:#}")))
    }

    async fn link_overflow(&self) -> Result<Pre<State>, LoadError> {
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

fn link(linker: &Linker<State>, component: &Component) -> Result<Pre<State>, LoadError> {
    let linked = linker.instantiate_pre(component).and_then(Pre::new);
    linked.map_err(|error| LoadError::World(format!("it does not fit its world: {error:#}")))
}

async fn instantiate(
    engine: &Engine,
    pre: &Pre<State>,
    limits: &PluginLimits,
    capabilities: Capabilities,
) -> wasmtime::Result<Instance> {
    let request_id = Arc::clone(&capabilities.request_id);
    let mut store = instance::store(engine, limits, capabilities);
    instance::prepare(&mut store, limits, &request_id);
    let bindings = pre.instantiate_async(&mut store).await?;
    Ok(Instance { store, bindings, calls: 0, permit: None })
}

/// Asks the component what it is, on an instance that is used for nothing else.
async fn describe(sandbox: &Sandbox, name: &str, pre: &Pre<State>) -> Result<Descriptor, LoadError> {
    // Loading may take its time on a busy machine, and is no reason to refuse a good plugin.
    let limits = PluginLimits { call_deadline: std::time::Duration::from_secs(5), ..PluginLimits::default() };
    let capabilities = Capabilities {
        plugin: name.into(),
        request_id: "".into(),
        log: LogBudget::new(limits.log_lines_per_second),
        kv: sandbox.stores.of(name, &limits),
    };
    let _running = sandbox.call_begins();
    let failed = |fault: Fault| LoadError::Failed(format!("it failed when asked to describe itself: {fault:?}"));
    let (instance, _) = bounded(&limits, instantiate(&sandbox.pooled, pre, &limits, capabilities)).await;
    let Instance { mut store, bindings, .. } = instance.map_err(failed)?;
    let (descriptor, _) = bounded(&limits, call_describe(&bindings, &mut store)).await;
    check_descriptor(descriptor.map_err(failed)?)
}

async fn call_describe(bindings: &Bindings, store: &mut Store<State>) -> wasmtime::Result<ContractDescriptor> {
    bindings.weir_plugin_provider().call_describe(store).await
}

fn check_descriptor(descriptor: ContractDescriptor) -> Result<Descriptor, LoadError> {
    let ContractDescriptor { name, version, summary, operations, rate_limits, embedding_inputs, settings_schema } =
        descriptor;
    let settings_schema = serde_json::from_str(&settings_schema)
        .map_err(|error| LoadError::Failed(format!("its settings schema is not JSON: {error}")))?;
    jsonschema::validator_for(&settings_schema)
        .map_err(|error| LoadError::Failed(format!("its settings schema is not a JSON Schema: {error}")))?;
    Ok(Descriptor { name, version, summary, operations, rate_limits, embedding_inputs, settings_schema })
}
