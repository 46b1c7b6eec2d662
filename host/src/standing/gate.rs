//! How many requests one target works on at once: a limit, and a short queue before it, first come, first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::config;

/// The gate before one target. Without a limit it only counts.
#[derive(Debug)]
pub struct Gate {
    places: Option<Arc<Semaphore>>,
    options: config::Concurrency,
    in_flight: AtomicU32,
    queued: AtomicU32,
}

/// A request that a target works on. It counts until this is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place {
    gate: Arc<Gate>,
    /// Goes back to the gate by itself.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Why a request got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// There were as many as may wait.
    #[error("its queue is full")]
    Queue,
    /// It waited for as long as it may.
    #[error("no place became free in time")]
    TimedOut(Duration),
}

impl Gate {
    /// A gate that nobody has passed.
    pub fn new(options: config::Concurrency) -> Self {
        let places = options.limit.map(|limit| usize::try_from(limit).unwrap_or(Semaphore::MAX_PERMITS));
        Self {
            places: places.map(|places| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)))),
            options,
            in_flight: AtomicU32::new(0),
            queued: AtomicU32::new(0),
        }
    }

    /// Takes a place, or waits for one. A caller that is cancelled leaves the queue.
    pub async fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        match &self.places {
            None => Ok(self.place(None)),
            Some(places) => match Arc::clone(places).try_acquire_owned() {
                Ok(permit) => Ok(self.place(Some(permit))),
                Err(_) => self.wait(Arc::clone(places)).await,
            },
        }
    }

    /// Takes a place if there is one now.
    pub fn try_enter(self: &Arc<Self>) -> Option<Place> {
        match &self.places {
            None => Some(self.place(None)),
            Some(places) => Arc::clone(places).try_acquire_owned().ok().map(|permit| self.place(Some(permit))),
        }
    }

    /// Requests that the target works on.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that wait for a place.
    pub fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    /// The most that it works on at once, if there is a limit.
    pub fn limit(&self) -> Option<u32> {
        self.options.limit
    }

    async fn wait(self: &Arc<Self>, places: Arc<Semaphore>) -> Result<Place, Full> {
        let _waiting = Waiting::begin(self).ok_or(Full::Queue)?;
        match time::timeout(self.options.queue_timeout, places.acquire_owned()).await {
            // The semaphore is never closed: were it, the request would go on without a limit.
            Ok(permit) => Ok(self.place(permit.ok())),
            Err(_) => Err(Full::TimedOut(self.options.queue_timeout)),
        }
    }

    fn place(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Place { gate: Arc::clone(self), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request in the queue. It counts until this is dropped.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn begin(gate: &'a Gate) -> Option<Self> {
        let join = |queued: u32| (queued < gate.options.queue).then_some(queued + 1);
        let joined = gate.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, join);
        joined.ok().map(|_| Self(gate))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
