//! How targets are judged: the sections on the top level, and those of a provider over them.

use std::time::Duration;

use super::super::{Breaker, Concurrency, Cooldown, Figures, HealthChecks, Hedging, Outliers, Standing};
use super::{EVERYTHING, VARIABLES, read};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_key_can_be_set_for_all_providers() {
    let variables = [("OPENAI_API_KEY", "sk-1"), ("PORT", "9000"), ("DEBUG", "true")];
    let config = read(EVERYTHING, &variables).unwrap();
    let expected = Standing {
        breaker: Breaker {
            enabled: true,
            failures: 3,
            error_rate: 0.75,
            window: 10 * SECOND,
            minimum_requests: 5,
            open: 5 * SECOND,
            max_open: 60 * SECOND,
            probes: 2,
            strict: true,
        },
        concurrency: Concurrency { limit: Some(100), connections: Some(7), queue: 0, queue_timeout: SECOND / 2 },
        cooldown: Cooldown { default: SECOND, max: 3_600 * SECOND },
        figures: Figures { decay: 5 * SECOND, window: 30 * SECOND },
        health_checks: HealthChecks {
            enabled: Some(true),
            interval: 30 * SECOND,
            timeout: 2 * SECOND,
            ttl: 60 * SECOND,
            rise: 1,
            fall: 1,
        },
        outliers: Outliers {
            enabled: false,
            minimum_requests: 50,
            error_rate: 0.1,
            factor: 2.0,
            latency_factor: Some(4.5),
            max_share: 0.25,
            ejection: 10 * SECOND,
            max_ejection: 60 * SECOND,
        },
        hedging: Hedging { ratio: 0.1 },
    };
    assert_eq!(config.standing, expected);
    // Its own over the global, key by key.
    let provider = &config.providers[0].standing;
    assert_eq!(provider.breaker, Breaker { failures: 9, enabled: false, ..expected.breaker });
    assert_eq!(provider.concurrency, Concurrency { limit: Some(4), ..expected.concurrency });
    assert_eq!(provider.health_checks, HealthChecks { enabled: Some(false), ..expected.health_checks });
    assert_eq!((&provider.cooldown, &provider.figures), (&expected.cooldown, &expected.figures));
    assert_eq!((&provider.outliers, &provider.hedging), (&expected.outliers, &expected.hedging));
    let timeouts = [&config.timeouts, &config.providers[0].timeouts];
    assert!(timeouts.iter().all(|timeouts| (timeouts.min_speed, timeouts.speed_window) == (Some(10), 20 * SECOND)));
}

#[test]
fn what_a_provider_does_not_say_is_as_its_preset_has_it() {
    let text = "presets: { house: { plugin: openai, concurrency: { limit: 4 }, breaker: { failures: 2, probes: 3 } } }\n\
                providers: [{ name: a, preset: house, breaker: { probes: 1 } }, { name: b, plugin: openai }]\n";
    let config = read(text, &VARIABLES).unwrap();
    let [a, b] = [0, 1].map(|index| &config.providers[index].standing);
    assert_eq!((a.concurrency.limit, a.breaker.failures, a.breaker.probes), (Some(4), 2, 1));
    assert_eq!((b, &config.standing), (&Standing::default(), &Standing::default()));
}

/// Rows of the documentation's tables, section by section: what is not there cannot be used by anybody.
#[test]
fn every_key_is_documented() {
    let documentation = include_str!("../../../../docs/configuration.md");
    for (section, keys) in [
        (
            "breaker",
            &[
                "enabled",
                "failures",
                "error_rate",
                "window",
                "minimum_requests",
                "open",
                "max_open",
                "probes",
                "strict",
            ][..],
        ),
        ("concurrency", &["limit", "queue", "queue_timeout"]),
        ("cooldown", &["default", "max"]),
        ("figures", &["decay", "window"]),
        ("health_checks", &["enabled", "interval", "timeout", "ttl", "rise", "fall"]),
        (
            "outliers",
            &[
                "enabled",
                "minimum_requests",
                "error_rate",
                "factor",
                "latency_factor",
                "max_share",
                "ejection",
                "max_ejection",
            ],
        ),
        ("hedging", &["ratio"]),
        ("timeouts", &["min_speed", "speed_window"]),
    ] {
        let text = documentation.split(&format!("\n## {section}\n")).nth(1);
        let text = text.unwrap_or_else(|| panic!("there is no section on {section}"));
        let text = text.split("\n## ").next().unwrap();
        for key in keys {
            assert!(text.contains(&format!("\n| `{key}` |")), "{section}.{key} is not documented");
        }
    }
}
