//! Spreads the calls to one upstream over several pools, so that no HTTP/2 connection gets more calls at once than it
//! takes. A pool keeps one HTTP/2 connection per upstream, and what is over the upstream's limit of concurrent streams
//! waits there unseen until another call ends: with long streams, for minutes.

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

/// The lanes of one upstream.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<[Lane]>);

#[derive(Debug, Default)]
struct Lane {
    client: OnceLock<Client>,
    calls: AtomicUsize,
}

impl Lanes {
    /// At most `count` lanes, of which those are made that are needed. One is enough for HTTP/1.
    pub(super) fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Lane::default()).collect())
    }

    /// A place in the first lane that has one, so that few connections are kept busy rather than many half idle. When
    /// all are full, in the one with the fewest calls.
    pub(super) fn lease(&self, build: impl FnOnce() -> Client) -> (Client, Lease) {
        let has_place = |lane: &Lane| lane.calls.load(Ordering::Relaxed) < CALLS_PER_LANE;
        let index = self.0.iter().position(has_place).unwrap_or_else(|| self.least_busy());
        // Two calls may take the last place at once. One too many does no harm: the limit is a rule of thumb.
        self.0[index].calls.fetch_add(1, Ordering::Relaxed);
        (self.0[index].client.get_or_init(build).clone(), Lease { lanes: self.clone(), index })
    }

    fn least_busy(&self) -> usize {
        let calls = |index: &usize| self.0[*index].calls.load(Ordering::Relaxed);
        (0..self.0.len()).min_by_key(calls).unwrap_or_default()
    }
}

/// A place in a lane, given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    lanes: Lanes,
    index: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lanes.0[self.index].calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper_util::rt::TokioExecutor;

    use super::*;

    fn client() -> Client {
        let connector = Connector::new(None, Duration::from_secs(1)).unwrap();
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
