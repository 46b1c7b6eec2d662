//! What is logged, and in which form.

use super::document::Node;
use super::fields::Fields;
use super::suggest::did_you_mean;
use super::values::{one_of, text};

/// The log on standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or several for parts of the program with commas
    /// between: `info,weir::plugin=debug`. Default `info`.
    pub level: String,
    /// The form. Default `auto`.
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

impl Log {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
        Self {
            level: fields.get("level", level).unwrap_or_else(|| "info".to_owned()),
            format: fields.or("format", one_of(&formats), LogFormat::Auto),
        }
    }
}

fn level(node: &Node) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = text(node)?.to_ascii_lowercase();
    for directive in text.split(',').map(str::trim) {
        let level = directive.split_once('=').map_or(directive, |(_, level)| level.trim());
        if !LEVELS.contains(&level) {
            let hint = did_you_mean(level, LEVELS);
            return Err(format!("expected {}, or `part::of::weir=level`{hint}", LEVELS.join(", ")));
        }
    }
    Ok(text)
}
