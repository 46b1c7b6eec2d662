//! An upstream's error, in whatever shape it comes, as a [`Failure`].
//!
//! Anthropic's own shape is `{"type":"error","error":{"type","message"},"request_id"}`. Proxies in front of it and
//! other upstreams of this dialect send strings, bare messages, HTML, or nothing.

use crate::{Failure, FailureKind, ResponseHead, tells_of_context_length};
use serde_json::Value;

/// The failure that an answer with an error status tells of.
pub fn of_status(head: &ResponseHead, body: &str) -> Failure {
    let error = Reported::read(body).unwrap_or_else(|| Reported::of_text(head.status, body));
    let wait = head.headers.iter().any(|header| header.name.starts_with("retry-after"));
    error.into_failure(head.status, wait)
}

/// The failure that a body or event with a good status tells of, if it tells of one.
pub fn of_body(body: &str) -> Option<Failure> {
    let error = Reported::read(body)?;
    let status = match error.kind.as_deref() {
        Some("invalid_request_error") => 400,
        Some("authentication_error") => 401,
        Some("billing_error") => 402,
        Some("permission_error") => 403,
        Some("not_found_error") => 404,
        Some("conflict_error") => 409,
        Some("request_too_large") => 413,
        Some("rate_limit_error") => 429,
        Some("timeout_error") => 504,
        Some("overloaded_error") => 529,
        _ => 500,
    };
    Some(error.into_failure(status, false))
}

/// Whether a body is an error of Anthropic's own, and not of something in front of it.
pub fn is_own(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body["type"] == "error")
}

/// The failure for a body or event with a good status that is no answer: what it tells, if it tells something.
pub fn of_answer(body: &str) -> Failure {
    of_body(body).unwrap_or_else(|| unreadable(body))
}

/// The failure for a body with a good status that says nothing.
pub fn unreadable(body: &str) -> Failure {
    let what = if body.trim().is_empty() { "an empty answer" } else { "an answer that cannot be read" };
    Failure::bad_answer(format!("The provider sent {what}."))
}

/// What an error body says.
struct Reported {
    message: String,
    kind: Option<String>,
    code: Option<String>,
    /// The name of a limit that was reached, such as a spend limit.
    limit: Option<String>,
}

impl Reported {
    /// Reads a JSON body that holds an error.
    fn read(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(&body);
        // The last is FastAPI's list of what does not fit.
        let places =
            [error, &error["message"], &body["message"], &error["detail"], &body["detail"], &body["detail"][0]["msg"]];
        let words = places.into_iter().filter_map(Value::as_str).find(|words| !words.trim().is_empty());
        // Blank words tell a client nothing, but the type beside them says what to do.
        let wordless = || body["error"]["type"].as_str().map(|kind| format!("The provider only says `{kind}`."));
        let message = words.map(str::to_owned).or_else(wordless)?;
        let kind = error["type"].as_str().map(str::to_owned);
        let code = error["code"].as_str().map(str::to_owned);
        let limit = error["details"]["error_code"].as_str().map(str::to_owned);
        Some(Self { message, kind, code, limit })
    }

    /// Makes do with a body that is no JSON: short plain text is a message, a page or a fragment is not.
    fn of_text(status: u16, body: &str) -> Self {
        let text = body.trim();
        let readable = !text.is_empty() && text.len() <= 300 && !text.starts_with(['<', '{', '[']);
        let message = if readable {
            text.to_owned()
        } else {
            format!("The provider answered with status {status} and no readable error.")
        };
        Self { message, kind: None, code: None, limit: None }
    }

    /// `wait` says whether the upstream said when to come back; the host reads for how long.
    fn into_failure(self, status: u16, wait: bool) -> Failure {
        let Self { message, kind, code, limit } = self;
        let words = [message.as_str(), kind.as_deref().unwrap_or_default()];
        let too_long = words.into_iter().any(tells_of_context_length);
        let failure_kind = match status {
            400 | 413 | 500 if too_long => FailureKind::ContextLengthExceeded,
            401 => FailureKind::Unauthorized,
            402 | 429 => FailureKind::RateLimited,
            403 => FailureKind::Forbidden,
            404 => FailureKind::NotFound,
            400..=499 => FailureKind::InvalidRequest,
            501 => FailureKind::Unsupported,
            500..=599 => FailureKind::Unavailable,
            _ => FailureKind::BadAnswer,
        };
        // A spend limit does not go away by waiting a little, unless the upstream says for how long.
        let final_limit = limit.is_some() && !wait;
        let code = limit.or(code).or_else(|| match status {
            404 if message.starts_with("model:") => Some("model_not_found".to_owned()),
            413 => Some("request_too_large".to_owned()),
            _ => None,
        });
        let mut failure = Failure { code, type_: kind, ..Failure::new(failure_kind, message) };
        // A conflict or a time-out passes. Nobody gets credit by asking again.
        match status {
            402 => return failure.used_up(),
            408 | 409 => failure.retryable = true,
            429 => failure.retryable = !final_limit,
            _ => {}
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use crate::Header;

    use super::*;

    fn failed(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() })
            .collect();
        of_status(&ResponseHead { status, headers }, body)
    }

    fn anthropic(kind: &str, message: &str) -> String {
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#)
    }

    #[test]
    fn each_status_says_what_to_do_about_it() {
        use FailureKind::*;
        for (status, kind, expected, retryable) in [
            (400, "invalid_request_error", InvalidRequest, false),
            (401, "authentication_error", Unauthorized, false),
            (402, "billing_error", RateLimited, false),
            (403, "permission_error", Forbidden, false),
            (404, "not_found_error", NotFound, false),
            (408, "timeout_error", InvalidRequest, true),
            (409, "conflict_error", InvalidRequest, true),
            (413, "request_too_large", InvalidRequest, false),
            (422, "invalid_request_error", InvalidRequest, false),
            (429, "rate_limit_error", RateLimited, true),
            (500, "api_error", Unavailable, true),
            (501, "not_supported_error", Unsupported, false),
            (504, "timeout_error", Unavailable, true),
            (529, "overloaded_error", Unavailable, true),
        ] {
            let failure = failed(status, &[], &anthropic(kind, "words of the upstream"));
            assert_eq!((failure.kind, failure.retryable), (expected, retryable), "{status}");
            assert_eq!(failure.message, "words of the upstream");
            let kind = if status == 402 { "insufficient_quota" } else { kind };
            assert_eq!(failure.type_.as_deref(), Some(kind));
        }
    }

    #[test]
    fn an_error_with_a_good_status_is_known_by_its_type() {
        use FailureKind::*;
        for (kind, expected) in [
            ("overloaded_error", Unavailable),
            ("rate_limit_error", RateLimited),
            ("invalid_request_error", InvalidRequest),
            ("authentication_error", Unauthorized),
            ("a_new_error", Unavailable),
        ] {
            assert_eq!(of_body(&anthropic(kind, "x")).unwrap().kind, expected, "{kind}");
        }
        assert!(of_body(r#"{"type":"message","content":[]}"#).is_none());
    }

    #[test]
    fn a_prompt_that_does_not_fit_is_recognised_by_its_words() {
        for (status, body) in [
            (400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
            (400, anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2")),
            (400, r#"{"error":{"code":400,"message":"too big","type":"exceed_context_size_error","n_ctx":8}}"#.into()),
        ] {
            assert_eq!(failed(status, &[], &body).kind, FailureKind::ContextLengthExceeded, "{body}");
        }
    }

    #[test]
    fn a_spend_limit_is_not_tried_again_unless_a_wait_is_named() {
        let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"spend limit",
            "details":{"error_code":"enforced_spend_limit_reached"}}}"#;
        let failure = failed(429, &[], body);
        assert_eq!((failure.retryable, failure.code.as_deref()), (false, Some("enforced_spend_limit_reached")));
        assert!(failed(429, &[("retry-after", "7")], body).retryable);
        assert!(failed(429, &[], &anthropic("rate_limit_error", "slow down")).retryable);
        assert!(failed(429, &[], r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#).retryable);
        assert!(!of_body(body).unwrap().retryable);
    }

    #[test]
    fn a_body_of_any_form_gives_a_message() {
        for (body, message) in [
            (r#"{"error":"model runner stopped"}"#, "model runner stopped"),
            (r#"{"message":"Forbidden"}"#, "Forbidden"),
            (r#"{"detail":"Not here"}"#, "Not here"),
            (r#"{"detail":[{"loc":["body","model"],"msg":"Field required"}]}"#, "Field required"),
            (r#"{"error":{"message":""},"message":"Forbidden"}"#, "Forbidden"),
            (r#"{"error":{"type":"api_error","message":""}}"#, "The provider only says `api_error`."),
            (r#"{"error":{"message":" "}}"#, "The provider answered with status 503 and no readable error."),
            (r#"{"error":{"message":null}}"#, "The provider answered with status 503 and no readable error."),
            (r#"{"error":""}"#, "The provider answered with status 503 and no readable error."),
            ("upstream connect error", "upstream connect error"),
            ("", "The provider answered with status 503 and no readable error."),
            ("<html><body>503</body></html>", "The provider answered with status 503 and no readable error."),
            (r#"{"type":"error","error":{"ty"#, "The provider answered with status 503 and no readable error."),
            ("[]", "The provider answered with status 503 and no readable error."),
            (r#""a bare string""#, "a bare string"),
        ] {
            assert_eq!(failed(503, &[], body).message, message, "{body}");
        }
    }

    #[test]
    fn a_missing_model_has_the_code_that_clients_know() {
        let failure = failed(404, &[], &anthropic("not_found_error", "model: no-such"));
        assert_eq!(failure.code.as_deref(), Some("model_not_found"));
    }
}
