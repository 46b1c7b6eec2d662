//! What an operator can set for a plugin, declared once: the struct that the plugin reads, its defaults, and the JSON
//! Schema by which the host checks a configuration before the plugin sees it.

use serde_json::{Map, Value};

use crate::json::{object, to_text};
use crate::openai::{push_json_string, to_json};

/// Declares the settings of a plugin. Each may be left out: its default is that of its type, or the one that is given
/// behind it. `schema()` is their JSON Schema, for [`crate::Descriptor::settings_schema`]: it describes each setting in
/// the words of its comment. What its type does not say of a setting, keywords behind `where` do.
///
/// ```
/// use weir_plugin::{choices, serde_json, settings};
///
/// choices! {
///     /// What becomes of colours.
///     pub enum Colours {
///         /// They stay.
///         Keep = "keep",
///         /// They become grey.
///         Fade = "fade",
///     }
/// }
///
/// settings! {
///     /// The settings.
///     pub struct Settings {
///         /// What becomes of colours.
///         colours: Colours,
///         /// Whom to greet.
///         name: String = "world".to_owned(),
///         /// How often to greet.
///         times: Option<u64> where {"minimum": 1},
///     }
/// }
///
/// let settings: Settings = serde_json::from_str(r#"{"colours":"fade"}"#).unwrap();
/// assert_eq!((settings.colours, settings.name.as_str()), (Colours::Fade, "world"));
/// assert!(serde_json::from_str::<Settings>(r#"{"odours":"fade"}"#).is_err());
/// let colours = r#""colours":{"description":"What becomes of colours.","enum":["keep","fade"],"default":"keep"}"#;
/// assert!(Settings::schema().contains(colours));
/// assert!(Settings::schema().contains(r#"{"description":"How often to greet.","type":"integer","minimum":1}"#));
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $( $(#[doc = $line:literal])* $field:ident : $type:ty $(where $keywords:tt)? $(= $default:expr)? ),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, $crate::serde::Deserialize)]
        #[serde(crate = "weir_plugin::serde", default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $line])* pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::settings!(@default $($default)?), )* }
            }
        }

        impl $name {
            /// The JSON Schema of these settings.
            pub fn schema() -> String {
                let default = Self::default();
                $crate::settings::schema(vec![ $( (
                    stringify!($field),
                    $crate::settings::property(
                        concat!($($line),*),
                        &<$type as $crate::settings::Setting>::schema(),
                        $crate::settings!(@keywords $($keywords)?),
                        $crate::settings::Setting::shown(&default.$field),
                    ),
                ) ),* ])
            }
        }
    };
    (@keywords) => { "{}" };
    (@keywords $keywords:tt) => { stringify!($keywords) };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

/// Declares settings that are one of several words. The first one is the default. See [`settings!`](crate::settings!).
#[macro_export]
macro_rules! choices {
    ($(
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $(#[$first_attribute:meta])* $first:ident = $first_word:literal
            $(, $(#[$variant_attribute:meta])* $variant:ident = $word:literal )* $(,)?
        }
    )*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $name {
            $(#[$first_attribute])*
            #[default]
            $first,
            $( $(#[$variant_attribute])* $variant, )*
        }

        // What is derived does the same, and takes three times the room in a component.
        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <$crate::openai::Text as $crate::serde::Deserialize>::deserialize(deserializer)?;
                match &*word {
                    $first_word => Ok(Self::$first),
                    $( $word => Ok(Self::$variant), )*
                    other => {
                        let words = &[$first_word $(, $word)*];
                        Err($crate::serde::de::Error::unknown_variant(other, words))
                    }
                }
            }
        }

        impl $crate::settings::Setting for $name {
            fn schema() -> String {
                concat!(r#"{"enum":[""#, $first_word $(, r#"",""#, $word)*, r#""]}"#).to_owned()
            }

            fn shown(&self) -> Option<String> {
                let word = match self {
                    Self::$first => $first_word,
                    $( Self::$variant => $word, )*
                };
                word.to_owned().shown()
            }
        }
    )*};
}

/// A type that a setting can have. All is JSON text: to make trees of it takes far more room in a component.
pub trait Setting {
    /// The JSON Schema of its values, an object.
    fn schema() -> String;

    /// This value as a configuration would have it. `None` for nothing.
    fn shown(&self) -> Option<String>;
}

impl Setting for String {
    fn schema() -> String {
        r#"{"type":"string","minLength":1}"#.to_owned()
    }

    fn shown(&self) -> Option<String> {
        let mut json = Self::new();
        push_json_string(&mut json, self);
        Some(json).filter(|_| !self.is_empty())
    }
}

impl Setting for bool {
    fn schema() -> String {
        r#"{"type":"boolean"}"#.to_owned()
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for u64 {
    fn schema() -> String {
        r#"{"type":"integer","minimum":0}"#.to_owned()
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// For what has to be told behind `where`.
impl Setting for Value {
    fn schema() -> String {
        "{}".to_owned()
    }

    fn shown(&self) -> Option<String> {
        to_json(self).ok().filter(|_| !self.is_null())
    }
}

impl Setting for Map<String, Value> {
    fn schema() -> String {
        r#"{"type":"object"}"#.to_owned()
    }

    fn shown(&self) -> Option<String> {
        to_json(self).ok()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn schema() -> String {
        ["{\"type\":\"array\",\"items\":", &T::schema(), "}"].concat()
    }

    fn shown(&self) -> Option<String> {
        let elements: Vec<_> = self.iter().filter_map(T::shown).collect();
        Some(["[", &elements.join(","), "]"].concat())
    }
}

impl<T: Setting> Setting for Option<T> {
    fn schema() -> String {
        T::schema()
    }

    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(T::shown)
    }
}

/// The schema of a setting: as its type has it, with more keywords and a default. All but the description are JSON.
#[doc(hidden)]
#[inline(never)]
pub fn property(description: &str, schema: &str, keywords: &str, default: Option<String>) -> Value {
    let mut property = object(vec![("description", description.trim().into())]);
    for schema in [schema, keywords] {
        property.extend(serde_json::from_str::<Map<_, _>>(schema).unwrap_or_default());
    }
    let default = default.and_then(|default| serde_json::from_str(&default).ok());
    property.extend(default.map(|default| ("default".to_owned(), default)));
    property.into()
}

/// The schema of settings, of which there are no others than these.
#[doc(hidden)]
#[inline(never)]
pub fn schema(properties: Vec<(&str, Value)>) -> String {
    let draft = "https://json-schema.org/draft/2020-12/schema";
    let schema = vec![("$schema", draft.into()), ("type", "object".into()), ("additionalProperties", false.into())];
    let properties = ("properties", object(properties).into());
    to_text(&object(schema.into_iter().chain([properties]).collect()).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    // As plugins see this crate.
    use crate as weir_plugin;

    choices! {
        /// Whether to.
        pub enum Whether {
            /// No.
            No = "not-at-all",
            /// Yes.
            Yes = "yes",
        }
    }

    settings! {
        /// Settings of every type.
        pub struct Settings {
            /// A word.
            whether: Whether = Whether::Yes,
            /// A word or nothing.
            perhaps: Option<Whether>,
            /// A text.
            text: String,
            /// Texts.
            texts: Vec<String>,
            /// A number.
            number: u64 = 7,
            /// A switch.
            switch: bool,
            /// Objects.
            /// Or none.
            objects: Option<Vec<Map<String, Value>>>,
            /// Anything.
            anything: Value where {"type": ["number", "string"]} = "5m".into(),
        }
    }

    #[test]
    fn the_schema_names_every_setting_with_its_default() {
        let schema: Value = serde_json::from_str(&Settings::schema()).unwrap();
        let expected = json!({
            "whether": {"description": "A word.", "enum": ["not-at-all", "yes"], "default": "yes"},
            "perhaps": {"description": "A word or nothing.", "enum": ["not-at-all", "yes"]},
            "text": {"description": "A text.", "type": "string", "minLength": 1},
            "texts": {"description": "Texts.", "type": "array", "items": {"type": "string", "minLength": 1},
                "default": []},
            "number": {"description": "A number.", "type": "integer", "minimum": 0, "default": 7},
            "switch": {"description": "A switch.", "type": "boolean", "default": false},
            "objects": {"description": "Objects. Or none.", "type": "array", "items": {"type": "object"}},
            "anything": {"description": "Anything.", "type": ["number", "string"], "default": "5m"}
        });
        assert_eq!((&schema["properties"], &schema["additionalProperties"]), (&expected, &json!(false)));
    }

    #[test]
    fn settings_are_read_as_the_schema_has_them_and_nothing_else_is() {
        let cases = [
            (json!({}), Some(Settings::default())),
            (json!({"whether": "not-at-all"}), Some(Settings { whether: Whether::No, ..Settings::default() })),
            (json!({"perhaps": "yes"}), Some(Settings { perhaps: Some(Whether::Yes), ..Settings::default() })),
            (json!({"whether": "No"}), None),
            (json!({"number": -1}), None),
            (json!({"other": 1}), None),
        ];
        for (settings, expected) in cases {
            assert_eq!(serde_json::from_value(settings.clone()).ok(), expected, "{settings}");
        }
    }
}
