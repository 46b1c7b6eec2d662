//! How much of anything there may be at once.

use super::fields::Fields;
use super::values::{count, size};

/// Limits of the gateway itself. Those of plugins are [`PluginLimits`](super::PluginLimits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body from a client, in bytes, after decompression. Default 32 MiB. Past it: 413.
    pub body_bytes: usize,
    /// The largest whole answer from an upstream, in bytes, after decompression. Default 64 MiB. Past it: 502.
    pub answer_bytes: usize,
    /// The largest single event of an upstream's stream, in bytes. Default 8 MiB. Past it the stream ends in error.
    pub event_bytes: usize,
    /// The largest head (request line and headers), in bytes. Default 64 KiB. Past it: 431.
    pub header_bytes: usize,
    /// The most headers of a request. Default 100. Past it: 431.
    pub headers: usize,
    /// The most client connections open at once. Default 10 000. Past it a new connection is answered with 503 at once.
    pub connections: usize,
    /// The most HTTP/2 streams open at once on one client connection. Default 250.
    pub streams_per_connection: usize,
    /// The most requests in flight at once. Default 10 000. Past it: 503.
    pub requests_in_flight: usize,
    /// The most memory that the process may hold, in bytes, before new requests are turned away with 503. Default none.
    pub memory_bytes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            answer_bytes: 64 << 20,
            event_bytes: 8 << 20,
            header_bytes: 64 << 10,
            headers: 100,
            connections: 10_000,
            streams_per_connection: 250,
            requests_in_flight: 10_000,
            memory_bytes: None,
        }
    }
}

impl Limits {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let base = Self::default();
        Self {
            body_bytes: fields.or("body_bytes", size, base.body_bytes),
            answer_bytes: fields.or("answer_bytes", size, base.answer_bytes),
            event_bytes: fields.or("event_bytes", size, base.event_bytes),
            header_bytes: fields.or("header_bytes", size, base.header_bytes),
            headers: fields.or("headers", count, base.headers),
            connections: fields.or("connections", count, base.connections),
            streams_per_connection: fields.or("streams_per_connection", count, base.streams_per_connection),
            requests_in_flight: fields.or("requests_in_flight", count, base.requests_in_flight),
            memory_bytes: fields.get("memory_bytes", size),
        }
    }
}
