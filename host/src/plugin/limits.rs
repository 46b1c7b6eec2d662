//! Holds an instance to what its plugin may use up. The limits themselves are configuration.

use wasmtime::ResourceLimiter;

use crate::config::PluginLimits;

/// A call ends after this many times its deadline, whatever it waited for.
pub(super) const WAIT_FACTOR: u32 = 4;

/// An instance that has grown past this is not kept for later calls: a rare big request must not pin its memory.
pub(super) const KEEP_MEMORY_BYTES: usize = 8 << 20;

/// Holds one instance to its limits, and remembers what it took.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    memory_bytes: usize,
    exceeded: bool,
}

impl Limiter {
    pub(super) fn new(limits: &PluginLimits) -> Self {
        Self { memory_limit: limits.memory_bytes, table_limit: limits.table_elements, memory_bytes: 0, exceeded: false }
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

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.exceeded = true;
            return Ok(false);
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
