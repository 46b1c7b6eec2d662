//! Who may come in: client keys, and the origins of browser pages.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::document::Node;
use super::errors::Problems;
use super::fields::Fields;
use super::secret::Secret;
use super::values::{boolean, duration, header_name, secret, text, unexpected};

/// The key of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What the log calls it.
    pub name: String,
    /// What the client has to send.
    pub secret: KeySecret,
    /// Whether it opens the administration, too. Default false.
    pub admin: bool,
    /// What its owner may do, in the operator's own words: policies see them. Default none.
    pub tags: Vec<String>,
}

impl Key {
    /// `None` for an entry that is switched off by an empty key, as by `key: "${WEIR_KEY:-}"`.
    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        Fields::read(node, problems, |fields| {
            let name = fields.required("name", text);
            let admin = fields.or("admin", boolean, false);
            let tags = fields.values("tags", text);
            let secret = match fields.get("key", key_secret) {
                Some(secret) => secret,
                None => {
                    if !fields.is_given("key") {
                        fields.report(fields.origin(), "`key` is missing");
                    }
                    return None;
                }
            };
            Some(Self { name: name?, secret, admin, tags })
        })
        .flatten()
    }
}

/// A client key as Weir keeps it: its SHA-256, whether the file gave the key or the hash. To find out whose key a
/// client sent, hash what it sent ([`KeySecret::of`]) and compare; comparing takes as long wherever two differ.
#[derive(Clone, Copy)]
pub struct KeySecret([u8; 32]);

impl KeySecret {
    /// The hash of a key as a client sends it.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    /// From 64 hexadecimal digits.
    fn from_hex(digits: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl PartialEq for KeySecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeySecret {}

impl fmt::Debug for KeySecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

fn key_secret(node: &Node) -> Result<KeySecret, String> {
    let secret: Secret = secret(node)?;
    match secret.expose().strip_prefix("sha256:") {
        Some(digits) => KeySecret::from_hex(digits)
            .ok_or_else(|| "`sha256:` is followed by 64 hexadecimal digits, as `sha256sum` prints them".to_owned()),
        None if secret.expose().is_empty() => {
            Err("is empty; remove the entry, or take the key from a variable".to_owned())
        }
        None => Ok(KeySecret::of(secret.expose())),
    }
}

/// What pages in a browser may do. Off by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins whose pages may use the gateway. Default none.
    pub origins: Origins,
    /// Request headers that they may send, beyond those of the OpenAI SDKs. Default none.
    pub headers: Vec<hyper::header::HeaderName>,
    /// How long a browser may remember the permission. Default 10 minutes.
    pub max_age: Duration,
}

/// Origins of browser pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// No page: no CORS headers are sent.
    None,
    /// Every page (`*`).
    Any,
    /// The pages of these origins (`https://chat.example.com`), in lower case.
    These(Vec<String>),
}

impl Cors {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let origins = fields.values("origins", origin);
        let origins = match origins.iter().any(|origin| origin == "*") {
            true => Origins::Any,
            false if origins.is_empty() => Origins::None,
            false => Origins::These(origins),
        };
        Self {
            origins,
            headers: fields.values("headers", header_name),
            max_age: fields.or("max_age", duration, Duration::from_secs(600)),
        }
    }
}

/// `*`, or a scheme, a host and maybe a port, as a browser sends it: without a path.
fn origin(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let well_formed = text.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*']) && rest.is_ascii()
    });
    match text == "*" || well_formed {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(unexpected("`*` or an origin such as `https://chat.example.com`", node)),
    }
}
