//! Instances that wait for their next call, and the count of all that are alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::call::Fault;
use super::instance::Instance;
use crate::telemetry::PluginMetrics;

/// Idle instances kept for each configured plugin. More calls than this rarely run at the same moment, since a call
/// takes microseconds; what streams give back beyond it is dropped.
const IDLE: usize = 32;

/// As many instances may streams hold that might do without, for the short time until that shows. Past it they give them
/// back whenever there is nothing to translate.
const CROWD: usize = 128;

/// The idle instances of one configured plugin, and the count of all that are alive. Lock-free.
pub(super) struct Pool<W> {
    idle: ArrayQueue<Instance<W>>,
    alive: Arc<AtomicUsize>,
    limit: usize,
    /// Tells those who wait that an instance, or room for one, is free.
    freed: Arc<Notify>,
    metrics: PluginMetrics,
}

/// Room for one instance: given back when dropped.
pub(super) struct Permit {
    alive: Arc<AtomicUsize>,
    freed: Arc<Notify>,
    metrics: PluginMetrics,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
        self.metrics.add_instances(-1);
        self.freed.notify_one();
    }
}

impl<W> Pool<W> {
    pub(super) fn new(limit: usize, metrics: PluginMetrics) -> Self {
        Self { idle: ArrayQueue::new(IDLE), alive: Arc::default(), limit, freed: Arc::default(), metrics }
    }

    /// An instance that waits, if there is one.
    pub(super) fn take(&self) -> Option<Instance<W>> {
        self.idle.pop()
    }

    /// Keeps an instance for a later call; drops it if enough wait already.
    pub(super) fn put(&self, instance: Instance<W>) {
        if self.idle.push(instance).is_ok() {
            self.freed.notify_one();
        }
    }

    /// Waits until an instance, or room for one, becomes free after this was called: for one waiter each.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Room for a new instance, or [`Fault::Busy`] when the plugin has all that it may have.
    pub(super) fn permit(&self) -> Result<Permit, Fault> {
        let room = |alive: usize| (alive < self.limit).then_some(alive + 1);
        match self.alive.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => {
                self.metrics.add_instances(1);
                let (alive, freed) = (Arc::clone(&self.alive), Arc::clone(&self.freed));
                Ok(Permit { alive, freed, metrics: self.metrics.clone() })
            }
            Err(_) => Err(Fault::Busy),
        }
    }

    /// Whether so many instances are taken that nobody should hold one without need: many for the memory that they have,
    /// or half of all that there may be.
    pub(super) fn is_crowded(&self) -> bool {
        self.alive().saturating_sub(self.idle.len()) > CROWD.min(self.limit / 2)
    }

    /// Instances that wait or work.
    pub(super) fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }
}
