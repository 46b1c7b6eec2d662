//! Whether and how chats that do not fit a model are made shorter.

use super::document::Node;
use super::fields::Fields;
use super::values::{boolean, number, one_of, whole_number};
use crate::chat::condense::{Mode, Options};

/// How chats that do not fit a model are made shorter.
#[derive(Debug, Clone, PartialEq)]
pub struct Condense {
    /// What goes and what stays.
    pub options: Options,
    /// How many condensed chats are kept, to be used when the same chat comes again. Default 64; 0 keeps none.
    pub cache_entries: usize,
}

impl Default for Condense {
    fn default() -> Self {
        Self { options: Options::default(), cache_entries: 64 }
    }
}

impl Condense {
    /// Reads the key `condense` of a model. `None` if it is not there or says `enabled: false`: chats are sent as they
    /// come.
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let node = fields.node("condense")?;
        Fields::read(node, fields.problems(), |fields| {
            let enabled = fields.or("enabled", boolean, true);
            let condense = Self::read_fields(fields);
            enabled.then_some(condense)
        })
        .flatten()
    }

    fn read_fields(fields: &mut Fields<'_, '_>) -> Self {
        let base = Self::default();
        let Options { mode, keep_first, keep_last, target } = base.options;
        let size = |number: u64, default| usize::try_from(number).unwrap_or(default);
        Self {
            options: Options {
                mode: fields.or("mode", one_of(&[("cut", Mode::Cut), ("shorten", Mode::Shorten)]), mode),
                keep_first: fields.or("keep_first", boolean, keep_first),
                keep_last: size(fields.or("keep_last", whole_number(1..=1000), keep_last as u64), keep_last),
                target: fields.or("target", part, target),
            },
            cache_entries: size(
                fields.or("cache_entries", whole_number(0..=10_000), base.cache_entries as u64),
                base.cache_entries,
            ),
        }
    }
}

/// A part of a whole that leaves something and takes something.
fn part(node: &Node) -> Result<f64, String> {
    let part = number(node)?;
    if (0.1..=1.0).contains(&part) { Ok(part) } else { Err("has to be from 0.1 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;
    use crate::config::errors::Problems;

    /// What is read of the text, and what is wrong with it.
    fn read(text: &str) -> (Option<Condense>, String) {
        let mut problems = Problems::default();
        let root = parse(text, "weir.yaml", &mut problems).unwrap();
        let condense = Fields::read(&root, &mut problems, Condense::read).flatten();
        (condense, problems.finish(Some(())).map_or_else(|errors| errors.to_string(), |()| String::new()))
    }

    #[test]
    fn chats_are_condensed_where_it_is_said_and_as_it_is_said() {
        let all = Options { mode: Mode::Shorten, keep_first: false, keep_last: 8, target: 0.5 };
        for (text, expected) in [
            ("{}", None),
            ("condense:", None),
            ("condense: { enabled: false, mode: cut }", None),
            ("condense: { enabled: true }", Some(Condense::default())),
            ("condense: { keep_last: 4 }", Some(Condense::default())),
            (
                "condense: { mode: shorten, keep_first: false, keep_last: 8, target: 0.5, cache_entries: 0 }",
                Some(Condense { options: all, cache_entries: 0 }),
            ),
        ] {
            assert_eq!(read(text), (expected, String::new()), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, expected) in [
            ("condense: 1", "expected a mapping"),
            ("condense: { mode: shortn }", "expected one of `cut`, `shorten`"),
            ("condense: { keep_last: 0 }", "`keep_last`: has to be from 1 to 1000"),
            ("condense: { target: 1.5 }", "`target`: has to be from 0.1 to 1"),
            ("condense: { target: 0 }", "`target`: has to be from 0.1 to 1"),
            ("condense: { cache: 1 }", "unknown key `cache`"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.contains(expected), "{text}: {problems}");
        }
    }
}
