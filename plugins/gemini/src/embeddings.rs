//! Embeddings: `:batchEmbedContents` of the Gemini API, `:predict` of Vertex AI.

use serde_json::Value;
use weir_plugin::json::Json;
use weir_plugin::openai::{self, EmbeddingList, EmbeddingRequest, Vector, to_json};
use weir_plugin::{Call, Failure, RequestBody, UpstreamRequest, document};

use crate::settings::Settings;

/// What Vertex AI wants to be told once for all texts, and the Gemini API with each of them.
const LIMITS: &str = "dimensions:outputDimensionality outputDimensionality autoTruncate";

/// Translates a request.
pub fn encode(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let texts = request.texts()?;
    let is_vertex = settings.is_vertex();
    let (method, list, own) = match is_vertex {
        true => ("predict", "instances", "taskType:task_type task_type title"),
        false => ("batchEmbedContents", "requests", "task_type:taskType taskType title"),
    };
    let (limits, _) = request.fields(&[LIMITS]);
    let (all, dropped) = request.fields(&[LIMITS, own]);
    let each = if is_vertex { request.fields(&[own]).0 } else { all };
    let model = if call.model.contains('/') { call.model.clone() } else { format!("models/{}", call.model) };
    let mut body = Json::with_capacity(document.len() + 128);
    body.open('{').key(list).open('[');
    for text in texts {
        body.open('{');
        if is_vertex {
            body.key("content").string(text);
        } else {
            body.key("model").string(&model).key("content").open('{').key("parts").open('[');
            body.open('{').key("text").string(text).close('}').close(']').close('}');
        }
        body.fields(&each)?.close('}');
    }
    body.close(']');
    if is_vertex {
        body.key("parameters").open('{').fields(&limits)?.close('}');
    }
    let body = RequestBody::Document(body.close('}').as_str().to_owned());
    let upstream = UpstreamRequest::post(settings.path(&call.model, method), body);
    Ok(settings.complete(call, UpstreamRequest { dropped, ..upstream }))
}

document! {
    /// An answer of either API, or the answer to a single text.
    pub struct Answer {
        /// The embeddings.
        entries = "embeddings" | "predictions": Vec<Entry>,
        /// The only embedding.
        entry = "embedding": Entry,
        /// What it cost.
        usage = "usageMetadata": Value,
    }

    /// One embedding. Vertex AI has it within an object of its own, with a count of the text's tokens.
    pub struct Entry {
        /// Its numbers.
        values: Vector,
        /// The object of Vertex AI's.
        embeddings: Box<Entry>,
        /// Counts.
        statistics: Value,
    }
}

/// Translates an answer of either API, or the answer to a single text.
pub fn decode(call: &Call, body: &str) -> Result<String, Failure> {
    let unreadable = || Failure::bad_answer("The provider sent something that is no list of embeddings.");
    let answer: Answer = serde_json::from_str(body).map_err(|_| unreadable())?;
    let mut tokens = answer.usage.as_ref().and_then(|usage| usage["promptTokenCount"].as_u64()).unwrap_or(0);
    let mut vectors = Vec::new();
    for entry in answer.entries.into_iter().flatten().chain(answer.entry) {
        let entry = if let Some(nested) = entry.embeddings { *nested } else { entry };
        // The tokens of a text are counted now and then with a decimal point.
        let count = entry.statistics.and_then(|statistics| statistics["token_count"].as_f64());
        tokens = tokens.saturating_add(count.map_or(0, |count| count as u64));
        vectors.extend(entry.values);
    }
    if vectors.is_empty() {
        return Err(unreadable());
    }
    to_json(&EmbeddingList::new(call.model.as_str(), vectors, tokens))
}
