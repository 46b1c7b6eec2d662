//! What the process takes of the machine, read from `/proc` when somebody asks. Elsewhere than on Linux: nothing.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, IntGauge, Registry};

/// Adds the figures of the process, by the names that every Prometheus client gives them.
pub(super) fn register(registry: &Registry) {
    let gauges = [
        ("process_resident_memory_bytes", "Resident memory in bytes.", resident_bytes as fn() -> Option<i64>),
        ("process_virtual_memory_bytes", "Virtual memory in bytes.", virtual_bytes),
        ("process_open_fds", "Open file descriptors.", open_files),
        ("process_max_fds", "The most file descriptors that may be open.", most_files),
        ("process_threads", "Threads.", threads),
        (
            "weir_log_lines_dropped",
            "Log lines dropped since the start: nobody read the log fast enough.",
            lines_dropped,
        ),
    ];
    for (name, help, read) in gauges {
        if let Ok(gauge) = IntGauge::new(name, help) {
            let _ = registry.register(Box::new(Reading { gauge, read }));
        }
    }
    if let Ok(seconds) = Counter::new("process_cpu_seconds_total", "CPU time, user and system, in seconds.") {
        let _ = registry.register(Box::new(CpuTime { seconds }));
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

/// The same for the CPU time, which only grows.
struct CpuTime {
    seconds: Counter,
}

impl Collector for CpuTime {
    fn desc(&self) -> Vec<&Desc> {
        self.seconds.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat));
        // Two scrapes at once may read in one order and count in the other; a counter refuses to go back.
        self.seconds.inc_by(now.map_or(0.0, |now| (now - self.seconds.get()).max(0.0)));
        self.seconds.collect()
    }
}

/// From `/proc/self/stat`: fields 14 and 15, counted from 1 (proc_pid_stat(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The unit is 1/100 s wherever Linux runs today, whatever the kernel ticks at.
    const TICKS_PER_SECOND: f64 = 100.0;
    // The name of the program comes second, in parentheses, and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// The resident memory of the process, in bytes.
pub fn resident_bytes() -> Option<i64> {
    Some(status_figure("VmRSS:")? * 1024)
}

fn virtual_bytes() -> Option<i64> {
    Some(status_figure("VmSize:")? * 1024)
}

fn lines_dropped() -> Option<i64> {
    i64::try_from(super::writer::lines_dropped()).ok()
}

fn threads() -> Option<i64> {
    status_figure("Threads:")
}

/// The figure after this word in `/proc/self/status`; sizes are in KiB.
fn status_figure(word: &str) -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

/// The soft limit. `None` when there is none.
fn most_files() -> Option<i64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "12 (we ir) 1) S 1 12 12 0 -1 4194304 900 0 0 0 150 50 0 0 20 0 4 0 100 1000 10";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn the_figures_of_this_process_are_there() {
        for read in [resident_bytes, virtual_bytes, threads, open_files, most_files] {
            assert!(read().is_some_and(|value| value > 0));
        }
    }
}
