//! Holds an instance to what its plugin may use up. The limits themselves are configuration.

use wasmtime::ResourceLimiter;

use crate::config::PluginLimits;
use crate::telemetry::PluginMetrics;

/// A call ends after this many times its deadline, whatever it waited for.
pub(super) const WAIT_FACTOR: u32 = 4;

/// An instance that has grown past this is not kept for later calls: a rare big request must not pin its memory.
pub(super) const KEEP_MEMORY_BYTES: usize = 8 << 20;

/// The most bytes of a parked decoder's state: thousands of streams may have one each.
pub(super) const PARKED_BYTES: usize = 64 << 10;

/// Holds one instance to its limits, and remembers what it took.
pub(super) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    memory_bytes: usize,
    exceeded: bool,
    /// Where its memory is counted, once the instance counts among the living of its plugin.
    metrics: Option<PluginMetrics>,
}

impl Limiter {
    pub(super) fn new(limits: &PluginLimits) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            table_limit: limits.table_elements,
            memory_bytes: 0,
            exceeded: false,
            metrics: None,
        }
    }

    /// Counts the memory that the instance has and takes from now on, for as long as it lives.
    pub(super) fn count_memory(&mut self, metrics: PluginMetrics) {
        metrics.add_memory(self.memory_bytes.try_into().unwrap_or(i64::MAX));
        self.metrics = Some(metrics);
    }

    /// Linear memory that the instance has, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Whether the instance has asked for more than it may have. Guests react to that by trapping, so this tells the
    /// reason of the trap.
    pub(super) fn exceeded(&self) -> bool {
        self.exceeded
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.add_memory(-i64::try_from(self.memory_bytes).unwrap_or(i64::MAX));
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.exceeded = true;
            return Ok(false);
        }
        if let Some(metrics) = &self.metrics {
            metrics.add_memory((total - self.memory_bytes).try_into().unwrap_or(i64::MAX));
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let within = desired <= self.table_limit;
        self.exceeded |= !within;
        Ok(within)
    }
}
