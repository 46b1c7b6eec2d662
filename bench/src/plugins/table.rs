//! The figures of the plugins, a row for each, beside what is to be reached.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::report::{rounded, spread};

/// Something that is measured of every plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// A call that does nothing: events are pushed, but there are none. In microseconds, as all calls.
    Floor,
    /// `encode` of a chat of 1 KB.
    EncodeSmall,
    /// `encode` of a chat of 50 KB.
    EncodeLarge,
    /// `decode` of an answer of 1 KB.
    Decode,
    /// One event of a stream, pushed by itself.
    Event,
    /// One event of a stream of which ten are pushed at once.
    BatchedEvent,
    /// The component's size, in thousands of bytes.
    Kilobytes,
    /// Reading, compiling and checking the component, on all processors, in milliseconds.
    Load,
}

impl Figure {
    const ALL: [Self; 8] = [
        Self::Floor,
        Self::EncodeSmall,
        Self::EncodeLarge,
        Self::Decode,
        Self::Event,
        Self::BatchedEvent,
        Self::Kilobytes,
        Self::Load,
    ];

    /// Its name in the table, in the JSON and where it is missed.
    fn name(self) -> &'static str {
        match self {
            Self::Floor => "empty call",
            Self::EncodeSmall => "encode 1 KB",
            Self::EncodeLarge => "encode 50 KB",
            Self::Decode => "decode 1 KB",
            Self::Event => "event",
            Self::BatchedEvent => "event of 10",
            Self::Kilobytes => "size KB",
            Self::Load => "load ms",
        }
    }

    /// What is to be reached.
    fn most(self) -> Option<f64> {
        match self {
            Self::EncodeSmall => Some(15.0),
            Self::EncodeLarge => Some(300.0),
            Self::Decode => Some(12.0),
            Self::BatchedEvent => Some(4.0),
            Self::Kilobytes => Some(600.0),
            Self::Floor | Self::Event | Self::Load => None,
        }
    }
}

/// The samples of all plugins.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, BTreeMap<Figure, Vec<f64>>>,
}

impl Table {
    /// Adds one sample.
    pub fn add(&mut self, plugin: &str, figure: Figure, value: f64) {
        self.rows.entry(plugin.to_owned()).or_default().entry(figure).or_default().push(value);
    }

    /// Adds what is known of a component before it is called.
    pub fn add_component(&mut self, plugin: &str, bytes: usize, milliseconds: f64) {
        self.add(plugin, Figure::Kilobytes, bytes as f64 / 1e3);
        self.add(plugin, Figure::Load, milliseconds);
    }

    /// Prints a row for each plugin, with medians.
    pub fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        let line = |name: &str, cells: [String; Figure::ALL.len()], verdict: &str| {
            println!("{name:<16}{}  {verdict}", cells.map(|cell| format!("{cell:>13}")).concat());
        };
        println!("\nProvider plugins: microseconds of processor time for a call, or for an event of a stream");
        line("", Figure::ALL.map(|figure| figure.name().to_owned()), "");
        for (plugin, row) in &self.rows {
            let cell = |figure| median(row, figure).map_or_else(|| "-".to_owned(), rounded);
            line(plugin, Figure::ALL.map(cell), &verdict(row));
        }
        let goal = |figure: Figure| figure.most().map_or_else(String::new, |most| format!("<= {most}"));
        line("goal", Figure::ALL.map(goal), "");
    }

    /// Every sample with its median.
    pub fn to_json(&self) -> Value {
        let figures = |row: &BTreeMap<Figure, Vec<f64>>| {
            let figure = |(figure, samples): (&Figure, &Vec<f64>)| {
                let median = spread(samples).median;
                let reached = figure.most().map(|most| median <= most);
                let json = json!({ "median": median, "samples": samples, "goal": figure.most(), "reached": reached });
                (figure.name().to_owned(), json)
            };
            Value::Object(row.iter().map(figure).collect())
        };
        Value::Object(self.rows.iter().map(|(plugin, row)| (plugin.clone(), figures(row))).collect())
    }
}

fn median(row: &BTreeMap<Figure, Vec<f64>>, figure: Figure) -> Option<f64> {
    row.get(&figure).map(|samples| spread(samples).median)
}

/// `reached`, or the goals that are not.
fn verdict(row: &BTreeMap<Figure, Vec<f64>>) -> String {
    let is_missed =
        |figure: &Figure| figure.most().zip(median(row, *figure)).is_some_and(|(most, median)| median > most);
    let missed: Vec<&str> = Figure::ALL.into_iter().filter(is_missed).map(Figure::name).collect();
    if missed.is_empty() { "reached".to_owned() } else { format!("MISSED: {}", missed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_which_goals_it_misses_by_its_medians() {
        let mut table = Table::default();
        table.add_component("acme", 600_000, 900.0);
        for sample in [14.0, 15.0, 40.0] {
            table.add("acme", Figure::EncodeSmall, sample);
        }
        assert_eq!(verdict(&table.rows["acme"]), "reached");
        table.add_component("heavy", 600_100, 900.0);
        table.add("heavy", Figure::BatchedEvent, 4.2);
        assert_eq!(verdict(&table.rows["heavy"]), "MISSED: event of 10, size KB");
        assert_eq!(table.to_json()["heavy"]["size KB"]["reached"], false);
    }
}
