//! Outliers: a target that does far worse than its siblings is taken out for a while, even though its breaker holds.
//! Never all of them, and none without siblings to compare it with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Standing;
use super::ticks::{Start, whole_milliseconds};
use crate::config;

/// How many ejections in a row are counted: the time out grows with each of them.
const MOST_EJECTIONS: u64 = (1 << EJECTIONS) - 1;
const EJECTIONS: u32 = 8;

/// Whether and for how long one target is out.
#[derive(Debug)]
pub struct Ejection {
    options: config::Outliers,
    start: Start,
    /// The millisecond after the start at which it ends, and in the low bits how many there were in a row.
    word: AtomicU64,
}

impl Ejection {
    /// None yet.
    pub fn new(options: config::Outliers, now: Instant) -> Self {
        Self { options, start: Start::new(now), word: AtomicU64::new(0) }
    }

    /// How long the target is out yet, if it is.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.start.left(now, self.word.load(Ordering::Relaxed) >> EJECTIONS)
    }

    /// Takes the target out, for longer each time: until it has been in for `max_ejection`. Returns for how long.
    pub fn begin(&self, now: Instant) -> Duration {
        let word = self.word.load(Ordering::Relaxed);
        let (ended, ejections) = (word >> EJECTIONS, word & MOST_EJECTIONS);
        let calm = self.start.milliseconds(now).saturating_sub(ended) >= whole_milliseconds(self.options.max_ejection);
        let ejections = if calm { 1 } else { (ejections + 1).min(MOST_EJECTIONS) };
        let times = u32::try_from(ejections).unwrap_or(u32::MAX);
        let wait = self.options.ejection.saturating_mul(times).min(self.options.max_ejection);
        // Only one judge at a time is expected; of two, one counts.
        self.word.store(self.start.after(now, wait) << EJECTIONS | ejections, Ordering::Relaxed);
        wait
    }
}

/// Compares targets that do the same work (those of one model, or of one provider) and takes out those that stand far
/// apart, each by the options that it has itself: they may belong to several providers. Returns the places of those that
/// were taken out now. To be called now and then, not for every request.
pub fn eject(now: Instant, siblings: &[&Standing]) -> Vec<usize> {
    let rated: Vec<Rated<'_>> = siblings.iter().enumerate().filter_map(|(place, one)| rate(now, place, one)).collect();
    let mut worst: Vec<&Rated<'_>> = rated.iter().filter(|one| one.stands_apart(&rated)).collect();
    worst.sort_by(|left, right| right.error_rate.total_cmp(&left.error_rate));
    let mut out = siblings.iter().filter(|one| one.ejected_for(now).is_some()).count();
    let mut ejected = Vec::new();
    for one in worst {
        if out < most(siblings.len(), one.options) {
            siblings[one.place].eject(now);
            ejected.push(one.place);
            out += 1;
        }
    }
    ejected
}

/// How many of so many may be out: one at least, if there are others.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small count")]
fn most(count: usize, options: &config::Outliers) -> usize {
    let share = (count as f64 * options.max_share) as usize;
    share.max(1).min(count.saturating_sub(1))
}

/// What is compared of a target that has had enough requests.
struct Rated<'a> {
    place: usize,
    error_rate: f64,
    first_token: Option<Duration>,
    options: &'a config::Outliers,
}

fn rate<'a>(now: Instant, place: usize, standing: &'a Standing) -> Option<Rated<'a>> {
    let (figures, options) = (standing.figures(now), &standing.ejection.options);
    let counts = figures.recent.total >= u64::from(options.minimum_requests) && standing.ejected_for(now).is_none();
    counts.then(|| Rated { place, error_rate: figures.error_rate(), first_token: figures.first_token, options })
}

impl Rated<'_> {
    /// Whether it is to be taken out by its own options. One that never is stands for comparison all the same.
    fn stands_apart(&self, all: &[Self]) -> bool {
        let others: Vec<&Self> = all.iter().filter(|other| other.place != self.place).collect();
        if others.is_empty() || !self.options.enabled {
            return false;
        }
        let fails = self.error_rate >= self.options.error_rate && self.fails_more(&others, self.options.factor);
        fails || self.options.latency_factor.is_some_and(|factor| self.is_slow(&others, factor))
    }

    /// Whether it fails so many times as often as the middle one of the others: their mean would be raised by those
    /// that are outliers, too.
    fn fails_more(&self, others: &[&Self], factor: f64) -> bool {
        let mut rates: Vec<f64> = others.iter().map(|other| other.error_rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).is_some_and(|middle| self.error_rate >= middle * factor)
    }

    /// Whether the first token takes so many times as long as with the middle one of the others.
    fn is_slow(&self, others: &[&Self], factor: f64) -> bool {
        let mut times: Vec<Duration> = others.iter().filter_map(|other| other.first_token).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2);
        self.first_token.zip(middle).is_some_and(|(own, middle)| own.as_secs_f64() > middle.as_secs_f64() * factor)
    }
}

#[cfg(test)]
mod tests;
