//! The smallest value that fits a JSON Schema, as far as the schemas that clients send go.
//!
//! It is no validator: what it does not know (`pattern`, `not`, `if`) it leaves out of account.

use serde_json::{Map, Value, json};

/// How deep a schema may lead before it is cut: a schema may refer to itself.
const DEPTH: usize = 24;

/// A value that fits `schema`: required fields only, first alternatives, smallest numbers.
pub fn instance(schema: &Value) -> Value {
    at(schema, schema, DEPTH)
}

fn at(root: &Value, schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")).or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |target| at(root, target, depth));
    }
    for alternatives in ["anyOf", "oneOf"] {
        // The first that is not a reference: where a schema refers to itself, that is the way out.
        if let Some(all) = schema.get(alternatives).and_then(Value::as_array).filter(|all| !all.is_empty()) {
            let plain = all.iter().find(|one| one.get("$ref").is_none());
            return at(root, plain.unwrap_or(&all[0]), depth);
        }
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        return all.iter().map(|one| at(root, one, depth)).fold(object(root, schema, depth), merged);
    }
    match kind(schema) {
        "object" => object(root, schema, depth),
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(64);
            let item = schema.get("items").unwrap_or(&Value::Null);
            (0..least).map(|_| at(root, item, depth)).collect()
        }
        "string" => string(schema),
        "integer" | "number" => number(schema),
        "boolean" => json!(false),
        _ => Value::Null,
    }
}

/// The type of a schema: the first if it names several, a guess by its other fields if it names none.
fn kind(schema: &Value) -> &str {
    let kinds = schema.get("type");
    let named = kinds.and_then(Value::as_str).or_else(|| kinds?.get(0)?.as_str());
    let has = |field: &str| schema.get(field).is_some();
    match named {
        Some(kind) => kind,
        None if has("properties") || has("required") => "object",
        None if has("items") => "array",
        None => "string",
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let property = |name: &str| schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
    Value::Object(names.map(|name| (name.to_owned(), at(root, property(name), depth))).collect())
}

fn merged(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            left.extend(right);
            Value::Object(left)
        }
        (Value::Object(left), right) if left == Map::new() => right,
        (left, _) => left,
    }
}

fn string(schema: &Value) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2000-01-01T00:00:00Z",
        Some("date") => "2000-01-01",
        Some("time") => "00:00:00Z",
        Some("email") => "demo@example.org",
        Some("uri") => "https://example.org/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "demo",
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let longest = bound("maxLength").unwrap_or(usize::MAX);
    let least = bound("minLength").unwrap_or(0).min(4096);
    let filled = text.chars().chain(std::iter::repeat('.')).take(least.max(text.len()).min(longest));
    Value::String(filled.collect())
}

fn number(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let above = bound("exclusiveMinimum").map(|least| least.floor() + 1.0);
    let below = bound("exclusiveMaximum").map(|most| most.ceil() - 1.0);
    let most = bound("maximum").or(below).unwrap_or(f64::INFINITY);
    let least = bound("minimum").map(f64::ceil).or(above).unwrap_or(f64::NEG_INFINITY);
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
    // Zero if it fits, else the end of the range that is nearer to it, on a step.
    let nearest = 0.0_f64.min(most).max(least);
    let value = (nearest / step).ceil() * step;
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and only whole numbers take it")]
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_answered_with_its_smallest_instance() {
        let recursive = json!({"$defs": {"node": {"type": "object", "required": ["next", "name"], "properties": {
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "name": {"type": "string"}}}},
            "$ref": "#/$defs/node"});
        let cases = [
            (json!({"type": "object", "properties": {"a": {"type": "string"}}}), json!({})),
            (
                json!({"type": "object", "required": ["a", "b"],
                    "properties": {"a": {"type": "integer", "minimum": 3}, "b": {"type": ["boolean", "null"]}}}),
                json!({"a": 3, "b": false}),
            ),
            (json!({"enum": ["red", "green"]}), json!("red")),
            (json!({"const": 7}), json!(7)),
            (json!({"type": "array", "minItems": 2, "items": {"type": "number"}}), json!([0, 0])),
            (json!({"type": "string", "minLength": 6}), json!("demo..")),
            (json!({"type": "string", "maxLength": 2}), json!("de")),
            (json!({"type": "number", "exclusiveMinimum": 4, "multipleOf": 3}), json!(6)),
            (json!({"type": "integer", "maximum": -2}), json!(-2)),
            (
                json!({"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
                {"type": "object", "required": ["b"], "properties": {"b": {"type": "null"}}}]}),
                json!({"a": "demo", "b": null}),
            ),
            (recursive, json!({"next": null, "name": "demo"})),
            (json!({"$ref": "#"}), Value::Null),
            (json!(true), json!("demo")),
        ];
        for (schema, expected) in cases {
            assert_eq!(instance(&schema), expected, "{schema}");
        }
    }
}
