//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde_json::{Map, Value};
use weir_plugin::{choices, settings};

use crate::v1;

settings! {
    /// The `settings` object. The defaults suit Cohere itself.
    pub struct Settings {
        /// Which form of the API chats go to.
        api: Api,
        /// Models that only `/v1/chat` has.
        v1_models: Vec<String>,
        /// Models that only `/v1/generate` has.
        generate_models: Vec<String>,
        /// What embeddings are for, unless the client says so.
        input_type: String = "search_document".to_owned(),
        /// What becomes of `reasoning_effort`.
        reasoning: Reasoning,
    }
}

choices! {
    /// A form of the API.
    pub enum Api {
        /// v2, but for requests with a field that only `/v1/chat` has.
        Auto = "auto",
        /// `/v2/chat`.
        V2 = "v2",
        /// `/v1/chat`.
        V1Chat = "v1_chat",
        /// `/v1/generate`.
        V1Generate = "v1_generate",
    }

    /// What becomes of `reasoning_effort`.
    pub enum Reasoning {
        /// `thinking`, with a budget of tokens for the lower efforts.
        Thinking = "thinking",
        /// It is left out: for models that cannot reason and refuse to be asked.
        Drop = "drop",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_setting_and_every_choice() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
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
