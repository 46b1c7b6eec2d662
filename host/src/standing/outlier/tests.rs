//! Outliers among siblings.

use std::sync::Arc;

use super::*;
use crate::error::Cause;

fn options() -> config::Outliers {
    config::Outliers { latency_factor: Some(5.0), ..config::Outliers::default() }
}

/// A target of so many attempts, of which so many failed, with its first token after so many milliseconds.
type Told = (u32, u32, u64);

fn target(now: Instant, (attempts, failed, first_token): Told, outliers: &config::Outliers) -> Arc<Standing> {
    // Its own breaker is not to interfere.
    let breaker = config::Breaker { enabled: false, ..config::Breaker::default() };
    let options = config::Standing { breaker, outliers: outliers.clone(), ..config::Standing::default() };
    let standing = Arc::new(Standing::new(&options, now));
    for attempt in 0..attempts {
        let mut admission = standing.admit(now).unwrap();
        if attempt < failed {
            admission.failed(now, Cause::Unavailable, None);
        } else {
            admission.first_token(now, Duration::from_millis(first_token));
            admission.finished(now, Duration::from_secs(1));
        }
    }
    standing
}

fn targets(now: Instant, of: &[Told], options: &config::Outliers) -> Vec<Arc<Standing>> {
    of.iter().map(|one| target(now, *one, options)).collect()
}

fn ejected(now: Instant, targets: &[Arc<Standing>]) -> Vec<usize> {
    let siblings: Vec<&Standing> = targets.iter().map(Arc::as_ref).collect();
    eject(now, &siblings)
}

#[test]
fn a_target_that_does_far_worse_than_its_siblings_is_taken_out() {
    let now = Instant::now();
    let well = (100, 1, 100);
    for (siblings, expected) in [
        (vec![well, (100, 30, 100), well], vec![1]),
        (vec![well, (100, 19, 100), well], vec![]),
        (vec![well, (19, 19, 100), well], vec![]),
        (vec![(100, 100, 0)], vec![]),
        (vec![(100, 100, 0), (19, 0, 100)], vec![]),
        // All of them fail: that is no outlier, but the upstream's day.
        (vec![(100, 40, 100), (100, 50, 100), (100, 45, 100)], vec![]),
        // Half of them at most, the worst first.
        (vec![(100, 30, 100), well, well, well, (100, 50, 100), (100, 40, 100), well, well], vec![4, 5, 0]),
        (vec![well, (100, 50, 100)], vec![1]),
        // For being slow.
        (vec![well, (100, 1, 501), well], vec![1]),
        (vec![well, (100, 1, 499), well], vec![]),
        (vec![well, well], vec![]),
        (vec![], vec![]),
    ] {
        assert_eq!(ejected(now, &targets(now, &siblings, &options())), expected, "{siblings:?}");
    }
}

#[test]
fn each_is_judged_by_the_options_of_its_own_provider() {
    let now = Instant::now();
    let (well, bad) = ((100, 0, 100), (100, 50, 100));
    let never = config::Outliers { enabled: false, ..options() };
    let patient = config::Outliers { error_rate: 0.6, ..options() };
    let demanding = config::Outliers { minimum_requests: 1_000, ..options() };
    let all = config::Outliers { max_share: 1.0, ..options() };
    for (first, second, expected) in [
        ((well, options()), (bad, options()), vec![1]),
        ((well, never.clone()), (bad, options()), vec![1]),
        ((well, options()), (bad, never.clone()), vec![]),
        ((bad, never), (well, options()), vec![]),
        ((well, options()), (bad, patient.clone()), vec![]),
        ((well, patient), (bad, options()), vec![1]),
        // One that is not compared is no sibling to be compared with.
        ((well, demanding), (bad, options()), vec![]),
        ((well, options()), (bad, all), vec![1]),
    ] {
        let told = format!("{first:?} {second:?}");
        let targets = [first, second].map(|(told, options)| target(now, told, &options));
        assert_eq!(ejected(now, &targets), expected, "{told}");
    }
}

#[test]
fn no_more_than_the_share_are_out_however_often_they_are_judged() {
    let now = Instant::now();
    let well = (1_000, 0, 100);
    let options = config::Outliers { max_share: 0.25, factor: 1.1, ..options() };
    let told = [(100, 90, 100), (100, 80, 100), (100, 70, 100), well, well, well, well, well];
    let targets = targets(now, &told, &options);
    assert_eq!(ejected(now, &targets), [0, 1]);
    assert!(ejected(now, &targets).is_empty());
    let out: Vec<bool> = targets.iter().map(|target| target.admit(now).is_err()).collect();
    assert_eq!(out, [true, true, false, false, false, false, false, false]);
}

#[test]
fn one_that_comes_back_is_judged_by_what_comes_after() {
    let now = Instant::now();
    let targets = targets(now, &[(100, 0, 100), (100, 90, 100)], &options());
    assert_eq!(ejected(now, &targets), [1]);
    let later = now + Duration::from_secs(30);
    assert!(targets[1].admit(later).is_ok());
    assert!(ejected(later, &targets).is_empty());
}

#[test]
fn the_time_out_grows_and_starts_over_after_a_calm_time() {
    let mut now = Instant::now();
    let ejection = Ejection::new(options(), now);
    let mut times = Vec::new();
    for calm in [0, 0, 299, 0, 0, 0, 0, 0, 0, 0, 0, 0, 300] {
        let out = ejection.begin(now);
        assert_eq!(ejection.left(now), Some(out));
        times.push(out.as_secs());
        now += out + Duration::from_secs(calm);
        assert_eq!(ejection.left(now), None);
    }
    times.push(ejection.begin(now).as_secs());
    assert_eq!(times, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300, 300, 30]);
}
