//! The list of models, from Anthropic's form or from the OpenAI form that other upstreams of this dialect answer with.

use serde_json::{Map, Value, json};
use weir_plugin::openai::seconds_since_1970;
use weir_plugin::{Failure, serde_json};

use weir_plugin::claude::failure;

/// Translates the body of an answer with a 2xx status.
pub fn list(body: &str) -> Result<String, Failure> {
    let list: Value = serde_json::from_str(body).map_err(|_| failure::unreadable(body))?;
    let Some(models) = list["data"].as_array() else {
        return Err(failure::of_answer(body));
    };
    let models: Vec<Value> = models.iter().filter_map(model).collect();
    Ok(json!({ "object": "list", "data": models }).to_string())
}

/// Anthropic's names of what a model is and can, and the gateway's.
const FACTS: [(&str, &str); 3] =
    [("display_name", "display_name"), ("max_input_tokens", "context_window"), ("max_tokens", "max_output_tokens")];

/// One model, with those of Anthropic's fields that tell a client something.
fn model(upstream: &Value) -> Option<Value> {
    let created =
        upstream["created_at"].as_str().and_then(seconds_since_1970).or(upstream["created"].as_u64()).unwrap_or(0);
    let mut model = Map::new();
    model.insert("id".to_owned(), upstream["id"].as_str().filter(|id| !id.is_empty())?.into());
    model.insert("object".to_owned(), "model".into());
    model.insert("created".to_owned(), created.into());
    model.insert("owned_by".to_owned(), upstream["owned_by"].as_str().unwrap_or("anthropic").into());
    for (theirs, ours) in FACTS {
        if let Some(value) = upstream.get(theirs).filter(|value| !value.is_null()) {
            model.insert(ours.to_owned(), value.clone());
        }
    }
    Some(model.into())
}
