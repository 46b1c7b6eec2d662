//! What an operator can choose for a provider at Azure.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_plugin::Auth;
use weir_plugin::dialect::{self, CHANGES_SCHEMA};

/// The `settings` of a provider: the plugin's own, and what is different in requests. The [`schema`] says what each is
/// for.
pub type Settings = dialect::Settings<Own>;

/// The plugin's own settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Own {
    /// Which generation of the API is spoken.
    pub api: Api,
    /// The version of the API, for those that have one. Default: see [`Api::default_version`].
    pub api_version: Option<String>,
    /// The deployment of each model, where it is not of the model's name.
    pub deployments: BTreeMap<String, String>,
    /// How the key is sent.
    pub auth: Authentication,
}

/// The generations of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `/openai/v1/...`: the deployment stands in the document, and no version is needed.
    #[default]
    V1,
    /// `/openai/deployments/{deployment}/...?api-version=...`.
    Dated,
    /// `/models/...?api-version=...`: models of all makers at Azure AI Foundry.
    Models,
}

impl Api {
    /// The version of the API that is asked for unless the settings name one.
    pub fn default_version(self) -> Option<&'static str> {
        match self {
            Self::V1 => None,
            // The last that is generally available.
            Self::Dated => Some("2024-10-21"),
            Self::Models => Some("2024-05-01-preview"),
        }
    }
}

/// How the key is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// As the header `api-key`.
    #[default]
    ApiKey,
    /// `Authorization: Bearer <token>`, as Entra ID has it.
    Bearer,
}

impl Authentication {
    /// The same in the terms of the contract.
    pub fn to_contract(self) -> Auth {
        match self {
            Self::ApiKey => Auth::Header("api-key".to_owned()),
            Self::Bearer => Auth::Bearer,
        }
    }
}

/// The JSON Schema of [`Settings`].
pub fn schema() -> String {
    format!(
        "{{\n  \"type\": \"object\",\n  \"additionalProperties\": false,\n  \"properties\": {{{OWN}{CHANGES_SCHEMA}\n  }}\n}}"
    )
}

const OWN: &str = r#"
    "api": {
      "description": "v1: /openai/v1 (the default). dated: /openai/deployments with an api-version. models: Azure AI Foundry.",
      "enum": ["v1", "dated", "models"]
    },
    "api_version": {
      "description": "The api-version, 2024-10-21 for dated and 2024-05-01-preview for models by default. v1 needs none.",
      "type": "string", "minLength": 1
    },
    "deployments": {
      "description": "The deployment of each model, where it is not of the model's name. If there are any, they are the list of models.",
      "type": "object", "additionalProperties": { "type": "string", "minLength": 1 }
    },
    "auth": {
      "description": "api-key: the key in a header of that name (the default). bearer: a token of Entra ID.",
      "enum": ["api-key", "bearer"]
    },"#;
