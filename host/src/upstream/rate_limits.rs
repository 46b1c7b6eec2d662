//! An upstream's word on its rate limits in the headers of the OpenAI API: `x-ratelimit-{limit,remaining,reset}` with
//! `-requests` or `-tokens`, the ends of windows as durations in Go's spelling. Which headers an upstream has for them
//! is told from outside; what they mean for the next attempt is not asked here.

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::waits;

/// No window is longer than this. What ends later is no time at all.
const LONGEST_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a rate limit's header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimit {
    /// How many requests may be made in a window of time.
    LimitRequests,
    /// How many of them are left.
    RemainingRequests,
    /// When the window for requests ends.
    ResetRequests,
    /// How many tokens may be used in a window of time.
    LimitTokens,
    /// How many of them are left.
    RemainingTokens,
    /// When the window for tokens ends.
    ResetTokens,
}

impl RateLimit {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::LimitRequests,
        Self::RemainingRequests,
        Self::ResetRequests,
        Self::LimitTokens,
        Self::RemainingTokens,
        Self::ResetTokens,
    ];

    /// The header of the OpenAI API that tells it.
    pub const fn header(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::LimitRequests => "x-ratelimit-limit-requests",
            Self::RemainingRequests => "x-ratelimit-remaining-requests",
            Self::ResetRequests => "x-ratelimit-reset-requests",
            Self::LimitTokens => "x-ratelimit-limit-tokens",
            Self::RemainingTokens => "x-ratelimit-remaining-tokens",
            Self::ResetTokens => "x-ratelimit-reset-tokens",
        })
    }

    /// The header's value in the form of the OpenAI API, if the upstream's makes sense.
    fn value(self, text: &str, now: SystemTime) -> Option<HeaderValue> {
        match self {
            Self::ResetRequests | Self::ResetTokens => {
                let wait = waits::read(text, now).filter(|wait| *wait <= LONGEST_WINDOW)?;
                HeaderValue::try_from(waits::go_text(wait)).ok()
            }
            _ => text.trim().parse::<u64>().ok().map(HeaderValue::from),
        }
    }
}

/// The rate limits among an upstream's headers, and nothing else of them.
///
/// `names` are the headers in which this upstream tells of them, each in lower case. The first one of each kind that
/// is there and makes sense counts; if none is, a header that has OpenAI's name already. Limits and remainders that
/// are no whole numbers, such as the -1 for "no limit", and times that are none are left out.
pub fn normalised(headers: &HeaderMap, names: &[(String, RateLimit)]) -> HeaderMap {
    at(headers, names, SystemTime::now())
}

fn at(headers: &HeaderMap, names: &[(String, RateLimit)], now: SystemTime) -> HeaderMap {
    let mut normalised = HeaderMap::new();
    // Most upstreams tell of none, and there are many names that they might use.
    let tells =
        |name: &HeaderName| name.as_str().contains("limit") || names.iter().any(|(own, _)| own == name.as_str());
    if !headers.keys().any(tells) {
        return normalised;
    }
    for limit in RateLimit::ALL {
        let own = limit.header();
        let listed = names.iter().filter(|(_, tells)| *tells == limit).map(|(name, _)| name.as_str());
        let value = listed
            .chain([own.as_str()])
            .filter_map(|name| headers.get(name)?.to_str().ok())
            .find_map(|text| limit.value(text, now));
        if let Some(value) = value {
            normalised.insert(own, value);
        }
    }
    normalised
}

#[cfg(test)]
mod tests {
    use super::RateLimit::*;
    use super::*;

    /// What becomes of these headers on 2026-01-01, as lines without `x-ratelimit-`.
    fn told(headers: &[(&'static str, &'static str)], names: &[(&str, RateLimit)]) -> Vec<String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let names: Vec<(String, RateLimit)> = names.iter().map(|(name, tells)| ((*name).to_owned(), *tells)).collect();
        let normalised = at(&headers.collect(), &names, now);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{}: {}", name.as_str().strip_prefix("x-ratelimit-").unwrap(), value.to_str().unwrap())
        };
        let mut lines: Vec<String> = normalised.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn an_upstreams_headers_get_the_names_and_forms_of_the_openai_api() {
        let names = [
            ("vendor-requests-limit", LimitRequests),
            ("vendor-requests-left", RemainingRequests),
            ("vendor-requests-reset", ResetRequests),
            ("vendor-tokens-limit", LimitTokens),
            ("vendor-tokens-left", RemainingTokens),
            ("vendor-tokens-reset", ResetTokens),
        ];
        let headers = [
            ("vendor-requests-limit", "1000"),
            ("vendor-requests-left", " 999 "),
            ("vendor-requests-reset", "2026-01-01T00:01:30Z"),
            ("vendor-tokens-limit", "9223372036854767616"),
            ("vendor-tokens-left", "0"),
            ("vendor-tokens-reset", "1767225600250"),
            ("vendor-pages", "5"),
            ("set-cookie", "a=b"),
        ];
        assert_eq!(
            told(&headers, &names),
            [
                "limit-requests: 1000",
                "limit-tokens: 9223372036854767616",
                "remaining-requests: 999",
                "remaining-tokens: 0",
                "reset-requests: 1m30s",
                "reset-tokens: 250ms",
            ]
        );
    }

    #[test]
    fn headers_with_openais_names_pass_in_openais_form() {
        let headers = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-reset-requests", "0"),
            ("x-ratelimit-reset-tokens", "2m59.56s"),
            ("x-ratelimit-renewalperiod-tokens", "60"),
        ];
        assert_eq!(told(&headers, &[]), ["limit-requests: 500", "reset-requests: 0s", "reset-tokens: 2m59.56s"]);
    }

    #[test]
    fn the_first_listed_header_that_makes_sense_wins_and_openais_own_comes_last() {
        let names = [("per-minute", LimitRequests), ("per-hour", LimitRequests)];
        let own = ("x-ratelimit-limit-requests", "3");
        for (headers, expected) in [
            (vec![("per-hour", "2"), ("per-minute", "1"), own], "limit-requests: 1"),
            (vec![("per-hour", "2"), own], "limit-requests: 2"),
            (vec![("per-minute", "unlimited"), ("per-hour", "2"), own], "limit-requests: 2"),
            (vec![("per-minute", "-1"), own], "limit-requests: 3"),
        ] {
            assert_eq!(told(&headers, &names), [expected], "{headers:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        for (name, value) in [
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-limit-requests", ""),
            ("x-ratelimit-remaining-requests", "many"),
            ("x-ratelimit-remaining-tokens", "99999999999999999999999"),
            ("x-ratelimit-reset-requests", "tomorrow"),
            ("x-ratelimit-reset-requests", "inf"),
            ("x-ratelimit-reset-tokens", "-5s"),
            ("x-ratelimit-reset-tokens", "2099-01-01T00:00:00Z"),
        ] {
            assert_eq!(told(&[(name, value)], &[]), [""; 0], "{name}: {value}");
        }
    }
}
