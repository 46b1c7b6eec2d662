//! The list of the models that the account can use.

use serde_json::Value;
use weir_plugin::openai::{Model, ModelList, to_json};
use weir_plugin::{Call, Failure, UpstreamRequest};

use crate::settings::Settings;

/// What a model has to be able to do to be of use here.
const METHODS: [&str; 3] = ["generateContent", "embedContent", "batchEmbedContents"];

/// The request for the list. A thousand is the most that a page can hold.
pub fn encode(settings: &Settings, call: &Call) -> UpstreamRequest {
    let list = if settings.is_vertex() { "publishers/google/models" } else { "models" };
    settings.complete(call, UpstreamRequest::get(format!("/{}/{list}?pageSize=1000", settings.version())))
}

/// Translates the list, which has another name at Vertex AI. Models that can neither chat nor embed are left out.
pub fn decode(body: &str) -> Result<String, Failure> {
    let page: Value =
        serde_json::from_str(body).map_err(|_| Failure::bad_answer("The provider's list of models cannot be read."))?;
    let lists = [&page["models"], &page["publisherModels"]];
    to_json(&ModelList::new(lists.into_iter().filter_map(Value::as_array).flatten().filter_map(model).collect()))
}

fn model(listed: &Value) -> Option<Model<'_>> {
    if let Some(methods) = listed["supportedGenerationMethods"].as_array()
        && !methods.iter().filter_map(Value::as_str).any(|method| METHODS.contains(&method))
    {
        return None;
    }
    let name = listed["name"].as_str()?;
    // `models/gemini-x`, `publishers/google/models/gemini-x`. `tunedModels/mine` needs its whole name.
    let id = name.rfind("models/").map_or(name, |at| &name[at + "models/".len()..]);
    let model = Model::new(id, 0, "google").with("context_window", listed.get("inputTokenLimit").cloned());
    Some(model.with("max_output_tokens", listed.get("outputTokenLimit").cloned()))
}
