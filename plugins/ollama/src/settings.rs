//! What an operator can set for a provider of this plugin. `README.md` holds the table.

use serde_json::{Map, Value};
use weir_plugin::{choices, settings};

settings! {
    /// The `settings` object. By default nothing is sent that the client did not ask for.
    pub struct Settings {
        /// How long a model stays in memory after a request: seconds, or text such as `5m`. -1 is for ever.
        keep_alive: Option<Value> where { "type": ["number", "string"] },
        /// The size of the context window in tokens. Ollama's own default is small, and what does not fit is cut off.
        num_ctx: Option<u64> where { "minimum": 1 },
        /// Any of Ollama's options, for requests that do not have their own.
        options: Map<String, Value>,
        /// What `reasoning_effort` becomes.
        reasoning: Reasoning,
    }
}

choices! {
    /// What `reasoning_effort` becomes.
    pub enum Reasoning {
        /// What suits the model, judged by its name: only `gpt-oss` knows levels, and other models refuse them.
        Auto = "auto",
        /// On, or off for `none`.
        Switch = "switch",
        /// `low`, `medium` or `high`, or off for `none`.
        Levels = "levels",
        /// Nothing.
        Drop = "drop",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Settings;

    #[test]
    fn the_schema_and_the_settings_name_the_same_things() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["keep_alive", "num_ctx", "options", "reasoning"]);
        for choice in schema["properties"]["reasoning"]["enum"].as_array().unwrap() {
            let settings = json!({"keep_alive": "5m", "num_ctx": 8192, "options": {"top_k": 1}, "reasoning": choice});
            serde_json::from_value::<Settings>(settings).unwrap();
        }
    }
}
