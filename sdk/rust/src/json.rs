//! JSON text without a tree: what is already JSON on one side is copied to the other as it stands.
//!
//! APIs are JSON, and most of what passes between two of them is strings. A string that stays as it is keeps its
//! escapes: it is never unescaped into memory and escaped again, which is what makes a delta cost a microsecond.
//! This is no parser; `serde_json` checks every value before it comes here.

mod turns;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::turns::Turns;

use crate::Failure;
use crate::openai::{push_json_string, to_json};

/// The inside of a JSON string (escapes as they stand, without the quotes), if that is what the value is.
pub fn string_body(value: Option<&RawValue>) -> Option<&str> {
    value?.get().strip_prefix('"')?.strip_suffix('"')
}

/// The number of characters that a string body stands for. A surrogate pair written as two escapes is one.
pub fn characters(body: &str) -> usize {
    let bytes = body.as_bytes();
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes.get(at + 1).filter(|_| byte == b'\\');
        let low_surrogate = matches!(bytes.get(at + 2..at + 4), Some([b'd' | b'D', b'c'..=b'f' | b'C'..=b'F']));
        match escaped {
            Some(b'u') => {
                count += usize::from(!low_surrogate);
                at += 6;
            }
            Some(_) => {
                count += 1;
                at += 2;
            }
            // A byte of the form 10xxxxxx continues a character that was counted at its first byte.
            None => {
                count += usize::from(byte & 0xC0 != 0x80);
                at += 1;
            }
        }
    }
    count
}

/// A field's name in the spelling of APIs that begin the words within a name with capitals: `topK` of `top_k`.
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let first = word.len().min(1);
        camel.push_str(&word.get(..first).unwrap_or_default().to_ascii_uppercase());
        camel.push_str(word.get(first..).unwrap_or(word));
    }
    camel
}

/// A value as JSON. `Value::to_string` writes the same, with a serializer that a component would have for nothing else.
pub fn to_text(value: &Value) -> String {
    // Only a map whose keys are not strings cannot be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// An object of these fields. It takes far less room in a component than `json!` does wherever it stands.
#[inline(never)]
pub fn object(fields: Vec<(&str, Value)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// JSON without the white space between its tokens, as which upstreams that indent their answers send arguments.
pub fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |character: &char| {
        let keep = in_string || !character.is_ascii_whitespace();
        in_string ^= *character == '"' && !escaped;
        escaped = in_string && *character == '\\' && !escaped;
        keep
    };
    json.chars().filter(keep).collect()
}

/// JSON in the making. Commas come by themselves: a value that just opened is the only place that needs none.
///
/// Nothing of it is inlined: requests are written by hundreds of calls, which would make a component larger by a tenth.
#[derive(Debug, Default)]
pub struct Json(String);

crate::parkable!(struct Json { 0 });

impl Json {
    /// An empty text with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What was written, as a string of its own.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Opens an object or array with its bracket, as a value.
    #[inline(never)]
    pub fn open(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.0.push(bracket);
        self
    }

    /// Closes what was opened.
    #[inline(never)]
    pub fn close(&mut self, bracket: char) -> &mut Self {
        self.0.push(bracket);
        self
    }

    /// The name of a field; its value comes next. For names that need no escapes.
    #[inline(never)]
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    /// The name of a field that a client chose.
    pub fn key_of(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.0.push(':');
        self
    }

    /// A value that is JSON already, or several with commas between them.
    #[inline(never)]
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.separate();
        self.0.push_str(json);
        self
    }

    /// What was written elsewhere: a value, or several with commas between them, or nothing.
    pub fn list(&mut self, values: &Self) -> &mut Self {
        if values.is_empty() { self } else { self.raw(values.as_str()) }
    }

    /// A string whose body has its escapes already.
    #[inline(never)]
    pub fn body(&mut self, body: &str) -> &mut Self {
        self.separate();
        self.0.push('"');
        self.0.push_str(body);
        self.0.push('"');
        self
    }

    /// A string.
    #[inline(never)]
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        push_json_string(&mut self.0, text);
        self
    }

    /// A field with a string, if there is one. The name as for [`key`](Self::key).
    #[inline(never)]
    pub fn text(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.key(name).string(text),
            None => self,
        }
    }

    /// A field with an array or object (`brackets`) of what was written already, if that is anything.
    #[inline(never)]
    pub fn within(&mut self, name: &str, brackets: [char; 2], inside: &Self) -> &mut Self {
        match inside.is_empty() {
            true => self,
            false => self.key(name).open(brackets[0]).raw(inside.as_str()).close(brackets[1]),
        }
    }

    /// The fields of an object, if it has any.
    ///
    /// # Errors
    /// Only for what JSON cannot hold.
    pub fn fields(&mut self, object: &Map<String, Value>) -> Result<&mut Self, Failure> {
        let json = to_json(object)?;
        let fields = &json[1..json.len() - 1];
        Ok(if fields.is_empty() { self } else { self.raw(fields) })
    }

    /// A whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_string())
    }

    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.0.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_through_escapes() {
        for (body, count) in [("", 0), ("abc", 3), (r"a\nb", 3), (r"\ud83d\ude00!", 2), ("é😀", 2), (r"\\u", 2)] {
            assert_eq!(characters(body), count, "{body}");
        }
    }

    #[test]
    fn names_get_capitals_in_place_of_underscores() {
        for (name, expected) in [("", ""), ("seed", "seed"), ("top_k", "topK"), ("topK", "topK"), ("a__é_b", "aéB")] {
            assert_eq!(camel_case(name), expected);
        }
    }

    #[test]
    fn json_loses_the_space_between_its_tokens_and_nothing_else() {
        for (json, expected) in [
            ("{\n  \"a b\" : [1 , 2.50],\n  \"c\": \" \\\" \"\n}", r#"{"a b":[1,2.50],"c":" \" "}"#),
            (r#"{"path": "C:\\", "x": " y "}"#, r#"{"path":"C:\\","x":" y "}"#),
            ("{}", "{}"),
        ] {
            assert_eq!(compact(json), expected);
        }
    }

    #[test]
    fn commas_stand_where_json_wants_them() {
        let mut json = Json::default();
        json.open('{').key("a").number(1).key("b").open('[').raw("2").string("x").close(']').key("c").open('{');
        json.close('}').close('}');
        assert_eq!(json.as_str(), r#"{"a":1,"b":[2,"x"],"c":{}}"#);
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        let mut list = Json::default();
        let nothing = Json::default();
        list.number(1).number(2);
        let fields = Map::from_iter([("d".to_owned(), Value::Null)]);
        let mut json = Json::default();
        json.open('{').text("a", None).within("b", ['[', ']'], &nothing).fields(&Map::new()).unwrap();
        json.text("a", Some("x")).within("b", ['[', ']'], &list).fields(&fields).unwrap().close('}');
        assert_eq!(json.as_str(), r#"{"a":"x","b":[1,2],"d":null}"#);
    }
}
