//! Health from its signs.

use super::*;

const NOTHING: Signs = Signs {
    breaker: BreakerState::Closed,
    open_for: None,
    cooldown: None,
    ejected: None,
    credential_refused: false,
    check: None,
    recent: Counts { total: 0, failed: 0 },
};

const SOON: Option<Duration> = Some(Duration::from_millis(11_001));

fn recent(total: u64, failed: u64) -> Signs {
    Signs { recent: Counts { total, failed }, ..NOTHING }
}

#[test]
fn the_gravest_sign_decides_and_every_sign_has_its_reason() {
    let refused = "it refuses the configured credential";
    let open = "its circuit breaker is open for another 12 s";
    for (signs, health, reasons) in [
        (NOTHING, Health::Unknown, &[][..]),
        (Signs { check: Some((true, false)), ..NOTHING }, Health::Healthy, &[]),
        (recent(1, 0), Health::Healthy, &[]),
        (recent(9, 9), Health::Healthy, &[]),
        (recent(100, 9), Health::Healthy, &[]),
        (recent(100, 10), Health::Degraded, &["10 of its last 100 attempts failed"]),
        (Signs { cooldown: SOON, ..NOTHING }, Health::Degraded, &["it wants to be left alone for another 12 s"]),
        (
            Signs { ejected: SOON, ..NOTHING },
            Health::Degraded,
            &["it did far worse than its siblings and is out for another 12 s"],
        ),
        (
            Signs { breaker: BreakerState::HalfOpen, ..NOTHING },
            Health::Degraded,
            &["its circuit breaker tries out whether it is back"],
        ),
        (Signs { check: Some((false, false)), ..NOTHING }, Health::Degraded, &["its last health check failed: 503"]),
        (Signs { check: Some((false, true)), ..NOTHING }, Health::Unhealthy, &["its health checks fail: 503"]),
        (
            Signs { check: Some((true, true)), ..NOTHING },
            Health::Unhealthy,
            &["its health checks failed until a moment ago"],
        ),
        (Signs { breaker: BreakerState::Open, open_for: SOON, ..NOTHING }, Health::Unhealthy, &[open]),
        (Signs { credential_refused: true, ..NOTHING }, Health::Degraded, &[refused]),
        (
            Signs { credential_refused: true, breaker: BreakerState::Open, open_for: SOON, ..recent(20, 20) },
            Health::Unhealthy,
            &[refused, open, "20 of its last 20 attempts failed"],
        ),
    ] {
        assert_eq!(
            (signs.health(), signs.reasons(Some("503"))),
            (health, reasons.iter().map(ToString::to_string).collect())
        );
    }
}
