//! Reading what a client gave: a JSON object, its fields taken out one by one, and what is wrong with them in the
//! words of the dialect (`messages.0.content.1.source: ...`).

use std::fmt::{self, Display};

use serde_json::{Map, Value};

use crate::error::Error;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Parses a body, and leaves out the fields that are null: they mean nothing.
pub(super) fn parse(body: &[u8]) -> Result<Object, Error> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut object)) => {
            object.retain(|_, value| !value.is_null());
            Ok(object)
        }
        Ok(_) => Err(Error::invalid_request("The request body must be a JSON object.")),
        Err(fault) => Err(Error::invalid_request(format!("The request body is not valid JSON: {fault}."))),
    }
}

/// The error for a field at fault.
pub(super) fn wrong(path: impl Display, problem: impl Display) -> Error {
    Error::invalid_field(path.to_string(), format!("{path}: {problem}"))
}

/// The error for a field that is required and not there.
pub(super) fn missing(path: impl Display) -> Error {
    wrong(path, "Field required")
}

/// The error for what this dialect has and a chat has not.
pub(super) fn unsupported(path: impl Display, problem: impl Display) -> Error {
    wrong(path, problem).with_code("unsupported_parameter")
}

/// Takes a field, unless it is null.
pub(super) fn take(object: &mut Object, name: &str) -> Option<Value> {
    object.remove(name).filter(|value| !value.is_null())
}

/// Takes a field that has to be a string.
pub(super) fn take_text(object: &mut Object, name: &str, path: impl Display) -> Result<String, Error> {
    match take(object, name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(format_args!("{path}.{name}"), "Input should be a string")),
        None => Err(missing(format_args!("{path}.{name}"))),
    }
}

/// Takes a field that has to be an object.
pub(super) fn take_object(object: &mut Object, name: &str, path: impl Display) -> Result<Object, Error> {
    match take(object, name) {
        Some(Value::Object(inner)) => Ok(inner),
        Some(_) => Err(wrong(format_args!("{path}.{name}"), "Input should be an object")),
        None => Err(missing(format_args!("{path}.{name}"))),
    }
}

/// A field, if it is a string.
pub(super) fn text_of<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

/// The `type` of a block, of a source, of a tool.
pub(super) fn kind(object: &Object) -> &str {
    text_of(object, "type").unwrap_or_default()
}

/// Where a block stands in the request.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In `system`.
    System(usize),
    /// A message.
    Message(usize),
    /// A block of a message.
    Block(usize, usize),
    /// A block of the result of a tool.
    Result(usize, usize, usize),
}

impl Place {
    /// The place of what it holds at this position.
    pub(super) fn within(self, position: usize) -> Self {
        match self {
            Self::Message(message) => Self::Block(message, position),
            Self::Block(message, block) => Self::Result(message, block, position),
            // Nothing deeper is told apart.
            Self::System(_) | Self::Result(..) => self,
        }
    }
}

impl Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(block) => write!(formatter, "system.{block}"),
            Self::Message(message) => write!(formatter, "messages.{message}"),
            Self::Block(message, block) => write!(formatter, "messages.{message}.content.{block}"),
            Self::Result(message, block, inner) => {
                write!(formatter, "messages.{message}.content.{block}.content.{inner}")
            }
        }
    }
}
