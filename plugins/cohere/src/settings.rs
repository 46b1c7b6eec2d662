//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::v1;

/// The `settings` object. The defaults suit Cohere itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which form of the API chats go to.
    pub api: Api,
    /// Models that only `/v1/chat` has.
    pub v1_models: Vec<String>,
    /// Models that only `/v1/generate` has.
    pub generate_models: Vec<String>,
    /// What embeddings are for, unless the client says so. `search_document` by default.
    pub input_type: Option<String>,
    /// What becomes of `reasoning_effort`.
    pub reasoning: Reasoning,
}

/// A form of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// v2, but for requests with a field that only `/v1/chat` has.
    #[default]
    Auto,
    /// `/v2/chat`.
    V2,
    /// `/v1/chat`.
    V1Chat,
    /// `/v1/generate`.
    V1Generate,
}

/// What becomes of `reasoning_effort`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// `thinking`, with a budget of tokens for the lower efforts.
    #[default]
    Thinking,
    /// It is left out: for models that cannot reason and refuse to be asked.
    Drop,
}

impl Settings {
    /// The form of the API for this model, and for a request with these fields besides OpenAI's.
    pub fn api(&self, model: &str, fields: &Map<String, Value>) -> Api {
        let listed = |models: &[String]| models.iter().any(|listed| listed == model);
        let asked = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
        match self.api {
            _ if listed(&self.generate_models) => Api::V1Generate,
            _ if listed(&self.v1_models) => Api::V1Chat,
            Api::Auto if v1::CHAT_ALONE.split_whitespace().any(asked) => Api::V1Chat,
            Api::Auto => Api::V2,
            api => api,
        }
    }
}

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {
        "api": { "enum": ["auto", "v2", "v1_chat", "v1_generate"], "default": "auto" },
        "v1_models": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [] },
        "generate_models": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [] },
        "input_type": { "type": "string", "minLength": 1, "default": "search_document" },
        "reasoning": { "enum": ["thinking", "drop"], "default": "thinking" }
    }
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_setting_and_every_choice() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for (name, property) in properties {
            let choices = property["enum"].as_array().into_iter().flatten().chain([&property["default"]]);
            for choice in choices {
                let settings = serde_json::json!({ name: choice });
                assert!(serde_json::from_value::<Settings>(settings).is_ok(), "{name}: {choice}");
            }
        }
        assert_eq!(properties.len(), 5);
    }
}
