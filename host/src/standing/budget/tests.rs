//! The budgets, case by case, and against a model over random events at random times.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use fastrand::Rng;

use super::*;

fn retries(ratio: f64, per_second: f64, now: Instant) -> Budget {
    let retries =
        config::Retries { budget_ratio: ratio, budget_min_per_second: per_second, ..config::Retries::default() };
    Budget::of_retries(&retries, now)
}

fn withdrawn(budget: &Budget, now: Instant) -> usize {
    (0..1_000).filter(|_| budget.withdraw(now)).count()
}

#[test]
fn a_budget_runs_out_and_fills_with_requests() {
    let now = Instant::now();
    let budget = retries(0.5, 0.0, now);
    assert_eq!(withdrawn(&budget, now), 10);
    (0..4).for_each(|_| budget.deposit());
    assert_eq!(withdrawn(&budget, now), 2);
    (0..1_000).for_each(|_| budget.deposit());
    assert_eq!(withdrawn(&budget, now), 10, "no more than the reserve");
}

#[test]
fn a_budget_fills_with_time() {
    let begun = Instant::now();
    let budget = retries(0.0, 2.0, begun);
    assert_eq!(withdrawn(&budget, begun), 10);
    for (milliseconds, expected) in [(500, 0), (1_000, 2), (1_900, 0), (4_000, 6), (100_000, 10), (4_000, 0)] {
        assert_eq!(withdrawn(&budget, begun + Duration::from_millis(milliseconds)), expected, "{milliseconds}");
    }
}

#[test]
fn one_request_in_twenty_may_be_doubled_and_none_if_so_configured() {
    let now = Instant::now();
    let budget = Budget::of_hedges(&config::Hedging::default(), now);
    assert_eq!(withdrawn(&budget, now), 3);
    (0..40).for_each(|_| budget.deposit());
    assert_eq!(withdrawn(&budget, now + Duration::from_secs(3_600)), 2);
    let none = Budget::of_hedges(&config::Hedging { ratio: 0.0 }, now);
    (0..1_000).for_each(|_| none.deposit());
    assert_eq!(withdrawn(&none, now), 0);
}

#[test]
fn it_does_what_the_model_does_and_keeps_to_its_bound_over_random_events() {
    let mut random = Rng::with_seed(1);
    for round in 0..2_000 {
        // In steps that make whole thousandths, so that the model can be exact.
        let (ratio, per_second) = (random.i64(0..=1_000), random.i64(0..=20_000));
        let begun = Instant::now();
        let budget = retries(ratio as f64 / 1_000.0, per_second as f64 / 1_000.0, begun);
        let (mut left, mut counted, mut now) = (RETRIES, 0, Duration::ZERO);
        let (mut requests, mut made) = (0, 0);
        for step in 0..300 {
            match random.u32(..4) {
                0 => now += Duration::from_millis(random.u64(..3_000)),
                1 => {
                    budget.deposit();
                    requests += 1;
                    left = RETRIES.min(left + thousandths(ratio as f64 / 1_000.0));
                }
                _ => {
                    let seconds = i64::try_from(now.as_secs()).unwrap();
                    left = RETRIES.min(left + thousandths(per_second as f64 / 1_000.0 * (seconds - counted) as f64));
                    counted = seconds;
                    let expected = left >= ATTEMPT;
                    left -= if expected { ATTEMPT } else { 0 };
                    made += i64::from(expected);
                    assert_eq!(budget.withdraw(begun + now), expected, "round {round}, step {step}");
                }
            }
            assert_eq!(budget.left.load(Ordering::Relaxed), left, "round {round}, step {step}");
            assert!((0..=RETRIES).contains(&left));
            let seconds = i64::try_from(now.as_secs()).unwrap();
            assert!(made * ATTEMPT <= ratio * requests + per_second * seconds + RETRIES, "round {round}, step {step}");
        }
    }
}

#[test]
fn threads_do_not_spend_more_than_there_is() {
    let begun = Instant::now();
    let budget = retries(0.2, 5.0, begun);
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (budget, made) = (&budget, &made);
            scope.spawn(move || {
                let mut random = Rng::with_seed(thread);
                for step in 0..10_000 {
                    budget.deposit();
                    let now = begun + Duration::from_millis(step);
                    let spent = (0..random.u32(..3)).filter(|_| budget.withdraw(now)).count();
                    made.fetch_add(spent, Ordering::Relaxed);
                }
            });
        }
    });
    // 40 000 requests, 9 whole seconds, and the reserve.
    assert!(made.into_inner() <= 40_000 / 5 + 9 * 5 + 10);
    assert!((0..=RETRIES).contains(&budget.left.into_inner()));
}
