//! The macro behind every typed document: a struct of optional fields that keeps what it does not know.
//!
//! It is not serde's derive, for two reasons. `#[serde(flatten)]`, which would keep unknown fields, buffers the whole
//! object first, and that dominates the time of a call. And clients send `null` where they mean nothing, for any field.

use std::marker::PhantomData;

use serde::de::{Deserializer, MapAccess, Visitor};

use super::Text;

/// Declares structs that are JSON objects with optional fields.
///
/// Each field `name: Type` becomes `pub name: Option<Type>`. Absent and `null` both read as `None`, and `None` is not
/// written. Fields that are not declared are kept in `extra`, in their order, and written after the declared ones. A
/// field whose JSON name is no Rust name is given both: `kind = "type": Text<'a>`. One that upstreams have several names
/// for is given all, of which the first is written: `kind = "type" | "event_type": Text<'a>`. A field that readers
/// expect to be there is written as `null` when it is `None`: `content: Text<'a> = null`.
///
/// ```
/// use weir_plugin::{document, openai::Text};
///
/// document! {
///     /// A point on a map.
///     pub struct Place<'a> {
///         /// What it is called.
///         name: Text<'a>,
///         /// What it is.
///         kind = "type" | "sort": Text<'a>,
///     }
/// }
///
/// let place: Place = serde_json::from_str(r#"{"type":"hill","height":90,"name":null}"#).unwrap();
/// assert_eq!(place.kind.as_deref(), Some("hill"));
/// assert_eq!(serde_json::to_string(&place).unwrap(), r#"{"type":"hill","height":90}"#);
/// assert_eq!(serde_json::from_str::<Place>(r#"{"sort":"sea"}"#).unwrap().kind.as_deref(), Some("sea"));
/// # use weir_plugin::serde_json;
/// ```
#[macro_export]
macro_rules! document {
    ($(
        $(#[$attribute:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {
            $( $(#[$field_attribute:meta])* $field:ident $(= $key:literal $(| $alias:literal)*)? : $type:ty $(= $absent:ident)? ),* $(,)?
        }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Default)]
        pub struct $name $(<$life>)? {
            $( $(#[$field_attribute])* pub $field: Option<$type>, )*
            /// The fields that are not declared here, as they came.
            pub extra: $crate::serde_json::Map<String, $crate::serde_json::Value>,
        }

        impl<'de $(: $life, $life)?> $crate::openai::Document<'de> for $name $(<$life>)? {
            fn read<A: $crate::serde::de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $( $crate::document!(@key $field $($key)?) => self.$field = map.next_value()?, )*
                    $($($(
                        $alias => {
                            // Where several names are there, a `null` under one says nothing.
                            if let Some(value) = map.next_value()? {
                                self.$field = Some(value);
                            }
                        }
                    )*)?)*
                    _ => { self.extra.insert(key.to_owned(), map.next_value()?); }
                }
                Ok(())
            }
        }

        impl<'de $(: $life, $life)?> $crate::serde::Deserialize<'de> for $name $(<$life>)? {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::openai::read_document(deserializer)
            }
        }

        impl $(<$life>)? $crate::serde::Serialize for $name $(<$life>)? {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $( if $crate::document!(@written self $field $($absent)?) {
                    map.serialize_entry($crate::document!(@key $field $($key)?), &self.$field)?;
                } )*
                for (key, value) in &self.extra {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    )*};
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@written $self:ident $field:ident) => { $self.$field.is_some() };
    (@written $self:ident $field:ident null) => { true };
}

/// What [`document!`](crate::document) implements: a JSON object that is read field by field.
pub trait Document<'de>: Default {
    /// Reads the value of the field `key`, which `map` is about to give.
    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads a document: the one loop behind all of them, so that each adds only its own fields to a component's size.
pub fn read_document<'de, T: Document<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);

    impl<'de, T: Document<'de>> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut document = T::default();
            while let Some(key) = map.next_key::<Text<'de>>()? {
                document.read(&key, &mut map)?;
            }
            Ok(document)
        }
    }

    deserializer.deserialize_map(Fields(PhantomData))
}
