//! One thing, a list of things, or nothing, where upstreams do not agree with themselves on which it is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// The elements of a list, or the one object that stands in its place. Elements that are `null` are left out.
///
/// ```
/// use weir_plugin::openai::Many;
/// use weir_plugin::serde_json::{self, Map, Value};
///
/// for (json, count) in [(r#"{"a":1}"#, 1), (r#"[{"a":1},null,{"b":2}]"#, 2), ("[]", 0), ("null", 0)] {
///     let many: Many<Map<String, Value>> = serde_json::from_str(json).unwrap();
///     assert_eq!(many.0.len(), count, "{json}");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'m, T> IntoIterator for &'m Many<T> {
    type Item = &'m T;
    type IntoIter = std::slice::Iter<'m, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Serialize> Serialize for Many<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
            type Value = Many<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object or a list")
            }

            fn visit_unit<E: Error>(self) -> Result<Many<T>, E> {
                Ok(Many::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
                Ok(Many(vec![T::deserialize(MapAccessDeserializer::new(map))?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Many<T>, A::Error> {
                let mut many = Many::default();
                while let Some(element) = list.next_element::<Option<T>>()? {
                    many.0.extend(element);
                }
                Ok(many)
            }
        }

        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}
