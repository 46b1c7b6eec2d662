//! Averages of durations that forget with time: each a single atomic word of a value and the time of its last sample.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::super::ticks::Start;

/// No sample yet: a value that is no number.
const NOTHING: u64 = u64::MAX;

/// An exponentially weighted average. How much a sample weighs follows from the time since the one before it, so that
/// a busy target and a quiet one forget equally fast.
///
/// The peak kind is that of Twitter's Finagle ("peak EWMA"): a sample above the average replaces it, and the average
/// sinks while there are no samples.
#[derive(Debug)]
pub(super) struct Average {
    peak: bool,
    start: Start,
    /// Milliseconds in which the average forgets all but 1/e.
    decay: f32,
    /// The value in milliseconds as an `f32`, and the low 32 bits of the millisecond of its last sample. Those wrap
    /// after 49 days, which makes an average that old look fresh and does no further harm.
    word: AtomicU64,
}

impl Average {
    pub(super) fn moving(decay: Duration, now: Instant) -> Self {
        Self { peak: false, start: Start::new(now), decay: milliseconds(decay).max(1.0), word: AtomicU64::new(NOTHING) }
    }

    pub(super) fn peak(decay: Duration, now: Instant) -> Self {
        Self { peak: true, ..Self::moving(decay, now) }
    }

    pub(super) fn record(&self, now: Instant, sample: Duration) {
        let (sample, time) = (milliseconds(sample), self.time(now));
        let update = |word| {
            let (value, last) = unpack(word);
            let value = if value.is_nan() || (self.peak && sample >= value) {
                sample
            } else {
                sample + (value - sample) * self.kept(last, time)
            };
            Some(pack(value, time))
        };
        // The closure never refuses, so neither does this.
        let _before = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    pub(super) fn read(&self, now: Instant) -> Option<Duration> {
        let (value, last) = unpack(self.word.load(Ordering::Relaxed));
        let kept = if self.peak { self.kept(last, self.time(now)) } else { 1.0 };
        Duration::try_from_secs_f32(value * kept / 1_000.0).ok()
    }

    /// How much is left of what was known at `last`, from 0 to 1.
    fn kept(&self, last: u32, time: u32) -> f32 {
        let passed = time.wrapping_sub(last);
        // Threads may come in another order than their times: what is a little early is not 49 days late.
        let passed = if passed > u32::MAX / 2 { 0 } else { passed };
        (-(passed as f32) / self.decay).exp()
    }

    #[allow(clippy::cast_possible_truncation, reason = "the low bits are what is meant")]
    fn time(&self, now: Instant) -> u32 {
        self.start.milliseconds(now) as u32
    }
}

fn milliseconds(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1_000.0
}

fn pack(value: f32, time: u32) -> u64 {
    u64::from(value.to_bits()) << 32 | u64::from(time)
}

#[allow(clippy::cast_possible_truncation, reason = "the two halves of the word")]
fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(10);

    fn check(average: &Average, now: Instant, expected: f64) {
        let found = average.read(now).unwrap().as_secs_f64();
        assert!((found - expected).abs() < 0.002, "expected {expected} s, found {found} s");
    }

    #[test]
    fn the_first_sample_is_the_average() {
        let begun = Instant::now();
        for average in [Average::moving(DECAY, begun), Average::peak(DECAY, begun)] {
            assert_eq!(average.read(begun), None);
            average.record(begun, Duration::from_secs(2));
            check(&average, begun, 2.0);
        }
    }

    #[test]
    fn a_moving_average_moves_by_the_time_that_has_passed_and_stays_while_nothing_comes() {
        let begun = Instant::now();
        let average = Average::moving(DECAY, begun);
        average.record(begun, Duration::from_secs(4));
        average.record(begun + DECAY, Duration::from_secs(1));
        check(&average, begun + DECAY, 1.0 + 3.0 / std::f64::consts::E);
        check(&average, begun + 100 * DECAY, 1.0 + 3.0 / std::f64::consts::E);
    }

    #[test]
    fn a_peak_is_taken_at_once_and_forgotten_with_time() {
        let begun = Instant::now();
        let average = Average::peak(DECAY, begun);
        average.record(begun, Duration::from_secs(1));
        average.record(begun, Duration::from_secs(5));
        check(&average, begun, 5.0);
        average.record(begun, Duration::from_secs(1));
        check(&average, begun, 5.0);
        check(&average, begun + DECAY, 5.0 / std::f64::consts::E);
        average.record(begun + DECAY, Duration::from_secs(1));
        check(&average, begun + DECAY, 1.0 + 4.0 / std::f64::consts::E);
        check(&average, begun + 100 * DECAY, 0.0);
    }

    #[test]
    fn samples_that_come_in_another_order_than_their_times_do_no_harm() {
        let begun = Instant::now() + DECAY;
        let average = Average::peak(DECAY, begun);
        average.record(begun + DECAY, Duration::from_secs(2));
        average.record(begun, Duration::from_secs(1));
        check(&average, begun, 2.0);
    }
}
