//! Which module of the host uses which, held to one direction.

/// Each module with those that it may use, from the outermost to the innermost. A module that is not listed has no
/// place yet: give it one here. `plugin` and `upstream` do not know each other; `server` is a leaf that
/// knows HTTP and nothing of what is served; `telemetry` is used by all and uses none.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", EVERYTHING),
    ("lib", EVERYTHING),
    ("cli", EVERYTHING),
    ("serve", EVERYTHING),
    ("headroom", &["memory", "pipeline", "telemetry"]),
    ("memory", &[]),
    (
        "api",
        &["server", "pipeline", "plugin", "upstream", "standing", "config", "dialect", "chat", "error", "telemetry"],
    ),
    ("pipeline", &["plugin", "upstream", "standing", "config", "dialect", "embeddings", "chat", "error", "telemetry"]),
    ("plugin", &["config", "chat", "error", "telemetry"]),
    ("upstream", &["config", "chat", "error", "telemetry"]),
    ("standing", &["config", "error"]),
    ("server", &["error", "telemetry"]),
    ("config", &["chat", "error", "telemetry"]),
    ("dialect", &["chat", "error"]),
    ("embeddings", &["error"]),
    ("chat", &["error", "telemetry"]),
    ("error", &["telemetry"]),
    ("telemetry", &[]),
];

/// For the binary, which puts the parts together.
const EVERYTHING: &[&str] = &[
    "cli",
    "serve",
    "headroom",
    "memory",
    "api",
    "server",
    "pipeline",
    "plugin",
    "upstream",
    "standing",
    "config",
    "dialect",
    "embeddings",
    "chat",
    "error",
    "telemetry",
];

/// The uses that a file makes of other modules against the direction, with their lines. `file` is relative to
/// `host/src`, `code` is without comments.
pub fn check(file: &str, code: &str) -> impl Iterator<Item = (usize, String)> {
    let module = module_of(file);
    let allowed = MAY_USE.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
    let mut found = Vec::new();
    match allowed {
        None => {
            found.push((1, format!("`{module}` has no place in the order of modules: see xtask/src/tidy/edges.rs")))
        }
        Some(allowed) => {
            let wrong = uses(code).filter(|(_, used)| {
                let known = MAY_USE.iter().any(|(name, _)| name == used);
                known && *used != module && !allowed.contains(used)
            });
            found.extend(wrong.map(|(line, used)| (line, format!("`{module}` uses `{used}`, which is not below it"))));
        }
    }
    found.into_iter()
}

/// The top-level module that a file belongs to.
fn module_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The modules that `crate::...` names, one by one or in braces, and the lines of the `crate`s.
fn uses(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = code.match_indices("crate::");
    let starts =
        starts.filter(|(start, _)| !code[..*start].ends_with(|last: char| last.is_alphanumeric() || last == '_'));
    starts.flat_map(|(start, found)| {
        let line = code[..start].matches('\n').count() + 1;
        let rest = &code[start + found.len()..];
        let names = rest.strip_prefix('{').map_or_else(|| vec![first_word(rest)], in_braces);
        names.into_iter().map(move |name| (line, name))
    })
}

/// The first word of each item of a brace group, whose opening brace is behind us.
fn in_braces(rest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(first_word(rest[start..index].trim_start()));
                start = index + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn first_word(text: &str) -> &str {
    text.split(|character: char| !character.is_alphanumeric() && character != '_').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_against_the_direction_is_found_however_it_is_written() {
        let cases = [
            ("config/mod.rs", "use crate::error::Error;", 0),
            ("config/mod.rs", "use crate::pipeline::Plan;", 1),
            ("config/mod.rs", "use crate::{error, pipeline::{self, Plan}};", 1),
            ("config/mod.rs", "use crate::{\n    error,\n    server,\n    api,\n};", 2),
            ("config/mod.rs", "fn f() { crate::server::serve() }", 1),
            ("plugin/pool.rs", "use crate::upstream::Event;", 1),
            ("upstream/mod.rs", "use crate::plugin::Event;", 1),
            ("telemetry/mod.rs", "use crate::error::Error;", 1),
            ("chat/mod.rs", "use crate::chat::usage; use crate::telemetry::count;", 0),
            ("main.rs", "use weir::server;", 0),
            ("stray.rs", "", 1),
        ];
        for (file, code, expected) in cases {
            assert_eq!(check(file, code).count(), expected, "{file}: {code}");
        }
    }
}
