//! What some upstreams put beside the message of an error, without which it tells a client too little.

use serde_json::Value;

/// The longest of such texts that is taken, in characters.
const LONGEST: usize = 1000;

/// A message with what stands beside it in an `error`: what a proxy's own upstream said, what the model wrote instead of
/// a tool call, and what a filter found.
pub fn with_cause(message: String, error: &Value) -> String {
    let cause = match (&error["metadata"]["raw"], &error["failed_generation"]) {
        (Value::String(raw), _) => inner_message(raw),
        (Value::Object(_), _) => inner_message(&error["metadata"]["raw"].to_string()),
        (_, Value::String(text)) if !text.trim().is_empty() => format!("The model wrote: {text}"),
        _ => filters(&error["innererror"]["content_filter_result"]),
    };
    if cause.trim().is_empty() || message.contains(cause.as_str()) {
        return message;
    }
    let cause: String = cause.chars().take(LONGEST).collect();
    // The message stays word for word: clients may look for it.
    format!("{message}{} {cause}", if message.ends_with(char::is_alphanumeric) { ":" } else { "" })
}

/// What another upstream's error says: its message, if it has one.
fn inner_message(raw: &str) -> String {
    let document: Value = serde_json::from_str(raw).unwrap_or_default();
    let inside = if document["error"].is_object() { &document["error"] } else { &document };
    super::message(inside, &document).unwrap_or_else(|| raw.to_owned())
}

/// The names of the filters that found something, with how bad it is where they say so.
fn filters(result: &Value) -> String {
    let found = |(name, filter): (&String, &Value)| {
        let severity = filter["severity"].as_str().map(|severity| format!(" ({severity})")).unwrap_or_default();
        (filter["filtered"] == true).then(|| format!("{name}{severity}"))
    };
    let found: Vec<_> = result.as_object().into_iter().flatten().filter_map(found).collect();
    if found.is_empty() { String::new() } else { format!("Found: {}.", found.join(", ")) }
}

/// How long to wait, in milliseconds, by the headers that a proxy copied into an `error`.
pub fn wait(error: &Value) -> Option<u64> {
    let headers = error["metadata"]["headers"].as_object()?;
    let header = |name: &str| {
        let (_, value) = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let until = |time: u64| time.checked_sub(crate::openai::now().checked_mul(1000)?);
    let seconds = header("retry-after").and_then(|seconds| seconds.checked_mul(1000));
    seconds.or_else(|| header("x-ratelimit-reset").and_then(until))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_followed_by_what_stands_beside_it() {
        let filter = json!({"hate": {"filtered": true, "severity": "high"}, "violence": {"filtered": false},
            "jailbreak": {"filtered": true, "detected": true}});
        let cases = [
            (json!({}), "It failed."),
            (json!({"failed_generation": "<f>{"}), "It failed. The model wrote: <f>{"),
            (json!({"failed_generation": ""}), "It failed."),
            (json!({"innererror": {"content_filter_result": filter}}), "It failed. Found: hate (high), jailbreak."),
            (json!({"metadata": {"raw": "out of memory"}}), "It failed. out of memory"),
            (json!({"metadata": {"raw": r#"{"error":{"message":"too hot"}}"#}}), "It failed. too hot"),
            (json!({"metadata": {"raw": r#"{"detail":"too cold"}"#}}), "It failed. too cold"),
            (json!({"metadata": {"raw": {"message": "too wet"}}}), "It failed. too wet"),
            (json!({"metadata": {"raw": "It failed"}}), "It failed."),
            (json!({"metadata": {"provider_name": "x"}}), "It failed."),
        ];
        assert_eq!(with_cause("Error".to_owned(), &json!({"metadata": {"raw": "x"}})), "Error: x");
        for (error, expected) in cases {
            assert_eq!(with_cause("It failed.".to_owned(), &error), expected, "{error}");
        }
    }

    #[test]
    fn a_wait_is_read_from_copied_headers() {
        let later = (crate::openai::now() + 60) * 1000;
        let cases = [
            (json!({"Retry-After": "7"}), Some(7000..7001)),
            (json!({"retry-after": 7}), Some(7000..7001)),
            (json!({"X-RateLimit-Reset": later.to_string()}), Some(50_000..60_001)),
            (json!({"X-RateLimit-Reset": "1"}), None),
            (json!({"Retry-After": "soon"}), None),
            (json!(null), None),
        ];
        for (headers, expected) in cases {
            let wait = wait(&json!({"metadata": {"headers": headers}}));
            assert_eq!(wait.is_some(), expected.is_some(), "{headers}");
            assert!(wait.zip(expected).is_none_or(|(wait, expected)| expected.contains(&wait)), "{headers} {wait:?}");
        }
    }
}
