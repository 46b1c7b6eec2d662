//! Points in time as numbers that fit an atomic: milliseconds since a start.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The time from which milliseconds are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start(Instant);

impl Start {
    pub(super) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Whole milliseconds up to `now`. 0 for what was before the start.
    pub(super) fn milliseconds(self, now: Instant) -> u64 {
        whole_milliseconds(now.saturating_duration_since(self.0))
    }

    /// The first millisecond that is no earlier than `wait` after `now`: what waits for it never goes on too early.
    pub(super) fn after(self, now: Instant, wait: Duration) -> u64 {
        let end = now.saturating_duration_since(self.0).saturating_add(wait);
        let begun = u64::from(!end.subsec_nanos().is_multiple_of(1_000_000));
        whole_milliseconds(end).saturating_add(begun)
    }

    /// What is left from `now` until then, if anything is.
    pub(super) fn left(self, now: Instant, until: u64) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.0);
        Duration::from_millis(until).checked_sub(passed).filter(|left| !left.is_zero())
    }

    /// How long ago that was.
    pub(super) fn ago(self, now: Instant, then: u64) -> Duration {
        now.saturating_duration_since(self.0).saturating_sub(Duration::from_millis(then))
    }

    /// When that was by the clock on the wall, as it goes now.
    pub(super) fn on_the_wall(self, now: Instant, then: u64) -> SystemTime {
        let wall = SystemTime::now();
        wall.checked_sub(self.ago(now, then)).unwrap_or(wall)
    }
}

/// Milliseconds, of which an atomic holds more than enough.
pub(super) fn whole_milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_cut_short_by_rounding() {
        let begun = Instant::now();
        let start = Start::new(begun);
        for (now, wait) in [(0, 1), (999, 1_000), (1_000, 1_000), (1_500, 2_700), (10_900, 5_000)] {
            let (now, wait) = (begun + Duration::from_micros(now), Duration::from_micros(wait));
            let until = start.after(now, wait);
            assert!(Duration::from_millis(until) >= now - begun + wait);
            assert!(start.left(now, until).is_some_and(|left| left >= wait && left < wait + Duration::from_millis(1)));
            assert_eq!(start.left(begun + Duration::from_millis(until), until), None);
        }
    }
}
