//! A log line as JSON: timestamp, level, logger and message, then the fields of the event in their order.

use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::writer::Queue;

/// A line has less than so many bytes, as a rule: it then grows in one piece.
const USUAL_LINE: usize = 640;

/// Numbers with a fraction that are below this are written as whole millionths.
const MOST_SECONDS: f64 = 1e9;

/// A value is cut after so many bytes.
const LONGEST_VALUE: usize = 8 << 10;

/// Writes events as JSON lines.
pub(super) struct Json {
    queue: Queue,
}

impl Json {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue }
    }
}

impl<S: Subscriber> Layer<S> for Json {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = String::with_capacity(USUAL_LINE);
        line.push_str("{\"timestamp\":\"");
        write_time(&mut line, SystemTime::now());
        let metadata = event.metadata();
        for part in ["\",\"level\":\"", metadata.level().as_str(), "\",\"logger\":\"", metadata.target(), "\""] {
            line.push_str(part);
        }
        event.record(&mut Fields(&mut line));
        line.push_str("}\n");
        self.queue.send(line.into_bytes());
    }
}

/// The line that says that so many lines were dropped.
pub(super) fn dropped_as_json(lines: u64) -> String {
    let mut line = String::from("{\"timestamp\":\"");
    write_time(&mut line, SystemTime::now());
    line.push_str("\",\"level\":\"WARN\",\"logger\":\"weir::telemetry\",\"message\":\"log lines were dropped\"");
    let _ = writeln!(line, ",\"lines\":{lines}}}");
    line
}

/// Appends the fields of an event.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn key(&mut self, field: &Field) {
        for part in [",\"", field.name(), "\":"] {
            self.0.push_str(part);
        }
    }

    fn text(&mut self, text: &str) {
        let mut end = text.len().min(LONGEST_VALUE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push('"');
        escape(self.0, text.get(..end).unwrap_or_default());
        self.0.push('"');
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.key(field);
        self.text(&format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.key(field);
        self.text(value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.key(field);
        // JSON has no other numbers than finite ones. Microseconds are exact enough for what is logged.
        if !value.is_finite() {
            self.0.push_str("null");
        } else if (0.0..MOST_SECONDS).contains(&value) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range of integers")]
            let millionths = (value * 1e6).round() as u64;
            digits(self.0, millionths / 1_000_000, 1);
            self.0.push('.');
            digits(self.0, millionths % 1_000_000, 6);
        } else {
            let _ = write!(self.0, "{value:.6}");
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.key(field);
        let _ = write!(self.0, "{value}");
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.key(field);
        digits(self.0, value, 1);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.key(field);
        self.0.push_str(if value { "true" } else { "false" });
    }
}

/// Appends a number in decimal digits, at least so many of them. Every line has a dozen numbers: the formatter of the
/// standard library would take longer for them than everything else about a line together.
fn digits(line: &mut String, mut number: u64, least: usize) {
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 {
        start -= 1;
        text[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    let start = start.min(text.len() - least.min(text.len()));
    line.push_str(std::str::from_utf8(&text[start..]).unwrap_or_default());
}

fn escape(line: &mut String, text: &str) {
    // Nearly everything that is logged is plain.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        line.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(index) = rest.find(|character: char| matches!(character, '"' | '\\') || character.is_control()) {
        let (plain, special) = rest.split_at(index);
        line.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('\n') => line.push_str("\\n"),
            Some('\t') => line.push_str("\\t"),
            Some(character @ ('"' | '\\')) => {
                line.push('\\');
                line.push(character);
            }
            Some(character) => {
                let _ = write!(line, "\\u{:04x}", u32::from(character));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    line.push_str(rest);
}

/// A point in time as RFC 3339 has it, in UTC and to the millisecond: `2026-11-21T05:11:27.042Z`.
pub fn rfc_3339(time: SystemTime) -> String {
    let mut text = String::with_capacity(24);
    write_time(&mut text, time);
    text
}

/// RFC 3339 in UTC, to the millisecond. The date is Howard Hinnant's `civil_from_days`.
fn write_time(line: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, milliseconds) = (since.as_secs(), since.subsec_millis());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let parts = [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (hour, 2, ':'), (minute, 2, ':'), (second, 2, '.')];
    for (number, least, after) in parts.into_iter().chain([(u64::from(milliseconds), 3, 'Z')]) {
        digits(line, number, least);
        line.push(after);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_237_887_042, "2026-11-21T05:11:27.042Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ];
        for (milliseconds, expected) in cases {
            let mut line = String::new();
            write_time(&mut line, UNIX_EPOCH + Duration::from_millis(milliseconds));
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn the_note_about_dropped_lines_is_a_line_of_json() {
        let line: serde_json::Value = serde_json::from_str(&dropped_as_json(7)).unwrap();
        assert_eq!((&line["level"], &line["lines"]), (&"WARN".into(), &7.into()));
        assert!(dropped_as_json(7).ends_with("}\n"));
    }

    #[test]
    fn whatever_is_logged_is_one_line_of_json() {
        for text in ["plain", "a\"b\\c", "line\nbreak\r\u{1b}[31m", "\u{2028} ünïcode \0"] {
            let mut line = String::from("\"");
            escape(&mut line, text);
            line.push('"');
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
