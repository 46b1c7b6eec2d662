//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use weir_plugin::serde::Deserialize;

/// The `settings` object. Every field has a default that suits Anthropic itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The header `anthropic-version`.
    pub anthropic_version: String,
    /// Features to ask for in the header `anthropic-beta`, besides those that clients ask for.
    pub anthropic_beta: Vec<String>,
    /// How the credential is sent.
    pub auth: Credential,
    /// `max_tokens` for a client that names no limit: Anthropic requires one.
    pub default_max_tokens: u64,
    /// What becomes of a temperature above 1, the end of Anthropic's range.
    pub temperature: Temperature,
    /// What becomes of top-level fields that are neither OpenAI's nor known here.
    pub unknown_parameters: Unknown,
    /// What becomes of `response_format: {"type":"json_object"}`.
    pub json_object: JsonObject,
    /// What `reasoning_effort` becomes.
    pub reasoning: Reasoning,
}

/// How the credential is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// As `x-api-key`.
    XApiKey,
    /// As `Authorization: Bearer`.
    Bearer,
}

/// What becomes of a temperature above 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temperature {
    /// It becomes 1.
    Clamp,
    /// Every temperature is halved, so that 2 becomes 1.
    Scale,
    /// It is sent as it is.
    Forward,
}

/// What becomes of unknown top-level fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// They are sent as they are: `thinking`, `top_k`, `mcp_servers`, and what Anthropic adds next.
    Forward,
    /// They are left out.
    Drop,
}

/// What becomes of the JSON mode without a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonObject {
    /// A sentence at the end of the system prompt asks for it.
    Instruct,
    /// The request is refused.
    Refuse,
}

/// What `reasoning_effort` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// What suits the model, judged by its name.
    Auto,
    /// `output_config.effort`.
    Effort,
    /// `output_config.effort` and `thinking: {"type":"adaptive"}`.
    Adaptive,
    /// `thinking: {"type":"enabled"}` with a budget of tokens.
    Budget,
    /// Nothing.
    Drop,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            anthropic_version: "2023-06-01".to_owned(),
            anthropic_beta: Vec::new(),
            auth: Credential::XApiKey,
            default_max_tokens: 4096,
            temperature: Temperature::Clamp,
            unknown_parameters: Unknown::Forward,
            json_object: JsonObject::Instruct,
            reasoning: Reasoning::Auto,
        }
    }
}

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {
        "anthropic_version": { "type": "string", "minLength": 1, "default": "2023-06-01" },
        "anthropic_beta": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [] },
        "auth": { "enum": ["x-api-key", "bearer"], "default": "x-api-key" },
        "default_max_tokens": { "type": "integer", "minimum": 1, "default": 4096 },
        "temperature": { "enum": ["clamp", "scale", "forward"], "default": "clamp" },
        "unknown_parameters": { "enum": ["forward", "drop"], "default": "forward" },
        "json_object": { "enum": ["instruct", "refuse"], "default": "instruct" },
        "reasoning": { "enum": ["auto", "effort", "adaptive", "budget", "drop"], "default": "auto" }
    }
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_setting_with_its_default() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(name, property)| (name.clone(), property["default"].clone())).collect();
        let settings: Settings = serde_json::from_value(defaults.into()).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
        assert_eq!(properties.len(), 8);
    }

    #[test]
    fn every_choice_of_the_schema_is_understood() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            for choice in property["enum"].as_array().into_iter().flatten() {
                let settings = serde_json::json!({ name: choice });
                assert!(serde_json::from_value::<Settings>(settings).is_ok(), "{name}: {choice}");
            }
        }
    }
}
