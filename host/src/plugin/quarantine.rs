//! Takes a plugin that keeps failing out of service for a while, so that its failures cost next to nothing, and lets
//! one call through now and then to see whether it has recovered.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::call::{FUNCTIONS, Function};

/// Faults in a row, with no good call between them, before the plugin is taken out.
const FAULTS_IN_A_ROW: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Faults of one plugin in a row, by function: a plugin that encodes well and then traps on every answer is no use.
/// Lock-free: it is asked on every request.
#[derive(Debug)]
pub(super) struct Quarantine {
    started: Instant,
    faults: [AtomicU32; FUNCTIONS.len()],
    /// Milliseconds after `started` from which calls are let through again; 0 when the plugin is in service.
    until: AtomicU64,
}

impl Quarantine {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), faults: Default::default(), until: AtomicU64::new(0) }
    }

    /// Whether a request may be given to the plugin: `Err` says for how long not. After the wait one request is let
    /// through, and the wait starts anew for the others until that one has come back.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return Ok(());
        }
        let now = self.now();
        if now < until {
            return Err(Duration::from_millis(until - now));
        }
        let next = now + wait(self.most_faults());
        match self.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(later) => Err(Duration::from_millis(later.saturating_sub(now))),
        }
    }

    /// A call came back well. When no function fails any more, the plugin is in service.
    pub(super) fn succeeded(&self, function: Function) {
        let faults = &self.faults[function as usize];
        // Reads first: a store on every call would bounce the cache line between cores.
        if faults.load(Ordering::Relaxed) != 0 {
            faults.store(0, Ordering::Relaxed);
            if self.most_faults() < FAULTS_IN_A_ROW {
                self.until.store(0, Ordering::Relaxed);
            }
        }
    }

    /// A call trapped or ran out of time or memory. Returns whether that took the plugin out of service.
    pub(super) fn failed(&self, function: Function) -> bool {
        let faults = self.faults[function as usize].fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if faults < FAULTS_IN_A_ROW {
            return false;
        }
        self.until.store(self.now() + wait(faults), Ordering::Relaxed);
        true
    }

    fn most_faults(&self) -> u32 {
        self.faults.iter().map(|faults| faults.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Whether the plugin is out of service.
    pub(super) fn is_active(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    fn now(&self) -> u64 {
        // One is added so that the first millisecond is not mistaken for "in service".
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

/// Milliseconds to stay out after so many faults in a row: doubles from one second to a minute.
fn wait(faults: u32) -> u64 {
    let doublings = faults.saturating_sub(FAULTS_IN_A_ROW).min(6);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    u64::try_from(wait.as_millis()).unwrap_or(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_taken_out_after_five_faults_in_a_row() {
        let quarantine = Quarantine::new();
        for _ in 0..4 {
            assert!(!quarantine.failed(Function::Decode));
        }
        assert!(quarantine.admit().is_ok());
        assert!(quarantine.failed(Function::Decode));
        assert!(quarantine.admit().is_err());
        assert!(quarantine.is_active());
    }

    #[test]
    fn a_good_call_between_faults_keeps_a_plugin_in_service() {
        let quarantine = Quarantine::new();
        for _ in 0..20 {
            quarantine.failed(Function::Decode);
            quarantine.succeeded(Function::Decode);
        }
        assert!(quarantine.admit().is_ok());
    }

    #[test]
    fn a_function_that_works_does_not_excuse_one_that_fails() {
        let quarantine = Quarantine::new();
        for _ in 0..5 {
            quarantine.succeeded(Function::Encode);
            quarantine.failed(Function::Decode);
        }
        assert!(quarantine.admit().is_err());
        quarantine.succeeded(Function::Encode);
        assert!(quarantine.admit().is_err());
    }

    #[test]
    fn one_caller_is_let_through_after_the_wait() {
        let quarantine = Quarantine::new();
        for _ in 0..5 {
            quarantine.failed(Function::Decode);
        }
        quarantine.until.store(1, Ordering::Relaxed);
        assert!(quarantine.admit().is_ok(), "the wait is over");
        assert!(quarantine.admit().is_err(), "the others wait for the outcome");
        quarantine.succeeded(Function::Decode);
        assert!(quarantine.admit().is_ok());
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        assert_eq!([5, 6, 7, 11, 1000].map(wait), [1_000, 2_000, 4_000, 60_000, 60_000]);
    }
}
