//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde::Deserialize;

/// The `settings` object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of the thoughts of earlier turns.
    pub past_thoughts: PastThoughts,
}

/// What becomes of the thoughts of earlier turns (`reasoning_content`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PastThoughts {
    /// They go back to the model, which goes on from them.
    #[default]
    Send,
    /// They are left out: for models that do not reason.
    Drop,
}

/// The JSON Schema of [`Settings`].
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "past_thoughts": { "description": "Whether the thoughts of earlier turns go back to the model, or are left out.",
      "enum": ["send", "drop"] }
  }
}"#;
