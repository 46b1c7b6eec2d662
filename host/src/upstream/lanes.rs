//! Spreads the calls to one upstream over several pools, so that no HTTP/2 connection gets more calls at once than it
//! takes. A pool keeps one HTTP/2 connection per upstream, and what is over the upstream's limit of concurrent streams
//! waits there unseen until another call ends: with long streams, for minutes.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;

use super::connect::Connector;

/// A pool of connections.
pub(super) type Client = legacy::Client<Connector, Full<Bytes>>;

/// Calls per lane: the least that RFC 9113, section 6.5.2, recommends an upstream to allow.
const CALLS_PER_LANE: usize = 100;

/// The lanes of one upstream, a set for each thread: the task of a connection lives on the thread that opened it, and a
/// call from another one would wake that thread for every piece of the answer.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<[Box<[Lane]>]>);

#[derive(Debug, Default)]
struct Lane {
    client: OnceLock<Client>,
    calls: AtomicUsize,
}

impl Lanes {
    /// At most `count` lanes for each thread, of which those are made that are needed. One is enough for HTTP/1.
    pub(super) fn new(count: usize) -> Self {
        // One more than there are cores: beside the threads that serve there is one that asks for models.
        Self::of(std::thread::available_parallelism().map_or(1, NonZero::get) + 1, count)
    }

    /// The same lanes for all threads: their connections are few, and have to do for every call.
    pub(super) fn shared(count: usize) -> Self {
        Self::of(1, count)
    }

    fn of(sets: usize, count: usize) -> Self {
        Self((0..sets).map(|_| (0..count.max(1)).map(|_| Lane::default()).collect()).collect())
    }

    /// A place in the first lane of this thread that has one, so that few connections are kept busy rather than many
    /// half idle. When all are full, in the one with the fewest calls.
    pub(super) fn lease(&self, build: impl FnOnce() -> Client) -> (Client, Lease) {
        let set = THREAD.with(|thread| *thread) % self.0.len();
        let lanes = &self.0[set];
        let has_place = |lane: &Lane| lane.calls.load(Ordering::Relaxed) < CALLS_PER_LANE;
        let index = lanes.iter().position(has_place).unwrap_or_else(|| least_busy(lanes));
        // Two calls may take the last place at once. One too many does no harm: the limit is a rule of thumb.
        lanes[index].calls.fetch_add(1, Ordering::Relaxed);
        (lanes[index].client.get_or_init(build).clone(), Lease { lanes: self.clone(), set, index })
    }
}

fn least_busy(lanes: &[Lane]) -> usize {
    let calls = |index: &usize| lanes[*index].calls.load(Ordering::Relaxed);
    (0..lanes.len()).min_by_key(calls).unwrap_or_default()
}

/// How many threads have made a call.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread among them.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// A place in a lane, given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    lanes: Lanes,
    set: usize,
    index: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lanes.0[self.set][self.index].calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper_util::rt::TokioExecutor;

    use super::super::connections::ConnectionOptions;
    use super::*;

    fn client() -> Client {
        let connector = Connector::new(None, Duration::from_secs(1), ConnectionOptions::default()).unwrap();
        legacy::Client::builder(TokioExecutor::new()).build(connector)
    }

    #[test]
    fn a_full_lane_opens_the_next_and_freed_places_are_taken_first() {
        let lanes = Lanes::new(2);
        let mut leases: Vec<Lease> = (0..CALLS_PER_LANE).map(|_| lanes.lease(client).1).collect();
        assert!(leases.iter().all(|lease| lease.index == 0));
        assert_eq!(lanes.lease(client).1.index, 1);
        leases.pop();
        assert_eq!(lanes.lease(client).1.index, 0);
    }

    #[test]
    fn past_the_last_lane_the_least_busy_one_is_taken() {
        let lanes = Lanes::new(2);
        let mut leases: Vec<Lease> = (0..2 * CALLS_PER_LANE + 1).map(|_| lanes.lease(client).1).collect();
        assert_eq!(leases.pop().unwrap().index, 0);
        let _lane_0 = lanes.lease(client).1;
        assert_eq!(lanes.lease(client).1.index, 1);
    }
}
