//! How media are fetched that a request only refers to, for upstreams that take them inline and no other way.

use std::time::Duration;

use super::fields::Fields;
use super::values::{boolean, duration, size, whole_number};

/// How media are fetched. A request that refers to what cannot be had is refused with 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whether media are fetched at all. Default true.
    pub enabled: bool,
    /// The largest file, in bytes. Default 20 MiB.
    pub max_bytes: usize,
    /// How long one file may take, its redirects included. Default 10 s.
    pub timeout: Duration,
    /// Whether addresses may be fetched that are not public: loopback, private, link-local. Default false, so that no
    /// client can look into the network that the gateway stands in.
    pub private_addresses: bool,
    /// How many redirects are followed, each held to the same rules. Default 3.
    pub redirects: u32,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            enabled: true,
            max_bytes: 20 << 20,
            timeout: Duration::from_secs(10),
            private_addresses: false,
            redirects: 3,
        }
    }
}

impl Fetch {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let base = Self::default();
        let redirects = fields.or("redirects", whole_number(0..=10), u64::from(base.redirects));
        Self {
            enabled: fields.or("enabled", boolean, base.enabled),
            max_bytes: fields.or("max_bytes", size, base.max_bytes),
            timeout: fields.or("timeout", duration, base.timeout),
            private_addresses: fields.or("private_addresses", boolean, base.private_addresses),
            redirects: u32::try_from(redirects).unwrap_or(base.redirects),
        }
    }
}
