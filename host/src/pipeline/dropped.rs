//! What becomes of a request's fields that the upstream has nothing like.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::provider::Provider;
use crate::config::UnsupportedParameters;
use crate::error::{Cause, Error};

/// Tells the client which of its fields were left out.
const HEADER: HeaderName = HeaderName::from_static("x-weir-dropped-parameters");

/// Judges the fields that a plugin leaves out by the provider's policy. Returns the headers that tell of them.
///
/// # Errors
/// 400 `unsupported_parameter` with the first of them, if they are refused.
pub(super) fn judge(provider: &Provider, dropped: &[String]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let Some(first) = dropped.first() else { return Ok(headers) };
    match provider.unsupported_parameters() {
        UnsupportedParameters::Drop => {}
        UnsupportedParameters::Warn => {
            // A field's name comes from the client: one that cannot stand in a header is not repeated in one.
            if let Ok(names) = HeaderValue::from_str(&dropped.join(", ")) {
                headers.insert(HEADER, names);
            }
        }
        UnsupportedParameters::Refuse => {
            let message = format!(
                "The provider `{}` does not support {}, and is configured to refuse what it does not support.",
                provider.name(),
                dropped.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
            return Err(Error::new(Cause::Unsupported, message).with_param(first));
        }
    }
    Ok(headers)
}
