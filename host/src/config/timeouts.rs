//! How long to wait: for upstreams, for clients, and between two attempts.

use std::time::Duration;

use super::fields::Fields;
use super::values::{duration, number, whole_number};

/// How long an upstream may take. A provider's own `timeouts` replace these one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS together. Default 5 s.
    pub connect: Duration,
    /// From the request being sent to the head of the answer, and on a stream to its first event. Default 120 s.
    pub first_byte: Duration,
    /// Between two pieces of an answer. Default 60 s.
    pub idle: Duration,
    /// All attempts of a request with a whole (not streamed) answer. Streams have no total limit. Default 600 s.
    pub total: Duration,
    /// The slowest that a stream may be, in characters of content per second; slower ones are ended. Default none.
    pub min_speed: Option<u32>,
    /// The time over which the speed is measured, and which a stream has before that. Default 30 s.
    pub speed_window: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            min_speed: None,
            speed_window: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    pub(super) fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        let min_speed = fields.get("min_speed", whole_number(1..=1_000_000));
        Self {
            connect: fields.or("connect", duration, base.connect),
            first_byte: fields.or("first_byte", duration, base.first_byte),
            idle: fields.or("idle", duration, base.idle),
            total: fields.or("total", duration, base.total),
            min_speed: min_speed.and_then(|speed| u32::try_from(speed).ok()).or(base.min_speed),
            speed_window: fields.or("speed_window", duration, base.speed_window),
        }
    }
}

/// How long a client may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From the connection (or its last request) to the end of the next request's head, once that has begun; also the
    /// TLS handshake. Default 30 s.
    pub header: Duration,
    /// Between two pieces of a request body. Default 30 s.
    pub body: Duration,
    /// A whole request body, from the end of its head. Default 300 s: 32 MiB by 1 Mbit/s.
    pub body_total: Duration,
    /// For a client that does not read: how long a write may make no progress. Default 30 s.
    pub write: Duration,
    /// How long a connection may stay open without a request. Default 75 s.
    pub keep_alive: Duration,
    /// At shutdown: how long requests in flight may go on. Default 30 s.
    pub drain: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            body: Duration::from_secs(30),
            body_total: Duration::from_secs(300),
            write: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            drain: Duration::from_secs(30),
        }
    }
}

impl ClientTimeouts {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let base = Self::default();
        Self {
            header: fields.or("header", duration, base.header),
            body: fields.or("body", duration, base.body),
            body_total: fields.or("body_total", duration, base.body_total),
            write: fields.or("write", duration, base.write),
            keep_alive: fields.or("keep_alive", duration, base.keep_alive),
            drain: fields.or("drain", duration, base.drain),
        }
    }
}

/// When a failed attempt is made again. A provider's own `retries` replace these one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct Retries {
    /// The most attempts for one request, the first one included. Default 3; 1 means no retries.
    pub attempts: u32,
    /// The wait before the second attempt, before jitter; it doubles with each further one. Default 250 ms.
    pub backoff: Duration,
    /// The longest wait. An upstream that asks for more (`retry-after`) is not tried again. Default 8 s.
    pub max_backoff: Duration,
    /// How many retries each first attempt pays for, so that retries cannot multiply the load on a failing upstream.
    /// Default 0.2.
    pub budget_ratio: f64,
    /// Retries that are always allowed, per second, so that a quiet gateway can retry at all. Default 10.
    pub budget_min_per_second: f64,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(8),
            budget_ratio: 0.2,
            budget_min_per_second: 10.0,
        }
    }
}

impl Retries {
    pub(super) fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        let attempts = fields.or("attempts", whole_number(1..=10), u64::from(base.attempts));
        Self {
            attempts: u32::try_from(attempts).unwrap_or(base.attempts),
            backoff: fields.or("backoff", duration, base.backoff),
            max_backoff: fields.or("max_backoff", duration, base.max_backoff),
            budget_ratio: fields.or("budget_ratio", number, base.budget_ratio),
            budget_min_per_second: fields.or("budget_min_per_second", number, base.budget_min_per_second),
        }
    }
}
