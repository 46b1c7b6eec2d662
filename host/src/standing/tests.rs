//! A target from the outside: what an attempt, a policy and a status page see of it.

use super::*;
use crate::error::Cause;

const MOMENT: Duration = Duration::from_millis(100);

/// Three failures in a row open its breaker for at most ten seconds; the default cooldown is five.
fn target(now: Instant) -> Arc<Standing> {
    let breaker = config::Breaker { failures: 3, open: Duration::from_secs(10), ..config::Breaker::default() };
    Arc::new(Standing::new(&config::Standing { breaker, ..config::Standing::default() }, now))
}

fn fail(target: &Arc<Standing>, now: Instant, cause: Cause, retry_after: Option<Duration>) -> Consequence {
    target.admit(now).unwrap().failed(now, cause, retry_after)
}

fn serve(target: &Arc<Standing>, now: Instant) {
    let mut admission = target.admit(now).unwrap();
    admission.first_token(now, MOMENT);
    admission.finished(now, 3 * MOMENT);
}

fn reason(target: &Arc<Standing>, now: Instant) -> Option<Reason> {
    target.admit(now).err().map(|refusal| refusal.reason)
}

#[test]
fn each_cause_counts_against_what_it_says_something_about() {
    let second = Some(Duration::from_secs(1));
    for (cause, retry_after, expected) in [
        (Cause::Unavailable, None, Some(Reason::Breaker)),
        (Cause::Timeout, None, Some(Reason::Breaker)),
        (Cause::BadAnswer, None, Some(Reason::Breaker)),
        (Cause::Connection, None, Some(Reason::Breaker)),
        (Cause::Authentication, None, Some(Reason::Breaker)),
        (Cause::Unavailable, second, Some(Reason::Cooldown)),
        (Cause::RateLimit, None, Some(Reason::Cooldown)),
        (Cause::RateLimit, second, Some(Reason::Cooldown)),
        (Cause::InvalidRequest, second, None),
        (Cause::Permission, None, None),
        (Cause::NotFound, None, None),
        (Cause::ContextLength, None, None),
        (Cause::ContentFilter, None, None),
        (Cause::Plugin, None, None),
        (Cause::ClientClosed, None, None),
        (Cause::Overloaded, second, None),
        (Cause::Internal, None, None),
    ] {
        let now = Instant::now();
        let target = target(now);
        for _ in 0..3 {
            let Ok(admission) = target.admit(now) else { break };
            admission.failed(now, cause, retry_after);
        }
        assert_eq!(reason(&target, now), expected, "{cause:?} {retry_after:?}");
        let blamed = matches!(Blame::of(cause), Blame::Target | Blame::Credential);
        assert_eq!(target.figures(now).recent.failed > 0, blamed, "{cause:?}");
    }
}

#[test]
fn a_target_that_fails_is_left_alone_and_taken_back_when_a_probe_is_served() {
    let begun = Instant::now();
    let target = target(begun);
    let consequences = [(); 3].map(|()| fail(&target, begun, Cause::Connection, None));
    assert_eq!(consequences, [Consequence::None, Consequence::None, Consequence::BreakerOpened]);
    assert_eq!(target.health(begun), Health::Unhealthy);
    let refusal = target.admit(begun).unwrap_err();
    assert_eq!(refusal.to_string(), "its circuit breaker is open");
    let later = begun + refusal.retry_after;
    assert_eq!(target.health(later), Health::Degraded);
    let mut probe = target.admit(later).unwrap();
    assert!(probe.is_probe() && reason(&target, later) == Some(Reason::Breaker));
    probe.first_token(later, MOMENT);
    assert_eq!(reason(&target, later), None, "the first token is enough");
    probe.finished(later, MOMENT);
    assert_eq!(target.breaker(later).state, BreakerState::Closed);
}

#[test]
fn a_probe_that_is_dropped_cancelled_or_nobodys_fault_gives_its_place_back() {
    let begun = Instant::now();
    let target = target(begun);
    for _ in 0..3 {
        fail(&target, begun, Cause::Timeout, None);
    }
    let later = begun + Duration::from_secs(11);
    drop(target.admit(later).unwrap());
    target.admit(later).unwrap().cancelled(later);
    assert_eq!(fail(&target, later, Cause::InvalidRequest, None), Consequence::None);
    assert!(target.admit(later).unwrap().is_probe());
}

#[test]
fn a_stream_that_is_cancelled_after_its_first_token_has_served_and_one_before_it_says_nothing() {
    let now = Instant::now();
    let target = target(now);
    target.admit(now).unwrap().cancelled(now);
    assert_eq!(target.figures(now).samples, 0);
    let mut admission = target.admit(now).unwrap();
    admission.first_token(now, MOMENT);
    admission.cancelled(now);
    assert_eq!((target.figures(now).samples, target.figures(now).recent.failed), (1, 0));
    assert_eq!(target.health(now), Health::Healthy);
}

#[test]
fn streams_that_always_break_off_open_the_breaker_though_they_begin_well() {
    let now = Instant::now();
    let target = target(now);
    let mut consequence = Consequence::None;
    for _ in 0..3 {
        let mut admission = target.admit(now).unwrap();
        admission.first_token(now, MOMENT);
        consequence = admission.failed(now, Cause::BadAnswer, None);
    }
    assert_eq!(consequence, Consequence::BreakerOpened);
}

#[test]
fn an_attempt_against_the_breakers_word_changes_only_the_figures() {
    let now = Instant::now();
    let target = target(now);
    for _ in 0..3 {
        fail(&target, now, Cause::Connection, None);
    }
    assert_eq!(target.admit_anyway().failed(now, Cause::Connection, None), Consequence::None);
    target.admit_anyway().finished(now, MOMENT);
    assert_eq!(target.breaker(now).state, BreakerState::Open);
    assert_eq!((target.figures(now).recent.total, target.figures(now).recent.failed), (5, 4));
}

#[test]
fn a_refused_credential_is_told_once_and_forgotten_when_it_is_taken() {
    let now = Instant::now();
    let target = target(now);
    assert_eq!(fail(&target, now, Cause::Authentication, None), Consequence::CredentialRefused);
    assert_eq!(target.reasons(now)[0], "it refuses the configured credential");
    assert_eq!((target.health(now), reason(&target, now)), (Health::Unhealthy, Some(Reason::Breaker)));
    let later = now + Duration::from_secs(11);
    assert_eq!(target.health(later), Health::Degraded, "it is tried out again by itself");
    assert_eq!(fail(&target, later, Cause::Authentication, None), Consequence::BreakerOpened);
    let at_last = later + Duration::from_secs(21);
    serve(&target, at_last);
    assert_eq!((target.health(at_last), target.reasons(at_last)), (Health::Healthy, Vec::new()));
    assert_eq!(fail(&target, at_last, Cause::Authentication, None), Consequence::CredentialRefused);
}

#[test]
fn uptime_is_reckoned_from_everything_that_makes_a_target_unhealthy() {
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let target = target(begun);
    let uptime = |seconds| target.uptime(at(seconds)).to_string();
    assert_eq!(uptime(1_000), "100.00%");
    // A check that fails three times in a row, and is well again twice.
    for (seconds, well) in [(1_000, false), (1_060, false), (1_120, false), (1_180, true), (1_220, true)] {
        let result = if well { Ok(()) } else { Err("503 Service Unavailable".to_owned()) };
        target.checked(at(seconds), MOMENT, result);
    }
    assert_eq!(uptime(2_000), "95.00%", "100 of 2000 seconds");
    // The breaker opens, and nobody comes for a long time after it is over.
    for _ in 0..3 {
        fail(&target, at(2_000), Cause::Connection, None);
    }
    assert_eq!(target.health(at(2_000)), Health::Unhealthy);
    let open = target.admit(at(2_000)).unwrap_err().retry_after.as_secs_f64();
    let expected = 1.0 - (100.0 + open) / 4_000.0;
    assert!((target.uptime(at(4_000)).value() - expected).abs() < 1e-6);
    // A check that failed long ago says nothing any more.
    for _ in 0..3 {
        target.checked(at(4_000), MOMENT, Err("503".to_owned()));
    }
    let expected = 1.0 - (100.0 + open + 300.0) / 8_000.0;
    assert!((target.uptime(at(8_000)).value() - expected).abs() < 1e-6);
}

#[test]
fn targets_of_one_provider_share_its_checks() {
    let now = Instant::now();
    let options = config::Standing::default();
    let checks = Arc::new(Checks::new(options.health_checks.clone()));
    let [one, other] = [(); 2].map(|()| Standing::with_checks(&options, Arc::clone(&checks), now));
    assert_eq!(one.health(now), Health::Unknown);
    for _ in 0..3 {
        one.checked(now, MOMENT, Err("refused".to_owned()));
    }
    other.settle(now);
    assert_eq!(other.reasons(now), ["its health checks fail: refused"]);
    assert!(other.uptime(now + Duration::from_secs(100)).value() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn a_policy_sees_how_a_target_stands() {
    let now = Instant::now();
    let concurrency = config::Concurrency { limit: Some(7), ..config::Concurrency::default() };
    let options = config::Standing { concurrency, ..config::Standing::default() };
    let target = Arc::new(Standing::new(&options, now));
    let _places = (target.enter().await.unwrap(), target.try_enter().unwrap());
    serve(&target, now);
    fail(&target, now, Cause::RateLimit, Some(Duration::from_secs(9)));
    let view = target.view(now);
    assert_eq!((view.health, view.breaker), (Health::Degraded, BreakerState::Closed));
    assert_eq!((view.cooldown, view.ejected), (Some(Duration::from_secs(9)), None));
    assert_eq!((view.in_flight, view.queued, view.limit), (2, 0, Some(7)));
    assert_eq!((view.figures.samples, view.figures.error_rate()), (1, 0.0));
    assert!(view.figures.first_token.is_some_and(|time| time.abs_diff(MOMENT) < MOMENT / 1_000));
}

#[test]
fn threads_that_ask_tell_and_look_at_once_leave_a_target_that_adds_up() {
    let begun = Instant::now();
    let target = target(begun);
    let told: u64 = std::thread::scope(|scope| {
        let target = &target;
        let threads: Vec<_> = (0..4).map(|seed| scope.spawn(move || ask_and_tell(target, begun, seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let later = begun + Duration::from_secs(3_600);
    assert_eq!(target.figures(later).samples, told);
    assert!(target.admit(later).is_ok(), "no place was lost");
    assert!((0.0..=1.0).contains(&target.uptime(later).value()));
}

/// Returns how many attempts ended in a way that counts.
fn ask_and_tell(target: &Arc<Standing>, begun: Instant, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = 0;
    for step in 0..4_000 {
        let now = begun + Duration::from_millis(step);
        assert!(target.view(now).in_flight == 0 && target.uptime(now) <= Fraction::WHOLE);
        let Ok(mut admission) = target.admit(now) else { continue };
        let first_token = random.bool();
        if first_token {
            admission.first_token(now, MOMENT);
        }
        match random.u32(..5) {
            0 => drop(admission),
            1 => {
                admission.cancelled(now);
                told += u64::from(first_token);
            }
            2 => {
                admission.failed(now, Cause::Connection, None);
                told += 1;
            }
            _ => {
                admission.finished(now, MOMENT);
                told += 1;
            }
        }
    }
    told
}
