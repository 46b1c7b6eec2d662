//! A client's request for embeddings: what it asks, and the same in several parts.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Encoding;
use crate::error::Error;

/// How many inputs one request may have: what the OpenAI API takes. Upstreams that take fewer get several requests, so
/// that without a limit one request of a client could become any number of them.
pub const MOST_INPUTS: usize = 2048;

/// What a request for embeddings asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// How many embeddings are wanted: from 1 to [`MOST_INPUTS`].
    pub count: usize,
    /// Whether the inputs are given as token numbers, which only the upstream whose tokens they are understands.
    pub is_tokens: bool,
    /// In which form the client wants its embeddings.
    pub encoding: Encoding,
}

/// Checks those fields of the body of `POST /v1/embeddings` that are about embeddings, and says what it asks. Whether
/// an empty text can be embedded is for the upstream to judge: some can.
///
/// # Errors
/// A 400 that names the field at fault: `input`, one of its elements, `encoding_format` or `dimensions`.
pub fn describe(document: &str) -> Result<Inputs, Error> {
    let fields = Fields::of(document)?;
    let input = fields.input.ok_or_else(|| {
        Error::invalid_field("input", "Missing required parameter: 'input'.").with_code("missing_required_parameter")
    })?;
    let (count, is_tokens) = match kind(input) {
        Kind::String => (1, false),
        Kind::Array => list(&elements(input)?)?,
        other => {
            return Err(wrong_type("input", "a string or an array of strings, integers or arrays of integers", other));
        }
    };
    if count > MOST_INPUTS {
        let message = format!(
            "Invalid 'input': array too long. Expected an array with maximum length {MOST_INPUTS}, but got an array with \
             length {count} instead."
        );
        return Err(Error::invalid_field("input", message).with_code("array_above_max_length"));
    }
    fields.check_dimensions()?;
    Ok(Inputs { count, is_tokens, encoding: fields.encoding()? })
}

/// The same request in parts of at most so many inputs each, their order kept. Everything but `input` is in each of
/// them. A request that needs no splitting is its own only part.
///
/// # Errors
/// A document that [`describe`] refuses for being no JSON object.
pub fn split(document: &str, most_inputs: usize) -> Result<Vec<String>, Error> {
    let whole = || Ok(vec![document.to_owned()]);
    let Some(input) = Fields::of(document)?.input.filter(|input| kind(input) == Kind::Array) else { return whole() };
    let elements = elements(input)?;
    // A list of numbers is the tokens of one input.
    if elements.len() <= most_inputs || elements.first().is_some_and(|first| kind(first) == Kind::Number) {
        return whole();
    }
    let before = &document[..offset(document, input)];
    let after = &document[offset(document, input) + input.get().len()..];
    let part = |inputs: &[&RawValue]| {
        let first = inputs.first().map_or(0, |input| offset(document, input));
        let end = inputs.last().map_or(0, |input| offset(document, input) + input.get().len());
        [before, "[", &document[first..end], "]", after].concat()
    };
    Ok(elements.chunks(most_inputs.max(1)).map(part).collect())
}

/// The fields that are looked at. One that is null is as good as absent.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow)]
    dimensions: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn of(document: &'a str) -> Result<Self, Error> {
        if document.trim_ascii_start().starts_with(['[', '"']) {
            let message = "The request body must be a JSON object with at least `model` and `input`.";
            return Err(Error::invalid_request(message));
        }
        let invalid = |error| Error::invalid_request(format!("The request body cannot be read: {error}."));
        serde_json::from_str(document).map_err(invalid)
    }

    fn encoding(&self) -> Result<Encoding, Error> {
        let Some(format) = self.encoding_format else { return Ok(Encoding::Float) };
        let wrong = || wrong_type("encoding_format", "a string", kind(format));
        let format: String = serde_json::from_str(format.get()).map_err(|_| wrong())?;
        Ok(Encoding::named(&format))
    }

    fn check_dimensions(&self) -> Result<(), Error> {
        let Some(dimensions) = self.dimensions else { return Ok(()) };
        match dimensions.get().parse::<i128>() {
            Ok(1..) => Ok(()),
            Ok(number) => {
                let message = format!(
                    "Invalid 'dimensions': integer below minimum value. Expected a value >= 1, but got {number} instead."
                );
                Err(Error::invalid_field("dimensions", message).with_code("integer_below_min_value"))
            }
            Err(_) => Err(wrong_type("dimensions", "an integer", kind(dimensions))),
        }
    }
}

/// How many inputs a list holds, and whether they are token numbers. Its first element says what the others have to be.
fn list(elements: &[&RawValue]) -> Result<(usize, bool), Error> {
    let Some(first) = elements.first() else { return Err(empty("input")) };
    let check = match kind(first) {
        Kind::String => check_text,
        Kind::Number => check_token,
        Kind::Array => check_tokens,
        other => return Err(wrong_type("input[0]", "a string, an integer or an array of integers", other)),
    };
    for (position, element) in elements.iter().enumerate() {
        check(element, position)?;
    }
    Ok(match kind(first) {
        Kind::Number => (1, true),
        first => (elements.len(), first == Kind::Array),
    })
}

fn check_text(element: &RawValue, position: usize) -> Result<(), Error> {
    match kind(element) {
        Kind::String => Ok(()),
        other => Err(wrong_type(place(position), "a string", other)),
    }
}

fn check_token(element: &RawValue, position: usize) -> Result<(), Error> {
    if element.get().parse::<u64>().is_ok() {
        return Ok(());
    }
    Err(wrong_type(place(position), "an integer that is the number of a token", kind(element)))
}

fn check_tokens(element: &RawValue, position: usize) -> Result<(), Error> {
    if kind(element) != Kind::Array {
        return Err(wrong_type(place(position), "an array of integers", kind(element)));
    }
    match serde_json::from_str::<Vec<u64>>(element.get()) {
        Ok(tokens) if tokens.is_empty() => Err(empty(place(position))),
        Ok(_) => Ok(()),
        Err(_) => Err(wrong_type(
            place(position),
            "an array of integers that are the numbers of tokens",
            "an array of others",
        )),
    }
}

/// The path of an element, for messages.
fn place(position: usize) -> String {
    format!("input[{position}]")
}

fn elements(list: &RawValue) -> Result<Vec<&RawValue>, Error> {
    serde_json::from_str(list.get()).map_err(|error| Error::internal(format!("a part of checked JSON: {error}")))
}

/// Where a part of the document stands in it.
fn offset(document: &str, part: &RawValue) -> usize {
    part.get().as_ptr().addr() - document.as_ptr().addr()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

fn kind(value: &RawValue) -> Kind {
    match value.get().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

impl From<Kind> for &'static str {
    /// The kind with its article, for messages.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Boolean => "a boolean",
            Kind::Null => "null",
        }
    }
}

fn wrong_type(path: impl Into<String>, expected: &str, got: impl Into<&'static str>) -> Error {
    let path = path.into();
    let message = format!("Invalid type for '{path}': expected {expected}, but got {} instead.", got.into());
    Error::invalid_field(path, message).with_code("invalid_type")
}

fn empty(path: impl Into<String>) -> Error {
    let path = path.into();
    let message = format!(
        "Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    );
    Error::invalid_field(path, message).with_code("empty_array")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_how_many_inputs_it_has_and_of_what_kind() {
        for (input, count, is_tokens) in [
            (r#""text""#, 1, false),
            (r#""""#, 1, false),
            (r#"["a"]"#, 1, false),
            (r#"["a", "", "\"]["]"#, 3, false),
            ("[1, 20, 300]", 1, true),
            ("[[1,2],[3]]", 2, true),
            ("[ [100256] ]", 1, true),
        ] {
            let inputs = describe(&format!(r#"{{"model":"m","input":{input},"unknown":[1]}}"#)).unwrap();
            assert_eq!(inputs, Inputs { count, is_tokens, encoding: Encoding::Float }, "{input}");
        }
    }

    #[test]
    fn the_encoding_is_what_the_client_names() {
        for (fields, encoding) in [
            (r#""user":"u""#, Encoding::Float),
            (r#""encoding_format":null,"dimensions":null"#, Encoding::Float),
            (r#""encoding_format":"float","dimensions":1"#, Encoding::Float),
            (r#""encoding_format":"base64","dimensions":3072"#, Encoding::Base64),
            (r#""encoding_format":"base64_int8""#, Encoding::AsGiven),
        ] {
            assert_eq!(describe(&format!(r#"{{"input":"a",{fields}}}"#)).unwrap().encoding, encoding, "{fields}");
        }
    }

    #[test]
    fn what_no_upstream_could_make_sense_of_is_refused_with_the_field_at_fault() {
        let many = format!(r#"{{"input":[{}"a"]}}"#, r#""a","#.repeat(MOST_INPUTS));
        for (document, param, text) in [
            (r#"{"model":"m"}"#, "input", "Missing required parameter"),
            (r#"{"input":null}"#, "input", "Missing required parameter"),
            (r#"{"input":5}"#, "input", "expected a string or an array of strings"),
            (r#"{"input":{}}"#, "input", "but got an object"),
            (r#"{"input":true}"#, "input", "but got a boolean"),
            (r#"{"input":[]}"#, "input", "empty array"),
            (r#"{"input":[[]]}"#, "input[0]", "empty array"),
            (r#"{"input":[[1],[]]}"#, "input[1]", "empty array"),
            (r#"{"input":[null]}"#, "input[0]", "but got null"),
            (r#"{"input":[{"text":"a"}]}"#, "input[0]", "but got an object"),
            (r#"{"input":["a",5]}"#, "input[1]", "expected a string, but got a number"),
            (r#"{"input":["a",["b"]]}"#, "input[1]", "expected a string, but got an array"),
            (r#"{"input":[5,"a"]}"#, "input[1]", "expected an integer"),
            (r#"{"input":[-5]}"#, "input[0]", "number of a token"),
            (r#"{"input":[5.0]}"#, "input[0]", "number of a token"),
            (r#"{"input":[[5],6]}"#, "input[1]", "expected an array of integers, but got a number"),
            (r#"{"input":[["a"]]}"#, "input[0]", "numbers of tokens"),
            (&many, "input", "maximum length 2048, but got an array with length 2049"),
            (r#"{"input":"a","encoding_format":1}"#, "encoding_format", "expected a string, but got a number"),
            (r#"{"input":"a","dimensions":0}"#, "dimensions", ">= 1, but got 0"),
            (r#"{"input":"a","dimensions":-1}"#, "dimensions", ">= 1, but got -1"),
            (r#"{"input":"a","dimensions":1.5}"#, "dimensions", "expected an integer, but got a number"),
            (r#"{"input":"a","dimensions":"8"}"#, "dimensions", "expected an integer, but got a string"),
        ] {
            let error = describe(document).unwrap_err();
            assert_eq!((error.status.as_u16(), error.param.as_deref()), (400, Some(param)), "{document:.80}");
            assert!(error.message.contains(text), "{text}: {}", error.message);
        }
        for document in ["", "{", "[]", r#""a""#, "5", r#"{"input":"a","input":"b"}"#, r#"{"input":"a"} x"#] {
            let error = describe(document).unwrap_err();
            assert_eq!((error.status.as_u16(), error.param), (400, None), "{document}");
        }
    }

    #[test]
    fn a_request_is_split_into_parts_that_differ_in_their_input_alone() {
        let document = |input: &str| format!(r#"{{ "model":"m", "input" : {input} ,"dimensions":2}}"#);
        for (input, most, parts) in [
            (r#""a""#, 1, vec![r#""a""#]),
            (r#"["a","b"]"#, 2, vec![r#"["a","b"]"#]),
            (r#"["a","b"]"#, 1, vec![r#"["a"]"#, r#"["b"]"#]),
            (r#"["a","b"]"#, 0, vec![r#"["a"]"#, r#"["b"]"#]),
            (r#"[ "a" , "]," , "c" ]"#, 2, vec![r#"["a" , "],"]"#, r#"["c"]"#]),
            ("[1,2,3]", 1, vec!["[1,2,3]"]),
            ("[[1,2],[3],[4]]", 2, vec!["[[1,2],[3]]", "[[4]]"]),
        ] {
            let expected: Vec<String> = parts.into_iter().map(document).collect();
            assert_eq!(split(&document(input), most).unwrap(), expected, "{input}");
        }
    }
}
