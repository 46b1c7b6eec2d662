//! Shorthands for making a [`Failure`], and what upstreams mean with a status or a text.

use crate::{Failure, FailureKind, Operation};

impl Failure {
    /// A failure of `kind` with the text for the client, and nothing else known. Only [`FailureKind::RateLimited`]
    /// and [`FailureKind::Unavailable`] start out as worth another try.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, FailureKind::RateLimited | FailureKind::Unavailable);
        let message = message.into();
        Self { kind, message, code: None, type_: None, param: None, retryable, retry_after_ms: None }
    }

    /// The request can never work as it stands.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidRequest, message)
    }

    /// The request cannot work because of this field, named as the client wrote it (`messages[2].content`).
    pub fn invalid_field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid_request(message) }
    }

    /// This provider cannot do what the field asks for.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(FailureKind::Unsupported, message) }
    }

    /// The upstream sent something that makes no sense.
    pub fn bad_answer(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadAnswer, message)
    }

    /// The plugin itself is at fault. The message goes to the log only.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    /// The plugin does not have this operation. The host asks for none that the descriptor does not name.
    pub fn no_operation(operation: Operation) -> Self {
        Self::internal(format!("asked for {operation:?}, which the descriptor does not name"))
    }

    /// What an upstream's error status means when nothing better is known, with the upstream's own text. A message
    /// that tells of a prompt that does not fit makes it a context-length failure, whose status upstreams disagree on.
    ///
    /// Worth another try are 408, 409, 429 and 5xx but 501: the list that OpenAI's own clients go by, without the
    /// status that says "I will never be able to".
    pub fn from_status(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = match status {
            400 | 413 | 422 | 500 if tells_of_context_length(&message) => FailureKind::ContextLengthExceeded,
            401 | 498 => FailureKind::Unauthorized,
            // No money left is a quota used up. OpenAI says so with a 429 itself.
            402 | 429 => FailureKind::RateLimited,
            403 => FailureKind::Forbidden,
            404 => FailureKind::NotFound,
            408 | 425 | 500..=599 => FailureKind::Unavailable,
            400..=499 => FailureKind::InvalidRequest,
            _ => FailureKind::BadAnswer,
        };
        let retryable = matches!(status, 408 | 409 | 425 | 429 | 500..=599) && status != 501;
        let retryable = retryable && kind != FailureKind::ContextLengthExceeded;
        Self { retryable, ..Self::new(kind, message) }
    }

    /// The same failure with the upstream's own code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The same failure with the upstream's own error type.
    #[must_use]
    pub fn with_type(self, kind: impl Into<String>) -> Self {
        Self { type_: Some(kind.into()), ..self }
    }
}

/// Whether an upstream's error text says that the prompt does not fit the model's context window. Upstreams share no
/// code for it, so the words have to do: each line was seen at one of them.
pub fn tells_of_context_length(message: &str) -> bool {
    const WORDS: [&str; 14] = [
        "context_length_exceeded",
        "maximum context length",
        "max context length",
        "exceed context limit",
        "exceeds the context",
        "exceed the context",
        "exceeds the available context size",
        "context window",
        "prompt is too long",
        "exceeds the maximum number of tokens allowed",
        "too many tokens: size limit exceeded",
        "total length of all messages is too long",
        "number of input tokens exceeds maximum length",
        "input is too long for requested model",
    ];
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_a_default_meaning() {
        let cases = [
            (400, FailureKind::InvalidRequest, false),
            (401, FailureKind::Unauthorized, false),
            (402, FailureKind::RateLimited, false),
            (403, FailureKind::Forbidden, false),
            (404, FailureKind::NotFound, false),
            (408, FailureKind::Unavailable, true),
            (409, FailureKind::InvalidRequest, true),
            (422, FailureKind::InvalidRequest, false),
            (429, FailureKind::RateLimited, true),
            (500, FailureKind::Unavailable, true),
            (501, FailureKind::Unavailable, false),
            (529, FailureKind::Unavailable, true),
            (200, FailureKind::BadAnswer, false),
            (302, FailureKind::BadAnswer, false),
        ];
        for (status, kind, retryable) in cases {
            let failure = Failure::from_status(status, "text");
            assert_eq!((failure.kind, failure.retryable), (kind, retryable), "{status}");
        }
    }

    #[test]
    fn a_prompt_that_does_not_fit_is_known_by_its_words() {
        let cases = [
            ("This model's maximum context length is 8 tokens. However, you requested 9.", true),
            ("prompt is too long: 12 tokens > 10 maximum", true),
            ("The input token count (12) exceeds the maximum number of tokens allowed (10).", true),
            ("too many tokens: size limit exceeded by 2 tokens", true),
            ("prompt too long; exceeded max context length by 2 tokens", true),
            ("the request exceeds the available context size, try increasing it", true),
            ("input length and `max_tokens` exceed context limit: 9 + 2 > 10", true),
            ("max_tokens is too large", false),
            ("Rate limit reached for tokens per minute", false),
        ];
        for (message, expected) in cases {
            assert_eq!(tells_of_context_length(message), expected, "{message}");
            let kind = Failure::from_status(400, message).kind;
            assert_eq!(kind == FailureKind::ContextLengthExceeded, expected, "{message}");
        }
    }
}
