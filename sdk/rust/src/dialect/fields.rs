//! The fields of an object, their values as they stand there: enough to leave some of them out.

use serde::de::{Deserialize, Deserializer, MapAccess};
use serde_json::value::RawValue;

use crate::Failure;
use crate::openai::{Document, read_document};

/// The fields of an object, in order.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Those of a client's document.
    pub fn read(document: &'a str) -> Result<Self, Failure> {
        serde_json::from_str(document).map_err(|_| Failure::invalid_request("The request is not a JSON object."))
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }
}

impl<'de: 'a, 'a> Document<'de> for Fields<'a> {
    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.0.push((key.to_owned(), map.next_value()?));
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_document(deserializer)
    }
}
