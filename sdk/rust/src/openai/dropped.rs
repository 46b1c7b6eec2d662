//! Which fields of a request a provider has to tell of when it leaves them out.

use serde_json::{Map, Value};

/// Fields that never change an answer: for whom it is, what to keep of it, how to bill and to cache it.
const HINTS: [&str; 9] = [
    "cache_control",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream",
    "stream_options",
    "user",
];

/// Whether a client that sent this top-level field asked for something by it: it is no mere hint, and its value is not
/// what everyone gets who does not send it.
pub fn asks_for_something(name: &str, value: &Value) -> bool {
    let is_default = match value {
        Value::Null => true,
        // The one switch that is on by itself.
        Value::Bool(on) => *on == (name == "parallel_tool_calls"),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => name.ends_with("_penalty") || name.ends_with("logprobs"),
            Some(1.0) => ["n", "best_of", "top_p"].contains(&name),
            _ => false,
        },
        Value::String(text) => matches!(
            (name, text.as_str()),
            (_, "") | ("service_tier", "auto" | "default") | ("tool_choice", "auto") | ("verbosity", "medium")
        ),
        Value::Array(elements) => elements.is_empty() || (name == "modalities" && elements == &["text"]),
        // Its mere presence turns the search on.
        Value::Object(_) if name == "web_search_options" => false,
        Value::Object(fields) => fields.is_empty() || (name == "response_format" && value["type"] == "text"),
    };
    !is_default && !HINTS.contains(&name)
}

/// Those of the fields that a client asked for something by, for [`crate::UpstreamRequest::dropped`].
pub fn dropped_fields(fields: &Map<String, Value>) -> Vec<String> {
    let asking = fields.iter().filter(|(name, value)| asks_for_something(name, value));
    asking.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::dropped_fields;

    #[test]
    fn hints_and_defaults_are_left_out_in_silence_and_wishes_are_not() {
        let silent = json!({"user": "u", "metadata": {"a": "b"}, "store": true, "n": 1, "logprobs": false,
            "top_logprobs": 0, "presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": {}, "seed": null,
            "service_tier": "auto", "parallel_tool_calls": true, "modalities": ["text"], "top_p": 1.0, "stop": [],
            "response_format": {"type": "text"}, "tool_choice": "auto", "verbosity": "medium"});
        assert_eq!(dropped_fields(silent.as_object().unwrap()), [""; 0]);
        let wishes = json!({"n": 2, "logprobs": true, "seed": 0, "temperature": 0, "top_k": 1, "presence_penalty": 0.5,
            "service_tier": "flex", "parallel_tool_calls": false, "modalities": ["text", "audio"],
            "response_format": {"type": "json_object"}, "tool_choice": "required", "logit_bias": {"5": 1},
            "web_search_options": {}});
        let wishes = wishes.as_object().unwrap();
        assert_eq!(dropped_fields(wishes), wishes.keys().cloned().collect::<Vec<_>>());
    }
}
