//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The `settings` object. By default nothing is sent that the client did not ask for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a model stays in memory after a request: seconds, or text such as `5m`.
    pub keep_alive: Option<Value>,
    /// The size of the context window in tokens. Ollama's own default is small, and what does not fit is cut off.
    pub num_ctx: Option<u64>,
    /// Any of Ollama's options, for requests that do not have their own.
    pub options: Map<String, Value>,
    /// What `reasoning_effort` becomes.
    pub reasoning: Reasoning,
}

/// What `reasoning_effort` becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// What suits the model, judged by its name: only `gpt-oss` knows levels, and other models refuse them.
    #[default]
    Auto,
    /// On, or off for `none`.
    Switch,
    /// `low`, `medium` or `high`, or off for `none`.
    Levels,
    /// Nothing.
    Drop,
}

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "keep_alive": { "description": "How long a model stays in memory: seconds, or text such as 5m. -1 is for ever.",
      "type": ["number", "string"] },
    "num_ctx": { "description": "The size of the context window in tokens. Ollama cuts off what does not fit.",
      "type": "integer", "minimum": 1 },
    "options": { "description": "Any of Ollama's options, for requests without their own.", "type": "object" },
    "reasoning": { "description": "What reasoning_effort becomes: what suits the model's name, on or off, or levels.",
      "enum": ["auto", "switch", "levels", "drop"] }
  }
}"#;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{SCHEMA, Settings};

    #[test]
    fn the_schema_and_the_settings_name_the_same_things() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["keep_alive", "num_ctx", "options", "reasoning"]);
        for choice in schema["properties"]["reasoning"]["enum"].as_array().unwrap() {
            let settings = json!({"keep_alive": "5m", "num_ctx": 8192, "options": {"top_k": 1}, "reasoning": choice});
            serde_json::from_value::<Settings>(settings).unwrap();
        }
    }
}
