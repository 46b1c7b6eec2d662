//! A string that borrows from the document it was read from wherever it can, and the fields that are either a string
//! or something larger.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A string of a document. Reading copies it only if it holds escapes; `&text` is a `&str`.
///
/// It is not `Cow<str>` itself, because serde reads that as an owned string.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The string, copied if it was borrowed.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }

    /// The same text without the borrow.
    pub fn into_static(self) -> Text<'static> {
        Text(Cow::Owned(self.into_string()))
    }

    /// The string as a slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        &**self == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        &**self == *other
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(text.into())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(text.to_owned().into())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(text.into())
            }
        }

        deserializer.deserialize_str(Borrowing)
    }
}

/// Declares enums for fields that hold either a string or one other form: an array (`in seq`) or an object (`in map`).
///
/// It is not `#[serde(untagged)]`, which reads everything into a buffer first and reports no cause when nothing fits.
macro_rules! text_or {
    ($(
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $(#[$text_attribute:meta])* Text,
            $(#[$form_attribute:meta])* $form:ident($type:ty) in $access:ident,
        }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone)]
        pub enum $name<'a> {
            $(#[$text_attribute])* Text($crate::openai::Text<'a>),
            $(#[$form_attribute])* $form($type),
        }

        impl<'a, T: Into<$crate::openai::Text<'a>>> From<T> for $name<'a> {
            fn from(text: T) -> Self {
                Self::Text(text.into())
            }
        }

        impl serde::Serialize for $name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::Text(text) => text.serialize(serializer),
                    Self::$form(form) => form.serialize(serializer),
                }
            }
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;

                impl<'de> serde::de::Visitor<'de> for Either {
                    type Value = $name<'de>;

                    $crate::openai::text::text_or!(@access $access $name $form);

                    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                        Ok($name::Text(text.into()))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        Ok($name::Text(text.to_owned().into()))
                    }

                    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
                        Ok($name::Text(text.into()))
                    }
                }

                deserializer.deserialize_any(Either)
            }
        }
    )*};
    (@access seq $name:ident $form:ident) => {
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a string or an array")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            serde::Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(access)).map($name::$form)
        }
    };
    (@access map $name:ident $form:ident) => {
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a string or an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            serde::Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(access)).map($name::$form)
        }
    };
}
pub(crate) use text_or;
