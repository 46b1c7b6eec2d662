//! The fields of a request under the names that an upstream has for them: a table in place of code.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ChatRequest;

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
    /// A table is words: `seed` is sent as it is, `top_p:p` under another name, and `reasoning_effort:` in another form,
    /// which is for the plugin to do. Fields that are not declared are copied as they came. Where two words have the
    /// same name at the upstream, the later one counts. `max_tokens` stands for both fields of that meaning, `stop`
    /// becomes a list, and `logprobs: false` is not worth sending.
    pub fn fields(&self, tables: &[&str]) -> (Map<String, Value>, Vec<String>) {
        let words = tables.iter().flat_map(|table| table.split_whitespace());
        let names: Vec<_> = words.map(|word| word.split_once(':').unwrap_or((word, word))).collect();
        let mut fields = Map::new();
        for (name, upstream) in names.iter().filter(|(_, upstream)| !upstream.is_empty()) {
            if let Some(value) = self.field(name) {
                fields.insert((*upstream).to_owned(), value);
            }
        }
        let passed: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        (fields, self.dropped(&passed))
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "max_tokens" => self.token_limit().map(Value::from),
            "temperature" => self.temperature.map(Value::from),
            "top_p" => self.top_p.map(Value::from),
            "top_k" => self.top_k.map(Value::from),
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
