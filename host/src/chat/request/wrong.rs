//! What can be wrong with a request, and how to say it: in the words of the OpenAI API, with the path of the field.

use std::fmt::Write as _;

use crate::chat::scan::{Fault, Kind};
use crate::error::Error;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not JSON.
    Json(Fault),
    /// It is JSON of another kind.
    NotAnObject(Kind),
    /// A field is at fault.
    Field(Box<Wrong>),
}

/// A field at fault.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The path from where it was found, grown on the way up.
    path: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Missing,
    /// Another field has to be on for this one.
    Needs(&'static str),
    Duplicate,
    Type {
        expected: &'static str,
        got: String,
    },
    /// The value, cut, and those that are allowed.
    Value(String, &'static [&'static str]),
    Empty {
        what: &'static str,
    },
    TooLong {
        limit: usize,
        length: usize,
    },
    Above {
        kind: &'static str,
        limit: f64,
        value: String,
    },
    Below {
        kind: &'static str,
        limit: f64,
        value: String,
    },
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Json(fault)
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        Self::Field(Box::new(wrong))
    }
}

impl Refusal {
    /// The same refusal, seen from outside of the object or list at this path.
    pub(super) fn within(self, outer: &str) -> Self {
        match self {
            Self::Field(wrong) => wrong.within(outer).into(),
            other => other,
        }
    }

    pub(super) fn into_error(self, body: &str) -> Error {
        match self {
            Self::Json(fault) => {
                Error::invalid_request(format!("The request body is not valid JSON: {}.", fault.describe(body)))
            }
            Self::NotAnObject(kind) => Error::invalid_request(format!(
                "The request body must be a JSON object with at least `model` and `messages`, but it is {kind}."
            )),
            Self::Field(wrong) => wrong.into_error(),
        }
    }
}

impl Wrong {
    pub(super) fn missing() -> Self {
        Reason::Missing.into()
    }

    pub(super) fn needs(other: &'static str) -> Self {
        Reason::Needs(other).into()
    }

    pub(super) fn duplicate(name: &str) -> Self {
        Self { path: shorten(name), reason: Reason::Duplicate }
    }

    pub(super) fn kind(expected: &'static str, got: impl ToString) -> Self {
        Reason::Type { expected, got: got.to_string() }.into()
    }

    pub(super) fn value(value: &str, allowed: &'static [&'static str]) -> Self {
        Reason::Value(shorten(value), allowed).into()
    }

    /// An empty `array` or `string`.
    pub(super) fn empty(what: &'static str) -> Self {
        Reason::Empty { what }.into()
    }

    pub(super) fn too_long(limit: usize, length: usize) -> Self {
        Reason::TooLong { limit, length }.into()
    }

    /// A number over the limit; `kind` is `integer` or `decimal`.
    pub(super) fn above(kind: &'static str, limit: f64, value: &str) -> Self {
        Reason::Above { kind, limit, value: shorten(value) }.into()
    }

    /// A number under the limit; `kind` is `integer` or `decimal`.
    pub(super) fn below(kind: &'static str, limit: f64, value: &str) -> Self {
        Reason::Below { kind, limit, value: shorten(value) }.into()
    }

    /// The same, seen from outside of the object or list at this path.
    pub(super) fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path.insert_str(0, dot);
        self.path.insert_str(0, outer);
        self
    }

    fn into_error(self) -> Error {
        let Self { path, reason } = self;
        let (code, message) = reason.describe(&path);
        let error = Error::invalid_field(path, message);
        match code {
            Some(code) => error.with_code(code),
            None => error,
        }
    }
}

impl From<Reason> for Wrong {
    fn from(reason: Reason) -> Self {
        Self { path: String::new(), reason }
    }
}

impl Reason {
    /// The OpenAI `code`, and the message.
    fn describe(self, path: &str) -> (Option<String>, String) {
        match self {
            Self::Missing => {
                (Some("missing_required_parameter".to_owned()), format!("Missing required parameter: '{path}'."))
            }
            Self::Needs(other) => (None, format!("The '{path}' parameter is only allowed when '{other}' is enabled.")),
            Self::Duplicate => {
                (None, format!("The '{path}' parameter is there twice in the same object. Send it once."))
            }
            Self::Type { expected, got } => (
                Some("invalid_type".to_owned()),
                format!("Invalid type for '{path}': expected {expected}, but got {got} instead."),
            ),
            Self::Value(value, allowed) => (
                Some("invalid_value".to_owned()),
                format!("Invalid value for '{path}': '{value}'. Supported values are: {}.", list(allowed)),
            ),
            Self::Empty { what } => (
                Some(format!("empty_{what}")),
                format!(
                    "Invalid '{path}': empty {what}. Expected {article} {what} with minimum length 1, but got an empty \
                     {what} instead.",
                    article = if what == "array" { "an" } else { "a" },
                ),
            ),
            Self::TooLong { limit, length } => (
                Some("string_above_max_length".to_owned()),
                format!(
                    "Invalid '{path}': string too long. Expected a string with maximum length {limit}, but got a \
                     string with length {length} instead."
                ),
            ),
            Self::Above { kind, limit, value } => (
                Some(format!("{kind}_above_max_value")),
                format!(
                    "Invalid '{path}': {kind} above maximum value. Expected a value <= {limit}, \
                     but got {value} instead."
                ),
            ),
            Self::Below { kind, limit, value } => (
                Some(format!("{kind}_below_min_value")),
                format!(
                    "Invalid '{path}': {kind} below minimum value. Expected a value >= {limit}, \
                     but got {value} instead."
                ),
            ),
        }
    }
}

/// `'a', 'b' and 'c'`
fn list(values: &[&str]) -> String {
    let mut list = String::new();
    for (position, value) in values.iter().enumerate() {
        let before = match position {
            0 => "",
            last if last + 1 == values.len() => " and ",
            _ => ", ",
        };
        // Writing to a string cannot fail.
        let _ = write!(list, "{before}'{value}'");
    }
    list
}

/// What a client wrote, cut to a length that is fit for a message.
fn shorten(text: &str) -> String {
    const LENGTH: usize = 64;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
