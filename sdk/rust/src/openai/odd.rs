//! Answers and events that fit no shape that a plugin knows.

use serde_json::Value;

use super::failure;
use crate::Failure;

/// What an event means that a plugin does not know: an error in the middle of a stream is one, something new is
/// nothing to fail for, and what is no JSON is the rest of something that was cut off.
///
/// # Errors
/// The upstream's own, or `bad-answer`.
pub fn odd_event(data: &str) -> Result<(), Failure> {
    match serde_json::from_str::<Value>(data) {
        Err(_) => Err(unreadable("event")),
        Ok(event) if tells_of_error(&event) => Err(failure(200, data)),
        Ok(_) => Ok(()),
    }
}

/// What a whole answer with a good status means that is none: an error after all, or nothing that makes sense.
pub fn odd_answer(body: &str) -> Failure {
    match serde_json::from_str::<Value>(body) {
        Ok(answer) if tells_of_error(&answer) => failure(200, body),
        _ => unreadable("answer"),
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::bad_answer(format!("The provider sent an {what} that cannot be read."))
}

fn tells_of_error(document: &Value) -> bool {
    ["error", "message", "detail"].iter().any(|name| document.get(name).is_some_and(tells))
}

/// Whether there is anything in a field that errors have.
fn tells(field: &Value) -> bool {
    match field {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_and_news_are_not() {
        let cases = [
            (r#"{"type":"news","error":null}"#, None),
            (r#"{"type":"news","message":""}"#, None),
            ("7", None),
            (r#"{"error":{"message":"overloaded"}}"#, Some("overloaded")),
            (r#"{"id":"1","message":"too much"}"#, Some("too much")),
            (r#"{"detail":"gone"}"#, Some("gone")),
            (r#"{"type":"ne"#, Some("The provider sent an event that cannot be read.")),
        ];
        for (data, expected) in cases {
            assert_eq!(odd_event(data).err().map(|failure| failure.message).as_deref(), expected, "{data}");
        }
    }

    #[test]
    fn an_answer_that_is_none_fails_with_the_words_of_the_upstream_if_it_has_some() {
        let cases = [
            (r#"{"message":"overloaded"}"#, "overloaded"),
            (r#"{"id":"1"}"#, "The provider sent an answer that cannot be read."),
            ("<html>", "The provider sent an answer that cannot be read."),
            ("", "The provider sent an answer that cannot be read."),
        ];
        for (body, expected) in cases {
            assert_eq!(odd_answer(body).message, expected, "{body}");
        }
    }
}
