//! Embeddings by `InvokeModel`, in the forms of those makers whose models Bedrock has.

use weir_plugin::bedrock;
use weir_plugin::json::to_text;
use weir_plugin::openai::{self, EmbeddingList, EmbeddingRequest, Vector, Vectors};
use weir_plugin::serde_json::{self, Value, json};
use weir_plugin::{Call, Failure, ResponseHead, UpstreamRequest};

/// Where the count of tokens stands that Cohere's own answer lacks.
const TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// The fields of any of the models that a client may use as they are.
const OWN_FIELDS: &str = "normalize input_type truncate max_tokens";

/// Translates a request.
pub fn encode(call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let request: EmbeddingRequest = openai::parse(document)?;
    let mut body = inputs(&call.model, &request.texts()?)?;
    let (fields, dropped) = request.fields(&[size(&call.model), OWN_FIELDS]);
    for (name, value) in fields {
        body[name] = value;
    }
    Ok(UpstreamRequest { dropped, ..crate::request(call, "invoke", to_text(&body)) })
}

/// The fields that hold the texts.
fn inputs(model: &str, texts: &[&str]) -> Result<Value, Failure> {
    match texts {
        [text] if model.contains("titan-embed") => Ok(json!({ "inputText": text })),
        _ if model.contains("titan-embed") => {
            Err(Failure::invalid_field("input", "This model embeds one text at a time."))
        }
        // What the texts are for has to be told. Most are there to be found; a client can say that its are questions.
        _ if model.contains("cohere.embed") => Ok(json!({ "texts": texts, "input_type": "search_document" })),
        _ => {
            let message = "Of the models of this provider, those named titan-embed and cohere.embed make embeddings.";
            Err(Failure::unsupported("model", message))
        }
    }
}

/// Where the size of embeddings goes, as a table for [`EmbeddingRequest::fields`]. Older models have one size.
fn size(model: &str) -> &'static str {
    let has = |name| model.contains(name);
    match (has("titan-embed-image"), has("titan-embed-text-v2"), has("cohere.embed") && !has("-v3")) {
        (true, ..) => "dimensions:embeddingConfig.outputEmbeddingLength",
        (_, true, _) => "dimensions",
        (.., true) => "dimensions:output_dimension",
        _ => "",
    }
}

/// Translates the body of an answer with a 2xx status.
pub fn decode(call: &Call, head: &ResponseHead, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| bedrock::unreadable(body))?;
    let vectors = answer.embedding.map(|vector| Vectors(vec![vector])).or(answer.embeddings);
    let Vectors(vectors) = vectors.ok_or_else(|| bedrock::unreadable(body))?;
    let counted = head.headers.iter().find(|header| header.name == TOKENS);
    let counted = counted.and_then(|header| header.value.parse().ok());
    openai::to_json(&EmbeddingList::new(&*call.model, vectors, answer.tokens.or(counted).unwrap_or(0)))
}

weir_plugin::document! {
    /// An answer: Titan's has one embedding, Cohere's several.
    pub struct Answer {
        /// Of Titan.
        embedding: Vector,
        /// Of Titan: what it cost.
        tokens = "inputTextTokenCount": u64,
        /// Of Cohere.
        embeddings: Vectors,
    }
}
