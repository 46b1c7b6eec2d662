//! Shorthands for making a [`Failure`], and what upstreams mean with a status or a text.

use crate::{Failure, FailureKind, Operation};

/// OpenAI's code and type for a quota that is used up.
const INSUFFICIENT_QUOTA: &str = "insufficient_quota";

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
    /// status that says "I will never be able to". A 402 has the code and type of OpenAI's for a quota that is used up.
    pub fn from_status(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = match status {
            400 | 413 | 422 | 500 if tells_of_context_length(&message) => FailureKind::ContextLengthExceeded,
            401 | 498 => FailureKind::Unauthorized,
            // No money left is a quota used up. OpenAI says so with a 429 itself.
            402 | 429 => FailureKind::RateLimited,
            403 => FailureKind::Forbidden,
            404 => FailureKind::NotFound,
            // The server was not built or not started for it; another one may be.
            501 => FailureKind::Unsupported,
            408 | 425 | 500..=599 => FailureKind::Unavailable,
            400..=499 => FailureKind::InvalidRequest,
            _ => FailureKind::BadAnswer,
        };
        let retryable = matches!(status, 408 | 409 | 425 | 429 | 500..=599) && status != 501;
        let retryable = retryable && kind != FailureKind::ContextLengthExceeded;
        let failure = Self { retryable, ..Self::new(kind, message) };
        if status == 402 { failure.used_up() } else { failure }
    }

    /// The same failure as that of an account without money or quota, in OpenAI's words for it: waiting does not help.
    #[must_use]
    pub fn used_up(self) -> Self {
        let failure = Self { kind: FailureKind::RateLimited, retryable: false, ..self };
        failure.with_code(INSUFFICIENT_QUOTA).with_type(INSUFFICIENT_QUOTA)
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
    const WORDS: [&str; 23] = [
        "context_length_exceeded",
        "exceed_context_size",
        "maximum context length",
        "max context length",
        "exceed context limit",
        "exceeds the context",
        "exceed the context",
        "exceeds the available context size",
        "context window",
        "longer than the model's context length",
        "longer than the maximum model length",
        "greater than the context length",
        "exceeded model token limit",
        "prompt is too long",
        "maximum prompt length is",
        "exceeds the maximum number of tokens allowed",
        "too many tokens: size limit exceeded",
        "number of tokens in the prompt cannot exceed",
        "total length of all messages is too long",
        "reduce the length of the messages",
        "number of input tokens exceeds maximum length",
        "input is too long for requested model",
        "`inputs` tokens + `max_new_tokens` must be",
    ];
    // Limits in such words are of anything.
    says(message, &WORDS) || says(message, &["must have less than"]) && says(message, &[" tokens"])
}

/// Whether a text has any of these words, which are in lower case, in any case.
pub(crate) fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|words| text.contains(words))
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
            (501, FailureKind::Unsupported, false),
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
    fn an_account_without_money_is_a_quota_used_up() {
        let failure = Failure::from_status(402, "Insufficient Balance");
        assert_eq!(failure.code.as_deref(), Some("insufficient_quota"));
        assert_eq!(failure.type_.as_deref(), Some("insufficient_quota"));
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
            ("Prompt contains 300000 tokens, too large for model with 131072 maximum context length", true),
            ("This model's maximum prompt length is 131072 but the request contains 150000 tokens.", true),
            ("The prompt (9 tokens) is longer than the model's context length (8).", true),
            ("The decoder prompt (length 9) is longer than the maximum model length of 8.", true),
            ("The number of tokens to keep from the initial prompt is greater than the context length.", true),
            ("Invalid request: Your request exceeded model token limit: 8192", true),
            ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8. Given: 9 and 2", true),
            ("Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", true),
            ("Please reduce the length of the messages or completion.", true),
            ("too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.", true),
            ("max_tokens is too large", false),
            ("max_tokens is too large: 99999. This model supports at most 16384 completion tokens.", false),
            ("`max_tokens` must be less than or equal to `8192`, the maximum value for this model", false),
            ("`max_new_tokens` must be strictly positive", false),
            ("max_tokens (5) must be greater than thinking.budget_tokens (9)", false),
            ("Your request exceeded the token limit of your plan for this minute", false),
            ("'stop' must have less than 5 sequences", false),
            ("Invalid 'messages[0].name': string too long. Expected a string with maximum length 64", false),
            ("Request too large on tokens per minute (TPM): Limit 6000, please reduce your message size", false),
            ("Rate limit reached for tokens per minute", false),
        ];
        for (message, expected) in cases {
            assert_eq!(tells_of_context_length(message), expected, "{message}");
            let kind = Failure::from_status(400, message).kind;
            assert_eq!(kind == FailureKind::ContextLengthExceeded, expected, "{message}");
        }
    }
}
