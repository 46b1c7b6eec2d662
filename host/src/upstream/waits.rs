//! How upstreams spell a wait, or the time at which it ends, in their headers: seconds, durations as Go writes them,
//! dates and Unix times. Which header means what is known elsewhere: see `retry_after` and `rate_limits`.

use std::time::{Duration, SystemTime};

/// Bare numbers from here on are Unix times and not waits: as a wait, this one would end after thirty years.
const FIRST_UNIX_SECONDS: f64 = 1e9;
/// Unix times from here on are in milliseconds: as seconds, this one would be in the year 5138.
const FIRST_UNIX_MILLISECONDS: f64 = 1e11;

/// The units of a duration in seconds, as Go's `time.ParseDuration` knows them, and days.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("\u{b5}s", 1e-6),
    ("\u{3bc}s", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// How long to wait from `now`, if the text says so in any of the spellings. Zero when the time named has passed.
///
/// A number is seconds, unless it is so large that it must be a Unix time in seconds or milliseconds.
pub(super) fn read(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    number(text, now)
        .or_else(|| go_duration(text))
        .or_else(|| rfc_3339(text).map(|time| time.duration_since(now).unwrap_or_default()))
        .or_else(|| httpdate::parse_http_date(text).ok().map(|time| time.duration_since(now).unwrap_or_default()))
}

/// So many seconds. Longer than any wait if there are too many.
pub(super) fn seconds(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The duration as Go prints it, and so the OpenAI API: `0s`, `6ms`, `16.088s`, `1m30s`, `2h0m5s`.
pub(super) fn go_text(wait: Duration) -> String {
    let (whole, nanoseconds) = (wait.as_secs(), wait.subsec_nanos());
    if whole == 0 && nanoseconds > 0 {
        let (unit, name) = match nanoseconds {
            1_000_000.. => (1_000_000, "ms"),
            1_000.. => (1_000, "us"),
            _ => (1, "ns"),
        };
        return format!("{}{name}", f64::from(nanoseconds) / f64::from(unit));
    }
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let fraction = format!(".{nanoseconds:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

fn number(text: &str, now: SystemTime) -> Option<Duration> {
    let number = text.parse::<f64>().ok()?;
    if !number.is_finite() || number < FIRST_UNIX_SECONDS {
        return seconds(number);
    }
    let since_1970 = if number < FIRST_UNIX_MILLISECONDS { number } else { number / 1000.0 };
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    seconds(since_1970).map(|time| time.saturating_sub(now))
}

/// `1m30s`, `2m59.56s`, `6ms`: numbers, each with its unit.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (value, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
        let (unit, after) = after.split_at(after.find(|letter: char| !letter.is_alphabetic()).unwrap_or(after.len()));
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.saturating_add(seconds(value.parse::<f64>().ok()? * unit)?);
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// A time as in RFC 3339: `2026-07-14T01:07:10Z`, with a fraction of a second and an offset if need be.
fn rfc_3339(text: &str) -> Option<SystemTime> {
    let (date, time, rest) = (text.get(..10)?, text.get(11..19)?, text.get(19..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let [year, month, day] = fields(date, '-', [9999, 12, 31])?;
    let [hour, minute, second] = fields(time, ':', [23, 59, 60])?;
    let (fraction, offset) = rest.split_at(rest.find(|letter: char| letter != '.' && !letter.is_ascii_digit())?);
    let fraction = if fraction.is_empty() { 0.0 } else { fraction.parse::<f64>().ok()? };
    let days = days_since_1970(year, month, day)?;
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(seconds((local - offset_seconds(offset)?) as f64 + fraction)?)
}

/// By how much local time is before the time in Greenwich: `Z`, `+01:00`, `-05:30`.
fn offset_seconds(offset: &str) -> Option<i64> {
    let sign = match offset.as_bytes().first()? {
        b'Z' | b'z' => return (offset.len() == 1).then_some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hours, minutes] = fields(&offset[1..], ':', [23, 59])?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Numbers with this separator between them, each not above its limit.
fn fields<const N: usize>(text: &str, separator: char, limits: [i64; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, limit) in numbers.iter_mut().zip(limits) {
        let digits = parts.next().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = digits.parse().ok().filter(|number| *number <= limit)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The number of days from 1970-01-01 to a date that is not before it (Gregorian calendar).
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before_month = DAYS_BEFORE_MONTH.get(usize::try_from(month - 1).ok()?)?;
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    // The leap day of a year counts only once its February is over.
    let whole_years = if month > 2 { year } else { year - 1 };
    let days = (year - 1970) * 365 + leap_days(whole_years) - leap_days(1969) + before_month + day - 1;
    (year >= 1970 && day >= 1).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    #[test]
    fn waits_are_read_in_every_spelling() {
        for (text, microseconds) in [
            ("0", Some(0)),
            ("60", Some(60_000_000)),
            (" 0.25 ", Some(250_000)),
            ("1e3", Some(1_000_000_000)),
            ("6ms", Some(6_000)),
            ("16.088s", Some(16_088_000)),
            ("1m30s", Some(90_000_000)),
            ("2m59.56s", Some(179_560_000)),
            ("1h0m0s", Some(3_600_000_000)),
            ("1d2h", Some(93_600_000_000)),
            ("1.5h", Some(5_400_000_000)),
            ("250us", Some(250)),
            ("250\u{b5}s", Some(250)),
            ("1500ns", Some(1)),
            ("2026-01-01T00:01:30Z", Some(90_000_000)),
            ("2026-01-01T00:00:00.25Z", Some(250_000)),
            ("2026-01-01 01:00:10+01:00", Some(10_000_000)),
            ("2025-12-31T19:00:10-05:00", Some(10_000_000)),
            ("2025-12-31T23:59:59z", Some(0)),
            ("Thu, 01 Jan 2026 00:01:30 GMT", Some(90_000_000)),
            ("1767225690", Some(90_000_000)),
            ("1767225690.5", Some(90_500_000)),
            ("1767225690500", Some(90_500_000)),
            ("1767225500", Some(0)),
            ("", None),
            ("s", None),
            ("5x", None),
            ("5 s", None),
            ("5s6", None),
            ("1.2.3s", None),
            ("-1", None),
            ("-5s", None),
            ("NaN", None),
            ("soon", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00+1", None),
            ("2026-01-01T00:00:00Zulu", None),
            ("2026-01-01T00:00:00..5Z", None),
            ("2026-01-01", None),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", None),
        ] {
            assert_eq!(read(text, now()).map(|wait| wait.as_micros()), microseconds, "{text}");
        }
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T12:00:00Z", 1_709_208_000),
            ("2026-07-14T01:07:10Z", 1_783_991_230),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            let time = rfc_3339(text).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(time.as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them_and_read_back() {
        for text in [
            "0s",
            "6ms",
            "130ms",
            "1.5ms",
            "250us",
            "7ns",
            "1s",
            "16.088s",
            "59.999999999s",
            "1m0s",
            "1m30s",
            "2m59.56s",
            "1h0m0s",
            "26h3m4.5s",
        ] {
            assert_eq!(go_text(go_duration(text).unwrap()), text);
        }
    }
}
