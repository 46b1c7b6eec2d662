//! What an answer must have and some upstreams do not give: an id for itself and its tool calls, and a time.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Text;
use crate::Call;

/// An id for the answer to this call, the same whenever it is asked for.
pub fn completion_id(call: &Call) -> String {
    format!("chatcmpl-{}", word(&call.request_id))
}

/// An id for the tool call at place `number` of the answer to this call, the same whenever it is asked for. It is of
/// letters, digits, `_` and `-`, as some upstreams demand when it comes back with the result.
pub fn tool_call_id(call: &Call, number: u32) -> String {
    tool_call_id_of(&call.request_id, number)
}

/// The same for those who know of the call no more than the id of its request.
pub(super) fn tool_call_id_of(request_id: &str, number: u32) -> String {
    format!("call_{}_{number}", word(request_id))
}

/// The id of a call in the characters that an upstream allows: letters, digits and those `besides`. Ids of other
/// providers may hold more, and be longer than its `longest`, in bytes: what tells them apart is at their end.
pub fn plain_id<'a>(id: &'a str, besides: &str, longest: usize) -> Text<'a> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || besides.contains(character);
    if id.len() <= longest && id.chars().all(allowed) {
        return id.into();
    }
    let id: String = id.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    id[id.len().saturating_sub(longest)..].to_owned().into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_get_the_characters_and_the_length_that_are_allowed() {
        let long = format!("call_{}_12", "x".repeat(80));
        for (id, expected) in [
            ("tooluse_a-B:1.2", "tooluse_a-B:1.2".to_owned()),
            ("call/ü 1", "call___1".to_owned()),
            (&long, format!("{}_12", "x".repeat(61))),
        ] {
            assert_eq!(plain_id(id, "_.:-", 64), *expected, "{id}");
        }
    }
}
