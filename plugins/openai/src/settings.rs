//! What an operator can choose for a provider of the OpenAI dialect.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_plugin::Auth;
use weir_plugin::dialect::{self, CHANGES_SCHEMA, EmbeddingNumbers};

/// The `settings` of a provider: the plugin's own, and what is different in requests. The [`schema`] says what each is
/// for.
pub type Settings = dialect::Settings<Own>;

/// The plugin's own settings.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Own {
    /// How the key is sent.
    pub auth: Authentication,
    /// Where chats go, below the base URL.
    pub chat_path: String,
    /// Where embeddings are made, below the base URL.
    pub embeddings_path: String,
    /// Where completions go, below the base URL.
    pub completions_path: String,
    /// Where responses are made, below the base URL.
    pub responses_path: String,
    /// Where the models are listed, below the base URL.
    pub models_path: String,
    /// Headers that are sent with every request.
    pub headers: BTreeMap<String, String>,
    /// How the numbers of embeddings are written.
    pub embedding_numbers: EmbeddingNumbers,
    /// Whether sources that stand beside an answer are to be told as its annotations, too.
    pub citations: bool,
    /// Error statuses after which trying again is of no use.
    pub not_retried: Vec<u16>,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            auth: Authentication::Bearer,
            chat_path: "/chat/completions".to_owned(),
            embeddings_path: "/embeddings".to_owned(),
            completions_path: "/completions".to_owned(),
            responses_path: "/responses".to_owned(),
            models_path: "/models".to_owned(),
            headers: BTreeMap::new(),
            embedding_numbers: EmbeddingNumbers::Float,
            citations: false,
            not_retried: Vec::new(),
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

/// The JSON Schema of [`Settings`].
pub fn schema() -> String {
    let paths = [
        ("chat_path", "Where chats go", "/chat/completions"),
        ("embeddings_path", "Where embeddings are made", "/embeddings"),
        ("completions_path", "Where completions go", "/completions"),
        ("responses_path", "Where responses are made", "/responses"),
        ("models_path", "Where the models are listed", "/models"),
    ];
    let path = |(name, what, default): (&str, &str, &str)| {
        format!(
            r#"
    "{name}": {{
      "description": "{what}, below the base URL; {{model}} stands for the model. {default} by default.",
      "type": "string", "pattern": "^/"
    }},"#
        )
    };
    let paths: String = paths.into_iter().map(path).collect();
    format!(
        "{{\n  \"type\": \"object\",\n  \"additionalProperties\": false,\n  \"properties\": {{{paths}{OTHERS}{CHANGES_SCHEMA}\n  }}\n}}"
    )
}

const OTHERS: &str = r#"
    "auth": {
      "description": "How the key is sent: as a bearer token (the default), not at all, or in a header of its own.",
      "oneOf": [
        { "enum": ["bearer", "none"] },
        { "type": "object", "required": ["header"], "additionalProperties": false,
          "properties": { "header": { "type": "string", "pattern": "^[a-z0-9-]+$" } } }
      ]
    },
    "headers": {
      "description": "Headers that are sent with every request, names in lower case.",
      "type": "object", "propertyNames": { "pattern": "^[a-z0-9-]+$" }, "additionalProperties": { "type": "string" }
    },
    "embedding_numbers": {
      "description": "float: embeddings as the API has them (the default). int8: signed bytes in base64.",
      "enum": ["float", "int8"]
    },
    "citations": {
      "description": "Whether the sources beside an answer (citations, search_results) are annotations of it, too.",
      "type": "boolean"
    },
    "not_retried": {
      "description": "Error statuses after which trying again is of no use.",
      "type": "array", "items": { "type": "integer", "minimum": 400, "maximum": 599 }
    },"#;
