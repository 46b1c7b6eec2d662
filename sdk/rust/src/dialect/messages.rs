//! The messages and tools of a chat without what an upstream would refuse in them.

use serde_json::value::RawValue;

use crate::openai::push_json_string;

use super::fields::Fields;

/// The lists within a message that hold objects of their own.
pub const NESTED: &[&str] = &["content", "tool_calls"];

/// What is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Fields to leave out.
    pub drop: &'a [String],
    /// Whether the role `developer` may stay.
    pub developer_role: bool,
}

impl Rules<'_> {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.developer_role
    }

    /// A list of objects with the changes made, also in the lists within them that are named. `None` if there are none
    /// to be made, or if this is no list: what is wrong with a document is for the upstream to say.
    pub fn list(&self, json: &str, nested: &[&str]) -> Option<String> {
        let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let changed: Vec<_> = elements.iter().map(|element| self.object(element.get(), nested)).collect();
        if changed.iter().all(Option::is_none) {
            return None;
        }
        let mut list = String::with_capacity(json.len());
        for (element, changed) in elements.iter().zip(&changed) {
            list.push(if list.is_empty() { '[' } else { ',' });
            list.push_str(changed.as_deref().unwrap_or_else(|| element.get()));
        }
        list.push(']');
        Some(list)
    }

    fn drops(&self, name: &str) -> bool {
        self.drop.iter().any(|drop| drop == name)
    }

    fn object(&self, json: &str, nested: &[&str]) -> Option<String> {
        let fields: Fields = serde_json::from_str(json).ok()?;
        // Of a part that is a refusal nothing would be left. What it says is text to an upstream without refusals.
        if fields.get("type") == Some(r#""refusal""#) && self.drops("refusal") {
            let text = fields.get("refusal").filter(|text| text.starts_with('"')).unwrap_or(r#""""#);
            return Some(format!(r#"{{"type":"text","text":{text}}}"#));
        }
        let mut has_changed = false;
        let mut object = String::new();
        for (name, value) in fields.iter() {
            if self.drops(name) {
                has_changed = true;
                continue;
            }
            let inner = match name {
                "role" if !self.developer_role && value == r#""developer""# => Some(r#""system""#.to_owned()),
                _ if nested.contains(&name) && value.starts_with('[') => self.list(value, &[]),
                _ => None,
            };
            has_changed |= inner.is_some();
            object.push(if object.is_empty() { '{' } else { ',' });
            push_json_string(&mut object, name);
            object.push(':');
            object.push_str(inner.as_deref().unwrap_or(value));
        }
        if object.is_empty() {
            object.push('{');
        }
        object.push('}');
        has_changed.then_some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::{NESTED, Rules};

    #[test]
    fn foreign_fields_go_wherever_they_stand_and_everything_else_stays_as_it_was_written() {
        let drop = ["cache_control", "thinking_blocks", "refusal"].map(str::to_owned);
        let cases = [
            (r#"[{"role":"user","content":"cache_control"}]"#, None),
            (r#"[{"role":"developer","content":"x"}]"#, Some(r#"[{"role":"system","content":"x"}]"#)),
            (
                r#"[{"role": "user", "content": [{"type": "text", "text": "a\u00e9", "cache_control": {}}]}, {"a": 1.50}]"#,
                Some(r#"[{"role":"user","content":[{"type":"text","text":"a\u00e9"}]},{"a": 1.50}]"#),
            ),
            (
                r#"[{"tool_calls":[{"id":"1","thinking_blocks":[]}],"thinking_blocks":[{"x":1}]},{"cache_control":1}]"#,
                Some(r#"[{"tool_calls":[{"id":"1"}]},{}]"#),
            ),
            (r#"[{"deep":[{"cache_control":1}]},7,"x"]"#, None),
            (r#"{"cache_control":1}"#, None),
            (
                r#"[{"role":"assistant","refusal":"no","content":[{"type":"refusal","refusal":"n\u006f"}]}]"#,
                Some(r#"[{"role":"assistant","content":[{"type":"text","text":"n\u006f"}]}]"#),
            ),
            (
                r#"[{"content":[{"type":"refusal","refusal":null}]}]"#,
                Some(r#"[{"content":[{"type":"text","text":""}]}]"#),
            ),
        ];
        for (messages, expected) in cases {
            let rules = Rules { drop: &drop, developer_role: false };
            assert_eq!(rules.list(messages, NESTED).as_deref(), expected, "{messages}");
        }
    }
}
