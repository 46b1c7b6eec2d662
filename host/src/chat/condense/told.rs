//! The size of a window, as an upstream names it when it refuses a prompt.
//!
//! There is no field for it in any API: it is in the sentence. The words are not those of one upstream, but those that
//! all of them use. What is not understood is no window, and a number that is not one only makes a prompt shorter than
//! it had to be.

use std::ops::RangeInclusive;

/// What can be the window of a model, in tokens.
const WINDOWS: RangeInclusive<u64> = 256..=100_000_000;
/// What stands between the number before, or the beginning, and the number of a limit.
const BEFORE: [&str; 7] = ["maximum", "limit", "allowed", "cannot exceed", "context size", "context window", "n_ctx"];
/// What stands right in front of it, where sizes are compared.
const COMPARED: [&str; 3] = [">", "<=", "≤"];

/// How many tokens the model takes, if the message says so.
pub fn window(message: &str) -> Option<u64> {
    let message = message.to_lowercase();
    let numbers = numbers(&message);
    let is_compared = |number: &&Number<'_>| COMPARED.iter().any(|sign| number.before.trim_end().ends_with(sign));
    let is_limit = |number: &&Number<'_>| BEFORE.iter().any(|words| number.before.contains(words));
    let is_maximum = |number: &&Number<'_>| number.after.trim_start().starts_with("maximum");
    let found = numbers.iter().find(is_compared);
    let found = found.or_else(|| numbers.iter().find(is_maximum)).or_else(|| numbers.iter().find(is_limit));
    found.map(|number| number.value)
}

/// A number in a text that can be a window, with the text on both sides up to the next number.
struct Number<'a> {
    before: &'a str,
    value: u64,
    after: &'a str,
}

fn numbers(text: &str) -> Vec<Number<'_>> {
    let mut numbers: Vec<Number<'_>> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        // `1,048,576` and `1_048_576` are one number.
        let is_part = |character: char| character.is_ascii_digit() || matches!(character, ',' | '_');
        let length = rest[start..].find(|character| !is_part(character)).unwrap_or(rest.len() - start);
        let (before, after) = (&rest[..start], &rest[start + length..]);
        let value = rest[start..start + length].replace([',', '_'], "").parse();
        if let Some(value) = value.ok().filter(|value| WINDOWS.contains(value)) {
            numbers.push(Number { before, value, after });
        }
        rest = after;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn the_window_is_found_in_the_words_of_many_upstreams() {
        for (message, expected) in [
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 10000 tokens.",
                8192,
            ),
            ("maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the messages)", 4096),
            (
                "'max_tokens' is too large: 100000. This model's maximum context length is 32768 tokens and your \
                 request has 300 input tokens (100000 > 32768 - 300).",
                32768,
            ),
            ("prompt is too long: 215000 tokens > 200000 maximum", 200_000),
            ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease both", 200_000),
            ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
            ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32768),
            ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096),
            ("the total number of tokens in the prompt cannot exceed 4081 - received 5000", 4081),
            ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", 4096),
            ("This model's maximum prompt length is 131,072 but the request contains 140,000 tokens.", 131_072),
        ] {
            assert_eq!(window(message), Some(expected), "{message}");
        }
    }

    #[test]
    fn a_message_that_names_no_window_has_none() {
        for message in [
            "",
            "Input is too long for requested model.",
            "Your input exceeds the context window of this model.",
            "Error 400: the maximum is 12",
            "limit: 99999999999999999999999999",
            "no numbers, but a maximum of ١٢٣٤٥",
        ] {
            assert_eq!(window(message), None, "{message}");
        }
    }
}
