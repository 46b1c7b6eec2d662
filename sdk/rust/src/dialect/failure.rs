//! Errors, with what some upstreams put beside the message and without which it tells a client too little: what a proxy's
//! own upstream said, what the model wrote in place of a tool call, what a filter found.

use serde_json::Value;

use crate::openai;
use crate::{Failure, FailureKind, tells_of_context_length};

/// The longest of such texts that is taken, in characters.
const LONGEST: usize = 1000;

/// What an error tells: [`openai::failure`], and what stands beside it.
pub fn failure(status: u16, body: &str) -> Failure {
    let mut failure = openai::failure(status, body);
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let error = &document["error"];
    failure.retry_after_ms = failure.retry_after_ms.or_else(|| wait(error));
    let cause = cause(error);
    if cause.trim().is_empty() || failure.message.contains(cause.as_str()) {
        return failure;
    }
    if failure.kind == FailureKind::InvalidRequest && tells_of_context_length(&cause) {
        failure = Failure { code: None, ..Failure::new(FailureKind::ContextLengthExceeded, failure.message) };
    }
    // The message stays word for word: clients may look for it.
    failure.message.push_str(if failure.message.ends_with(char::is_alphanumeric) { ": " } else { " " });
    failure.message.extend(cause.chars().take(LONGEST));
    failure
}

/// Why it failed, as far as the message does not say so.
fn cause(error: &Value) -> String {
    match (&error["metadata"]["raw"], &error["failed_generation"]) {
        (Value::String(raw), _) if !raw.trim().is_empty() => openai::failure(400, raw).message,
        (raw @ Value::Object(_), _) => openai::failure(400, &raw.to_string()).message,
        (_, Value::String(text)) if !text.trim().is_empty() => format!("The model wrote: {text}"),
        _ => filters(&error["innererror"]["content_filter_result"]),
    }
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
fn wait(error: &Value) -> Option<u64> {
    let headers = error["metadata"]["headers"].as_object()?;
    let header = |name: &str| {
        let (_, value) = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let until = |time: u64| time.checked_sub(openai::now().checked_mul(1000)?);
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
        for (mut error, expected) in cases {
            error["message"] = "It failed.".into();
            assert_eq!(failure(400, &json!({ "error": error }).to_string()).message, expected, "{error}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_for_a_proxys_upstream_is_too_long() {
        let body = json!({"error": {"message": "Provider returned error", "code": 400, "metadata": {
            "raw": r#"{"error":{"message":"prompt is too long: 9 tokens > 8 maximum","code":"x"}}"#}}});
        let failure = failure(400, &body.to_string());
        assert_eq!(failure.kind, FailureKind::ContextLengthExceeded);
        assert_eq!(failure.message, "Provider returned error: prompt is too long: 9 tokens > 8 maximum");
    }

    #[test]
    fn a_wait_is_read_from_copied_headers() {
        let later = (openai::now() + 60) * 1000;
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
