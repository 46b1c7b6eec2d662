//! What pages in a browser may do (the Fetch standard's CORS protocol). Off unless configured.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use super::reply::ReplyBody;
use super::request_id;
use crate::config::{Cors, Origins};

/// Headers that the OpenAI SDKs and browsers send, and those that Weir understands.
const REQUEST_HEADERS: &str = "authorization, content-type, x-api-key, x-request-id, idempotency-key, openai-organization, \
     openai-project, x-stainless-lang, x-stainless-package-version, x-stainless-os, x-stainless-arch, \
     x-stainless-runtime, x-stainless-runtime-version, x-stainless-retry-count, x-stainless-timeout, \
     x-stainless-helper-method, x-stainless-helper, x-weir-tags";

/// Headers that pages may read.
const EXPOSED: &str = "x-request-id, request-id, x-upstream-request-id, retry-after, retry-after-ms, x-should-retry, \
     x-weir-target, x-weir-condensed, x-weir-dropped-parameters, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, \
     x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/// The value of `access-control-allow-origin` for this request, if its origin is allowed.
pub(super) fn allowed<B>(request: &Request<B>, cors: &Cors) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    match &cors.origins {
        Origins::None => None,
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(origins) => {
            let asked = origin.to_str().ok()?.to_ascii_lowercase();
            origins.contains(&asked).then(|| origin.clone())
        }
    }
}

/// Answers the question that a browser asks before the request itself.
pub(super) fn preflight(cors: &Cors, origin: Option<HeaderValue>, id: &str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    request_id::set(&mut response, id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    if origin.is_some() {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, request_headers(&cors.headers));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    }
    set(&mut response, cors, origin);
    response
}

/// Adds what lets the page read the answer.
pub(super) fn set(response: &mut Response<ReplyBody>, cors: &Cors, origin: Option<HeaderValue>) {
    let headers = response.headers_mut();
    // Also where the origin is not allowed: a cache must not give this answer to a page that is.
    if matches!(cors.origins, Origins::These(_)) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

fn request_headers(more: &[HeaderName]) -> HeaderValue {
    let more: String = more.iter().map(|name| format!(", {name}")).collect();
    HeaderValue::from_str(&format!("{REQUEST_HEADERS}{more}")).unwrap_or(HeaderValue::from_static(REQUEST_HEADERS))
}
