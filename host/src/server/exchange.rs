//! What the two sides of one connection know of each other: the reader in front of hyper, the service behind it, and
//! the task that drives both. An exchange is one request with its answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;

use super::refusal::Refusal;

/// The state of one connection. One task at a time changes it, but with HTTP/2 the streams have tasks of their own.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    begun: AtomicUsize,
    ended: AtomicUsize,
    is_receiving: AtomicBool,
    is_sending: AtomicBool,
    is_broken: AtomicBool,
    is_refused: AtomicBool,
    refusal: Mutex<Option<Refusal>>,
    reader: AtomicWaker,
}

impl Exchanges {
    /// Begins an exchange. It ends when the return value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Exchange(Arc::clone(self))
    }

    /// How many exchanges there have been, open ones included.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether no request waits for its answer's end.
    pub(super) fn none_open(&self) -> bool {
        self.ended.load(Ordering::Acquire) == self.begun()
    }

    /// Whether nothing is under way, in neither direction.
    pub(super) fn is_idle(&self) -> bool {
        self.none_open() && !self.is_receiving() && !self.is_sending.load(Ordering::Relaxed)
    }

    /// Says whether the peer lets bytes wait that are there for it.
    pub(super) fn set_sending(&self, is_sending: bool) {
        self.is_sending.store(is_sending, Ordering::Relaxed);
    }

    /// Whether a request has begun to arrive and cannot be passed on yet.
    pub(super) fn is_receiving(&self) -> bool {
        self.is_receiving.load(Ordering::Relaxed)
    }

    /// Says whether a request has begun to arrive.
    pub(super) fn set_receiving(&self, is_receiving: bool) {
        self.is_receiving.store(is_receiving, Ordering::Relaxed);
    }

    /// Says that a request's body broke the framing.
    pub(super) fn set_broken(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Leaves word that the next request the service sees stands for one that was refused.
    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        self.is_refused.store(true, Ordering::Release);
    }

    /// Takes the refusal that the next request stands for.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        if !self.is_refused.load(Ordering::Acquire) {
            return None;
        }
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has this task woken when an exchange ends.
    pub(super) fn wake_at_end(&self, waker: &Waker) {
        self.reader.register(waker);
    }
}

/// One request with its answer, as long as it lasts.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Exchanges>);

impl Exchange {
    /// Whether nothing intelligible can follow on this connection.
    pub(super) fn is_broken(&self) -> bool {
        self.0.is_broken.load(Ordering::Relaxed)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
        self.0.reader.wake();
    }
}
