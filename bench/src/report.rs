//! The figures: medians with their spread, beside the floor and the goals, as a table and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::planning::Planning;
use crate::plugins::Table;
use crate::subjects::Subject;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// Its place in the table.
    order: u8,
    /// Its name in the table and in the JSON.
    name: &'static str,
    /// What is to be reached.
    goal: Goal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Goal {
    /// No goal.
    None,
    /// At most so many tenths of the floor: with the forwarding plugin, and with the translating one.
    TenthsOfFloor(u32, u32),
    /// At most so much.
    AtMost(u32),
}

impl Metric {
    pub const CPU_PER_REQUESTS: Self = Self::new(0, "CPU s per 10,000 requests", Goal::TenthsOfFloor(16, 30));
    pub const THROUGHPUT: Self = Self::new(1, "requests/s, 64 connections", Goal::None);
    pub const CPU_PER_CHUNKS: Self = Self::new(2, "CPU s per 1M chunks, 32 streams", Goal::TenthsOfFloor(14, 25));
    pub const CPU_PER_PACED_CHUNKS: Self =
        Self::new(3, "CPU s per 1M chunks, one per 5 ms", Goal::TenthsOfFloor(14, 25));
    pub const CHUNKS: Self = Self::new(4, "chunks/s, 32 streams", Goal::None);
    pub const DIRECT_P50: Self = Self::new(5, "p50 us at 200/s, upstream itself", Goal::None);
    pub const ADDED_P50: Self = Self::new(6, "added p50 us at 200/s", Goal::None);
    pub const ADDED_P99: Self = Self::new(7, "added p99 us at 200/s", Goal::None);
    pub const RESIDENT_IDLE: Self = Self::new(8, "RSS MiB idle, three plugins", Goal::AtMost(40));
    pub const PROPORTIONAL_IDLE: Self = Self::new(9, "PSS MiB idle", Goal::None);
    pub const RESIDENT_LOADED: Self = Self::new(10, "RSS MiB after the load", Goal::None);
    pub const RESIDENT_PEAK: Self = Self::new(11, "RSS MiB at its highest", Goal::None);
    pub const RESIDENT_ALL: Self = Self::new(16, "RSS MiB idle, every plugin", Goal::AtMost(80));
    pub const RESIDENT_ONE: Self = Self::new(17, "RSS MiB idle, one plugin", Goal::None);
    pub const RESIDENT_BESIDE: Self = Self::new(18, "RSS MiB idle, one of all in folder", Goal::None);
    pub const UNUSED_INSTANCES: Self = Self::new(19, "instances of plugins not in use", Goal::AtMost(0));
    pub const START: Self = Self::new(12, "ms from start to first 200", Goal::AtMost(150));
    pub const OPEN_ERRORS: Self = Self::new(13, "open streams: failed", Goal::AtMost(0));
    pub const OPEN_RESIDENT: Self = Self::new(14, "open streams: highest RSS MiB", Goal::AtMost(400));
    pub const OPEN_CPU: Self = Self::new(15, "open streams: processors in use", Goal::None);

    const fn new(order: u8, name: &'static str, goal: Goal) -> Self {
        Self { order, name, goal }
    }
}

impl Goal {
    /// The goal in words and whether it is reached, where there is one for this subject.
    fn verdict(self, subject: Subject, median: f64, floor: Option<f64>) -> Option<(String, bool)> {
        let tenths = match (self, subject) {
            (Self::AtMost(most), Subject::Anthropic | Subject::Weir) => {
                return Some((format!("<= {most}"), median <= f64::from(most)));
            }
            (Self::TenthsOfFloor(tenths, _), Subject::OpenAi) => tenths,
            (Self::TenthsOfFloor(_, tenths), Subject::Anthropic) => tenths,
            _ => return None,
        };
        let most = f64::from(tenths) / 10.0;
        floor.map(|floor| (format!("<= {most}x"), median <= most * floor))
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Report {
    samples: BTreeMap<Metric, BTreeMap<Subject, Vec<f64>>>,
    calls: Vec<(String, f64)>,
    plugins: Table,
    planning: Planning,
    notes: Vec<String>,
}

/// The middle of some samples and how far they spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    least: f64,
    most: f64,
}

impl Report {
    /// Adds one sample.
    pub fn add(&mut self, metric: Metric, subject: Subject, value: f64) {
        self.samples.entry(metric).or_default().entry(subject).or_default().push(value);
    }

    /// Adds the mean time of a kind of guest call, in microseconds.
    pub fn add_call(&mut self, labels: String, microseconds: f64) {
        self.calls.push((labels, microseconds));
    }

    /// Takes the figures of the plugins by themselves.
    pub fn set_plugins(&mut self, plugins: Table) {
        self.plugins = plugins;
    }

    /// Takes what planning costs.
    pub fn set_planning(&mut self, planning: Planning) {
        self.planning = planning;
    }

    /// Notes how busy the machine is: figures of a machine that does something else as well mean little.
    pub fn note_load(&mut self, when: &str) {
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_owned();
        self.notes.push(format!("{when}: {processors} processors, load average {load}"));
    }

    /// Prints the table: one line for each metric and subject.
    pub fn print(&self) {
        println!("{:<36} {:<10} {:>11}  {:>23} {:>9}  goal", "", "", "median", "min .. max", "x floor");
        for (metric, subjects) in &self.samples {
            let floor = subjects.get(&Subject::Floor).map(|samples| spread(samples).median);
            for (subject, samples) in subjects {
                let Spread { median, least, most } = spread(samples);
                let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| format!("{:.2}", median / floor));
                let goal = metric.goal.verdict(*subject, median, floor);
                let goal = goal.map(|(goal, reached)| format!("{goal} {}", if reached { "reached" } else { "MISSED" }));
                println!(
                    "{:<36} {:<10} {:>11}  {:>23} {:>9}  {}",
                    metric.name,
                    subject.name(),
                    rounded(median),
                    format!("{} .. {}", rounded(least), rounded(most)),
                    ratio.unwrap_or_default(),
                    goal.unwrap_or_default(),
                );
            }
        }
        for (labels, microseconds) in &self.calls {
            println!("us per guest call  {{{labels}}}  {microseconds:.1}");
        }
        self.plugins.print();
        self.planning.print();
        for note in &self.notes {
            println!("{note}");
        }
    }

    /// Writes every sample, with its median, as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut metrics = serde_json::Map::new();
        for (metric, subjects) in &self.samples {
            let floor = subjects.get(&Subject::Floor).map(|samples| spread(samples).median);
            let subjects = subjects.iter().map(|(subject, samples)| {
                let median = spread(samples).median;
                let goal = metric.goal.verdict(*subject, median, floor).map(|(goal, reached)| json!([goal, reached]));
                let figures = json!({
                    "median": median,
                    "samples": samples,
                    "times_floor": floor.filter(|floor| *floor > 0.0).map(|floor| median / floor),
                    "goal": goal,
                });
                (subject.name().to_owned(), figures)
            });
            metrics.insert(metric.name.to_owned(), subjects.collect());
        }
        let calls: serde_json::Map<_, _> =
            self.calls.iter().map(|(labels, microseconds)| (labels.clone(), json!(microseconds))).collect();
        let (plugins, planning) = (self.plugins.to_json(), self.planning.to_json());
        let all = json!({
            "metrics": metrics, "microseconds_per_guest_call": calls, "plugins": plugins, "planning": planning,
            "notes": self.notes,
        });
        std::fs::write(file, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The middle and the ends of some samples.
pub fn spread(samples: &[f64]) -> Spread {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { at(middle) } else { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 };
    Spread { median, least: at(0), most: at(sorted.len().wrapping_sub(1)) }
}

/// Three figures that mean something.
pub fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_around_it() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(spread(&[4.0, 1.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert!(spread(&[]).median.is_nan());
    }

    #[test]
    fn a_goal_is_a_multiple_of_the_floor_or_a_figure() {
        let goal = Goal::TenthsOfFloor(16, 30);
        assert_eq!(goal.verdict(Subject::OpenAi, 1.5, Some(1.0)), Some(("<= 1.6x".to_owned(), true)));
        assert_eq!(goal.verdict(Subject::Anthropic, 3.1, Some(1.0)), Some(("<= 3x".to_owned(), false)));
        assert_eq!(goal.verdict(Subject::Floor, 1.0, Some(1.0)), None);
        assert_eq!(Goal::AtMost(0).verdict(Subject::Anthropic, 0.0, None), Some(("<= 0".to_owned(), true)));
    }
}
