//! The fields of a request under the names that an upstream has for them: a table in place of code.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ChatRequest, EmbeddingRequest, dropped_fields};

/// What JSON mode without a schema asks for, said to a model whose API has no such mode.
pub const JSON_INSTRUCTION: &str = "Answer with one valid JSON object and nothing else: no explanation, no code fence.";

/// A form for the answer that the client asks for. See [`ChatRequest::wanted_json`].
#[derive(Debug)]
pub enum WantedJson<'r> {
    /// Any JSON object.
    Object,
    /// JSON that fits this schema.
    Schema(&'r RawValue),
}

impl ChatRequest<'_> {
    /// The fields that the client sent of those in `tables`, under the names that the upstream has for them, and the
    /// names of those that it sent besides ([`dropped`](Self::dropped)).
    ///
    /// A table is words: `seed` is sent as it is, `top_p:p` under another name, `top_p:options.p` within an object, and
    /// `reasoning_effort:` in another form, which is for the plugin to do. Fields that are not declared are copied as
    /// they came. Where two words have the same name at the upstream, the later one counts; two objects are joined.
    /// `max_tokens` stands for both fields of that meaning, `stop` becomes a list, and neither `logprobs: false` nor
    /// `n: 1` is worth sending.
    pub fn fields(&self, tables: &[&str]) -> (Map<String, Value>, Vec<String>) {
        let (fields, passed) = by_tables(tables, &mut |name| self.field(name));
        (fields, self.dropped(&passed))
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "max_tokens" => self.token_limit().map(Value::from),
            "temperature" => self.temperature.map(Value::from),
            "top_p" => self.top_p.map(Value::from),
            "top_k" => self.top_k.map(Value::from),
            "n" => self.n.filter(|n| *n != 1).map(Value::from),
            "seed" => self.seed.map(Value::from),
            "presence_penalty" => self.presence_penalty.map(Value::from),
            "frequency_penalty" => self.frequency_penalty.map(Value::from),
            "logprobs" => self.logprobs.filter(|wanted| *wanted).map(Value::from),
            "top_logprobs" => self.top_logprobs.map(Value::from),
            "parallel_tool_calls" => self.parallel_tool_calls.map(Value::from),
            "reasoning_effort" => self.reasoning_effort.as_deref().map(Value::from),
            "service_tier" => self.service_tier.as_deref().map(Value::from),
            "user" => self.user.as_deref().map(Value::from),
            "stop" => {
                let texts = self.stop.as_ref()?.texts();
                (!texts.is_empty()).then(|| texts.iter().map(|text| text.as_str()).collect())
            }
            other => self.extra.get(other).filter(|value| !value.is_null()).cloned(),
        }
    }

    /// Whether the answer has to be JSON, and by which schema. `None` if the model may answer as it likes.
    pub fn wanted_json(&self) -> Option<WantedJson<'_>> {
        let format = self.response_format.as_ref()?;
        let schema = format.json_schema.as_ref().and_then(|schema| schema.schema.as_deref());
        match (format.kind.as_deref()?, schema) {
            ("json_schema", Some(schema)) => Some(WantedJson::Schema(schema)),
            ("json_schema" | "json_object", _) => Some(WantedJson::Object),
            _ => None,
        }
    }
}

impl EmbeddingRequest<'_> {
    /// The same as [`ChatRequest::fields`] for a request for embeddings. The encoding is never reported: it is the host
    /// that sees to it.
    pub fn fields(&self, tables: &[&str]) -> (Map<String, Value>, Vec<String>) {
        let (fields, passed) = by_tables(tables, &mut |name| match name {
            "input" => serde_json::to_value(self.input.as_ref()?).ok(),
            "dimensions" => self.dimensions.map(Value::from),
            other => self.extra.get(other).filter(|value| !value.is_null()).cloned(),
        });
        let mut dropped = dropped_fields(&self.extra);
        dropped.extend(self.dimensions.map(|_| "dimensions".to_owned()));
        dropped.retain(|name| !passed.contains(&name.as_str()));
        (fields, dropped)
    }
}

/// The same as [`ChatRequest::fields`] for a document without a type: takes the fields of a table out of it. What is left
/// is what an upstream does not get: see [`dropped_fields`].
pub fn take_fields(fields: &mut Map<String, Value>, table: &str) -> Map<String, Value> {
    by_tables(&[table], &mut |name| fields.shift_remove(name).filter(|value| !value.is_null())).0
}

/// The fields of the tables that `field` has a value for, and the names of all that are in the tables.
fn by_tables<'t>(
    tables: &[&'t str],
    field: &mut dyn FnMut(&str) -> Option<Value>,
) -> (Map<String, Value>, Vec<&'t str>) {
    let words = tables.iter().flat_map(|table| table.split_whitespace());
    let names: Vec<_> = words.map(|word| word.split_once(':').unwrap_or((word, word))).collect();
    let mut fields = Map::new();
    for (name, upstream) in names.iter().filter(|(_, upstream)| !upstream.is_empty()) {
        if let Some(value) = field(name) {
            put(&mut fields, upstream, value);
        }
    }
    (fields, names.into_iter().map(|(name, _)| name).collect())
}

/// Puts a value under a name or, where the name has dots, into objects within each other.
fn put(fields: &mut Map<String, Value>, path: &str, value: Value) {
    let (name, value) = match path.split_once('.') {
        None => (path, value),
        Some((name, rest)) => {
            let mut inner = Map::new();
            put(&mut inner, rest, value);
            (name, inner.into())
        }
    };
    match (fields.get_mut(name), value) {
        (Some(Value::Object(known)), Value::Object(more)) => join(known, more),
        (Some(known), value) => *known = value,
        (None, value) => drop(fields.insert(name.to_owned(), value)),
    }
}

/// Joins two objects. Where both have a field, the second one's counts, unless these are objects again.
fn join(fields: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (fields.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => join(known, more),
            (_, value) => drop(fields.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_get_the_names_of_the_upstream_and_the_others_are_dropped() {
        let document = json!({"max_tokens": 1, "max_completion_tokens": 2, "top_p": 0.5, "k": 3, "top_k": 4, "n": 1,
            "stop": "x", "logprobs": false, "own": {"a": [1]}, "nothing": null, "seed": 7, "reasoning_effort": "low"});
        let document = document.to_string();
        let request: ChatRequest = serde_json::from_str(&document).unwrap();
        let tables = ["max_tokens:limit top_p:p top_k:k\n k", "stop:stops logprobs own nothing reasoning_effort:"];
        let (fields, dropped) = request.fields(&tables);
        assert_eq!(Value::from(fields), json!({"limit": 2, "p": 0.5, "k": 3, "stops": ["x"], "own": {"a": [1]}}));
        assert_eq!(dropped, ["seed"]);
    }

    #[test]
    fn fields_find_their_place_within_objects() {
        let document =
            json!({"top_p": 0.5, "top_k": 4, "seed": 7, "own": {"a": {"b": 1}, "c": 2}, "more": {"a": {"d": 3}}});
        let document = document.to_string();
        let request: ChatRequest = serde_json::from_str(&document).unwrap();
        let (fields, dropped) = request.fields(&["top_p:own.p top_k:own.a.k own", "more:own seed:seed.first"]);
        let expected = json!({"own": {"p": 0.5, "a": {"k": 4, "b": 1, "d": 3}, "c": 2}, "seed": {"first": 7}});
        assert_eq!(Value::from(fields), expected);
        assert_eq!(dropped, [""; 0]);
    }

    #[test]
    fn fields_of_embeddings_go_by_tables_too() {
        let document = json!({"input": ["a"], "dimensions": 2, "encoding_format": "base64", "user": "u", "kind": "q",
            "odd": 1, "nothing": null});
        let document = document.to_string();
        let request: EmbeddingRequest = serde_json::from_str(&document).unwrap();
        let (fields, dropped) = request.fields(&["input dimensions:size kind nothing"]);
        assert_eq!(Value::from(fields), json!({"input": ["a"], "size": 2, "kind": "q"}));
        assert_eq!(dropped, ["odd"]);
        assert_eq!(request.fields(&["odd"]).1, ["kind", "dimensions"]);
    }

    #[test]
    fn fields_of_a_table_are_taken_out_of_a_document() {
        let mut document = json!({"a": 1, "b": null, "c": {"d": 2}, "e": 3, "f": 4});
        let fields = document.as_object_mut().unwrap();
        assert_eq!(Value::from(take_fields(fields, "a:x.y b e c:x e:g")), json!({"x": {"y": 1, "d": 2}, "e": 3}));
        assert_eq!(document, json!({"f": 4}));
    }

    #[test]
    fn json_may_be_wanted_with_and_without_a_schema() {
        let cases = [
            (r#"{}"#, None),
            (r#"{"response_format":{"type":"text"}}"#, None),
            (r#"{"response_format":{"type":"json_object"}}"#, Some("")),
            (r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#, Some("")),
            (r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"a":1}}}}"#, Some(r#"{"a":1}"#)),
        ];
        for (document, expected) in cases {
            let request: ChatRequest = serde_json::from_str(document).unwrap();
            let wanted = request.wanted_json().map(|wanted| match wanted {
                WantedJson::Object => "",
                WantedJson::Schema(schema) => schema.get(),
            });
            assert_eq!(wanted, expected, "{document}");
        }
    }
}
