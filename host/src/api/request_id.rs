//! The id of a request: the client's if it sent a sensible one, else a new one. It goes back to the client, to the
//! upstream and into the log.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response};

use super::reply::ReplyBody;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Where clients of the Messages API look for it.
const MESSAGES_HEADER: HeaderName = HeaderName::from_static("request-id");
const LONGEST: usize = 128;

/// The id of a request.
pub(super) fn of<B>(request: &Request<B>) -> Arc<str> {
    let sent = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    match sent.filter(|id| is_sensible(id)) {
        Some(id) => id.into(),
        None => new().into(),
    }
}

/// A random id: `req_` and 24 hexadecimal digits.
fn new() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut id = String::with_capacity(28);
    id.push_str("req_");
    let random = fastrand::u128(..).to_ne_bytes();
    for byte in &random[..12] {
        id.push(DIGITS[usize::from(byte >> 4)].into());
        id.push(DIGITS[usize::from(byte & 15)].into());
    }
    id
}

/// Puts the id on an answer.
pub(super) fn set(response: &mut Response<ReplyBody>, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(HEADER, value.clone());
        response.headers_mut().insert(MESSAGES_HEADER, value);
    }
}

/// Short, and of characters that no log and no upstream stumbles over.
fn is_sensible(id: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+');
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensible_id_is_kept_and_another_replaced() {
        let request = |id: &str| Request::builder().header(HEADER, id).body(()).unwrap();
        assert_eq!(&*of(&request("abc-123")), "abc-123");
        for bad in ["", "a b", "x\"y", &"a".repeat(LONGEST + 1)] {
            let id = of(&request(bad));
            assert!(id.starts_with("req_") && id.len() == 28, "{bad:?} gave {id}");
        }
    }
}
