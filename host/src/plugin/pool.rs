//! Instances that wait for their next call, and the count of all that are alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use super::call::Fault;
use super::instance::Instance;
use crate::telemetry::PluginMetrics;

/// Idle instances kept for each configured plugin. More calls than this rarely run at the same moment, since a call
/// takes microseconds; what streams give back beyond it is dropped.
const IDLE: usize = 32;

/// The idle instances of one configured plugin, and the count of all that are alive. Lock-free.
pub(super) struct Pool<W> {
    idle: ArrayQueue<Instance<W>>,
    alive: Arc<AtomicUsize>,
    limit: usize,
    metrics: PluginMetrics,
}

/// Room for one instance: given back when dropped.
pub(super) struct Permit {
    alive: Arc<AtomicUsize>,
    metrics: PluginMetrics,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
        self.metrics.add_instances(-1);
    }
}

impl<W> Pool<W> {
    pub(super) fn new(limit: usize, metrics: PluginMetrics) -> Self {
        Self { idle: ArrayQueue::new(IDLE), alive: Arc::default(), limit, metrics }
    }

    /// An instance that waits, if there is one.
    pub(super) fn take(&self) -> Option<Instance<W>> {
        self.idle.pop()
    }

    /// Keeps an instance for a later call; drops it if enough wait already.
    pub(super) fn put(&self, instance: Instance<W>) {
        drop(self.idle.push(instance));
    }

    /// Room for a new instance, or [`Fault::Busy`] when the plugin has all that it may have.
    pub(super) fn permit(&self) -> Result<Permit, Fault> {
        let room = |alive: usize| (alive < self.limit).then_some(alive + 1);
        match self.alive.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => {
                self.metrics.add_instances(1);
                Ok(Permit { alive: Arc::clone(&self.alive), metrics: self.metrics.clone() })
            }
            Err(_) => Err(Fault::Busy),
        }
    }

    /// Instances that wait or work.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }
}
