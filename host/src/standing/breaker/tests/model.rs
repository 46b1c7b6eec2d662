//! The breaker against a model of it that is simple enough to be believed, over random events at random times; and
//! between threads, where only what must never happen can be checked.

use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;

use super::*;

/// A breaker without atomics, packing or rings. Times are since the start.
struct Model {
    options: config::Breaker,
    state: BreakerState,
    /// Until when it is open.
    until: Duration,
    /// The millisecond since which it is closed.
    closed_since: u128,
    in_a_row: u32,
    openings: u32,
    phase: u16,
    /// Probes that are out, whatever their phase.
    probes: u32,
    /// The bucket in which each attempt ended, and whether it failed.
    attempts: Vec<(u128, bool)>,
}

impl Model {
    fn new(options: config::Breaker) -> Self {
        let (state, until) = (BreakerState::Closed, Duration::ZERO);
        let attempts = Vec::new();
        Self { options, state, until, closed_since: 0, in_a_row: 0, openings: 0, phase: 0, probes: 0, attempts }
    }

    fn admit(&mut self, now: Duration) -> Result<Pass, Duration> {
        match self.state {
            BreakerState::Closed => return Ok(Pass::Regular),
            BreakerState::Open if now < self.until => return Err(self.until - now),
            BreakerState::Open | BreakerState::HalfOpen if self.probes >= self.options.probes => {
                return Err(PROBE_WAIT);
            }
            BreakerState::Open => {
                self.state = BreakerState::HalfOpen;
                self.phase += 1;
                self.attempts.clear();
            }
            BreakerState::HalfOpen => {}
        }
        self.probes += 1;
        Ok(Pass::Probe(self.phase))
    }

    fn succeeded(&mut self, now: Duration, pass: Pass) -> bool {
        match pass {
            Pass::Regular if self.state == BreakerState::Closed => {
                self.in_a_row = 0;
                self.attempts.push((self.bucket(now), false));
                false
            }
            Pass::Regular => false,
            Pass::Probe(phase) => {
                self.probes -= 1;
                let decides = self.state == BreakerState::HalfOpen && self.phase == phase;
                if decides {
                    self.state = BreakerState::Closed;
                    self.closed_since = now.as_millis();
                    self.in_a_row = 0;
                }
                decides
            }
        }
    }

    /// `Some` with the longest time that it may be open now, if it opened.
    fn failed(&mut self, now: Duration, pass: Pass) -> Option<Duration> {
        self.in_a_row += 1;
        let opens = match pass {
            Pass::Regular => {
                self.state == BreakerState::Closed && {
                    self.attempts.push((self.bucket(now), true));
                    self.in_a_row >= self.options.failures || self.fails_too_often(now)
                }
            }
            Pass::Probe(phase) => {
                self.probes -= 1;
                self.state == BreakerState::HalfOpen && self.phase == phase
            }
        };
        opens.then(|| {
            let closed_for = now.as_millis().saturating_sub(self.closed_since);
            let calm = self.state == BreakerState::Closed && closed_for >= self.options.max_open.as_millis();
            self.openings = if calm { 1 } else { self.openings + 1 };
            self.state = BreakerState::Open;
            let doubled = self.options.open.saturating_mul(1 << (self.openings - 1).min(14));
            doubled.min(self.options.max_open)
        })
    }

    fn fails_too_often(&self, now: Duration) -> bool {
        let oldest = (self.bucket(now) + 1).saturating_sub(10);
        let recent: Vec<bool> =
            self.attempts.iter().filter(|(bucket, _)| *bucket >= oldest).map(|(_, failed)| *failed).collect();
        let failed = recent.iter().filter(|failed| **failed).count();
        recent.len() >= self.options.minimum_requests as usize
            && failed as f64 >= self.options.error_rate * recent.len() as f64
    }

    fn bucket(&self, now: Duration) -> u128 {
        now.as_millis() / (self.options.window.as_millis() / 10).max(1)
    }
}

fn random_options(random: &mut Rng) -> config::Breaker {
    let milliseconds = |random: &mut Rng, most| Duration::from_millis(random.u64(1..=most));
    config::Breaker {
        enabled: true,
        failures: random.u32(1..8),
        // A fraction that floats hold exactly, so that both come to the same.
        error_rate: f64::from(random.u32(1..=4)) / 4.0,
        window: milliseconds(random, 20_000),
        minimum_requests: random.u32(1..12),
        open: milliseconds(random, 5_000),
        max_open: milliseconds(random, 30_000),
        probes: random.u32(1..=4),
        strict: false,
    }
}

#[test]
fn it_does_what_the_model_does_over_random_events() {
    let mut random = Rng::with_seed(1);
    let mut seen = [0_usize; 3];
    for round in 0..1_000 {
        let options = random_options(&mut random);
        let begun = Instant::now();
        let (breaker, mut model) = (Breaker::new(options.clone(), begun), Model::new(options.clone()));
        // Some targets are well, some fail always, most do what they like.
        let failing = random.u32(0..=10);
        let (mut now, mut out) = (Duration::ZERO, Vec::new());
        for step in 0..300 {
            let context = format!("round {round}, step {step}, {options:?}");
            let at = |now| begun + now;
            match random.u32(..10) {
                0 => now += Duration::from_micros(random.u64(..20_000_000)),
                1..3 => now += Duration::from_micros(random.u64(..200_000)),
                3..6 => {
                    let (found, expected) = (breaker.admit(at(now)), model.admit(now));
                    assert_eq!(found, expected, "{context}");
                    out.extend(found);
                }
                _ if out.is_empty() => {}
                _ => {
                    let pass = out.swap_remove(random.usize(..out.len()));
                    if random.u32(..8) == 0 {
                        breaker.undecided(pass);
                        model.probes -= u32::from(pass != Pass::Regular);
                    } else if random.u32(..10) < failing {
                        let (found, longest) = (breaker.failed(at(now), pass), model.failed(now, pass));
                        assert_eq!(found, longest.is_some(), "{context}");
                        if let Some(longest) = longest {
                            // By how much chance shortened it is the breaker's to say, within its limits.
                            let left = breaker.open_for(at(now)).unwrap_or_default();
                            assert!(left >= longest.mul_f64(1.0 - JITTER), "{context}: {left:?} of {longest:?}");
                            assert!(left < longest + Duration::from_millis(1), "{context}: {left:?} of {longest:?}");
                            model.until = now + left;
                        }
                    } else {
                        assert_eq!(breaker.succeeded(at(now), pass), model.succeeded(now, pass), "{context}");
                    }
                }
            }
            let probes = out.iter().filter(|pass| **pass != Pass::Regular).count();
            assert!(probes <= options.probes as usize, "{context}: {probes} probes are out");
            assert_eq!(breaker.load().probes as usize, probes, "{context}");
            assert_eq!(breaker.view(at(now)).failure_count, model.in_a_row, "{context}");
            let is_over = model.state == BreakerState::Open && now >= model.until;
            let expected = if is_over { BreakerState::HalfOpen } else { model.state };
            assert_eq!(breaker.state(at(now)), expected, "{context}");
            seen[usize::from(expected.number())] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 10_000), "the events never lead to some state: {seen:?}");
}

#[test]
fn threads_never_have_too_many_probes_out_and_lose_no_place() {
    for seed in 0..20 {
        let begun = Instant::now();
        let breaker = Breaker::new(config::Breaker { open: Duration::from_millis(5), ..options() }, begun);
        let (clock, probes) = (AtomicU64::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (breaker, clock, probes) = (&breaker, &clock, &probes);
                scope.spawn(move || {
                    let mut random = Rng::with_seed(seed * 4 + thread);
                    for _ in 0..5_000 {
                        let now = begun + Duration::from_micros(clock.fetch_add(100, Ordering::Relaxed));
                        let Ok(pass) = breaker.admit(now) else { continue };
                        let is_probe = pass != Pass::Regular;
                        if is_probe {
                            assert!(probes.fetch_add(1, Ordering::SeqCst) < 2, "a third probe went through");
                            std::thread::yield_now();
                            probes.fetch_sub(1, Ordering::SeqCst);
                        }
                        match random.u32(..3) {
                            0 => breaker.undecided(pass),
                            1 => assert!(!breaker.succeeded(now, pass) || is_probe),
                            _ => _ = breaker.failed(now, pass),
                        }
                    }
                });
            }
        });
        assert_eq!(breaker.load().probes, 0, "a place was lost");
        let later = begun + Duration::from_secs(3_600);
        if let Ok(pass @ Pass::Probe(_)) = breaker.admit(later) {
            assert!(breaker.succeeded(later, pass));
        }
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }
}

#[test]
fn of_many_threads_that_come_when_the_time_is_over_so_many_get_through_as_there_are_probes() {
    for _ in 0..50 {
        let begun = Instant::now();
        let (breaker, later) = (opened(begun), begun + seconds(60));
        let through: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(breaker.admit(later).is_ok()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(through, 2);
    }
}
