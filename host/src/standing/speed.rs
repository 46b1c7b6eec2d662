//! A floor under the speed of a stream: an upstream that trickles holds a client, a connection and a plugin's instance
//! for as long as it likes, and no idle timeout ever sees it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Timeouts;

const TENTHS: u32 = 10;

/// One more than a window has, so that the one which is only begun takes nothing from it.
const BUCKETS: usize = TENTHS as usize + 1;

/// Watches one stream. Only the time counts in which somebody waits for the upstream: a client that does not read is
/// not the upstream's fault.
#[derive(Debug)]
pub struct Speed {
    /// Characters that a whole window has to have.
    floor: u64,
    width: Duration,
    /// What came in each tenth of a window: a ring, begun at the first content.
    buckets: [u64; BUCKETS],
    /// The time waited since the first content; `None` before it.
    waited: Option<Duration>,
    /// Since when somebody waits.
    waiting: Option<Instant>,
}

impl Speed {
    /// Watches a stream that begins. `None` if it may be as slow as it likes.
    pub fn watch(timeouts: &Timeouts) -> Option<Self> {
        let per_second = f64::from(timeouts.min_speed?);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 3e13, as configured")]
        let floor = (per_second * timeouts.speed_window.as_secs_f64()) as u64;
        let width = (timeouts.speed_window / TENTHS).max(Duration::from_micros(1));
        Some(Self { floor, width, buckets: [0; BUCKETS], waited: None, waiting: None })
    }

    /// From now on, the upstream is waited for.
    pub fn waiting(&mut self, now: Instant) {
        self.pass(now);
        self.waiting = Some(now);
    }

    /// So much content came from the upstream, in characters or bytes, and it is waited for no more. Events that hold
    /// none count as 0.
    pub fn received(&mut self, now: Instant, content: usize) {
        self.pass(now);
        self.waiting = None;
        if content > 0 || self.waited.is_some() {
            let waited = *self.waited.get_or_insert_default();
            let place = self.place(waited);
            self.buckets[place] = self.buckets[place].saturating_add(content as u64);
        }
    }

    /// Whether the last window was too slow. Never before a whole one has passed since the first content.
    pub fn is_too_slow(&mut self, now: Instant) -> bool {
        let waiting = self.waiting;
        self.pass(now);
        self.waiting = waiting.map(|_| now);
        let whole = self.waited.is_some_and(|waited| waited >= self.width * TENTHS);
        whole && self.buckets.iter().sum::<u64>() < self.floor
    }

    /// When to look again, while the upstream is waited for and nothing comes: the next tenth of a window.
    pub fn look_again(&self, now: Instant) -> Instant {
        let waited = self.waited.unwrap_or_default();
        let into = Duration::from_nanos(u64::try_from(waited.as_nanos() % self.width.as_nanos()).unwrap_or(0));
        self.waiting.unwrap_or(now) + (self.width - into)
    }

    /// Counts the time waited up to now, and empties the buckets that it has come into.
    fn pass(&mut self, now: Instant) {
        let Some((before, since)) = self.waited.zip(self.waiting) else { return };
        let after = before + now.saturating_duration_since(since);
        let (old, new) = (self.number(before), self.number(after));
        for number in (old + 1..=new).take(BUCKETS) {
            self.buckets[number % BUCKETS] = 0;
        }
        self.waited = Some(after);
    }

    fn number(&self, waited: Duration) -> usize {
        usize::try_from(waited.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    fn place(&self, waited: Duration) -> usize {
        self.number(waited) % BUCKETS
    }
}

#[cfg(test)]
mod tests;
