//! Reads the mappings of the tree: keeps count of the keys that were asked for, and reports all others.

use super::document::{Entry, Node, Scalar, Value};
use super::errors::{Origin, Problems};
use super::suggest::{did_you_mean, nearest};

/// One mapping that is being read. Every key that is asked for counts as known, given or not; a key that is given but
/// means nothing (`null`, an empty variable) counts as not given.
pub(super) struct Fields<'node, 'problems> {
    origin: &'node Origin,
    entries: &'node [Entry],
    known: Vec<&'static str>,
    problems: &'problems mut Problems,
}

impl<'node, 'problems> Fields<'node, 'problems> {
    /// Reads `node` as a mapping by `build`, which has to ask for every key that there can be; keys that it did not
    /// ask for are reported afterwards. `None`, and a report, if it is no mapping.
    pub(super) fn read<T>(
        node: &'node Node,
        problems: &'problems mut Problems,
        build: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let Value::Map(entries) = &node.value else {
            problems.report(&node.origin, format!("expected a mapping (`key: value`), found {}", node.describe()));
            return None;
        };
        let mut fields = Self { origin: &node.origin, entries, known: Vec::new(), problems };
        let built = build(&mut fields);
        fields.report_unknown();
        Some(built)
    }

    /// The place of the mapping itself.
    pub(super) fn origin(&self) -> &'node Origin {
        self.origin
    }

    /// The value of a key, if it is given.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'node Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.node.is_nothing()).then_some(&entry.node)
    }

    /// Whether the key stands there, even with nothing as its value.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The value of a key as `read` understands it; what `read` says is wrong with it is reported.
    pub(super) fn get<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, String>) -> Option<T> {
        let node = self.node(key)?;
        read(node).map_err(|message| self.problems.report(&node.origin, format!("`{key}`: {message}"))).ok()
    }

    /// The same, or the default.
    pub(super) fn or<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, String>, default: T) -> T {
        self.get(key, read).unwrap_or(default)
    }

    /// The same, and a report if it is not given.
    pub(super) fn required<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, String>) -> Option<T> {
        if self.node(key).is_none() && !self.is_reported(key) {
            self.problems.report(self.origin, format!("`{key}` is missing"));
            return None;
        }
        self.get(key, read)
    }

    /// A mapping below a key; the empty mapping if it is not given or is none, so that `build` always runs.
    pub(super) fn section<T>(&mut self, key: &'static str, build: impl FnOnce(&mut Fields<'_, '_>) -> T) -> T {
        match self.node(key) {
            Some(Node { origin, value: Value::Map(entries) }) => {
                let mut fields = Fields { origin, entries, known: Vec::new(), problems: self.problems };
                let built = build(&mut fields);
                fields.report_unknown();
                built
            }
            other => {
                if let Some(node) = other {
                    self.report_form(key, "a mapping", node);
                }
                build(&mut Fields { origin: self.origin, entries: &[], known: Vec::new(), problems: self.problems })
            }
        }
    }

    /// The elements of the list below a key, those that `read` could make something of. Empty if it is not given.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&'node Node, &mut Problems) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.node(key) else { return Vec::new() };
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| read(item, self.problems)).collect(),
            _ => {
                self.report_form(key, "a list", node);
                Vec::new()
            }
        }
    }

    /// The elements of a list of single values. A value from the environment may hold several, with commas between.
    pub(super) fn values<T>(&mut self, key: &'static str, read: impl Fn(&Node) -> Result<T, String>) -> Vec<T> {
        self.elements(key, |item, problems| {
            read(item).map_err(|message| problems.report(&item.origin, format!("`{key}`: {message}"))).ok()
        })
    }

    /// The same, for a list whose elements may be more than single values.
    pub(super) fn elements<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&Node, &mut Problems) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let split;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar(scalar) if scalar.variable.is_some() => {
                split = at_commas(node, scalar);
                split.as_slice()
            }
            _ => {
                self.report_form(key, "a list", node);
                return Vec::new();
            }
        };
        items.iter().filter(|item| !item.is_nothing()).filter_map(|item| read(item, self.problems)).collect()
    }

    /// The entries of a mapping with free names below a key. Empty if it is not given.
    pub(super) fn entries(&mut self, key: &'static str) -> &'node [Entry] {
        let Some(node) = self.node(key) else { return &[] };
        match &node.value {
            Value::Map(entries) => entries,
            _ => {
                self.report_form(key, "a mapping", node);
                &[]
            }
        }
    }

    /// Notes something that is wrong.
    pub(super) fn report(&mut self, origin: &Origin, message: impl Into<String>) {
        self.problems.report(origin, message);
    }

    /// Where to note what is wrong further down.
    pub(super) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Notes that a value has the wrong form.
    pub(super) fn report_form(&mut self, key: &str, expected: &str, node: &Node) {
        self.report(&node.origin, format!("`{key}`: expected {expected}, found {}", node.describe()));
    }

    /// Whether the value of a key could not be had, and that was said already.
    fn is_reported(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        matches!(entry.map(|entry| &entry.node.value), Some(Value::Scalar(scalar)) if scalar.is_reported())
    }

    fn report_unknown(&mut self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = match &entry.origin {
                Origin::Environment(name) => unknown_variable(name, &entry.key, &self.known),
                _ => format!("unknown key `{}`{}", entry.key, did_you_mean(&entry.key, self.known.iter().copied())),
            };
            self.problems.report(&entry.origin, message);
        }
    }
}

/// The message for a `WEIR_...` variable that leads nowhere, with the name of the variable that was probably meant.
fn unknown_variable(name: &str, key: &str, known: &[&str]) -> String {
    let suggestion = nearest(key, known.iter().copied()).and_then(|meant| {
        // The variable may go deeper than the part that is wrong.
        let (upper, meant) = (key.to_ascii_uppercase(), meant.to_ascii_uppercase());
        let start = name.find(&upper)?;
        Some(format!("; did you mean `{}{meant}{}`?", &name[..start], &name[start + upper.len()..]))
    });
    format!("sets nothing: there is no key `{key}`{}", suggestion.unwrap_or_default())
}

fn at_commas(node: &Node, scalar: &Scalar) -> Vec<Node> {
    let part = |text: &str| Scalar { text: text.trim().to_owned(), ..scalar.clone() };
    scalar.text.split(',').map(|text| Node { origin: node.origin.clone(), value: Value::Scalar(part(text)) }).collect()
}
