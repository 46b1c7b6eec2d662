//! The wasmtime engines that every plugin runs in, and the clock that their deadlines are counted by.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::bindings::provider::ProviderPlugin as Bindings;
use super::cache::Cache;
use super::capability::kv::Stores;
use super::instance::State;

/// The version of the package `weir:plugin` that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// One tick of the epoch: the longest that a guest runs before other work gets its turn.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Ticks are this long while no guest runs into one, as calls take microseconds: an idle gateway costs next to nothing,
/// and the first slice of a guest that runs for long may be so long.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// Whether a guest ran into a tick since the last one, and more are due soon. Of all sandboxes in the process: it only
/// says how often their clocks tick.
static RUNS_LONG: AtomicBool = AtomicBool::new(false);

/// Instances that the pool has room for. Each takes 4 GiB of address space and no memory until it is used; 24 TiB
/// fit well into the 128 TiB that a process has. What is over falls back to on-demand allocation.
const POOLED_INSTANCES: u32 = 6_000;

/// A component built for the clang, Rust, JavaScript or Python toolchains has up to this many core instances.
const CORE_INSTANCES: u32 = 4;

/// Where plugins run. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) pooled: Engine,
    pub(super) overflow: Engine,
    pub(super) linker: Arc<Linkers>,
    pub(super) cache: Cache,
    pub(super) stores: Arc<Stores>,
}

/// The host's side of the worlds, once for each engine.
pub(super) struct Linkers {
    pub(super) pooled: Linker<State>,
    pub(super) overflow: Linker<State>,
}

impl Sandbox {
    /// Makes the engines and starts the ticker thread. `cache` is the folder of compiled components.
    pub fn new(cache: &Path) -> wasmtime::Result<Self> {
        let pooled = pooled_engine()?;
        let overflow = Engine::new(&config())?;
        let cache = Cache::open(cache);
        let linker = Linkers { pooled: linker(&pooled)?, overflow: linker(&overflow)? };
        start_ticker(&pooled, &overflow)?;
        Ok(Self { pooled, overflow, linker: Arc::new(linker), cache, stores: Arc::default() })
    }

    /// Compiles a component for one of the engines, or takes it from the cache. Blocks for as long as that takes: up
    /// to many seconds. The threads that compile give way to those that serve.
    pub(super) fn compile(&self, engine: &Engine, content: &[u8], key: &str) -> wasmtime::Result<Component> {
        let compiler = rayon::ThreadPoolBuilder::new().start_handler(|_| give_way()).build()?;
        compiler.install(|| self.cache.load(engine, content, key))
    }
}

/// Tells the ticker that a guest has been running from one tick to the next.
pub(super) fn runs_long() {
    RUNS_LONG.store(true, Ordering::Relaxed);
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .parallel_compilation(true)
        .memory_init_cow(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20)
        // Address maps and debug information would double what a plugin takes in memory.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    config
}

fn pooled_engine() -> wasmtime::Result<Engine> {
    let mut config = config();
    // A process whose address space is limited (ulimit -v, some containers) gets a smaller pool rather than none.
    let mut instances = POOLED_INSTANCES;
    loop {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        match Engine::new(&config) {
            Ok(engine) => return Ok(engine),
            Err(error) if instances < 16 => return Err(error),
            Err(_) => instances /= 4,
        }
    }
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(2))
        .total_stacks(instances.min(2_000))
        .max_core_instances_per_component(64)
        .max_memories_per_component(4)
        .max_tables_per_component(16)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    pool
}

/// The whole import list of the worlds, which is the same for all of them, and of WASI, which is there because toolchains link it and leads nowhere.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Bindings::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state: &mut State| state)?;
    Ok(linker)
}

/// Advances the epoch of both engines until they are gone. A thread, since a task could not run while guests occupy
/// every worker.
fn start_ticker(pooled: &Engine, overflow: &Engine) -> wasmtime::Result<()> {
    let engines = [pooled.weak(), overflow.weak()];
    let body = move || {
        loop {
            let tick = if RUNS_LONG.swap(false, Ordering::Relaxed) { TICK } else { IDLE_TICK };
            #[allow(clippy::disallowed_methods, reason = "a thread of its own, which nothing else runs on")]
            std::thread::sleep(tick);
            for engine in &engines {
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        }
    };
    std::thread::Builder::new().name("weir-epoch".into()).spawn(body)?;
    Ok(())
}

/// Lowers the priority of the calling thread.
fn give_way() {
    // SAFETY: setpriority touches no memory; 0 is the calling thread. If it is refused the thread stays as it is.
    #[allow(unsafe_code)]
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 10);
    }
}
