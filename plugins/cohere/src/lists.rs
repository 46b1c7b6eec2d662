//! Embeddings, and the list of models.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use weir_plugin::openai::{
    self, EmbeddingList, EmbeddingRequest, Model, ModelList, Vector, dropped_fields, odd_answer, to_json,
};
use weir_plugin::{Call, Failure, UpstreamRequest};

use crate::settings::Settings;
use crate::wire::{Answer, Embeddings};

/// Where the models are listed. A thousand is the most that a page can hold.
pub const MODELS_PATH: &str = "/v1/models?page_size=1000";

/// Cohere's own fields of a request for embeddings, which pass as they are.
const OWN: &str = "embedding_types input_type max_tokens priority truncate";

/// A request for embeddings. With the input type `image` the inputs are images, as `data:` URLs.
pub fn embed(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let texts = request.texts()?;
    let own = |name: &str| Some((name.to_owned(), request.extra.get(name)?.clone())).filter(|(_, it)| !it.is_null());
    let mut body: Map<_, _> = OWN.split_whitespace().filter_map(own).collect();
    let input_type = settings.input_type.as_deref().unwrap_or("search_document");
    body.entry("input_type").or_insert_with(|| input_type.into());
    body.entry("embedding_types").or_insert_with(|| json!(["float"]));
    if let Some(dimensions) = request.dimensions {
        body.insert("output_dimension".to_owned(), dimensions.into());
    }
    let inputs = if body["input_type"] == "image" { "images" } else { "texts" };
    body.extend([("model".to_owned(), call.model.as_str().into()), (inputs.to_owned(), texts.into())]);
    let mut dropped = dropped_fields(&request.extra);
    dropped.retain(|name| !body.contains_key(name));
    Ok(UpstreamRequest { dropped, ..UpstreamRequest::post_json("/v2/embed", &body)? })
}

/// Translates embeddings. Of several types, floats count.
pub fn embeddings(call: &Call, body: &str) -> Result<String, Failure> {
    let unreadable = || odd_answer(body);
    let answer: Answer = serde_json::from_str(body).map_err(|_| unreadable())?;
    let lists = answer.embeddings.map(RawValue::get).ok_or_else(unreadable)?;
    let vectors = if lists.starts_with('[') { serde_json::from_str(lists).ok() } else { of_any_type(lists) };
    let vectors: Vec<Vector> = vectors.ok_or_else(unreadable)?;
    let tokens = answer.usage().and_then(|usage| usage.prompt_tokens).unwrap_or(0);
    to_json(&EmbeddingList::new(call.model.as_str(), vectors, tokens))
}

fn of_any_type(lists: &str) -> Option<Vec<Vector>> {
    let Embeddings { float, base64, int8, uint8, binary, ubinary, .. } = serde_json::from_str(lists).ok()?;
    float.or(base64).or(int8).or(uint8).or(binary).or(ubinary)
}

/// Translates the list of models, leaving out those that neither chat nor embed.
pub fn models(body: &str) -> Result<String, Failure> {
    let list: Value = serde_json::from_str(body).map_err(|_| odd_answer(body))?;
    let models = list["models"].as_array().ok_or_else(|| odd_answer(body))?;
    to_json(&ModelList::new(models.iter().filter_map(model).collect()))
}

fn model(upstream: &Value) -> Option<Model<'_>> {
    let names =
        |list: &str, name: &str| upstream[list].as_array().is_some_and(|list| list.iter().any(|one| one == name));
    let chats = names("endpoints", "chat") || names("endpoints", "generate");
    if !chats && !names("endpoints", "embed") {
        return None;
    }
    let sees = names("features", "vision") || names("endpoints", "embed_image");
    let mut model = Model::new(upstream["name"].as_str()?, 0, "cohere");
    let facts = [
        ("context_window", upstream["context_length"].as_f64().map(|length| json!(length as u64))),
        ("input_modalities", Some(if sees { json!(["text", "image"]) } else { json!(["text"]) })),
        ("output_modalities", chats.then(|| json!(["text"]))),
    ];
    model.extra.extend(facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
    Some(model)
}
