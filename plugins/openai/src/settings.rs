//! What an operator can choose for a provider of the OpenAI dialect.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_plugin::Auth;

/// The `settings` of a provider. The schema, [`SCHEMA`], says what each is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the key is sent.
    pub auth: Authentication,
    /// Where chats go, below the base URL.
    pub chat_path: String,
    /// Where the models are listed, below the base URL.
    pub models_path: String,
    /// Headers that are sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Request fields that the upstream refuses.
    pub drop_parameters: Vec<String>,
    /// Request fields that the upstream calls by another name.
    pub rename_parameters: BTreeMap<String, String>,
    /// Whether streams are asked to tell what they cost.
    pub stream_usage: StreamUsage,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auth: Authentication::Bearer,
            chat_path: "/chat/completions".to_owned(),
            models_path: "/models".to_owned(),
            headers: BTreeMap::new(),
            drop_parameters: Vec::new(),
            rename_parameters: BTreeMap::new(),
            stream_usage: StreamUsage::Auto,
        }
    }
}

/// How the key is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// Not at all.
    None,
    /// As the value of this header.
    Header(String),
}

impl Authentication {
    /// The same in the terms of the contract.
    pub fn to_contract(&self) -> Auth {
        match self {
            Self::Bearer => Auth::Bearer,
            Self::None => Auth::None,
            Self::Header(name) => Auth::Header(name.clone()),
        }
    }
}

/// Whether streams are asked to tell what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamUsage {
    /// Always, so that usage is counted even if the client does not want it.
    Auto,
    /// Only if the client wants it: for upstreams that refuse `stream_options`.
    Never,
}

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "auth": {
      "description": "How the key is sent: as a bearer token (the default), not at all, or in a header of its own.",
      "oneOf": [
        { "enum": ["bearer", "none"] },
        { "type": "object", "required": ["header"], "additionalProperties": false,
          "properties": { "header": { "type": "string", "pattern": "^[a-z0-9-]+$" } } }
      ]
    },
    "chat_path": {
      "description": "Where chats go, below the base URL; {model} stands for the model. /chat/completions by default.",
      "type": "string", "pattern": "^/"
    },
    "models_path": {
      "description": "Where the models are listed, below the base URL. /models by default.",
      "type": "string", "pattern": "^/"
    },
    "headers": {
      "description": "Headers that are sent with every request, names in lower case.",
      "type": "object", "propertyNames": { "pattern": "^[a-z0-9-]+$" }, "additionalProperties": { "type": "string" }
    },
    "drop_parameters": {
      "description": "Request fields that the upstream refuses, and that are left out.",
      "type": "array", "items": { "type": "string" }
    },
    "rename_parameters": {
      "description": "Request fields that the upstream calls by another name: the client's name, and the upstream's.",
      "type": "object", "additionalProperties": { "type": "string" }
    },
    "stream_usage": {
      "description": "auto: streams are always asked what they cost. never: only if the client asks.",
      "enum": ["auto", "never"]
    }
  }
}"#;
