//! Embeddings by `InvokeModel`, in the forms of those makers whose models Bedrock has.

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_plugin::bedrock;
use weir_plugin::openai::{self, EmbeddingList, EmbeddingRequest, Vector};
use weir_plugin::serde_json::{self, Value};
use weir_plugin::{Call, Failure, ResponseHead, UpstreamRequest};

use crate::object;

/// Where the count of tokens stands that Cohere's own answer lacks.
const TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// Translates a request.
pub fn encode(call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let mut body = inputs(&call.model, &request.texts()?)?;
    let mut dropped = openai::dropped_fields(&request.extra);
    let size = request.dimensions.and_then(|size| size_field(&call.model, size));
    dropped.extend(request.dimensions.filter(|_| size.is_none()).map(|_| "dimensions".to_owned()));
    body.extend(size);
    for name in ["normalize", "input_type", "truncate", "max_tokens"] {
        if let Some(value) = request.extra.get(name).filter(|value| !value.is_null()) {
            body.push((name, value.clone()));
            dropped.retain(|dropped| dropped != name);
        }
    }
    Ok(UpstreamRequest { dropped, ..crate::request(call, "invoke", &object(body))? })
}

/// The fields that hold the texts.
fn inputs(model: &str, texts: &[&str]) -> Result<Vec<(&'static str, Value)>, Failure> {
    match texts {
        [text] if model.contains("titan-embed") => Ok(vec![("inputText", (*text).into())]),
        _ if model.contains("titan-embed") => {
            Err(Failure::invalid_field("input", "This model embeds one text at a time."))
        }
        // What the texts are for has to be told. Most are there to be found; a client can say that its are questions.
        _ if model.contains("cohere.embed") => {
            Ok(vec![("texts", texts.iter().copied().collect()), ("input_type", "search_document".into())])
        }
        _ => {
            let message = "Of the models of this provider, those named titan-embed and cohere.embed make embeddings.";
            Err(Failure::unsupported("model", message))
        }
    }
}

/// The field for the size of embeddings. Older models have one size.
fn size_field(model: &str, size: u64) -> Option<(&'static str, Value)> {
    let has = |name| model.contains(name);
    match (has("titan-embed-image"), has("titan-embed-text-v2"), has("cohere.embed") && !has("-v3")) {
        (true, ..) => Some(("embeddingConfig", object(vec![("outputEmbeddingLength", size.into())]))),
        (_, true, _) => Some(("dimensions", size.into())),
        (.., true) => Some(("output_dimension", size.into())),
        _ => None,
    }
}

/// Translates the body of an answer with a 2xx status.
pub fn decode(call: &Call, head: &ResponseHead, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| bedrock::unreadable(body))?;
    let vectors = match (answer.embedding, answer.embeddings) {
        (Some(vector), _) => Some(vec![vector]),
        (None, Some(embeddings)) => vectors(embeddings.get()),
        (None, None) => None,
    };
    let vectors = vectors.ok_or_else(|| bedrock::unreadable(body))?;
    let counted = head.headers.iter().find(|header| header.name == TOKENS);
    let counted = counted.and_then(|header| header.value.parse().ok());
    let tokens = answer.input_text_token_count.or(counted).unwrap_or(0);
    openai::to_json(&EmbeddingList::new(&*call.model, vectors, tokens))
}

/// Cohere's embeddings: a list of them, or one list for each type that was asked for.
fn vectors(embeddings: &str) -> Option<Vec<Vector>> {
    #[derive(Deserialize)]
    struct ByType {
        float: Vec<Vector>,
    }
    let by_type = || serde_json::from_str(embeddings).map(|ByType { float }| float);
    serde_json::from_str(embeddings).or_else(|_| by_type()).ok()
}

/// An answer: Titan's has one embedding, Cohere's several.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    embedding: Option<Vector>,
    input_text_token_count: Option<u64>,
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
}
