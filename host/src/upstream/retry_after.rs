//! What an upstream's headers say about trying again: `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (RFC 9110,
//! section 10.2.3, and every other spelling of a wait) and `x-should-retry`. What to do about it is the pipeline's
//! decision.

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;

use super::waits;

/// Longer waits are taken for this one. Whoever asks for more means "not today".
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An upstream's word on trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryHint {
    /// How long to wait first; at most 24 hours. Zero when the time named has passed.
    pub after: Option<Duration>,
    /// Whether trying again makes sense at all, if the upstream says so. It overrules what the status suggests.
    pub should_retry: Option<bool>,
}

impl RetryHint {
    /// Reads the headers. What makes no sense in them is as good as absent.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self::at(headers, SystemTime::now())
    }

    fn at(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let milliseconds = |name: &str| waits::seconds(text(name)?.parse::<f64>().ok()? / 1000.0);
        let after = milliseconds("retry-after-ms")
            .or_else(|| milliseconds("x-ms-retry-after-ms"))
            .or_else(|| waits::read(text("retry-after")?, now))
            .map(|wait| wait.min(LONGEST_WAIT));
        let should_retry = text("x-should-retry").and_then(|value| value.to_ascii_lowercase().parse().ok());
        Self { after, should_retry }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn hint(lines: &[(&'static str, &'static str)]) -> RetryHint {
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        // 2026-01-01T00:00:00Z
        RetryHint::at(&pairs.collect(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }

    #[test]
    fn waits_are_read_in_every_form_that_upstreams_send() {
        for (name, value, milliseconds) in [
            ("retry-after", "20", Some(20_000)),
            ("retry-after", " 0.25 ", Some(250)),
            ("retry-after", "0", Some(0)),
            ("retry-after", "Thu, 01 Jan 2026 00:01:30 GMT", Some(90_000)),
            ("retry-after", "Wed, 31 Dec 2025 23:59:00 GMT", Some(0)),
            ("retry-after", "Thu, 01 Jan 2099 00:00:00 GMT", Some(86_400_000)),
            ("retry-after", "1m2s", Some(62_000)),
            ("retry-after", "1.5s", Some(1_500)),
            ("retry-after", "750ms", Some(750)),
            ("retry-after", "2026-01-01T00:01:30Z", Some(90_000)),
            ("retry-after", "1767225690", Some(90_000)),
            ("retry-after", "1767225690500", Some(90_500)),
            ("retry-after", "99999999999", Some(86_400_000)),
            ("retry-after", "1e300", Some(86_400_000)),
            ("retry-after", "inf", Some(86_400_000)),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after-ms", "1500", Some(1_500)),
            ("retry-after-ms", "0.5", Some(0)),
            ("retry-after-ms", "1e12", Some(86_400_000)),
            ("retry-after-ms", "-1", None),
            ("x-ms-retry-after-ms", "1500", Some(1_500)),
            ("retry-after-ms", "Thu, 01 Jan 2026 00:01:30 GMT", None),
        ] {
            let after = hint(&[(name, value)]).after;
            assert_eq!(after.map(|after| after.as_millis()), milliseconds, "{name}: {value}");
        }
    }

    #[test]
    fn milliseconds_win_over_seconds_unless_they_make_no_sense() {
        let after = |milliseconds| hint(&[("retry-after", "3"), ("retry-after-ms", milliseconds)]).after;
        assert_eq!(after("2500"), Some(Duration::from_millis(2500)));
        assert_eq!(after("x"), Some(Duration::from_secs(3)));
    }

    #[test]
    fn only_true_and_false_say_whether_to_retry() {
        for (value, expected) in [
            ("true", Some(true)),
            ("false", Some(false)),
            ("True", Some(true)),
            ("FALSE", Some(false)),
            ("1", None),
            ("maybe", None),
        ] {
            assert_eq!(
                hint(&[("x-should-retry", value)]),
                RetryHint { after: None, should_retry: expected },
                "{value}"
            );
        }
    }
}
