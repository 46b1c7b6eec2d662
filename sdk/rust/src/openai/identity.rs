//! What an answer must have and some upstreams do not give: an id for itself and its tool calls, and a time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Call;

/// An id for the answer to this call, the same whenever it is asked for.
pub fn completion_id(call: &Call) -> String {
    format!("chatcmpl-{}", word(&call.request_id))
}

/// An id for the tool call at place `number` of the answer to this call, the same whenever it is asked for. It is of
/// letters, digits, `_` and `-`, as some upstreams demand when it comes back with the result.
pub fn tool_call_id(call: &Call, number: u32) -> String {
    format!("call_{}_{number}", word(&call.request_id))
}

/// The time now, in seconds since 1970.
pub fn now() -> u64 {
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(seconds) = crate::golden::frozen_time() {
        return seconds;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A request id without the characters that ids must not have: clients may choose their own.
fn word(request_id: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    request_id.chars().filter(allowed).take(64).collect()
}
