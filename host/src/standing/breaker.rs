//! The circuit breaker of one target. Closed, it lets requests through and counts how they end. Too many failures open
//! it, or one that shows that all would fail: nothing goes through for a while, which doubles each time. Then it is
//! half-open: a few probes go through, and the first of them that ends decides. One that succeeds closes it, one that
//! fails opens it again.
//!
//! All that decides stands in one atomic word (`word`), so that no two threads ever see half a change.

mod word;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::ticks::{Start, whole_milliseconds};
use super::window::Window;
use crate::config;
use word::{MOST_OPENINGS, Word};

/// What those are told who come while all probes are out: one is soon back.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// The largest part of the open time that is taken off at random, so that those who failed together do not all come
/// back together.
const JITTER: f64 = 0.2;

/// Whether requests go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// They do.
    Closed,
    /// They do not.
    Open,
    /// A few do, to find out whether the target is back.
    HalfOpen,
}

impl BreakerState {
    /// As status pages have it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// As the metric `llm_proxy_circuit_breaker_state` has it: the larger, the worse.
    pub const fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// What a request that was let through is to the breaker. Exactly one of [`Breaker::succeeded`], [`Breaker::failed`]
/// and [`Breaker::undecided`] is to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a probe that is not given back keeps its place"]
pub enum Pass {
    /// One of many.
    Regular,
    /// A probe, of the half-open phase of this number.
    Probe(u16),
}

/// What a status page says of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerView {
    /// Whether requests go through. An open breaker whose time is over is half-open, even if nobody has come yet.
    pub state: BreakerState,
    /// Failures since the last success.
    pub failure_count: u32,
    /// When the last of them was.
    pub last_failure: Option<SystemTime>,
    /// How long it has been in this state.
    pub unchanged_for: Duration,
    /// How long it stays open yet. Zero unless it is open.
    pub open_for: Duration,
    /// How often it has opened since the start.
    pub openings: u64,
}

/// The breaker of one target.
#[derive(Debug)]
pub struct Breaker {
    options: config::Breaker,
    start: Start,
    word: AtomicU64,
    failures_in_a_row: AtomicU32,
    window: Window,
    /// For status pages: the time of the last failure (milliseconds, 0 for none), of the last change, and how many
    /// openings there were.
    last_failure: AtomicU64,
    changed: AtomicU64,
    openings: AtomicU64,
}

impl Breaker {
    /// A closed one.
    pub fn new(options: config::Breaker, now: Instant) -> Self {
        Self {
            start: Start::new(now),
            word: AtomicU64::new(Word::CLOSED.pack()),
            failures_in_a_row: AtomicU32::new(0),
            window: Window::new(options.window, now),
            last_failure: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            openings: AtomicU64::new(0),
            options,
        }
    }

    /// Asks whether a request may go through. `Err` says how long not.
    pub fn admit(&self, now: Instant) -> Result<Pass, Duration> {
        if !self.options.enabled {
            return Ok(Pass::Regular);
        }
        let mut word = self.load();
        loop {
            let next = match word.state {
                BreakerState::Closed => return Ok(Pass::Regular),
                BreakerState::Open => match self.start.left(now, word.at) {
                    Some(left) => return Err(left),
                    None => word.half_opened(self.start.milliseconds(now)),
                },
                BreakerState::HalfOpen => word,
            };
            // Probes of a phase before may still be out.
            if next.probes >= self.options.probes {
                return Err(PROBE_WAIT);
            }
            match self.exchange(word, next.with_probe()) {
                Ok(()) => {
                    if word.state == BreakerState::Open {
                        self.half_opened(word.at);
                    }
                    return Ok(Pass::Probe(next.phase));
                }
                Err(current) => word = current,
            }
        }
    }

    /// The target served a request. Returns whether that closed the breaker.
    pub fn succeeded(&self, now: Instant, pass: Pass) -> bool {
        let Pass::Probe(phase) = pass else {
            if self.load().state == BreakerState::Closed {
                self.window.record(now, false);
                // Reads first: a store on every request would bounce the cache line between cores.
                if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
                    self.failures_in_a_row.store(0, Ordering::Relaxed);
                }
            }
            return false;
        };
        let at = self.start.milliseconds(now);
        self.end_probe(phase, |word| {
            // Before the breaker closes, or a failure right after that would be held against it together with the old.
            self.failures_in_a_row.store(0, Ordering::Relaxed);
            self.changed.store(at, Ordering::Relaxed);
            word.closed(at)
        })
    }

    /// The target failed a request. Returns whether that opened the breaker.
    pub fn failed(&self, now: Instant, pass: Pass) -> bool {
        self.count_failure(now, pass, false)
    }

    /// It failed one, and will fail the next in the same way: opens without waiting for more. Returns whether that
    /// opened the breaker.
    pub fn refused(&self, now: Instant, pass: Pass) -> bool {
        self.count_failure(now, pass, true)
    }

    fn count_failure(&self, now: Instant, pass: Pass, is_enough: bool) -> bool {
        self.last_failure.store(self.start.milliseconds(now).max(1), Ordering::Relaxed);
        let in_a_row = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let opened = match pass {
            Pass::Probe(phase) => self.end_probe(phase, |word| self.opened(word, now)),
            Pass::Regular => self.open_if_too_many(now, in_a_row, is_enough),
        };
        if opened {
            self.changed.store(self.start.milliseconds(now), Ordering::Relaxed);
            self.openings.fetch_add(1, Ordering::Relaxed);
        }
        opened
    }

    /// The request ended without a word on the target: the client left, or was at fault. A probe gives its place back.
    pub fn undecided(&self, pass: Pass) {
        if let Pass::Probe(_) = pass {
            let take = |word| Some(Word::unpack(word).without_probe().pack());
            // The closure never refuses, so neither does this.
            let _before = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        }
    }

    /// Whether requests go through, as [`BreakerView::state`].
    pub fn state(&self, now: Instant) -> BreakerState {
        let word = self.load();
        match word.state {
            BreakerState::Open if self.start.left(now, word.at).is_none() => BreakerState::HalfOpen,
            state => state,
        }
    }

    /// How long it stays open yet, if it is open.
    pub fn open_for(&self, now: Instant) -> Option<Duration> {
        let word = self.load();
        self.start.left(now, word.at).filter(|_| word.state == BreakerState::Open)
    }

    /// For a status page.
    pub fn view(&self, now: Instant) -> BreakerView {
        let word = self.load();
        let last_failure = self.last_failure.load(Ordering::Relaxed);
        let (state, changed) = match (word.state, self.state(now)) {
            (BreakerState::Open, BreakerState::HalfOpen) => (BreakerState::HalfOpen, word.at),
            (state, _) => (state, self.changed.load(Ordering::Relaxed)),
        };
        BreakerView {
            state,
            failure_count: self.failures_in_a_row.load(Ordering::Relaxed),
            last_failure: (last_failure > 0).then(|| self.start.on_the_wall(now, last_failure)),
            unchanged_for: self.start.ago(now, changed),
            open_for: self.open_for(now).unwrap_or_default(),
            openings: self.openings.load(Ordering::Relaxed),
        }
    }

    fn open_if_too_many(&self, now: Instant, in_a_row: u32, is_enough: bool) -> bool {
        let mut word = self.load();
        if word.state != BreakerState::Closed || !self.options.enabled {
            return false;
        }
        self.window.record(now, true);
        if !is_enough && in_a_row < self.options.failures && !self.fails_too_often(now) {
            return false;
        }
        while word.state == BreakerState::Closed {
            match self.exchange(word, self.opened(word, now)) {
                Ok(()) => return true,
                Err(current) => word = current,
            }
        }
        false
    }

    fn fails_too_often(&self, now: Instant) -> bool {
        let counts = self.window.counts(now);
        counts.total >= u64::from(self.options.minimum_requests) && counts.error_rate() >= self.options.error_rate
    }

    /// Gives a probe's place back and, if its phase still lasts, lets it decide. Returns whether it did.
    fn end_probe(&self, phase: u16, decide: impl Fn(Word) -> Word) -> bool {
        let mut word = self.load();
        loop {
            let counts = word.state == BreakerState::HalfOpen && word.phase == phase;
            let rest = word.without_probe();
            match self.exchange(word, if counts { decide(rest) } else { rest }) {
                Ok(()) => return counts,
                Err(current) => word = current,
            }
        }
    }

    /// The open state that follows on this one.
    fn opened(&self, word: Word, now: Instant) -> Word {
        let closed_for = self.start.milliseconds(now).saturating_sub(word.at);
        let calm = word.state == BreakerState::Closed && closed_for >= whole_milliseconds(self.options.max_open);
        // One that closes and soon opens again is left alone for longer each time, too.
        let openings = if calm { 1 } else { (word.openings + 1).min(MOST_OPENINGS) };
        let doubled = self.options.open.saturating_mul(1 << (openings - 1));
        let wait = doubled.min(self.options.max_open).mul_f64(1.0 - JITTER * fastrand::f64());
        word.opened(self.start.after(now, wait), openings)
    }

    /// What belongs to the change from open to half-open, by the one who made it.
    fn half_opened(&self, at: u64) {
        // Nobody counts anything from here until the breaker closes, so nothing new is lost.
        self.window.clear();
        self.changed.store(at, Ordering::Relaxed);
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    /// Changes the word if it is still as it was; `Err` has what it is.
    fn exchange(&self, from: Word, to: Word) -> Result<(), Word> {
        let exchanged = self.word.compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire);
        exchanged.map(drop).map_err(Word::unpack)
    }
}

#[cfg(test)]
mod tests;
