//! Writes chunks as JSON text at once, without a document in between: a stream has hundreds of them.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ChunkChoice, Delta, FinishReason, Usage};

/// Writes the chunks of one answer, all with its id, its creation time and its model.
///
/// Each method makes one complete chunk. `choice` is the place of the answer among the `n` that were asked for, mostly
/// 0. The grammar that clients rely on is for the caller to keep: [`role`](Self::role) once and first for each choice,
/// [`tool_start`](Self::tool_start) once for each call, [`finish`](Self::finish) once and last for each choice,
/// [`usage`](Self::usage) once at the end. Usage is always worth writing: the host counts it, and keeps it from a
/// client that did not ask.
#[derive(Debug, Clone)]
pub struct ChunkWriter {
    /// What all chunks begin with, up to the value of `choices`.
    head: String,
}

crate::parkable!(struct ChunkWriter { head });

impl ChunkWriter {
    /// Writes the chunks of the answer `id`, begun at `created` (seconds since 1970) by `model`.
    pub fn new(id: &str, created: u64, model: &str) -> Self {
        let mut head = String::with_capacity(96 + id.len() + model.len());
        head.push_str(r#"{"id":"#);
        push_json_string(&mut head, id);
        head.push_str(r#","object":"chat.completion.chunk","created":"#);
        push_number(&mut head, created);
        head.push_str(r#","model":"#);
        push_json_string(&mut head, model);
        head.push_str(r#","choices":["#);
        Self { head }
    }

    /// The first chunk of a choice: who speaks.
    pub fn role(&self, choice: u32) -> String {
        self.delta(choice, 0, |chunk| chunk.push_str(r#""role":"assistant","content":"","refusal":null"#))
    }

    /// More text.
    pub fn content(&self, choice: u32, text: &str) -> String {
        self.text(choice, "content", text)
    }

    /// More of what the model thinks.
    pub fn reasoning(&self, choice: u32, text: &str) -> String {
        self.text(choice, "reasoning_content", text)
    }

    /// More of what the model says when it declines.
    pub fn refusal(&self, choice: u32, text: &str) -> String {
        self.text(choice, "refusal", text)
    }

    /// A delta with one field of any name and shape. A list in it needs an `index` in each element: OpenAI's Python
    /// client merges lists by it.
    pub fn extension(&self, choice: u32, field: &str, value: &impl Serialize) -> String {
        let value = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
        self.delta(choice, field.len() + value.len(), |chunk| {
            push_json_string(chunk, field);
            chunk.push(':');
            chunk.push_str(&value);
        })
    }

    /// The begin of a tool call. `call` is its place among the calls of this choice, from 0. The arguments follow.
    pub fn tool_start(&self, choice: u32, call: u32, id: &str, name: &str) -> String {
        self.delta(choice, 80 + id.len() + name.len(), |chunk| {
            push_call(chunk, call);
            chunk.push_str(r#","id":"#);
            push_json_string(chunk, id);
            chunk.push_str(r#","type":"function","function":{"name":"#);
            push_json_string(chunk, name);
            chunk.push_str(r#","arguments":""}}]"#);
        })
    }

    /// More of the arguments of a tool call that was begun: a piece of a JSON text.
    pub fn tool_arguments(&self, choice: u32, call: u32, fragment: &str) -> String {
        self.delta(choice, 48 + fragment.len(), |chunk| {
            push_call(chunk, call);
            chunk.push_str(r#","function":{"arguments":"#);
            push_json_string(chunk, fragment);
            chunk.push_str("}}]");
        })
    }

    /// The probabilities of tokens, each in the form of OpenAI's `logprobs.content`.
    pub fn logprobs(&self, choice: u32, tokens: &[Value]) -> String {
        let logprobs = Some(json!({"content": tokens, "refusal": null}));
        let delta = Some(Delta::default());
        self.choice(&ChunkChoice { index: Some(choice), delta, logprobs, ..ChunkChoice::default() })
    }

    /// What is new in a choice, in full: for what the other methods have no words for, and streams have little of.
    pub fn choice(&self, choice: &ChunkChoice) -> String {
        // A view holds only what JSON can hold: this does not fail.
        let choice = serde_json::to_string(choice).unwrap_or_default();
        let mut chunk = String::with_capacity(self.head.len() + choice.len() + 2);
        chunk.push_str(&self.head);
        chunk.push_str(&choice);
        chunk.push_str("]}");
        chunk
    }

    /// The end of a choice.
    pub fn finish(&self, choice: u32, reason: FinishReason) -> String {
        let mut chunk = self.start(choice, 0);
        chunk.push_str(r#"},"logprobs":null,"finish_reason":""#);
        chunk.push_str(reason.as_str());
        chunk.push_str(r#""}]}"#);
        chunk
    }

    /// The last chunk of all: what the answer cost.
    pub fn usage(&self, usage: &Usage) -> String {
        self.usage_of_tier(usage, None)
    }

    /// The same with the tier that served the answer, in OpenAI's words.
    pub fn usage_of_tier(&self, usage: &Usage, tier: Option<&str>) -> String {
        let mut chunk = self.head.clone();
        chunk.push_str(r#"],"usage":"#);
        // Counts and names: nothing in them can fail to be written.
        chunk.push_str(&serde_json::to_string(usage).unwrap_or_else(|_| "null".to_owned()));
        if let Some(tier) = tier {
            chunk.push_str(r#","service_tier":"#);
            push_json_string(&mut chunk, tier);
        }
        chunk.push('}');
        chunk
    }

    fn text(&self, choice: u32, field: &str, text: &str) -> String {
        self.delta(choice, field.len() + text.len() + text.len() / 8, |chunk| {
            push_json_string(chunk, field);
            chunk.push(':');
            push_json_string(chunk, text);
        })
    }

    fn delta(&self, choice: u32, room: usize, write: impl FnOnce(&mut String)) -> String {
        let mut chunk = self.start(choice, room);
        write(&mut chunk);
        chunk.push_str(r#"},"logprobs":null,"finish_reason":null}]}"#);
        chunk
    }

    fn start(&self, choice: u32, room: usize) -> String {
        let mut chunk = String::with_capacity(self.head.len() + room + 128);
        chunk.push_str(&self.head);
        chunk.push_str(r#"{"index":"#);
        push_number(&mut chunk, choice.into());
        chunk.push_str(r#","delta":{"#);
        chunk
    }
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_json_string(json: &mut String, text: &str) {
    json.reserve(text.len() + 2);
    json.push('"');
    let mut rest = text;
    while let Some(found) = first_escaped(rest.as_bytes()) {
        json.push_str(&rest[..found]);
        match rest.as_bytes()[found] {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\r' => json.push_str("\\r"),
            b'\t' => json.push_str("\\t"),
            byte => {
                json.push_str("\\u00");
                json.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
                json.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
            }
        }
        rest = &rest[found + 1..];
    }
    json.push_str(rest);
    json.push('"');
}

/// Where the first byte is that a JSON string cannot hold as it is. Those over 0x7f are inside of characters, which it
/// can. Eight are looked at together: prompts are long.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (place, eight) in eights.iter().enumerate() {
        if let Some(found) = first_of_eight(*eight) {
            return Some(place * 8 + found);
        }
    }
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    first_of_eight(last).map(|found| eights.len() * 8 + found)
}

/// The same for eight bytes. To subtract from all of them at once sets the highest bit of the first one that is less,
/// and nothing is known of those behind it.
fn first_of_eight(eight: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let eight = u64::from_le_bytes(eight);
    let less = |eight: u64, than: u64| eight.wrapping_sub(ONES * than) & !eight;
    let [quotes, backslashes] = [b'"', b'\\'].map(|byte| less(eight ^ (ONES * u64::from(byte)), 1));
    let found = (less(eight, 0x20) | quotes | backslashes) & (ONES << 7);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

fn push_call(chunk: &mut String, call: u32) {
    chunk.push_str(r#""tool_calls":[{"index":"#);
    push_number(chunk, call.into());
}

fn push_number(json: &mut String, number: u64) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail. One digit, the usual case, goes without the formatter.
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => json.push(char::from(b'0' + digit)),
        _ => drop(write!(json, "{number}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn delta_of(chunk: &str) -> Value {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        assert_eq!(chunk["id"], "chatcmpl-1");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["created"], 1_700_000_000);
        assert_eq!(chunk["model"], "a \"model\"");
        assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null);
        chunk["choices"][0]["delta"].clone()
    }

    #[test]
    fn each_method_writes_the_delta_that_it_promises() {
        let writer = ChunkWriter::new("chatcmpl-1", 1_700_000_000, "a \"model\"");
        let cases = [
            (writer.role(0), json!({"role": "assistant", "content": "", "refusal": null})),
            (writer.content(0, "so \n \"quoted\""), json!({"content": "so \n \"quoted\""})),
            (writer.reasoning(0, "hm"), json!({"reasoning_content": "hm"})),
            (writer.refusal(0, "no"), json!({"refusal": "no"})),
            (writer.extension(0, "thinking", &[1]), json!({"thinking": [1]})),
            (
                writer.tool_start(0, 1, "call_1", "look"),
                json!({"tool_calls": [{"index": 1, "id": "call_1", "type": "function",
                    "function": {"name": "look", "arguments": ""}}]}),
            ),
            (
                writer.tool_arguments(0, 12, "{\"a\":"),
                json!({"tool_calls": [{"index": 12, "function": {"arguments": "{\"a\":"}}]}),
            ),
        ];
        for (chunk, expected) in cases {
            assert_eq!(delta_of(&chunk), expected);
        }
    }

    #[test]
    fn the_finish_chunk_has_an_empty_delta_and_the_usage_chunk_no_choices() {
        let writer = ChunkWriter::new("x", 1, "m");
        let finish: Value = serde_json::from_str(&writer.finish(2, FinishReason::ToolCalls)).unwrap();
        assert_eq!(
            finish["choices"],
            json!([{"index": 2, "delta": {}, "logprobs": null, "finish_reason": "tool_calls"}])
        );
        let usage: Value = serde_json::from_str(&writer.usage(&Usage::new(3, 4))).unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"], json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}));
    }

    #[test]
    fn strings_are_escaped_as_serde_json_does_it() {
        for text in ["", "plain", "\u{0}\u{1f} \u{7f} é \u{2028} 🙂", "\\\"\"\\", "\n\r\t\u{8}\u{c}x"] {
            // Wherever it stands among the eight bytes that are looked at together.
            for before in 0..20 {
                let text = format!("{}{text}{}", "!".repeat(before), "é]".repeat(before));
                let mut json = String::new();
                push_json_string(&mut json, &text);
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
                assert_eq!(
                    json.len(),
                    serde_json::to_string(&text).unwrap().len() + text.matches(['\u{8}', '\u{c}']).count() * 4
                );
            }
        }
    }
}
