//! What an operator can choose for a model with guarded targets.

use serde::Deserialize;

use crate::permission::{Pair, Permission};

/// The `settings` of the policy. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The tags of targets that need permission.
    pub(crate) guarded: Vec<String>,
    /// What gives permission; one is enough.
    pub(crate) permissions: Vec<Permission>,
    /// What a client without permission is told to do, in place of what follows from the permissions.
    pub(crate) advice: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let header = Pair { name: "x-weir-final-check".to_owned(), value: "1".to_owned() };
        Self { guarded: vec!["cloud".to_owned()], permissions: vec![Permission::Header(header)], advice: None }
    }
}

/// The same as a JSON Schema.
pub const SETTINGS_SCHEMA: &str = r##"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "guarded": {
      "description": "The tags of the targets that need permission. A target that has one of them is guarded.",
      "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 }, "default": ["cloud"]
    },
    "permissions": {
      "description": "What gives permission, one being enough: a header, a tag of the client's key, a text in the document's metadata, a word in x-weir-tags. By default the header x-weir-final-check: 1.",
      "type": "array", "minItems": 1,
      "items": {
        "oneOf": [
          { "type": "object", "additionalProperties": false, "required": ["header"],
            "properties": { "header": { "$ref": "#/$defs/pair" } } },
          { "type": "object", "additionalProperties": false, "required": ["key_tag"],
            "properties": { "key_tag": { "type": "string", "minLength": 1 } } },
          { "type": "object", "additionalProperties": false, "required": ["metadata"],
            "properties": { "metadata": { "$ref": "#/$defs/pair" } } },
          { "type": "object", "additionalProperties": false, "required": ["tag"],
            "properties": { "tag": { "type": "string", "minLength": 1 } } }
        ]
      }
    },
    "advice": {
      "description": "What a client without permission is told to do, in place of what follows from the permissions.",
      "type": ["string", "null"], "minLength": 1
    }
  },
  "$defs": {
    "pair": {
      "type": "object", "additionalProperties": false, "required": ["name"],
      "properties": { "name": { "type": "string", "minLength": 1 }, "value": { "type": "string", "default": "1" } }
    }
  }
}"##;
