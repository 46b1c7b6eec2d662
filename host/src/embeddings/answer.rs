//! What came back for a request, or for its parts: one list of embeddings.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Encoding;
use super::usage::Usage;
use super::vector::Vector;
use crate::error::{Cause, Error};

/// An answer with embeddings, whatever form they have.
#[derive(Debug, Clone)]
pub struct Answer {
    /// In the order of the inputs.
    vectors: Vec<Vector>,
    usage: Usage,
    /// Fields that nobody here understands, with their JSON.
    others: Vec<(String, Bytes)>,
}

impl Answer {
    /// Reads the answer to `POST /v1/embeddings`, also where it is not quite one: without `object`, `index`, `model` or
    /// `usage`, with the embeddings in any order, as numbers or in base64. The document is copied.
    ///
    /// # Errors
    /// `Cause::BadAnswer` if there is no list of embeddings in it.
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        Self::parse_shared(Bytes::copy_from_slice(document))
    }

    /// The same as [`Self::parse`] for a document that is kept instead of copied.
    ///
    /// # Errors
    /// As there.
    pub fn parse_shared(document: Bytes) -> Result<Self, Error> {
        let text = simdutf8::basic::from_utf8(&document).map_err(|_| bad("text that is not valid UTF-8"))?;
        let read: Document<'_> = serde_json::from_str(text)
            .map_err(|error| bad("a document that is no list of embeddings").with_detail(error.to_string()))?;
        let mut entries = read.data.ok_or_else(|| bad("a document without embeddings"))?;
        sort(&mut entries);
        let vector = |entry: &Entry<'_>| {
            let value = entry.embedding.ok_or_else(|| bad("an entry without an embedding"))?;
            Vector::parse(&document, value)
        };
        let vectors = entries.iter().map(vector).collect::<Result<_, _>>()?;
        let other =
            |(name, value): (Cow<'_, str>, &RawValue)| (name.into_owned(), document.slice_ref(value.get().as_bytes()));
        let others = read.others.into_iter().map(other).collect();
        Ok(Self { vectors, usage: Usage::parse(read.usage), others })
    }

    /// The same answer, if it has one embedding for each of so many inputs.
    ///
    /// # Errors
    /// `Cause::BadAnswer` if it has more or fewer.
    pub fn for_inputs(self, count: usize) -> Result<Self, Error> {
        if self.vectors.len() == count {
            return Ok(self);
        }
        Err(bad("another number of embeddings than there are inputs")
            .with_detail(format!("{} embeddings for {count} inputs", self.vectors.len())))
    }

    /// The tokens of the inputs, if the upstream says how many.
    pub fn prompt_tokens(&self) -> Option<u64> {
        self.usage.prompt_tokens()
    }

    /// The document for the client, in the form of the OpenAI API: its embeddings numbered from 0 and in this encoding,
    /// `model` as given here.
    ///
    /// This takes time where numbers become base64 or the other way: about half a second for 2,048 embeddings of 3,072
    /// numbers.
    ///
    /// # Errors
    /// `Cause::BadAnswer` if an embedding is not what it seemed to be.
    pub fn write(self, encoding: Encoding, model: &str) -> Result<Bytes, Error> {
        const AROUND: usize = r#"{"object":"embedding","index":0000,"embedding":},"#.len();
        let size: usize = self.vectors.iter().map(|vector| vector.size(encoding) + AROUND).sum();
        let mut json = Vec::with_capacity(size + 256);
        json.extend_from_slice(br#"{"object":"list","data":["#);
        for (index, vector) in self.vectors.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            let before = format!(r#"{{"object":"embedding","index":{index},"embedding":"#);
            json.extend_from_slice(before.as_bytes());
            vector.write(encoding, &mut json)?;
            json.push(b'}');
        }
        json.push(b']');
        push_field(&mut json, "model", Value::from(model).to_string().as_bytes());
        push_field(&mut json, "usage", Value::from(self.usage.complete()).to_string().as_bytes());
        for (name, value) in &self.others {
            push_field(&mut json, name, value);
        }
        json.push(b'}');
        Ok(json.into())
    }
}

/// One answer of the answers to the parts of a request, in the order of the parts. What they cost is summed; of fields
/// that nobody here understands, those of the first count.
pub fn join(answers: impl IntoIterator<Item = Answer>) -> Answer {
    let mut answers = answers.into_iter();
    let none = Answer { vectors: Vec::new(), usage: Usage::default(), others: Vec::new() };
    let mut whole = answers.next().unwrap_or(none);
    for part in answers {
        whole.vectors.extend(part.vectors);
        whole.usage.add(part.usage);
    }
    whole
}

/// The upstream sent this instead of embeddings.
pub(super) fn bad(what: &str) -> Error {
    Error::new(Cause::BadAnswer, format!("The upstream answered with {what}."))
}

/// Appends a field to an object that has one already.
fn push_field(json: &mut Vec<u8>, name: &str, value: &[u8]) {
    json.push(b',');
    json.extend_from_slice(Value::from(name).to_string().as_bytes());
    json.push(b':');
    json.extend_from_slice(value);
}

/// Orders the embeddings by their indices if these make sense: some upstreams leave them out, or number all of them 0,
/// and mean the order in which they stand.
fn sort(entries: &mut [Entry<'_>]) {
    let mut is_taken = vec![false; entries.len()];
    let make_sense = entries.iter().all(|entry| {
        let place = entry.place().and_then(|place| is_taken.get_mut(place));
        place.is_some_and(|is_taken| !std::mem::replace(is_taken, true))
    });
    if make_sense {
        entries.sort_unstable_by_key(Entry::place);
    }
}

/// An answer as it was written.
#[derive(Default)]
struct Document<'a> {
    data: Option<Vec<Entry<'a>>>,
    usage: Option<&'a RawValue>,
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// One of the elements of `data`.
#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
}

impl Entry<'_> {
    fn place(&self) -> Option<usize> {
        self.index?.get().parse().ok()
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object with `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut document = Document::default();
        while let Some(name) = fields.next_key::<Name<'de>>()? {
            match &*name.0 {
                "data" => document.data = fields.next_value()?,
                "usage" => document.usage = fields.next_value()?,
                // These are written anew.
                "object" | "model" => drop(fields.next_value::<serde::de::IgnoredAny>()?),
                _ => document.others.push((name.0, fields.next_value()?)),
            }
        }
        Ok(document)
    }
}

/// A field's name, borrowed where it is written without escape sequences.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(document: &str) -> Result<Answer, Error> {
        Answer::parse(document.as_bytes())
    }

    fn written(answer: Answer, encoding: Encoding) -> Value {
        serde_json::from_slice(&answer.write(encoding, "the-model").unwrap()).unwrap()
    }

    /// A whole answer of embeddings of one number each.
    fn list(numbers: &[f64], usage: Value) -> Value {
        let entry = |(index, number)| json!({"object": "embedding", "index": index, "embedding": [number]});
        let data: Vec<Value> = numbers.iter().enumerate().map(entry).collect();
        json!({"object": "list", "data": data, "model": "the-model", "usage": usage})
    }

    #[test]
    fn answers_that_are_not_quite_right_become_so() {
        let tokens = json!({"prompt_tokens": 5, "total_tokens": 5});
        let unknown = json!({"prompt_tokens": 0, "total_tokens": 0});
        for (document, numbers, usage) in [
            (
                r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0]}],"model":"m",
                    "usage":{"prompt_tokens":5,"total_tokens":5}}"#,
                vec![1.0],
                &tokens,
            ),
            (r#"{"data":[{"embedding":[1.0]},{"embedding":[2.0]}]}"#, vec![1.0, 2.0], &unknown),
            (
                r#"{"usage":{"total_tokens":5},"data":[{"index":2,"embedding":[3.0]},{"index":0,"embedding":[1.0]},
                    {"index":1,"embedding":"AAAAQA=="}]}"#,
                vec![1.0, 2.0, 3.0],
                &tokens,
            ),
            (
                r#"{"data":[{"index":0,"embedding":[2.0]},{"index":0,"embedding":[1.0]}],"usage":null}"#,
                vec![2.0, 1.0],
                &unknown,
            ),
            (
                r#"{"data":[{"index":7,"embedding":[2.0]},{"index":"x","embedding":[1.0],"extra":{}}],"usage":[]}"#,
                vec![2.0, 1.0],
                &unknown,
            ),
            (r#"{"object":null,"model":null,"data":[]}"#, vec![], &unknown),
        ] {
            let answer = parsed(document).unwrap();
            assert_eq!(written(answer, Encoding::Float), list(&numbers, usage.clone()), "{document}");
        }
    }

    #[test]
    fn embeddings_are_given_in_the_encoding_that_is_asked_for() {
        let document = r#"{"data":[{"embedding":[1.0]},{"embedding":"AAAAQA=="}]}"#;
        for (encoding, expected) in [
            (Encoding::Float, json!([[1.0], [2.0]])),
            (Encoding::Base64, json!(["AACAPw==", "AAAAQA=="])),
            (Encoding::AsGiven, json!([[1.0], "AAAAQA=="])),
        ] {
            let written = written(parsed(document).unwrap(), encoding);
            let embeddings: Vec<&Value> =
                written["data"].as_array().unwrap().iter().map(|entry| &entry["embedding"]).collect();
            assert_eq!(json!(embeddings), expected);
        }
    }

    #[test]
    fn parts_are_joined_in_order_and_their_usage_summed() {
        let part = |numbers: &[f64], tokens: u64| {
            let mut part = list(numbers, json!({"prompt_tokens": tokens, "total_tokens": tokens}));
            part["id"] = json!(tokens);
            parsed(&part.to_string()).unwrap()
        };
        let whole = join([part(&[1.0, 2.0], 3), part(&[3.0], 4), part(&[], 0)]);
        assert_eq!(whole.prompt_tokens(), Some(7));
        let mut expected = list(&[1.0, 2.0, 3.0], json!({"prompt_tokens": 7, "total_tokens": 7}));
        expected["id"] = json!(3);
        assert_eq!(written(whole.for_inputs(3).unwrap(), Encoding::Float), expected);
        let none = join([]);
        assert_eq!(written(none, Encoding::Float), list(&[], json!({"prompt_tokens": 0, "total_tokens": 0})));
    }

    #[test]
    fn what_nobody_understands_is_carried() {
        let document = r#"{"id":"e-1","data":[],"cr\u0065ated": 1.50 ,"data_type":{"a":[1]}}"#;
        let bytes = parsed(document).unwrap().write(Encoding::Float, "a \"b\"").unwrap();
        let expected = r#"{"object":"list","data":[],"model":"a \"b\"","usage":{"prompt_tokens":0,"total_tokens":0},"id":"e-1","created":1.50,"data_type":{"a":[1]}}"#;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_holds_no_embeddings_is_the_upstreams_fault() {
        for document in [
            "",
            "null",
            "[]",
            "{",
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":[null]}"#,
            r#"{"data":[{}]}"#,
            r#"{"data":[{"embedding":null}]}"#,
            r#"{"data":[{"embedding":[null]}]}"#,
            r#"{"error":{"message":"no"}}"#,
        ] {
            let error = parsed(document).unwrap_err();
            assert_eq!((error.cause, error.status.as_u16()), (Cause::BadAnswer, 502), "{document}");
        }
        assert!(Answer::parse(b"\xff").is_err());
        let two = parsed(r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#).unwrap();
        assert!(two.clone().for_inputs(2).is_ok());
        assert_eq!(two.for_inputs(3).unwrap_err().cause, Cause::BadAnswer);
    }
}
