//! JSON Schemas for upstreams that refuse what they do not know of them.

use serde_json::{Map, Value, json};

/// A schema with no other keywords than `known`, which are words with blanks between them. What has another word for the
/// same is said in it: a type that may be null is `nullable`, a `const` text is an `enum` of one, `oneOf` is `anyOf`.
/// Values of an `enum` that are no texts are left out with it: upstreams of this kind take none.
pub fn reduced_schema(schema: &Value, known: &str) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let reduce = |schema: &Value| reduced_schema(schema, known);
    let mut reduced = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("type", Value::Array(types)) => {
                let kind = types.iter().find(|kind| *kind != "null").cloned().unwrap_or_default();
                reduced.insert("type".to_owned(), kind);
                if types.iter().any(|kind| kind == "null") {
                    reduced.insert("nullable".to_owned(), true.into());
                }
            }
            ("const", Value::String(_)) => drop(reduced.insert("enum".to_owned(), json!([value]))),
            ("enum", Value::Array(values)) if !values.iter().all(Value::is_string) => {}
            ("properties", Value::Object(properties)) => {
                let properties = properties.iter().map(|(name, schema)| (name.clone(), reduce(schema)));
                reduced.insert(name.clone(), Value::Object(properties.collect()));
            }
            ("anyOf" | "oneOf", Value::Array(list)) => {
                reduced.insert("anyOf".to_owned(), list.iter().map(reduce).collect());
            }
            ("items", _) => drop(reduced.insert(name.clone(), reduce(value))),
            (name, _) if known.split_whitespace().any(|known| known == name) => {
                reduced.insert(name.to_owned(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(reduced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_keeps_what_is_known_and_says_the_rest_in_other_words() {
        let cases = [
            (json!({"type": "string", "$id": "x", "title": "t"}), json!({"type": "string", "title": "t"})),
            (json!({"type": ["null", "string"]}), json!({"type": "string", "nullable": true})),
            (json!({"const": "a"}), json!({"enum": ["a"]})),
            (json!({"const": 1}), json!({})),
            (json!({"enum": ["a", 1]}), json!({})),
            (json!({"enum": ["a"]}), json!({"enum": ["a"]})),
            (json!({"oneOf": [{"const": "a"}, true]}), json!({"anyOf": [{"enum": ["a"]}, true]})),
            (
                json!({"properties": {"$id": {"$id": "x", "items": {"$id": "y", "type": "object"}}}}),
                json!({"properties": {"$id": {"items": {"type": "object"}}}}),
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(reduced_schema(&schema, "type title enum"), expected, "{schema}");
        }
    }
}
