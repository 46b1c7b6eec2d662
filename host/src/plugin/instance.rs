//! One live instantiation of a component, and the state that the host keeps for it.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::capability::Capabilities;
use super::limits::Limiter;
use super::pool::Permit;
use super::sandbox::{TICK, runs_long};
use super::world::World;
use crate::config::PluginLimits;

/// An instance and its store. A trap leaves it unusable, and so does a call that was not awaited to its end: such an
/// instance must be dropped, which gives back all that it had.
pub(super) struct Instance<W> {
    pub(super) store: Store<State>,
    pub(super) bindings: W,
    /// Calls served so far.
    pub(super) calls: usize,
    /// Counts it among the living of its plugin. `None` for the one that is made at load to describe itself.
    pub(super) permit: Option<Permit>,
}

/// What the host keeps for one instance.
pub struct State {
    pub(super) capabilities: Capabilities,
    pub(super) limiter: Limiter,
    /// Ticks that the call under way may still execute for.
    ticks_left: u64,
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

/// Why the host stopped a guest by itself. It travels inside the trap.
#[derive(Debug, thiserror::Error)]
#[error("the call ran over its deadline")]
pub(super) struct DeadlineExceeded;

/// A new instance, which has yet to be configured.
pub(super) async fn new<W: World>(
    engine: &Engine,
    linked: &W::Linked,
    limits: &PluginLimits,
    capabilities: Capabilities,
) -> wasmtime::Result<Instance<W>> {
    let request_id = Arc::clone(&capabilities.request_id);
    let mut store = store(engine, limits, capabilities);
    prepare(&mut store, limits, &request_id);
    let bindings = W::instantiate(linked, &mut store).await?;
    Ok(Instance { store, bindings, calls: 0, permit: None })
}

/// A store for one instance, with its limits in place.
fn store(engine: &Engine, limits: &PluginLimits, capabilities: Capabilities) -> Store<State> {
    let wasi = capabilities.wasi();
    let limiter = Limiter::new(limits);
    let state = State { capabilities, limiter, ticks_left: 0, wasi, resources: ResourceTable::new() };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    // A list of a million references to one long string is small in the guest and huge in the host: this bounds what
    // one call may make the host copy.
    store.set_hostcall_fuel(limits.output_bytes.saturating_mul(2));
    store.epoch_deadline_callback(|mut context| {
        runs_long();
        let state = context.data_mut();
        match state.ticks_left.checked_sub(1) {
            Some(left) => {
                state.ticks_left = left;
                // tokio's own way to yield lets it look at sockets and timers before the guest goes on. A guest that
                // just woke itself would run up to sixty times before that.
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
            }
            None => Err(DeadlineExceeded.into()),
        }
    });
    store
}

/// Sets the deadline of the call that is about to be made, and the request that its log lines belong to.
pub(super) fn prepare(store: &mut Store<State>, limits: &PluginLimits, request_id: &Arc<str>) {
    let ticks = limits.call_deadline.as_nanos() / TICK.as_nanos();
    let state = store.data_mut();
    state.ticks_left = u64::try_from(ticks).unwrap_or(u64::MAX);
    if !Arc::ptr_eq(&state.capabilities.request_id, request_id) {
        state.capabilities.request_id = Arc::clone(request_id);
    }
    store.set_epoch_deadline(1);
}
