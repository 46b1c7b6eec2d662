//! What the process takes of the machine, read from `/proc` when somebody asks.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, Registry};

/// Adds the figures of the process.
pub(super) fn register(registry: &Registry) {
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory in bytes.", resident_bytes as fn() -> Option<i64>),
        ("process_open_fds", "Open file descriptors.", open_files),
    ];
    for (name, help, read) in gauges {
        if let Ok(gauge) = IntGauge::new(name, help) {
            let _ = registry.register(Box::new(Reading { gauge, read }));
        }
    }
}

/// A figure that is read when it is asked for.
struct Reading {
    gauge: IntGauge,
    read: fn() -> Option<i64>,
}

impl Collector for Reading {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(value) = (self.read)() {
            self.gauge.set(value);
        }
        self.gauge.collect()
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kibibytes: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}
