//! Reads a document whose fields are not all of the type that the API gives them.
//!
//! Nearly all documents read as they are. One that does not is brought into shape field by field: what can be
//! understood is, what cannot is as good as absent. Only fields that the API knows are touched.

use crate::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Reads a chunk or an answer. What had to be straightened is borrowed from `room`.
///
/// # Errors
/// If the text is no JSON object.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str, room: &'a mut String) -> Result<T, Failure> {
    if let Ok(document) = serde_json::from_str(text) {
        return Ok(document);
    }
    let not_json = |_| Failure::bad_answer("The provider sent something that is not the JSON of an answer.");
    let parsed = serde_json::from_str(text).or_else(|_| serde_json::from_str(&without_half_characters(text)));
    let mut document: Value = parsed.map_err(not_json)?;
    object(&mut document);
    *room = document.to_string();
    serde_json::from_str(room).map_err(not_json)
}

/// Straightens the fields of an object that the API knows.
fn object(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            "choices" | "tool_calls" | "data" => list(value),
            "annotations" if !value.is_array() => *value = Value::Null,
            "delta"
            | "message"
            | "function"
            | "function_call"
            | "usage"
            | "prompt_tokens_details"
            | "completion_tokens_details" => match value {
                Value::Object(_) => object(value),
                _ => *value = Value::Null,
            },
            "id" | "object" | "model" | "role" | "name" | "type" | "refusal" | "reasoning_content"
            | "finish_reason" | "service_tier" | "system_fingerprint" | "text" => text(value),
            "arguments" if value.is_object() || value.is_array() => *value = Value::String(value.to_string()),
            "arguments" if !value.is_string() => *value = Value::Null,
            "index" | "created" => number(value),
            _ if name.ends_with("_tokens") => number(value),
            _ => {}
        }
    }
    content(fields);
}

/// A list of objects: one object alone counts as a list, and what is no object is left out.
fn list(value: &mut Value) {
    match value.take() {
        Value::Array(elements) => *value = elements.into_iter().filter(Value::is_object).collect(),
        object @ Value::Object(_) => *value = Value::Array(vec![object]),
        _ => {}
    }
    value.as_array_mut().into_iter().flatten().for_each(object);
}

/// A string. Some upstreams write `"None"` where they mean null.
fn text(value: &mut Value) {
    match value {
        Value::String(text) if text != "None" => {}
        Value::Number(number) => *value = Value::String(number.to_string()),
        _ => *value = Value::Null,
    }
}

/// A whole number, also if it is written as a string or with a fraction.
fn number(value: &mut Value) {
    let digits = value.as_str().map(|text| text.split('.').next().unwrap_or_default());
    let parsed = digits.and_then(|digits| digits.parse().ok());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let floored = || value.as_f64().filter(|float| *float >= 0.0).map(|float| float as u64);
    *value = value.as_u64().or(parsed).or_else(floored).map_or(Value::Null, Value::from);
}

/// Content that is a list of parts: its text becomes the content, its thoughts become `reasoning_content`.
fn content(message: &mut Map<String, Value>) {
    let Some(content) = message.get_mut("content").filter(|content| !content.is_string()) else { return };
    let Value::Array(parts) = content.take() else { return };
    let thoughts: String = parts.iter().filter_map(|part| part.get("thinking")).map(text_of).collect();
    let texts: Vec<_> = parts.iter().filter(|part| part.get("thinking").is_none()).map(text_of).collect();
    if !texts.is_empty() {
        *content = Value::String(texts.concat());
    }
    if !thoughts.is_empty() {
        message.insert("reasoning_content".to_owned(), Value::String(thoughts));
    }
}

/// The text of a part, or of a list of parts.
pub fn text_of(part: &Value) -> String {
    match part {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect(),
        part => part.get("text").map(text_of).unwrap_or_default(),
    }
}

/// The same JSON, with a replacement character for each escape that is half of a character outside of the basic plane.
/// Models that stop in the middle of an emoji leave such halves, and no strict parser takes them.
fn without_half_characters(json: &str) -> String {
    let half = |text: &str, ranges: [u8; 4]| {
        let digits = text.strip_prefix("\\u").map(str::as_bytes).unwrap_or_default();
        let second = digits.get(1).map(u8::to_ascii_lowercase);
        matches!(digits, [b'd' | b'D', ..]) && second.is_some_and(|digit| ranges.contains(&digit)) && digits.len() > 3
    };
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(position) = rest.find('\\') {
        let (before, escape) = rest.split_at(position);
        whole.push_str(before);
        let is_high = half(escape, *b"89ab");
        let is_pair = is_high && escape.get(6..).is_some_and(|next| half(next, *b"cdef"));
        let length = match (is_pair, is_high || half(escape, *b"cdef")) {
            (true, _) => 12,
            (false, true) => 6,
            (false, false) => 2,
        };
        let Some((escape, behind)) = escape.split_at_checked(length) else { break };
        whole.push_str(if length == 6 { "\u{fffd}" } else { escape });
        rest = behind;
    }
    whole + rest
}

#[cfg(test)]
mod tests {
    use super::without_half_characters;

    #[test]
    fn half_characters_are_replaced_and_whole_ones_kept() {
        let cases = [
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d"}"#, "{\"a\":\"\u{fffd}\"}"),
            (r#"{"a":"\uDE00x"}"#, "{\"a\":\"\u{fffd}x\"}"),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, "{\"a\":\"\u{fffd}\\ud83d\\ude00\"}"),
            (r#"{"a":"\\ud83d \n \u00e9"}"#, r#"{"a":"\\ud83d \n \u00e9"}"#),
            (r#"\ud8"#, r#"\ud8"#),
            ("\\é", "\\é"),
            ("\\", "\\"),
        ];
        for (json, expected) in cases {
            assert_eq!(without_half_characters(json), expected, "{json}");
        }
    }
}
