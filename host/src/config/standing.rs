//! How Weir judges the targets of a provider, and what it does with one that fails: circuit breaker, cooldown, limits,
//! health checks, outliers, hedging. The sections stand on the top level, and each provider may have them, too.

use std::time::Duration;

use super::fields::Fields;
use super::values::{boolean, duration, number, share, whole_number};

/// The sections that say when a target may be asked. A provider's own replace the global ones key by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// When a failing target is no longer asked.
    pub breaker: Breaker,
    /// How many requests a target works on at once.
    pub concurrency: Concurrency,
    /// How long a target is left alone that asked for it.
    pub cooldown: Cooldown,
    /// What the figures of a target go back to.
    pub figures: Figures,
    /// When a provider is asked whether it is there.
    pub health_checks: HealthChecks,
    /// When a target is far worse than its siblings.
    pub outliers: Outliers,
    /// How many requests may be doubled.
    pub hedging: Hedging,
}

impl Standing {
    pub(super) fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self {
            breaker: fields.section("breaker", |fields| Breaker::read(fields, &base.breaker)),
            concurrency: fields.section("concurrency", |fields| Concurrency::read(fields, &base.concurrency)),
            cooldown: fields.section("cooldown", |fields| Cooldown::read(fields, &base.cooldown)),
            figures: fields.section("figures", |fields| Figures::read(fields, &base.figures)),
            health_checks: fields.section("health_checks", |fields| HealthChecks::read(fields, &base.health_checks)),
            outliers: fields.section("outliers", |fields| Outliers::read(fields, &base.outliers)),
            hedging: fields.section("hedging", |fields| Hedging::read(fields, &base.hedging)),
        }
    }
}

/// When a target that keeps failing gets no requests for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Breaker {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// So many failures in a row open it. Default 5.
    pub failures: u32,
    /// This share of failures within `window` opens it as well, from 0 to 1. Default 0.5.
    pub error_rate: f64,
    /// The time that `error_rate` looks back. Default 30 s.
    pub window: Duration,
    /// The fewest requests within `window` from which `error_rate` counts. Default 20.
    pub minimum_requests: u32,
    /// How long it stays open; doubles each time it opens again. Up to a fifth is taken off at random. Default 15 s.
    pub open: Duration,
    /// The longest that it stays open. Default 5 min.
    pub max_open: Duration,
    /// How many requests at once find out, after that, whether the target is back: 1 to 63. Default 1.
    pub probes: u32,
    /// Whether an open one refuses requests that have no other target, too. Default false: they are let through.
    pub strict: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            error_rate: 0.5,
            window: Duration::from_secs(30),
            minimum_requests: 20,
            open: Duration::from_secs(15),
            max_open: Duration::from_secs(300),
            probes: 1,
            strict: false,
        }
    }
}

impl Breaker {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self {
            enabled: fields.or("enabled", boolean, base.enabled),
            failures: small(fields, "failures", 1_000_000, base.failures),
            error_rate: fields.or("error_rate", share, base.error_rate),
            window: fields.or("window", duration, base.window),
            minimum_requests: small(fields, "minimum_requests", 1_000_000, base.minimum_requests),
            open: fields.or("open", duration, base.open),
            max_open: fields.or("max_open", duration, base.max_open),
            probes: small(fields, "probes", 63, base.probes),
            strict: fields.or("strict", boolean, base.strict),
        }
    }
}

/// How many requests a target works on at once, and how many wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// The most requests in flight at one target. Default none: as many as come.
    pub limit: Option<u32>,
    /// The most connections to one upstream, for all of its targets. Default none: as many as are needed.
    pub connections: Option<u32>,
    /// The most that wait for a place, beyond which they are turned away at once. Default 64.
    pub queue: u32,
    /// How long one waits, for a place or for a connection. Default 5 s.
    pub queue_timeout: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { limit: None, connections: None, queue: 64, queue_timeout: Duration::from_secs(5) }
    }
}

impl Concurrency {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        let mut most =
            |key| fields.get(key, whole_number(1..=1_000_000)).and_then(|limit: u64| u32::try_from(limit).ok());
        let (limit, connections) = (most("limit"), most("connections"));
        let queue = fields.or("queue", whole_number(0..=1_000_000), u64::from(base.queue));
        Self {
            limit: limit.or(base.limit),
            connections: connections.or(base.connections),
            queue: u32::try_from(queue).unwrap_or(base.queue),
            queue_timeout: fields.or("queue_timeout", duration, base.queue_timeout),
        }
    }
}

/// How long a target is left alone after a rate limit, or because it said so (`retry-after`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooldown {
    /// After a rate limit that names no time. Default 5 s.
    pub default: Duration,
    /// The longest, whatever the target says. Default 10 min.
    pub max: Duration,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self { default: Duration::from_secs(5), max: Duration::from_secs(600) }
    }
}

impl Cooldown {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self { default: fields.or("default", duration, base.default), max: fields.or("max", duration, base.max) }
    }
}

/// What the figures go back to that policies, health and status pages see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The time in which the averages forget about two thirds of what they knew. Default 10 s.
    pub decay: Duration,
    /// The time that the error rate looks back. Default 60 s.
    pub window: Duration,
}

impl Default for Figures {
    fn default() -> Self {
        Self { decay: Duration::from_secs(10), window: Duration::from_secs(60) }
    }
}

impl Figures {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self { decay: fields.or("decay", duration, base.decay), window: fields.or("window", duration, base.window) }
    }
}

/// When a provider is asked, without any client wanting something, whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    /// Whether it is asked. Default none: where it can list its models, as that costs nothing.
    pub enabled: Option<bool>,
    /// How often. Default 60 s.
    pub interval: Duration,
    /// How long it may take to answer. Default 10 s.
    pub timeout: Duration,
    /// How long a result counts if no other comes. Default 5 min.
    pub ttl: Duration,
    /// So many good results in a row make a failing one healthy. Default 2.
    pub rise: u32,
    /// So many bad results in a row make it failing. Default 3.
    pub fall: u32,
}

impl Default for HealthChecks {
    fn default() -> Self {
        Self {
            enabled: None,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            ttl: Duration::from_secs(300),
            rise: 2,
            fall: 3,
        }
    }
}

impl HealthChecks {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self {
            enabled: fields.get("enabled", boolean).or(base.enabled),
            interval: fields.or("interval", interval, base.interval),
            timeout: fields.or("timeout", duration, base.timeout),
            ttl: fields.or("ttl", duration, base.ttl),
            rise: small(fields, "rise", 1_000, base.rise),
            fall: small(fields, "fall", 1_000, base.fall),
        }
    }
}

/// When a target is taken out for a while because its siblings do far better.
#[derive(Debug, Clone, PartialEq)]
pub struct Outliers {
    /// Whether any are. Default true.
    pub enabled: bool,
    /// The fewest requests, within `figures.window`, from which a target is compared. Default 20.
    pub minimum_requests: u32,
    /// The lowest error rate at which one is taken out, from 0 to 1. Default 0.2.
    pub error_rate: f64,
    /// How many times the error rate of its siblings it has to be as well. Default 3.
    pub factor: f64,
    /// How many times as slow to the first token as its siblings it has to be to be taken out for that. Default none:
    /// none is taken out for being slow.
    pub latency_factor: Option<f64>,
    /// The largest share of the siblings that is out at a time, from 0 to 1. Default 0.5.
    pub max_share: f64,
    /// How long one is out the first time; as much longer each time after that. Default 30 s.
    pub ejection: Duration,
    /// The longest that one is out. Default 5 min.
    pub max_ejection: Duration,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            enabled: true,
            minimum_requests: 20,
            error_rate: 0.2,
            factor: 3.0,
            latency_factor: None,
            max_share: 0.5,
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
        }
    }
}

impl Outliers {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self {
            enabled: fields.or("enabled", boolean, base.enabled),
            minimum_requests: small(fields, "minimum_requests", 1_000_000, base.minimum_requests),
            error_rate: fields.or("error_rate", share, base.error_rate),
            factor: fields.or("factor", number, base.factor),
            latency_factor: fields.get("latency_factor", number).or(base.latency_factor),
            max_share: fields.or("max_share", share, base.max_share),
            ejection: fields.or("ejection", duration, base.ejection),
            max_ejection: fields.or("max_ejection", duration, base.max_ejection),
        }
    }
}

/// How many requests may be doubled because the first attempt is slow. Whether and when is the policy's to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Hedging {
    /// The share of requests, from 0 to 1. Default 0.05; 0 means none.
    pub ratio: f64,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { ratio: 0.05 }
    }
}

impl Hedging {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self { ratio: fields.or("ratio", share, base.ratio) }
    }
}

/// A whole number from 1 to `most`.
fn small(fields: &mut Fields<'_, '_>, key: &'static str, most: u64, default: u32) -> u32 {
    let number = fields.or(key, whole_number(1..=most), u64::from(default));
    u32::try_from(number).unwrap_or(default)
}

/// An upstream that is asked every few milliseconds takes it for an attack.
fn interval(node: &super::document::Node) -> Result<Duration, String> {
    let interval = duration(node)?;
    if interval < Duration::from_secs(1) { Err("has to be at least 1s".to_owned()) } else { Ok(interval) }
}
