//! What a plugin may do: one file per capability. The import list of a world is the list of these.

pub(super) mod kv;
mod log;
mod wasi;

use std::sync::Arc;

pub(super) use log::LogBudget;
use wasmtime_wasi::WasiCtx;

/// The capabilities of one plugin, as one of its instances holds them.
#[derive(Clone)]
pub(super) struct Capabilities {
    /// The plugin's name, for the log.
    pub(super) plugin: Arc<str>,
    /// The request that is being served, for the log.
    pub(super) request_id: Arc<str>,
    pub(super) log: Arc<LogBudget>,
    pub(super) kv: Arc<kv::Store>,
}

impl Capabilities {
    /// The empty WASI world of one instance.
    pub(super) fn wasi(&self) -> WasiCtx {
        wasi::context(self.clone())
    }
}
