//! What is logged, and in which form.

use super::document::Node;
use super::fields::Fields;
use super::suggest::did_you_mean;
use super::values::{one_of, text};
use crate::telemetry::{LogFormat, LogOptions};

/// The section `log`. The level is `info` and the format `auto` unless it says otherwise.
pub(super) fn read(fields: &mut Fields<'_, '_>) -> LogOptions {
    let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    LogOptions {
        level: fields.get("level", level).unwrap_or_else(|| "info".to_owned()),
        format: fields.or("format", one_of(&formats), LogFormat::Auto),
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
