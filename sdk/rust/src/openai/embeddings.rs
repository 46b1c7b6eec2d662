//! Embeddings: what a client asks for, and the list that it gets.

use serde::de::{Error as _, MapAccess};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Text;
use super::document::{Document, read_document};
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

/// The embeddings of an answer: a list or, where an upstream makes several types of numbers at once, a list for each
/// type. Of these, floats count.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Vectors(pub Vec<Vector>);

/// The types of numbers, the best first: floats, the same as little-endian bytes in base64, bytes with a sign and without,
/// and bytes that hold eight dimensions each.
const TYPES: [&str; 6] = ["float", "base64", "int8", "uint8", "binary", "ubinary"];

/// The list of the best type so far, with the place of its type among all.
#[derive(Default)]
struct Best(Option<(usize, Vec<Vector>)>);

impl<'de> Document<'de> for Best {
    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let list: Option<Vec<Vector>> = map.next_value()?;
        let found = TYPES.iter().position(|name| *name == key).zip(list);
        if let Some((place, list)) = found.filter(|(place, _)| self.0.as_ref().is_none_or(|(best, _)| place < best)) {
            self.0 = Some((place, list));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Vectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if json.starts_with('[') {
            return serde_json::from_str(json).map(Self).map_err(D::Error::custom);
        }
        let best: Best = read_document(&mut serde_json::Deserializer::from_str(json)).map_err(D::Error::custom)?;
        best.0.map(|(_, list)| Self(list)).ok_or_else(|| D::Error::custom("embeddings of no type that is known"))
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

#[cfg(test)]
mod tests {
    use super::Vectors;

    #[test]
    fn embeddings_of_several_types_are_the_best_of_them() {
        let cases = [
            ("[[1.0],[2]]", Some("[1.0] [2]")),
            (r#"{"int8":[[3]],"float":[[0.5]]}"#, Some("[0.5]")),
            (r#"{"float":null,"ubinary":[[7]]}"#, Some("[7]")),
            (r#"{"base64":["AAA="]}"#, Some(r#""AAA=""#)),
            (r#"{"odd":[[1]]}"#, None),
            ("7", None),
        ];
        for (json, expected) in cases {
            let vectors: Option<Vectors> = serde_json::from_str(json).ok();
            let vectors =
                vectors.map(|vectors| vectors.0.iter().map(|vector| vector.0.get()).collect::<Vec<_>>().join(" "));
            assert_eq!(vectors.as_deref(), expected, "{json}");
        }
    }
}
