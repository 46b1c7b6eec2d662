//! Errors in the shape of the OpenAI API, and in the shapes that its many relatives made of it.

use serde_json::Value;

use crate::failure::says;
use crate::json;
use crate::{Failure, FailureKind, tells_of_context_length};

/// The longest text that is taken from a body that is no JSON, in characters.
const LONGEST_TEXT: usize = 1000;

/// Codes and types that say that an account has no money or quota left.
const USED_UP: [&str; 4] =
    ["insufficient_quota", "insufficient_balance", "exceeded_current_quota", "billing_hard_limit"];

/// What an upstream's error tells: its own words, and what they mean. `status` is that of the answer; a 2xx counts
/// for nothing, and the error's own code decides.
///
/// Understood are an `error` that is an object or a string, FastAPI's `detail`, vLLM's `object: "error"`, codes that
/// are numbers, a list around it all, plain text, and, as well as can be, HTML and nothing at all.
pub fn failure(status: u16, body: &str) -> Failure {
    match serde_json::from_str::<Value>(body.trim_start_matches('\u{feff}').trim()) {
        Ok(Value::Array(errors)) if !errors.is_empty() => Report::of(&errors[0]).failure(status),
        Ok(Value::String(text)) => Failure::from_status(status, text),
        Ok(document) => Report::of(&document).failure(status),
        Err(_) => Failure::from_status(status, plain_text(status, body.trim())),
    }
}

/// What an error document says.
struct Report<'a> {
    message: Option<String>,
    code: Option<String>,
    kind: Option<&'a str>,
    param: Option<&'a str>,
    /// The HTTP status that the document itself speaks of.
    status: Option<u16>,
    retry_after_ms: Option<u64>,
}

impl<'a> Report<'a> {
    fn of(document: &'a Value) -> Self {
        let inside =
            [document.get("error"), document.get("detail")].into_iter().flatten().find(|part| part.is_object());
        let inside = inside.unwrap_or(&Value::Null);
        let both = |name: &str| [inside.get(name), document.get(name)];
        let text = |name: &str| both(name).into_iter().flatten().find_map(nonempty);
        let numbers = ["code", "status_code", "status"].into_iter().flat_map(both).flatten().filter_map(number);
        let details = both("details").into_iter().flatten().filter_map(Value::as_array).flatten();
        Self {
            message: message(inside, document),
            code: both("code").into_iter().flatten().find_map(label),
            // The type of a whole document can be anything; `error` is all that many say there.
            kind: text("type").or(text("error_type")).filter(|kind| *kind != "error"),
            param: text("param"),
            status: numbers.rev().find(|number| (400..600).contains(number)),
            retry_after_ms: details.filter_map(|detail| milliseconds(detail.get("retryDelay")?.as_str()?)).next(),
        }
    }

    fn failure(self, status: u16) -> Failure {
        let words = format!("{} {}", self.code.as_deref().unwrap_or_default(), self.kind.unwrap_or_default());
        let words = words.to_ascii_lowercase();
        let message = self.message.unwrap_or_else(|| plain_text(status, ""));
        let status = match self.status {
            _ if status >= 400 => status,
            Some(status) => status,
            None if tells_of_context_length(&message) => 400,
            None => status_of(&words),
        };
        let mut failure = Failure::from_status(status, message);
        if let Some((kind, retryable)) = meaning(status, &words, &failure.message) {
            (failure.kind, failure.retryable) = (kind, retryable);
        }
        failure.param = self.param.map(str::to_owned);
        failure.retry_after_ms = self.retry_after_ms;
        if status == 402 || says(&words, &USED_UP) {
            return failure.used_up();
        }
        // A code that only repeats the status would displace the one by which clients know the kind of failure.
        failure.code = self.code.filter(|code| code.parse() != Ok(status));
        failure.type_ = self.kind.map(str::to_owned);
        failure.code = match failure.kind {
            // The host's own code, which all clients know. Upstreams say as much of every bad request, or a number.
            FailureKind::ContextLengthExceeded => None,
            FailureKind::NotFound if lacks_model(&failure) => Some("model_not_found".to_owned()),
            _ => failure.code,
        };
        failure
    }
}

/// Whether what was not found is the model, and nothing but a number says so.
fn lacks_model(failure: &Failure) -> bool {
    let is_number = |code: &String| code.parse::<u16>().is_ok();
    failure.code.as_ref().is_none_or(is_number)
        && says(&failure.message, &["model"])
        && says(&failure.message, &["not found", "not exist", "no such model"])
}

/// The upstream's text, wherever it stands.
fn message(inside: &Value, document: &Value) -> Option<String> {
    let fields = ["message", "error", "detail", "msg", "error_description"];
    let values =
        [inside, document].into_iter().flat_map(|object| fields.into_iter().filter_map(|name| object.get(name)));
    values.filter(|value| !std::ptr::eq(*value, inside)).find_map(|value| match value {
        Value::String(_) => nonempty(value).map(str::to_owned),
        Value::Array(problems) => {
            let problems: Vec<_> = problems.iter().filter_map(problem).collect();
            (!problems.is_empty()).then(|| problems.join("; "))
        }
        Value::Object(nested) => nested.get("message").or(nested.get("detail")).and_then(nonempty).map(str::to_owned),
        _ => None,
    })
}

/// One entry of FastAPI's `detail`: where, and what.
fn problem(problem: &Value) -> Option<String> {
    let text = problem.get("msg").or(problem.get("message")).unwrap_or(problem).as_str()?;
    let Some(place) = problem.get("loc").and_then(Value::as_array) else { return Some(text.to_owned()) };
    let place: Vec<_> =
        place.iter().map(|step| step.as_str().map_or_else(|| json::to_text(step), str::to_owned)).collect();
    Some(format!("{}: {text}", place.join(".")))
}

/// What codes and types say that a status does not: what it is, and whether to try again.
fn meaning(status: u16, words: &str, message: &str) -> Option<(FailureKind, bool)> {
    let any = |known: &[&str]| known.iter().any(|known| words.contains(known));
    let refused = (400..500).contains(&status) && status != 429;
    let speaks_of_key = || says(message, &["incorrect api key", "invalid api key", "api key not valid"]);
    let kind = match status {
        _ if refused
            && any(&["context_length", "exceed_context_size", "too_many_prompt_tokens", "too_many_tokens"]) =>
        {
            FailureKind::ContextLengthExceeded
        }
        _ if refused && any(&["content_filter", "content_policy", "responsibleai"]) => FailureKind::Blocked,
        400 if any(&["unsupported_parameter", "unsupported_value"]) => FailureKind::Unsupported,
        400 if any(&["invalid_api_key", "authentication"]) || speaks_of_key() => FailureKind::Unauthorized,
        400 if any(&["model_not_found"]) => FailureKind::NotFound,
        _ => return None,
    };
    Some((kind, false))
}

/// The status that an error would have had, if it had not come with a 200.
fn status_of(words: &str) -> u16 {
    const WORDS: [(&str, u16); 11] = [
        ("rate_limit", 429),
        ("quota", 429),
        ("api_key", 401),
        ("authentication", 401),
        ("permission", 403),
        ("not_found", 404),
        ("context_length", 400),
        ("content_filter", 400),
        ("invalid", 400),
        ("tool_use_failed", 400),
        ("overloaded", 503),
    ];
    WORDS.iter().find(|(word, _)| words.contains(word)).map_or(502, |(_, status)| *status)
}

fn plain_text(status: u16, body: &str) -> String {
    match body {
        "" => format!("The provider answered with status {status} and no text."),
        page if page.starts_with('<') => {
            format!("The provider answered with status {status} and a web page, which says nothing about the request.")
        }
        text => text.chars().take(LONGEST_TEXT).collect(),
    }
}

fn nonempty(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// A code as a string: clients expect one, and upstreams send numbers.
fn label(code: &Value) -> Option<String> {
    match code {
        Value::Number(number) => Some(number.to_string()),
        other => nonempty(other).map(str::to_owned),
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    }
}

/// A duration such as `48s` or `1.5s`. Read by hand: the standard library's parser of fractions is 17 KB of component.
fn milliseconds(duration: &str) -> Option<u64> {
    let seconds = duration.strip_suffix('s')?;
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_shape_keep_their_words_and_get_a_meaning() {
        use FailureKind::{
            BadAnswer, Blocked, ContextLengthExceeded, Forbidden, InvalidRequest, NotFound, RateLimited, Unauthorized,
            Unavailable, Unsupported,
        };
        let cases = [
            (
                400,
                r#"{"error":{"message":"bad n","type":"invalid_request_error","param":"n","code":null}}"#,
                InvalidRequest,
                "bad n",
            ),
            (401, r#"{"error":{"code":"401","message":"wrong key"}}"#, Unauthorized, "wrong key"),
            (
                400,
                r#"{"code":"invalid-argument","error":"Incorrect API key provided: ab***"}"#,
                Unauthorized,
                "Incorrect API key provided: ab***",
            ),
            (400, r#"{"error":{"code":"content_filter","param":"prompt","message":"filtered"}}"#, Blocked, "filtered"),
            (
                429,
                r#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                RateLimited,
                "no money",
            ),
            (400, r#"{"error":{"message":"Use another","code":"unsupported_parameter"}}"#, Unsupported, "Use another"),
            (
                400,
                r#"{"error":{"code":400,"message":"too much","type":"exceed_context_size_error"}}"#,
                ContextLengthExceeded,
                "too much",
            ),
            (
                400,
                r#"{"error":{"message":"maximum context length is 8 tokens"}}"#,
                ContextLengthExceeded,
                "maximum context length is 8 tokens",
            ),
            (401, r#"{"detail":"Invalid API Key"}"#, Unauthorized, "Invalid API Key"),
            (
                422,
                r#"{"detail":[{"loc":["body","n",0],"msg":"must be 1","type":"value_error"}]}"#,
                InvalidRequest,
                "body.n.0: must be 1",
            ),
            (404, r#"{"object":"error","message":"no model","type":"NotFoundError","code":404}"#, NotFound, "no model"),
            (
                400,
                r#"[{"error":{"code":400,"message":"listed","status":"INVALID_ARGUMENT"}}]"#,
                InvalidRequest,
                "listed",
            ),
            (200, r#"{"error":{"message":"slow down","code":429}}"#, RateLimited, "slow down"),
            (200, r#"{"error":{"message":"odd","type":"invalid_request_error"}}"#, InvalidRequest, "odd"),
            (200, r#"{"error":"model crashed"}"#, Unavailable, "model crashed"),
            (403, r#"{"error":{"message":"moderated","metadata":{"reasons":["x"]}}}"#, Forbidden, "moderated"),
            (500, r#""just text""#, Unavailable, "just text"),
            (503, "upstream connect error", Unavailable, "upstream connect error"),
            (
                502,
                "<html><h1>Bad Gateway</h1></html>",
                Unavailable,
                "The provider answered with status 502 and a web page, which says nothing about the request.",
            ),
            (429, "", RateLimited, "The provider answered with status 429 and no text."),
            (500, "{}", Unavailable, "The provider answered with status 500 and no text."),
            (302, "", BadAnswer, "The provider answered with status 302 and no text."),
        ];
        for (status, body, kind, message) in cases {
            let failure = failure(status, body);
            assert_eq!((failure.kind, failure.message.as_str()), (kind, message), "{status} {body}");
        }
    }

    #[test]
    fn a_code_is_kept_unless_clients_know_a_better_one() {
        let cases = [
            (400, r#"{"error":{"code":400,"message":"m","type":"exceed_context_size_error"}}"#, None),
            (401, r#"{"error":{"code":"401","message":"m"}}"#, None),
            (404, r#"{"object":"error","message":"m","code":404}"#, None),
            (200, r#"{"error":{"code":429,"message":"m"}}"#, None),
            (400, r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#, None),
            (400, r#"{"code":"3051","message":"too large for model with 8 maximum context length"}"#, None),
            (404, r#"{"error":"model 'x' not found"}"#, Some("model_not_found")),
            (404, r#"{"error":{"message":"The model `x` does not exist.","code":404}}"#, Some("model_not_found")),
            (
                404,
                r#"{"error":{"message":"The model is gone","code":"DeploymentNotFound"}}"#,
                Some("DeploymentNotFound"),
            ),
            (404, r#"{"detail":"Not Found"}"#, None),
            (402, r#"{"error":{"message":"m","code":"invalid_request_error"}}"#, Some("insufficient_quota")),
            (402, r#"{"error":{"message":"m","code":402}}"#, Some("insufficient_quota")),
            (429, r#"{"error":{"message":"m","type":"insufficient_quota"}}"#, Some("insufficient_quota")),
            (429, r#"{"error":{"message":"m","type":"exceeded_current_quota_error"}}"#, Some("insufficient_quota")),
            (400, r#"{"error":{"message":"m","code":"billing_hard_limit_reached"}}"#, Some("insufficient_quota")),
            (400, r#"{"error":{"code":1214,"message":"m"}}"#, Some("1214")),
            (500, r#"{"error":{"code":429,"message":"m"}}"#, Some("429")),
            (400, r#"{"error":{"code":"invalid_request_error","message":"m"}}"#, Some("invalid_request_error")),
            (400, r#"{"error":{"code":"invalid_request_error","message":"maximum context length is 8 tokens"}}"#, None),
        ];
        for (status, body, code) in cases {
            assert_eq!(failure(status, body).code.as_deref(), code, "{status} {body}");
        }
    }

    #[test]
    fn the_upstreams_words_decide_where_an_error_came_with_a_good_status() {
        let failure = failure(200, r#"{"error":"prompt too long; exceeded max context length by 2 tokens"}"#);
        assert_eq!(failure.kind, FailureKind::ContextLengthExceeded);
    }

    #[test]
    fn codes_types_and_waits_are_carried() {
        let failure = failure(
            429,
            r#"{"error":{"message":"m","type":"t","code":"c","param":"p","details":[{"retryDelay":"1.5s"}]}}"#,
        );
        assert_eq!(failure.code.as_deref(), Some("c"));
        assert_eq!((failure.type_.as_deref(), failure.param.as_deref()), (Some("t"), Some("p")));
        assert_eq!((failure.retryable, failure.retry_after_ms), (true, Some(1500)));
        let used_up = super::failure(429, r#"{"error":{"message":"m","code":"insufficient_quota"}}"#);
        assert!(!used_up.retryable);
    }
}
