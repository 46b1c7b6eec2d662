//! The breaker, case by case. Against a model, with random events, and between threads: see `model`.

mod model;

use super::*;

/// Three failures in a row open it, or half of at least ten requests; 10 s open, at most 40 s; two probes.
pub(super) fn options() -> config::Breaker {
    config::Breaker {
        enabled: true,
        failures: 3,
        error_rate: 0.5,
        window: Duration::from_secs(10),
        minimum_requests: 10,
        open: Duration::from_secs(10),
        max_open: Duration::from_secs(40),
        probes: 2,
        strict: false,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn opened(now: Instant) -> Breaker {
    let breaker = Breaker::new(options(), now);
    let opened: Vec<bool> = (0..3).map(|_| breaker.failed(now, Pass::Regular)).collect();
    assert_eq!(opened, [false, false, true]);
    breaker
}

fn probe(breaker: &Breaker, now: Instant) -> Pass {
    let pass = breaker.admit(now).unwrap();
    assert!(matches!(pass, Pass::Probe(_)));
    pass
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let now = Instant::now();
    let breaker = Breaker::new(options(), now);
    for _ in 0..4 {
        assert!(!breaker.failed(now, Pass::Regular));
        assert!(!breaker.failed(now, Pass::Regular));
        for _ in 0..4 {
            breaker.succeeded(now, Pass::Regular);
        }
    }
    assert_eq!((breaker.admit(now), breaker.state(now)), (Ok(Pass::Regular), BreakerState::Closed));
    let left = opened(now).admit(now).unwrap_err();
    assert!(left >= seconds(8) && left <= seconds(10) + Duration::from_millis(1), "{left:?}");
}

#[test]
fn a_rate_of_errors_opens_it_once_there_are_enough_requests() {
    let now = Instant::now();
    let breaker = Breaker::new(options(), now);
    for attempt in 1..10 {
        breaker.succeeded(now, Pass::Regular);
        assert_eq!(breaker.failed(now, Pass::Regular), attempt == 5, "the tenth request is the fifth failure");
        if attempt == 5 {
            break;
        }
    }
    assert_eq!(breaker.state(now), BreakerState::Open);
}

#[test]
fn a_few_probes_go_through_when_the_time_is_over_and_one_that_succeeds_closes_it() {
    let begun = Instant::now();
    let (breaker, later) = (opened(begun), begun + seconds(11));
    assert_eq!(breaker.state(later), BreakerState::HalfOpen, "before anybody came");
    let (first, second) = (probe(&breaker, later), probe(&breaker, later));
    assert_eq!(breaker.admit(later), Err(PROBE_WAIT));
    assert!(breaker.succeeded(later, second));
    assert_eq!((breaker.state(later), breaker.admit(later)), (BreakerState::Closed, Ok(Pass::Regular)));
    assert!(!breaker.failed(later, first), "the other one comes too late to decide");
    assert_eq!(breaker.state(later), BreakerState::Closed);
}

#[test]
fn a_probe_that_is_cancelled_gives_its_place_back() {
    let begun = Instant::now();
    let (breaker, later) = (opened(begun), begun + seconds(11));
    for _ in 0..100 {
        let (first, second) = (probe(&breaker, later), probe(&breaker, later));
        breaker.undecided(first);
        breaker.undecided(second);
    }
    assert!(matches!(breaker.admit(later), Ok(Pass::Probe(_))));
}

#[test]
fn the_open_time_doubles_up_to_its_maximum_and_starts_over_after_a_calm_time() {
    let mut now = Instant::now();
    let breaker = opened(now);
    for longest in [10, 20, 40, 40, 40].map(seconds) {
        let left = breaker.open_for(now).unwrap();
        assert!(left > longest.mul_f64(0.79) && left <= longest, "{left:?} of {longest:?}");
        now += left;
        assert!(breaker.failed(now, probe(&breaker, now)));
    }
    // Closed, and soon open again: that is no recovery.
    now += seconds(41);
    assert!(breaker.succeeded(now, probe(&breaker, now)));
    now += seconds(39);
    for _ in 0..3 {
        breaker.failed(now, Pass::Regular);
    }
    assert!(breaker.open_for(now).unwrap() > seconds(30));
    now += seconds(41);
    assert!(breaker.succeeded(now, probe(&breaker, now)));
    now += seconds(40);
    for _ in 0..3 {
        breaker.failed(now, Pass::Regular);
    }
    assert!(breaker.open_for(now).unwrap() <= seconds(10));
}

#[test]
fn what_was_sent_before_it_opened_changes_nothing_when_it_ends() {
    let begun = Instant::now();
    let breaker = opened(begun);
    assert!(!breaker.succeeded(begun, Pass::Regular) && !breaker.failed(begun, Pass::Regular));
    assert_eq!(breaker.state(begun), BreakerState::Open);
    let later = begun + seconds(11);
    let probe = probe(&breaker, later);
    assert!(!breaker.succeeded(later, Pass::Regular) && !breaker.failed(later, Pass::Regular));
    assert_eq!(breaker.state(later), BreakerState::HalfOpen);
    assert!(breaker.succeeded(later, probe));
}

#[test]
fn one_that_is_switched_off_lets_everything_through() {
    let now = Instant::now();
    let breaker = Breaker::new(config::Breaker { enabled: false, ..options() }, now);
    assert!((0..100).all(|_| !breaker.failed(now, Pass::Regular)));
    assert_eq!(breaker.admit(now), Ok(Pass::Regular));
    assert_eq!(breaker.view(now).failure_count, 100);
}

#[test]
fn a_status_page_sees_the_state_the_failures_and_since_when() {
    let begun = Instant::now();
    let view = Breaker::new(options(), begun).view(begun + seconds(5));
    assert_eq!((view.state, view.failure_count, view.last_failure), (BreakerState::Closed, 0, None));
    assert_eq!((view.unchanged_for, view.openings), (seconds(5), 0));
    let (breaker, later) = (opened(begun), begun + seconds(4));
    let view = breaker.view(later);
    assert_eq!((view.state.label(), view.failure_count, view.unchanged_for, view.openings), ("open", 3, seconds(4), 1));
    assert!(view.open_for >= seconds(4) && view.open_for <= seconds(6) + Duration::from_millis(1));
    let ago = SystemTime::now().duration_since(view.last_failure.unwrap()).unwrap();
    assert!(ago >= seconds(3) && ago < seconds(60), "{ago:?}");
    let view = breaker.view(begun + seconds(30));
    assert_eq!((view.state.label(), view.open_for), ("half_open", Duration::ZERO));
    assert!(view.unchanged_for >= seconds(20) && view.unchanged_for <= seconds(22), "since its time was over");
}
