//! The one error type of a request: whose fault it is, whether to try again, and two messages, one for the client
//! and one for the log. Turning a cause into an HTTP answer happens here and nowhere else.
//!
//! Errors of start-up and configuration are not here: see `config`.

use std::borrow::Cow;
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};

/// What went wrong, in the terms of the metrics: the label `error_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The client's request is at fault.
    InvalidRequest,
    /// The target cannot do what is asked; another one may.
    Unsupported,
    /// No key, or a wrong one.
    Authentication,
    /// A good key that may not do this.
    Permission,
    /// No such path, model or thing.
    NotFound,
    /// A limit of Weir's own or of an upstream.
    RateLimit,
    /// The prompt does not fit the model.
    ContextLength,
    /// A safety system refused.
    ContentFilter,
    /// The upstream cannot answer, or does not answer in time.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// The upstream's answer makes no sense, or is cut off.
    BadAnswer,
    /// The upstream could not be reached.
    Connection,
    /// A plugin failed.
    Plugin,
    /// The client went away.
    ClientClosed,
    /// Weir itself is at its limits.
    Overloaded,
    /// Weir itself is at fault.
    Internal,
}

impl Cause {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::RateLimit => "rate_limit",
            Self::ContextLength => "context_length",
            Self::ContentFilter => "content_filter",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::BadAnswer => "bad_answer",
            Self::Connection => "connection",
            Self::Plugin => "plugin",
            Self::ClientClosed => "client_closed",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// The status, and the OpenAI `type` and `code`, when nothing better is known.
    const fn defaults(self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request_error", None),
            Self::Unsupported => (StatusCode::BAD_REQUEST, "invalid_request_error", Some("unsupported_parameter")),
            Self::Authentication => (StatusCode::UNAUTHORIZED, "invalid_request_error", Some("invalid_api_key")),
            Self::Permission => (StatusCode::FORBIDDEN, "permission_error", None),
            Self::NotFound => (StatusCode::NOT_FOUND, "invalid_request_error", None),
            Self::RateLimit => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("rate_limit_exceeded")),
            Self::ContextLength => (StatusCode::BAD_REQUEST, "invalid_request_error", Some("context_length_exceeded")),
            Self::ContentFilter => (StatusCode::BAD_REQUEST, "invalid_request_error", Some("content_filter")),
            Self::Unavailable | Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "server_error", None),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "server_error", Some("timeout")),
            Self::BadAnswer => (StatusCode::BAD_GATEWAY, "server_error", Some("bad_upstream_answer")),
            Self::Connection => (StatusCode::BAD_GATEWAY, "server_error", Some("upstream_unreachable")),
            Self::Plugin => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", Some("plugin_error")),
            // Nobody sees this one: the client is gone.
            Self::ClientClosed => (StatusCode::BAD_REQUEST, "invalid_request_error", Some("client_closed_request")),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
        }
    }
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub struct Error {
    /// What went wrong, for metrics and decisions.
    pub cause: Cause,
    /// The HTTP status for the client.
    pub status: StatusCode,
    /// The OpenAI error `type`.
    pub kind: Cow<'static, str>,
    /// The OpenAI error `code`.
    pub code: Option<Cow<'static, str>>,
    /// The request field at fault, as the client wrote it.
    pub param: Option<String>,
    /// The text for the client: what is wrong and what to do about it. Nothing of Weir's inside.
    pub message: String,
    /// More for the log: causes, addresses. Never a secret, never a prompt.
    pub detail: Option<String>,
    /// Whether the same request may work if sent again to the same target.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
    /// Whether Weir has tried again already, so that the client's SDK need not start over.
    pub exhausted: bool,
    /// What the upstream said of it besides that is for the client, too: its rate limits, its own id of the request.
    pub headers: Option<Box<HeaderMap>>,
}

impl Error {
    /// An error with the defaults of its cause.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        let (status, kind, code) = cause.defaults();
        Self {
            cause,
            status,
            kind: Cow::Borrowed(kind),
            code: code.map(Cow::Borrowed),
            param: None,
            message: message.into(),
            detail: None,
            retryable: false,
            retry_after: None,
            exhausted: false,
            headers: None,
        }
    }

    /// A request that can never work as it stands.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Cause::InvalidRequest, message)
    }

    /// A request that cannot work because of this field (`messages[2].content`).
    pub fn invalid_field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid_request(message) }
    }

    /// Weir itself is at fault: the detail goes to the log, the client learns only that it happened.
    pub fn internal(detail: impl Into<String>) -> Self {
        let error = Self::new(Cause::Internal, "The gateway failed while it handled this request.");
        error.with_detail(detail)
    }

    /// The same error with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same error with this code.
    #[must_use]
    pub fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The same error with this type.
    #[must_use]
    pub fn with_kind(self, kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), ..self }
    }

    /// The same error, naming the field at fault.
    #[must_use]
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The same error with more for the log.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The same error, worth another try, after this wait if one is known.
    #[must_use]
    pub fn retryable(self, after: Option<Duration>) -> Self {
        Self { retryable: true, retry_after: after, ..self }
    }

    /// The same error, with headers for the client.
    #[must_use]
    pub fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers: Some(Box::new(headers)).filter(|headers| !headers.is_empty()), ..self }
    }

    /// The body in the shape of the OpenAI API: `{"error":{"message","type","param","code"}}`.
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code }
        })
        .to_string()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
