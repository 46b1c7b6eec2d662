//! A list of embeddings that does not conform, made to.

use serde::Deserialize;

use crate::openai::{self, EmbeddingList, EmbeddingUsage, Vector};
use crate::{Call, Failure};

use super::answer::expect;
use super::straighten;

/// How an upstream writes the numbers of an embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingNumbers {
    /// As the API has it: numbers, or little-endian 32-bit floats in base64.
    #[default]
    Float,
    /// Signed bytes in base64.
    Int8,
}

/// The canonical list, or the failure that the answer tells of in spite of its `status`.
pub fn list(call: &Call, numbers: EmbeddingNumbers, status: u16, body: &str) -> Result<String, Failure> {
    let mut room = String::new();
    let mut list: EmbeddingList = straighten::read(body, &mut room)?;
    expect(list.data.is_some(), "data", &list.extra, status, body)?;
    list.extra.shift_remove("error");
    let mut data = list.data.take().unwrap_or_default();
    // Those without an index stay where they are: the sort is stable, and the upstream gives all of them or none.
    data.sort_by_key(|embedding| embedding.index.unwrap_or(0));
    for (index, embedding) in (0..).zip(&mut data) {
        embedding.object = Some("embedding".into());
        embedding.index = Some(index);
        if numbers == EmbeddingNumbers::Int8 {
            embedding.embedding = embedding.embedding.take().map(signed_bytes).transpose()?;
        }
        if embedding.embedding.is_none() {
            return Err(Failure::bad_answer(format!("The provider sent no numbers for the input {index}.")));
        }
    }
    list.object = Some("list".into());
    list.data = Some(data);
    list.model = list.model.filter(|model| !model.is_empty()).or_else(|| Some(call.model.as_str().into()));
    list.usage = Some(usage(list.usage));
    openai::to_json(&list)
}

fn usage(usage: Option<EmbeddingUsage>) -> EmbeddingUsage {
    let usage = usage.unwrap_or_default();
    let prompt_tokens = usage.prompt_tokens.or(usage.total_tokens).unwrap_or(0);
    let total_tokens = usage.total_tokens.unwrap_or(prompt_tokens);
    EmbeddingUsage { prompt_tokens: Some(prompt_tokens), total_tokens: Some(total_tokens), ..usage }
}

/// The numbers that these bytes are.
fn signed_bytes(vector: Vector) -> Result<Vector, Failure> {
    match vector.base64() {
        Some(base64) => Vector::of(bytes(&base64).map(|byte| i8::from_ne_bytes([byte]))),
        None => Ok(vector),
    }
}

/// The bytes of a base64 text. What is no digit of base64 counts as its end.
fn bytes(base64: &str) -> impl Iterator<Item = u8> + '_ {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut digits = base64.bytes().map_while(digit);
    let (mut bits, mut count) = (0_u32, 0);
    std::iter::from_fn(move || {
        while count < 8 {
            bits = (bits << 6) | u32::from(digits.next()?);
            count += 6;
        }
        count -= 8;
        let [.., byte] = (bits >> count).to_be_bytes();
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn base64_gives_its_bytes_with_or_without_padding() {
        for (base64, expected) in [
            ("", &[][..]),
            ("AP8=", &[0, 255]),
            ("AP8", &[0, 255]),
            ("gH8B", &[128, 127, 1]),
            ("-_-_", &[251, 255, 191]),
        ] {
            assert_eq!(bytes(base64).collect::<Vec<_>>(), expected, "{base64}");
        }
    }
}
