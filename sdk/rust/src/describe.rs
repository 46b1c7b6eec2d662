//! What a plugin says of itself, and the requests that it wants sent, without repeating what is nearly always so.

use crate::{Auth, Descriptor, Framing, Header, Operation, RateLimit, RateLimitHeader, RequestBody, ResponseMode};
use crate::{UpstreamRequest, openai};

impl Default for Descriptor {
    /// A plugin without a name that can do chats and has no settings: for `..Descriptor::default()`.
    fn default() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            summary: String::new(),
            operations: vec![Operation::Chat],
            rate_limits: Vec::new(),
            embedding_inputs: None,
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
        }
    }
}

impl RateLimitHeader {
    /// A list of headers with what they tell.
    pub fn list(headers: &[(&str, RateLimit)]) -> Vec<Self> {
        headers.iter().map(|(name, tells)| Self { name: (*name).to_owned(), tells: *tells }).collect()
    }
}

impl Header {
    /// A header. The name has to be in lower case.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl UpstreamRequest {
    /// A `GET` of this path with a bearer token, whose answer the plugin decodes.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: RequestBody::None,
            auth: Auth::Bearer,
            framing: Framing::Sse,
            response: ResponseMode::Decode,
            carry: None,
            dropped: Vec::new(),
        }
    }

    /// A `POST` of a JSON body with a bearer token, whose answer the plugin decodes.
    pub fn post(path: impl Into<String>, body: RequestBody) -> Self {
        Self {
            method: "POST".to_owned(),
            headers: vec![Header::new("content-type", "application/json")],
            body,
            ..Self::get(path)
        }
    }

    /// A `POST` of this document. See [`UpstreamRequest::post`].
    ///
    /// # Errors
    /// Only for what JSON cannot hold, which the views of the SDK do not.
    pub fn post_json(path: impl Into<String>, document: &impl serde::Serialize) -> Result<Self, crate::Failure> {
        Ok(Self::post(path, RequestBody::Document(openai::to_json(document)?)))
    }
}
