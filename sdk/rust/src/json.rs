//! JSON text without a tree: what is already JSON on one side is copied to the other as it stands.
//!
//! APIs are JSON, and most of what passes between two of them is strings. A string that stays as it is keeps its
//! escapes: it is never unescaped into memory and escaped again, which is what makes a delta cost a microsecond.
//! This is no parser; `serde_json` checks every value before it comes here.

use crate::openai::push_json_string;
use serde_json::value::RawValue;

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

/// JSON in the making. Commas come by themselves: a value that just opened is the only place that needs none.
#[derive(Debug, Default)]
pub struct Json(String);

impl Json {
    /// An empty text with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
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
    pub fn open(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.0.push(bracket);
        self
    }

    /// Closes what was opened.
    pub fn close(&mut self, bracket: char) -> &mut Self {
        self.0.push(bracket);
        self
    }

    /// The name of a field; its value comes next. For names that need no escapes.
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
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.separate();
        self.0.push_str(json);
        self
    }

    /// A string whose body has its escapes already.
    pub fn body(&mut self, body: &str) -> &mut Self {
        self.separate();
        self.0.push('"');
        self.0.push_str(body);
        self.0.push('"');
        self
    }

    /// A string.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        push_json_string(&mut self.0, text);
        self
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
    fn commas_stand_where_json_wants_them() {
        let mut json = Json::default();
        json.open('{').key("a").number(1).key("b").open('[').raw("2").string("x").close(']').key("c").open('{');
        json.close('}').close('}');
        assert_eq!(json.as_str(), r#"{"a":1,"b":[2,"x"],"c":{}}"#);
    }
}
