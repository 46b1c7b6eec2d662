//! The metrics of a gateway, read from the text that Prometheus reads.

use std::collections::BTreeMap;

/// All samples at one moment.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
    text: String,
}

impl Metrics {
    /// Reads the exposition format. Fails on a line that is neither a comment nor a sample.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = lines.map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line}"))).collect();
        Self { samples, text: text.to_owned() }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sum of the samples of this name that have all these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |known: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| known.get(*label).is_some_and(|known| known == value))
        };
        self.samples.iter().filter(|(known, with, _)| known == name && fits(with)).map(|(_, _, value)| value).sum()
    }

    /// Whether there is a sample of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|(known, _, _)| known == name)
    }

    /// All label values.
    pub fn label_values(&self) -> impl Iterator<Item = &str> {
        self.samples.iter().flat_map(|(_, labels, _)| labels.values()).map(String::as_str)
    }
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let labels = pairs.map(|pair| pair.trim_end_matches('"').split_once("=\"")).collect::<Option<Vec<_>>>()?;
    let labels = labels.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    Some((name.to_owned(), labels, value.parse().ok()?))
}
