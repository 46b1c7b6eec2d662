//! Embeddings, and the list of models.

use serde_json::{Value, json};
use weir_plugin::openai::{self, EmbeddingList, EmbeddingRequest, Model, ModelList, odd_answer, to_json};
use weir_plugin::{Call, Failure, UpstreamRequest};

use crate::settings::Settings;
use crate::wire::Answer;

/// Where the models are listed. A thousand is the most that a page can hold.
pub const MODELS_PATH: &str = "/v1/models?page_size=1000";

/// Cohere's own fields of a request for embeddings, which pass as they are.
const OWN: &str = "embedding_types input_type max_tokens priority truncate dimensions:";

/// A request for embeddings. With the input type `image` the inputs are images, as `data:` URLs.
pub fn embed(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let texts = request.texts()?;
    let (mut body, dropped) = request.fields(&[OWN]);
    body.entry("input_type").or_insert_with(|| settings.input_type.as_str().into());
    body.entry("embedding_types").or_insert_with(|| json!(["float"]));
    body.extend(request.dimensions.map(|dimensions| ("output_dimension".to_owned(), dimensions.into())));
    let inputs = if body["input_type"] == "image" { "images" } else { "texts" };
    body.extend([("model".to_owned(), call.model.as_str().into()), (inputs.to_owned(), texts.into())]);
    Ok(UpstreamRequest { dropped, ..UpstreamRequest::post_json("/v2/embed", &body)? })
}

/// Translates embeddings.
pub fn embeddings(call: &Call, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| odd_answer(body))?;
    let tokens = answer.usage().and_then(|usage| usage.prompt_tokens).unwrap_or(0);
    let vectors = answer.embeddings.ok_or_else(|| odd_answer(body))?;
    to_json(&EmbeddingList::new(call.model.as_str(), vectors.0, tokens))
}

/// Translates the list of models, leaving out those that neither chat nor embed.
pub fn models(body: &str) -> Result<String, Failure> {
    let list: Value = serde_json::from_str(body).map_err(|_| odd_answer(body))?;
    let models = list["models"].as_array().ok_or_else(|| odd_answer(body))?;
    to_json(&ModelList::new(models.iter().filter_map(model).collect()))
}

fn model(upstream: &Value) -> Option<Model<'_>> {
    let has = |list: &str, name: &str| upstream[list].as_array().is_some_and(|list| list.iter().any(|one| one == name));
    let chats = has("endpoints", "chat") || has("endpoints", "generate");
    let sees = has("features", "vision") || has("endpoints", "embed_image");
    let model = Model::new(upstream["name"].as_str()?, 0, "cohere")
        .with("context_window", upstream["context_length"].as_f64().map(|length| length as u64))
        .with("input_modalities", Some(if sees { json!(["text", "image"]) } else { json!(["text"]) }))
        .with("output_modalities", chats.then(|| json!(["text"])));
    Some(model).filter(|_| chats || has("endpoints", "embed"))
}
