//! What lets a request reach the guarded targets.

use serde::Deserialize;
use weir_plugin::routing::Request;

/// One way to have permission.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The client sends this header. A promise of the client's, not a protection.
    Header(Pair),
    /// The client's key has this tag in the configuration.
    KeyTag(String),
    /// The document's `metadata` has this text.
    Metadata(Pair),
    /// The client's `x-weir-tags` has this word.
    Tag(String),
}

/// A name and the value that it has to have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    pub name: String,
    #[serde(default = "one")]
    pub value: String,
}

fn one() -> String {
    "1".to_owned()
}

impl Permission {
    /// Whether the request has it.
    pub fn is_given(&self, request: &Request) -> bool {
        match self {
            Self::Header(pair) => request.header(&pair.name) == Some(&pair.value),
            Self::KeyTag(tag) => request.key_tags.contains(tag),
            Self::Metadata(pair) => request.metadata(&pair.name) == Some(&pair.value),
            Self::Tag(tag) => request.tags.contains(tag),
        }
    }

    /// What a client does to have it.
    fn advice(&self) -> String {
        match self {
            Self::Header(pair) => format!("send the header `{}: {}`", pair.name, pair.value),
            Self::KeyTag(_) => "use a key that is permitted".to_owned(),
            Self::Metadata(pair) => format!("set `metadata.{}` to `{}`", pair.name, pair.value),
            Self::Tag(tag) => format!("put `{tag}` into the header `x-weir-tags`"),
        }
    }
}

/// What a client does to have one of these, in a sentence.
pub fn advice(permissions: &[Permission]) -> String {
    let ways: Vec<String> = permissions.iter().map(Permission::advice).collect();
    format!("To have permission, {}.", ways.join(", or "))
}
