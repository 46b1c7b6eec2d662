//! `${NAME}` and `${NAME:-default}` in values, filled in from the environment. A default may hold variables itself.
//!
//! Works on the parsed tree, so that nothing in a variable can change the structure of the file, and never shows what
//! a variable holds. Keys and comments are left alone.

use super::Environment;
use super::document::{Node, Scalar, Value};
use super::errors::Problems;

/// Replaces the variables in every value below `node`. `$${` stands for `${` itself; any other `$` for itself.
pub(super) fn interpolate(node: &mut Node, environment: &Environment, problems: &mut Problems) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| interpolate(item, environment, problems)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| interpolate(&mut entry.node, environment, problems));
        }
        Value::Scalar(scalar) => match fill(&scalar.text, environment) {
            Ok(None) => {}
            Ok(Some(filled)) => *scalar = Scalar { quoted: scalar.quoted, ..filled },
            Err(message) => {
                problems.report(&node.origin, message);
                *scalar = Scalar::reported();
            }
        },
    }
}

/// The text with its variables filled in, or `None` when there is nothing to fill in.
fn fill(text: &str, environment: &Environment) -> Result<Option<Scalar>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::with_capacity(text.len());
    let mut variable: Option<String> = None;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        filled.push_str(&rest[..start]);
        let inside = &rest[start + 2..];
        let end = end_of(inside).ok_or("`${` is not closed by `}`; write `$${` for the characters themselves")?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        check_name(name)?;
        variable = Some(variable.map_or_else(|| name.to_owned(), |names| format!("{names}, {name}")));
        match (environment.get(name), default) {
            // As in a shell, `:-` also stands in for a variable that is set to nothing.
            (None | Some(""), Some(default)) => match fill(default, environment)? {
                None => filled.push_str(default),
                Some(inner) => {
                    filled.push_str(&inner.text);
                    variable = variable.zip(inner.variable).map(|(outer, inner)| format!("{outer}, {inner}"));
                }
            },
            (Some(value), _) => filled.push_str(value),
            (None, None) => {
                return Err(format!(
                    "the environment variable `{name}` is not set; set it, or write `${{{name}:-}}` if it may be missing"
                ));
            }
        }
        rest = &inside[end + 1..];
    }
    filled.push_str(rest);
    Ok(Some(Scalar { text: filled, quoted: false, variable }))
}

/// Where the `}` is that closes a variable, given what follows its `${`. Those of variables in its default are not it.
fn end_of(inside: &str) -> Option<usize> {
    let mut open = 0;
    for (index, character) in inside.char_indices() {
        match character {
            '{' if inside[..index].ends_with('$') => open += 1,
            '}' if open == 0 => return Some(index),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn check_name(name: &str) -> Result<(), String> {
    let well_formed = name
        .bytes()
        .enumerate()
        .all(|(index, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()));
    match !name.is_empty() && well_formed {
        true => Ok(()),
        false => Err("`${...}` holds the name of an environment variable: letters, digits and `_`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::fill;
    use crate::config::Environment;

    #[test]
    fn variables_defaults_and_escapes_are_filled_in() {
        let environment = Environment::new([("HOST", "example.com"), ("EMPTY", ""), ("DOLLAR", "a${HOST}")]);
        for (text, expected) in [
            ("https://${HOST}/v1", Ok(Some("https://example.com/v1"))),
            ("${HOST}:${PORT:-80}", Ok(Some("example.com:80"))),
            ("${EMPTY:-x}${EMPTY}", Ok(Some("x"))),
            ("${NO:-}", Ok(Some(""))),
            ("${NO:-${EMPTY:-${HOST}}}/${NO:-x}", Ok(Some("example.com/x"))),
            ("${HOST:-${NO}}", Ok(Some("example.com"))),
            ("${NO:-${NEITHER}}", Err("the environment variable `NEITHER` is not set")),
            ("${NO:-${HOST}", Err("`${` is not closed")),
            ("$${HOST} ${HOST}", Ok(Some("${HOST} example.com"))),
            ("${DOLLAR}", Ok(Some("a${HOST}"))),
            ("costs 5$ and $HOME", Ok(None)),
            ("${NO}", Err("the environment variable `NO` is not set")),
            ("${HOST", Err("`${` is not closed")),
            ("${A B}", Err("`${...}` holds the name")),
            ("${}", Err("`${...}` holds the name")),
        ] {
            match (fill(text, &environment), expected) {
                (Ok(filled), Ok(expected)) => {
                    assert_eq!(filled.map(|scalar| scalar.text).as_deref(), expected, "{text}");
                }
                (Err(message), Err(expected)) => assert!(message.starts_with(expected), "{text}: {message}"),
                (filled, expected) => panic!("{text}: {filled:?} instead of {expected:?}"),
            }
        }
    }
}
