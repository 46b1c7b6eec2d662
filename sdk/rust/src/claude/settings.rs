//! What an operator can choose of how chats become requests of the Messages API.

use serde::Deserialize;

use crate::openai::Temperature;

/// What an operator can choose. Every field has a default. A plugin takes this into its own settings by
/// `#[serde(flatten)]`, and [`PROPERTIES`] into their schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Who serves the models.
    pub cloud: Cloud,
    /// The version of the API, if it is not the one that the cloud is known to speak.
    pub anthropic_version: Option<String>,
    /// Features to ask for (`anthropic-beta`), besides those that clients ask for.
    pub anthropic_beta: Vec<String>,
    /// `max_tokens` for a client that names no limit: Claude requires one.
    pub default_max_tokens: u64,
    /// What becomes of a temperature above 1, the end of Claude's range.
    pub temperature: Temperature,
    /// What becomes of top-level fields that are neither OpenAI's nor known here.
    pub unknown_parameters: Unknown,
    /// What becomes of `response_format: {"type":"json_object"}`.
    pub json_object: JsonObject,
    /// What `reasoning_effort` becomes.
    pub reasoning: Reasoning,
}

impl Settings {
    /// The version of the API.
    pub fn version(&self) -> &str {
        self.anthropic_version.as_deref().unwrap_or(match self.cloud {
            Cloud::Anthropic => "2023-06-01",
            Cloud::Vertex => "vertex-2023-10-16",
            Cloud::Bedrock => "bedrock-2023-05-31",
        })
    }
}

/// Who serves the models: the documents are the same but for the fields that say which model and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Anthropic, and all who speak its API: the body names the model and whether to stream, headers the version and
    /// the betas.
    Anthropic,
    /// Vertex AI's `rawPredict`: the path names the model, the body the version and whether to stream, a header the
    /// betas.
    Vertex,
    /// Bedrock's `InvokeModel`: the path names the model and whether to stream, the body the version and the betas.
    Bedrock,
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
            cloud: Cloud::Anthropic,
            anthropic_version: None,
            anthropic_beta: Vec::new(),
            default_max_tokens: 4096,
            temperature: Temperature::Clamp,
            unknown_parameters: Unknown::Forward,
            json_object: JsonObject::Instruct,
            reasoning: Reasoning::Auto,
        }
    }
}

/// The fields of [`Settings`] for the `properties` of a JSON Schema, without the braces around them.
pub const PROPERTIES: &str = r#"
        "cloud": { "enum": ["anthropic", "vertex", "bedrock"], "default": "anthropic" },
        "anthropic_version": { "type": "string", "minLength": 1 },
        "anthropic_beta": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [] },
        "default_max_tokens": { "type": "integer", "minimum": 1, "default": 4096 },
        "temperature": { "enum": ["clamp", "scale", "forward"], "default": "clamp" },
        "unknown_parameters": { "enum": ["forward", "drop"], "default": "forward" },
        "json_object": { "enum": ["instruct", "refuse"], "default": "instruct" },
        "reasoning": { "enum": ["auto", "effort", "adaptive", "budget", "drop"], "default": "auto" }"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn properties() -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(&format!("{{{PROPERTIES}}}")).unwrap()
    }

    #[test]
    fn the_schema_names_every_setting_with_its_default() {
        let defaults: serde_json::Map<_, _> = properties()
            .into_iter()
            .filter_map(|(name, property)| Some((name, property.get("default")?.clone())))
            .collect();
        let settings: Settings = serde_json::from_value(defaults.into()).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
        assert_eq!(properties().len(), 8);
    }

    #[test]
    fn every_choice_of_the_schema_is_understood() {
        for (name, property) in properties() {
            for choice in property["enum"].as_array().into_iter().flatten() {
                let settings = serde_json::json!({ name.as_str(): choice });
                assert!(serde_json::from_value::<Settings>(settings).is_ok(), "{name}: {choice}");
            }
        }
    }
}
