//! Token counts as upstreams report them: `usage` of an answer or of a chunk.

use serde_json::{Map, Value};

use super::scan::{Fault, Kind, Scanner};

/// How many tokens an answer cost. Counts that the upstream did not give are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, those read from and written to a cache included.
    pub prompt_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub completion_tokens: u64,
    /// Both together, or what the upstream says they are.
    pub total_tokens: u64,
    /// Of the prompt, those read from a cache.
    pub cached_tokens: u64,
    /// Of the prompt, those written to a cache.
    pub cache_write_tokens: u64,
    /// Of the answer, those spent on reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Reads a `usage` object. `None` if the text is not an object.
    pub fn parse(text: &str) -> Option<Self> {
        Self::scan(&mut Scanner::lenient(text)).ok().map(|scanned| scanned.usage)
    }

    /// Whether the total is that of prompt and answer. Some upstreams leave the reasoning out of the answer's tokens, but
    /// not out of the total.
    pub(super) fn adds_up(&self) -> bool {
        self.total_tokens == self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Consumes a `usage` object. Counts that are no whole numbers count as missing.
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<ScannedUsage, Fault> {
        let mut usage = Self::default();
        let (mut prompt, mut completion, mut total) = (None, None, None);
        scanner.members(|scanner, key| {
            match &*key.decode() {
                "prompt_tokens" => prompt = count(scanner)?,
                "completion_tokens" => completion = count(scanner)?,
                "total_tokens" => total = count(scanner)?,
                "prompt_tokens_details" => details(scanner, |name, count| match name {
                    "cached_tokens" => usage.cached_tokens = count,
                    "cache_write_tokens" => usage.cache_write_tokens = count,
                    _ => {}
                })?,
                "completion_tokens_details" => details(scanner, |name, count| {
                    if name == "reasoning_tokens" {
                        usage.reasoning_tokens = count;
                    }
                })?,
                _ => scanner.skip()?,
            }
            Ok::<(), Fault>(())
        })?;
        usage.prompt_tokens = prompt.unwrap_or_default();
        usage.completion_tokens = completion.unwrap_or_default();
        usage.total_tokens = total.unwrap_or(usage.prompt_tokens.saturating_add(usage.completion_tokens));
        Ok(ScannedUsage { usage, complete: prompt.is_some() && completion.is_some() && total.is_some() })
    }
}

/// A `usage` object that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScannedUsage {
    /// The counts.
    pub(super) usage: Usage,
    /// Whether the three counts that clients require were there.
    pub(super) complete: bool,
}

/// Gives a `usage` object the three counts that clients require, and makes them add up: a count that is missing is what
/// the others leave of the total, and what no other count explains was generated.
pub(super) fn complete(usage: &mut Map<String, Value>) {
    let count = |name: &str| {
        let value = usage.get(name);
        // A whole number written as `12.0` is still a count.
        value.and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|count| count as u64)))
    };
    let (completion, total) = (count("completion_tokens").unwrap_or(0), count("total_tokens").unwrap_or(0));
    let prompt = count("prompt_tokens").unwrap_or(total.saturating_sub(completion));
    let completion = completion.max(total.saturating_sub(prompt));
    let total = prompt.saturating_add(completion);
    for (name, count) in [("prompt_tokens", prompt), ("completion_tokens", completion), ("total_tokens", total)] {
        usage.insert(name.to_owned(), count.into());
    }
}

/// A count, or `None` for anything that is not one.
fn count(scanner: &mut Scanner<'_>) -> Result<Option<u64>, Fault> {
    match scanner.peek()? {
        Kind::Number => scanner.number().map(super::scan::Number::as_u64),
        _ => scanner.skip().map(|()| None),
    }
}

fn details(scanner: &mut Scanner<'_>, mut take: impl FnMut(&str, u64)) -> Result<(), Fault> {
    if scanner.peek()? != Kind::Object {
        return scanner.skip();
    }
    scanner.members(|scanner, key| {
        if let Some(count) = count(scanner)? {
            take(&key.decode(), count);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_wherever_they_stand_and_a_missing_total_is_the_sum() {
        let full = r#"{"total_tokens": 12, "completion_tokens": 5, "prompt_tokens": 7, "cost": 0.1,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": null},
            "completion_tokens_details": {"reasoning_tokens": 4}}"#;
        let expected = Usage {
            prompt_tokens: 7,
            completion_tokens: 5,
            total_tokens: 12,
            cached_tokens: 3,
            cache_write_tokens: 2,
            reasoning_tokens: 4,
        };
        assert_eq!(Usage::parse(full), Some(expected));

        let lean = r#"{"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": null}"#;
        let expected = Usage { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12, ..Usage::default() };
        assert_eq!(Usage::parse(lean), Some(expected));
    }

    #[test]
    fn counts_are_completed_so_that_they_add_up() {
        let cases = [
            (r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}"#, [7, 5, 12]),
            (r#"{"prompt_tokens":7,"completion_tokens":5}"#, [7, 5, 12]),
            (r#"{"prompt_tokens":7}"#, [7, 0, 7]),
            (r#"{"completion_tokens":5,"total_tokens":12}"#, [7, 5, 12]),
            (r#"{"prompt_tokens":7,"total_tokens":12}"#, [7, 5, 12]),
            (r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":20}"#, [7, 13, 20]),
            (r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":3}"#, [7, 5, 12]),
            (r#"{"prompt_tokens":18446744073709551615,"completion_tokens":5}"#, [u64::MAX, 5, u64::MAX]),
        ];
        for (upstream, expected) in cases {
            let mut usage = serde_json::from_str(upstream).unwrap();
            complete(&mut usage);
            let usage = Usage::parse(&Value::Object(usage).to_string()).unwrap();
            assert_eq!([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], expected, "{upstream}");
            assert!(usage.adds_up(), "{upstream}");
        }
    }

    #[test]
    fn what_is_no_usage_is_none_and_odd_counts_are_missing() {
        assert_eq!(Usage::parse("null"), None);
        assert_eq!(Usage::parse("[1]"), None);
        let odd = r#"{"prompt_tokens": "7", "completion_tokens": -1, "total_tokens": 1.5}"#;
        assert_eq!(Usage::parse(odd), Some(Usage::default()));
    }
}
