//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use weir_plugin::openai::Temperature;
use weir_plugin::serde_json::{Map, Value};
use weir_plugin::{Failure, choices, settings};

settings! {
    /// The `settings` object.
    pub struct Settings {
        /// By which API chats go.
        api: Api,
        /// `guardrailConfig` of every request, whatever the client gives.
        guardrail_config: Option<Map<String, Value>> where {
            "required": ["guardrailIdentifier", "guardrailVersion"],
            "additionalProperties": false,
            "properties": {
                "guardrailIdentifier": { "type": "string", "minLength": 1 },
                "guardrailVersion": { "type": "string", "minLength": 1 },
                "trace": { "enum": ["enabled", "disabled", "enabled_full"] },
                "streamProcessingMode": { "enum": ["sync", "async"] }
            }
        },
        /// `additionalModelRequestFields` of every request, joined with the client's own.
        additional_model_request_fields: Map<String, Value>,
        /// What becomes of a temperature above 1, the end of Converse's range.
        temperature: Temperature,
    }
}

choices! {
    /// By which API chats go.
    pub enum Api {
        /// Converse, the same for the models of all makers.
        Converse = "converse",
        /// `InvokeModel` where the form of the model is known: Amazon's own. Converse for the others.
        Invoke = "invoke",
    }
}

impl Settings {
    /// Refuses a guardrail that `InvokeModel` would not be told of.
    pub fn check(&self) -> Result<(), Failure> {
        if self.api == Api::Invoke && self.guardrail_config.is_some() {
            let message = "'guardrail_config' is Converse's; with 'api: invoke' a guardrail stands in 'headers'.";
            return Err(Failure::invalid_request(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_plugin::serde_json;

    use super::*;

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let values = property["enum"].as_array().cloned().unwrap_or(vec![serde_json::json!({})]);
            for value in values {
                let settings = serde_json::json!({ name: value });
                assert!(serde_json::from_value::<Settings>(settings).is_ok(), "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_guardrail_that_would_not_be_told_of_is_refused() {
        let guardrail = serde_json::json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
        for (api, good) in [("converse", true), ("invoke", false)] {
            let settings = serde_json::json!({"api": api, "guardrail_config": guardrail.clone()});
            assert_eq!(serde_json::from_value::<Settings>(settings).unwrap().check().is_ok(), good, "{api}");
        }
    }
}
