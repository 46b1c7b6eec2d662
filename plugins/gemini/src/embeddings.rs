//! Embeddings: `:batchEmbedContents` of the Gemini API, `:predict` of Vertex AI.

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_plugin::openai::{self, EmbeddingList, EmbeddingRequest, Vector, push_json_string, to_json};
use weir_plugin::{Call, Failure, RequestBody, UpstreamRequest};

use crate::settings::Settings;

/// Translates a request.
pub fn encode(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let missing = || Failure::invalid_field("input", "There is nothing to embed.");
    let tokens = || Failure::invalid_field("input", "This provider embeds texts, not token numbers.");
    let texts = request.input.as_ref().ok_or_else(missing)?.texts().ok_or_else(tokens)?;
    // What is said of each text, and what Vertex AI wants to be told once for all.
    let (mut each, mut all) = (Map::new(), Map::new());
    let mut dropped = Vec::new();
    let dimensions = request.dimensions.map(Value::from);
    let given = dimensions.iter().map(|dimensions| ("outputDimensionality", dimensions));
    for (name, value) in given.chain(request.extra.iter().map(|(name, value)| (name.as_str(), value))) {
        match (name, settings.is_vertex()) {
            _ if value.is_null() => {}
            ("outputDimensionality" | "autoTruncate", true) => drop(all.insert(name.to_owned(), value.clone())),
            ("task_type" | "taskType", true) => drop(each.insert("task_type".to_owned(), value.clone())),
            ("task_type" | "taskType", false) => drop(each.insert("taskType".to_owned(), value.clone())),
            ("outputDimensionality" | "autoTruncate" | "title", _) => drop(each.insert(name.to_owned(), value.clone())),
            _ => dropped.push(name.to_owned()),
        }
    }
    let (method, body) = match settings.is_vertex() {
        true => {
            let instances = list(&texts, r#"{"content":"#, "", &each)?;
            ("predict", format!(r#"{{"instances":{instances},"parameters":{}}}"#, to_json(&all)?))
        }
        false => {
            let prefix = if call.model.contains('/') { "" } else { "models/" };
            let mut before = r#"{"model":"#.to_owned();
            push_json_string(&mut before, &format!("{prefix}{}", call.model));
            before.push_str(r#","content":{"parts":[{"text":"#);
            ("batchEmbedContents", format!(r#"{{"requests":{}}}"#, list(&texts, &before, "}]}", &each)?))
        }
    };
    let upstream = UpstreamRequest::post(settings.path(&call.model, method), RequestBody::Document(body));
    Ok(settings.complete(call, UpstreamRequest { dropped, ..upstream }))
}

/// A list of objects that each hold a text, between what opens it and what closes it, and the fields of all.
fn list(texts: &[&str], before: &str, after: &str, fields: &Map<String, Value>) -> Result<String, Failure> {
    let fields = to_json(fields)?;
    let mut json = "[".to_owned();
    for (place, text) in texts.iter().enumerate() {
        json.push_str(if place == 0 { "" } else { "," });
        json.push_str(before);
        push_json_string(&mut json, text);
        json.push_str(after);
        json.push_str(if fields == "{}" { "" } else { "," });
        json.push_str(&fields[1..]);
    }
    json.push(']');
    Ok(json)
}

/// An answer of either API, or the answer to a single text.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    embeddings: Vec<Entry>,
    predictions: Vec<Entry>,
    embedding: Option<Entry>,
    usage_metadata: Value,
}

/// One embedding. Vertex AI has it within an object of its own, with a count of the text's tokens.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    values: Option<Vector>,
    embeddings: Option<Box<Entry>>,
    statistics: Value,
}

/// Translates an answer of either API, or the answer to a single text.
pub fn decode(call: &Call, body: &str) -> Result<String, Failure> {
    let unreadable = || Failure::bad_answer("The provider sent something that is no list of embeddings.");
    let answer: Answer = serde_json::from_str(body).map_err(|_| unreadable())?;
    let mut tokens = answer.usage_metadata["promptTokenCount"].as_u64().unwrap_or(0);
    let entries = answer.embeddings.into_iter().chain(answer.predictions).chain(answer.embedding);
    let vectors: Vec<Vector> = entries.filter_map(|entry| vector(entry, &mut tokens)).collect();
    if vectors.is_empty() {
        return Err(unreadable());
    }
    to_json(&EmbeddingList::new(call.model.as_str(), vectors, tokens))
}

/// The numbers of an entry. The tokens of a text are counted now and then with a decimal point.
fn vector(entry: Entry, tokens: &mut u64) -> Option<Vector> {
    let entry = match entry {
        Entry { embeddings: Some(nested), .. } => *nested,
        entry => entry,
    };
    let count = entry.statistics["token_count"].as_f64().unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count: whole and not negative")]
    let count = count as u64;
    *tokens = tokens.saturating_add(count);
    entry.values
}
