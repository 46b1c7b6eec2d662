//! How much an event says: the characters of content in it, whatever the dialect. Only looked at where a stream has to
//! keep up a speed.

use serde_json::Value;

/// The fields that hold what a model says, in all dialects that clients speak: texts, thoughts, arguments of tools.
const SAID: [&str; 10] = [
    "arguments",
    "content",
    "delta",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "refusal",
    "text",
    "thinking",
    "transcript",
];

/// So deep may an event be nested: nothing that is said lies deeper.
const DEEPEST: usize = 12;

/// The characters of content in an event. 0 for what is no JSON.
pub(super) fn characters(event: &[u8]) -> usize {
    serde_json::from_slice::<Value>(event).map_or(0, |event| said(&event, DEEPEST))
}

fn said(value: &Value, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    match value {
        Value::Array(values) => values.iter().map(|value| said(value, depth - 1)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) if SAID.contains(&name.as_str()) => text.chars().count(),
                value => said(value, depth - 1),
            })
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_counts_in_every_dialect_and_nothing_else_does() {
        for (event, expected) in [
            (r#"{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}"#, 0),
            (r#"{"choices":[{"delta":{"content":"grüße"}},{"delta":{"reasoning_content":"hm"}}]}"#, 7),
            (r#"{"choices":[{"delta":{"tool_calls":[{"id":"call_1","function":{"arguments":"{\"a\""}}]}}]}"#, 4),
            (r#"{"choices":[{"text":"abc","index":0}]}"#, 3),
            (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"abcd"}}"#, 4),
            (r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{}"}}"#, 2),
            (r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":"abcde"}"#, 5),
            (r#"{"choices":[],"usage":{"total_tokens":7}}"#, 0),
            ("[DONE]", 0),
        ] {
            assert_eq!(characters(event.as_bytes()), expected, "{event}");
        }
    }
}
