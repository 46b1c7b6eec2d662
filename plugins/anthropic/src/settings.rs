//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::claude::{Cloud, PROPERTIES, Settings as Chats};

/// The `settings` object. Every field has a default that suits Anthropic itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Who serves the models, and how chats become requests.
    #[serde(flatten)]
    pub chats: Chats,
    /// How the credential is sent to Anthropic.
    pub auth: Credential,
    /// The project at Google Cloud.
    pub project: Option<String>,
    /// The location of Vertex AI: a region, or `global`.
    pub location: Option<String>,
}

/// How the credential is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// As `x-api-key`.
    #[default]
    XApiKey,
    /// As `Authorization: Bearer`.
    Bearer,
}

impl Settings {
    /// Refuses Vertex AI without a place in it.
    pub fn check(&self) -> Result<(), Failure> {
        if self.chats.cloud == Cloud::Vertex && (self.project.is_none() || self.location.is_none()) {
            return Err(Failure::invalid_request("Vertex AI needs both settings, 'project' and 'location'."));
        }
        Ok(())
    }
}

/// The JSON Schema of [`Settings`].
pub fn schema() -> String {
    format!(
        r#"{{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {{{PROPERTIES},
        "auth": {{ "enum": ["x-api-key", "bearer"], "default": "x-api-key" }},
        "project": {{ "type": "string", "minLength": 1 }},
        "location": {{ "type": "string", "minLength": 1 }}
    }}
}}"#
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_schema_names_every_setting_with_its_default_and_every_choice_is_understood() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 11);
        let given =
            properties.iter().filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
        let settings: Settings = serde_json::from_value(Value::Object(given.collect())).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
        for (name, property) in properties {
            for choice in property["enum"].as_array().into_iter().flatten() {
                assert!(serde_json::from_value::<Settings>(json!({ name: choice })).is_ok(), "{name}: {choice}");
            }
        }
    }

    #[test]
    fn vertex_ai_needs_a_project_and_a_location() {
        for (settings, good) in [
            (json!({}), true),
            (json!({"cloud": "bedrock"}), true),
            (json!({"cloud": "vertex", "project": "p", "location": "global"}), true),
            (json!({"cloud": "vertex", "project": "p"}), false),
            (json!({"cloud": "vertex"}), false),
        ] {
            let settings: Settings = serde_json::from_value(settings).unwrap();
            assert_eq!(settings.check().is_ok(), good, "{settings:?}");
        }
    }
}
