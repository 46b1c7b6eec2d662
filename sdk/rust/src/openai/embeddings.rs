//! Embeddings: what a client asks for, and the list that it gets.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Text;
use super::text::text_or;
use crate::Failure;

crate::document! {
    /// The body of `POST /v1/embeddings`.
    pub struct EmbeddingRequest<'a> {
        /// The model, as the client named it. [`crate::Call::model`] is the upstream's name.
        model: Text<'a>,
        /// What to embed.
        input: EmbeddingInput<'a>,
        /// How many numbers each embedding is to have.
        dimensions: u64,
        /// `float` or `base64`. The host gives the client what it asked for, whichever of both the answer holds.
        encoding_format: Text<'a>,
        /// Who asks.
        user: Text<'a>,
    }

    /// The answer. See [`EmbeddingList::new`].
    pub struct EmbeddingList<'a> {
        /// `list`.
        object: Text<'a>,
        /// One for each input, in the order of the inputs.
        data: Vec<Embedding<'a>>,
        /// The model that answered.
        model: Text<'a>,
        /// What it cost.
        usage: EmbeddingUsage,
    }

    /// One embedding.
    pub struct Embedding<'a> {
        /// `embedding`.
        object: Text<'a>,
        /// The place of its input among the inputs, from 0.
        index: u32,
        /// Its numbers.
        embedding: Vector,
    }

    /// What it cost.
    pub struct EmbeddingUsage {
        /// Tokens of the inputs.
        prompt_tokens: u64,
        /// The same.
        total_tokens: u64,
    }
}

text_or! {
    /// What to embed.
    pub enum EmbeddingInput {
        /// One text.
        Text,
        /// Several texts, or the numbers of the tokens of one text, or of several.
        Many(Vec<Value>) in seq,
    }
}

/// The numbers of an embedding as they came: an array of them, or little-endian 32-bit floats in base64. They are not
/// read: thousands of them would take long, and floats would lose digits.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Vector(Box<RawValue>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        match json.get().as_bytes().first() {
            Some(b'[' | b'"') => Ok(Self(json)),
            _ => Err(D::Error::custom("an embedding that is neither numbers nor base64")),
        }
    }
}

impl Vector {
    /// The embedding of these numbers.
    ///
    /// # Errors
    /// Only for numbers that JSON cannot hold.
    pub fn of(numbers: impl IntoIterator<Item = impl Serialize>) -> Result<Self, Failure> {
        let numbers: Vec<_> = numbers.into_iter().collect();
        let json = serde_json::value::to_raw_value(&numbers);
        json.map(Self).map_err(|error| Failure::internal(format!("cannot write JSON: {error}")))
    }

    /// The base64, if it is that.
    pub fn base64(&self) -> Option<Text<'_>> {
        serde_json::from_str(self.0.get()).ok()
    }
}

impl EmbeddingInput<'_> {
    /// The texts, or `None` if these are token numbers, which only the upstream whose tokens they are understands.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::Many(inputs) => inputs.iter().map(Value::as_str).collect(),
        }
    }
}

impl<'a> EmbeddingList<'a> {
    /// The answer that holds these embeddings in the order of their inputs. `prompt_tokens` is 0 if nobody knows.
    pub fn new(model: impl Into<Text<'a>>, vectors: impl IntoIterator<Item = Vector>, prompt_tokens: u64) -> Self {
        let entry = |(index, vector)| Embedding {
            object: Some("embedding".into()),
            index: Some(index),
            embedding: Some(vector),
            ..Default::default()
        };
        Self {
            object: Some("list".into()),
            data: Some((0..).zip(vectors).map(entry).collect()),
            model: Some(model.into()),
            usage: Some(EmbeddingUsage {
                prompt_tokens: Some(prompt_tokens),
                total_tokens: Some(prompt_tokens),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}
