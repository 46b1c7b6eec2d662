//! One embedding, as an upstream gave it and as a client wants it: numbers, or little-endian 32-bit floats in base64.
//! What is wanted as it was given is not touched, so that no digit changes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::answer::bad;
use crate::error::Error;

/// In which form a client wants its embeddings: `encoding_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Numbers. The default.
    Float,
    /// Little-endian 32-bit floats in base64. What the official SDKs ask for, unless told otherwise.
    Base64,
    /// Another one that the upstream may know: it gets the name, and the client what the upstream makes of it.
    AsGiven,
}

impl Encoding {
    /// The encoding with this name in the OpenAI API.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "float" => Self::Float,
            "base64" => Self::Base64,
            _ => Self::AsGiven,
        }
    }
}

/// One embedding, as the upstream gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Vector {
    /// The JSON of a flat array of numbers.
    Numbers(Bytes),
    /// The inside of a JSON string, which nobody has decoded yet.
    Base64(Bytes),
}

impl Vector {
    /// The embedding that stands in the document as this value.
    pub(super) fn parse(document: &Bytes, value: &RawValue) -> Result<Self, Error> {
        let text = value.get();
        match text.as_bytes() {
            // The value is JSON: if all in it can be part of a number, it is an array of numbers.
            [b'[', inside @ ..] if inside.iter().all(|byte| is_of_numbers(*byte)) => {
                Ok(Self::Numbers(document.slice_ref(text.as_bytes())))
            }
            // Slashes may be escaped; then it is not the same text.
            [b'"', inside @ .., b'"'] if inside.contains(&b'\\') => {
                let text: String = serde_json::from_str(text).map_err(|_| bad("an embedding that is no text"))?;
                Ok(Self::Base64(text.split_ascii_whitespace().collect::<String>().into()))
            }
            [b'"', inside @ .., b'"'] => Ok(Self::Base64(document.slice_ref(inside))),
            _ => Err(bad("an embedding that is neither numbers nor base64")),
        }
    }

    /// About how many bytes it takes in this encoding.
    pub(super) fn size(&self, encoding: Encoding) -> usize {
        match (self, encoding) {
            // Shortest floats of this size have about ten digits, where four bytes are five and a bit in base64.
            (Self::Base64(text), Encoding::Float) => text.len() * 5 / 2,
            (Self::Numbers(text), _) | (Self::Base64(text), _) => text.len(),
        }
    }

    /// Appends its JSON in this encoding.
    pub(super) fn write(&self, encoding: Encoding, json: &mut Vec<u8>) -> Result<(), Error> {
        match (self, encoding) {
            (Self::Numbers(text), Encoding::Float | Encoding::AsGiven) => json.extend_from_slice(text),
            (Self::Numbers(text), Encoding::Base64) => write_string(STANDARD.encode(floats(text)?).as_bytes(), json)?,
            (Self::Base64(text), Encoding::Float) => write_numbers(&decode(text)?, json)?,
            (Self::Base64(text), Encoding::Base64 | Encoding::AsGiven) => write_string(text, json)?,
        }
        Ok(())
    }
}

fn is_of_numbers(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b',' | b'-' | b'+' | b'e' | b'E' | b']' | b' ' | b'\n' | b'\r' | b'\t')
}

/// The bytes of the floats that are nearest to these numbers.
fn floats(array: &[u8]) -> Result<Vec<u8>, Error> {
    let no_text = || bad("an embedding that is no text");
    let inside = str::from_utf8(array).ok().and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
    let inside = inside.ok_or_else(no_text)?.trim_ascii();
    // A number and its comma take eleven bytes or so.
    let mut bytes = Vec::with_capacity(inside.len() / 2);
    if inside.is_empty() {
        return Ok(bytes);
    }
    for number in inside.split(',') {
        let float: f32 = number.trim_ascii().parse().map_err(|_| no_text())?;
        bytes.extend_from_slice(&finite(float)?.to_le_bytes());
    }
    Ok(bytes)
}

/// Decodes base64 with or without padding, in the standard alphabet or the one for URLs.
fn decode(text: &[u8]) -> Result<Vec<u8>, Error> {
    const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent);
    const WITH_SLASH: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, TOLERANT);
    const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, TOLERANT);
    let is_for_urls = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_for_urls { FOR_URLS } else { WITH_SLASH };
    alphabet.decode(text).map_err(|_| bad("an embedding that is not valid base64"))
}

/// Appends an array of the shortest numbers that stand for these floats.
fn write_numbers(bytes: &[u8], json: &mut Vec<u8>) -> Result<(), Error> {
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(bad("an embedding whose bytes are no whole number of floats"));
    }
    json.push(b'[');
    for (position, float) in floats.iter().enumerate() {
        if position > 0 {
            json.push(b',');
        }
        let float = finite(f32::from_le_bytes(*float))?;
        serde_json::to_writer(&mut *json, &float).map_err(|error| Error::internal(error.to_string()))?;
    }
    json.push(b']');
    Ok(())
}

/// Appends a JSON string.
fn write_string(text: &[u8], json: &mut Vec<u8>) -> Result<(), Error> {
    // Quotes and the like are in no base64, but they may be in what calls itself so.
    if text.iter().any(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        return Err(bad("an embedding that is not valid base64"));
    }
    json.push(b'"');
    json.extend_from_slice(text);
    json.push(b'"');
    Ok(())
}

/// JSON has no other floats.
fn finite(float: f32) -> Result<f32, Error> {
    if float.is_finite() { Ok(float) } else { Err(bad("an embedding with a number that is not finite")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this JSON value becomes.
    fn converted(value: &str, encoding: Encoding) -> Result<String, Error> {
        let document = Bytes::copy_from_slice(value.as_bytes());
        let vector = Vector::parse(&document, serde_json::from_slice(&document).unwrap())?;
        let mut json = Vec::new();
        vector.write(encoding, &mut json)?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn numbers_and_base64_become_each_other() {
        for (numbers, base64) in [
            ("[]", r#""""#),
            ("[1.0]", r#""AACAPw==""#),
            ("[-0.0,0.1]", r#""AAAAgM3MzD0=""#),
            ("[1.0,2.0,3.0]", r#""AACAPwAAAEAAAEBA""#),
            ("[-0.0039325873,1.17549435e-38,1e-45,3.4028235e38]", r#""79yAuwAAgAABAAAA//9/fw==""#),
        ] {
            assert_eq!(converted(numbers, Encoding::Base64).unwrap(), base64);
            let back = converted(base64, Encoding::Float).unwrap();
            assert_eq!(converted(&back, Encoding::Base64).unwrap(), base64, "{back}");
            assert!(back.len() <= numbers.len(), "{back}");
        }
    }

    #[test]
    fn what_is_wanted_as_it_was_given_keeps_every_digit() {
        let numbers = "[ 0.10000000149011612,\n -3.0E-2, 7,1e400 ]";
        let base64 = r#""AACAPw""#;
        for encoding in [Encoding::Float, Encoding::AsGiven] {
            assert_eq!(converted(numbers, encoding).unwrap(), numbers);
        }
        for encoding in [Encoding::Base64, Encoding::AsGiven] {
            assert_eq!(converted(base64, encoding).unwrap(), base64);
        }
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (numbers, expected) in [
            ("[1, 2]", "[1.0,2.0]"),
            ("[\n  1e0,\n  20E-1\n]", "[1.0,2.0]"),
            ("[ ]", "[]"),
            ("[-127,127]", "[-127.0,127.0]"),
            ("[0.1000000014901161193847656250001]", "[0.1]"),
            ("[1e-60]", "[0.0]"),
        ] {
            let base64 = converted(numbers, Encoding::Base64).unwrap();
            assert_eq!(converted(&base64, Encoding::Float).unwrap(), expected, "{numbers}");
        }
    }

    #[test]
    fn base64_is_read_in_every_spelling() {
        for text in ["+/+/Pw==", "+/+/Pw", "-_-_Pw==", "-_-_Pw", r"+\/+\/Pw==", r"+/+/\nPw==\n", r"+/+\u002fPw=="] {
            assert_eq!(converted(&format!("\"{text}\""), Encoding::Float).unwrap(), "[1.4999994]", "{text}");
        }
    }

    #[test]
    fn what_is_no_embedding_is_the_upstreams_fault() {
        for (value, encoding) in [
            ("null", Encoding::Float),
            ("5", Encoding::Float),
            ("{}", Encoding::AsGiven),
            ("[null]", Encoding::Float),
            ("[true]", Encoding::Float),
            ("[[1.0]]", Encoding::Float),
            (r#"["1.0"]"#, Encoding::Float),
            ("[1e39]", Encoding::Base64),
            (r#""AACAf""#, Encoding::Float),
            (r#""AACAfw==""#, Encoding::Float),
            (r#""AADAfw==""#, Encoding::Float),
            (r#""AAA=""#, Encoding::Float),
            (r#""not base64""#, Encoding::Float),
            (r#""\"""#, Encoding::Base64),
        ] {
            let error = converted(value, encoding).unwrap_err();
            assert_eq!(error.status.as_u16(), 502, "{value}: {error}");
        }
    }
}
