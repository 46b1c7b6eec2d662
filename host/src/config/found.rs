//! The configuration without a file: a provider for each account and local server that the environment shows.
//!
//! Which ones there are stands in `found.yaml`, as data. This file only knows how to read its two additions to the form
//! of a config file, `when` and a composed `base_url`, and removes both, so that what is left is a config file.

use super::Environment;
use super::document::{Entry, Node, Scalar, Value, parse};
use super::errors::{Errors, Problems};
use super::fields::Fields;
use super::values::{text, whole_number};

const DOCUMENT: &str = include_str!("found.yaml");

/// What messages call the document.
const NAME: &str = "(built-in configuration)";

/// The tree of a config file with the providers that there are. Variables in it are not filled in yet.
///
/// # Errors
/// None, as long as `found.yaml` is well-formed.
pub(super) fn document(environment: &Environment, problems: &mut Problems) -> Result<Node, Errors> {
    let mut root = parse(DOCUMENT, NAME, problems)?;
    if let Value::Map(sections) = &mut root.value {
        for section in sections.iter_mut().filter(|section| section.key == "providers") {
            if let Value::List(providers) = &mut section.node.value {
                providers.retain_mut(|provider| complete(provider, environment, problems));
            }
        }
    }
    Ok(root)
}

/// Resolves the additions within a provider. Returns whether its condition is met.
fn complete(provider: &mut Node, environment: &Environment, problems: &mut Problems) -> bool {
    let Value::Map(entries) = &mut provider.value else { return true };
    if let Some(when) = entries.iter().position(|entry| entry.key == "when") {
        let Entry { node, .. } = entries.remove(when);
        let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        let names = Fields::read(&node, problems, |fields| fields.values("env", text)).unwrap_or_default();
        if !names.iter().any(|names| names.split('+').map(str::trim).all(is_set)) {
            return false;
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.key == "base_url") {
        if let Value::Map(_) = &entry.node.value
            && let Some(url) = compose(&entry.node, environment, problems)
        {
            entry.node.value = Value::Scalar(url);
        }
    }
    true
}

/// The URL that the parts of a composed `base_url` make.
fn compose(node: &Node, environment: &Environment, problems: &mut Problems) -> Option<Scalar> {
    let parts = Fields::read(node, problems, |fields| {
        Some((
            fields.required("env", text)?,
            fields.required("default", text)?,
            fields.required("port", whole_number(1..=65_535))?,
            fields.get("path", text).unwrap_or_default(),
        ))
    });
    let (variable, default, port, path) = parts.flatten()?;
    let given = environment.get(&variable).map(str::trim).filter(|value| !value.is_empty());
    let text = complete_address(given.unwrap_or(&default), port, &path);
    Some(Scalar { text, quoted: true, variable: given.map(|_| variable) })
}

/// Completes a host, a host with a port, or a URL to a URL with a port and a path.
fn complete_address(address: &str, port: u64, path: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let (authority, own_path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    // Within an IPv6 address, every colon but the one after the bracket belongs to the host.
    let bracket = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, own_port) = match authority[bracket..].rfind(':') {
        Some(colon) => (&authority[..bracket + colon], &authority[bracket + colon..]),
        None => (authority, ""),
    };
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    let port = match own_port {
        // With a scheme, the port that belongs to the scheme is meant.
        "" if address.contains("://") => String::new(),
        "" => format!(":{port}"),
        own_port => own_port.to_owned(),
    };
    let own_path = own_path.trim_end_matches('/');
    let path = if own_path.ends_with(path) { "" } else { path };
    format!("{scheme}://{host}{port}{own_path}{path}")
}

#[cfg(test)]
mod tests {
    use super::complete_address;

    #[test]
    fn an_address_is_completed_to_a_url() {
        for (address, expected) in [
            ("127.0.0.1", "http://127.0.0.1:11434/v1"),
            ("127.0.0.1:1234", "http://127.0.0.1:1234/v1"),
            ("gpu.example.com", "http://gpu.example.com:11434/v1"),
            ("0.0.0.0", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
            (":8000", "http://127.0.0.1:8000/v1"),
            ("[::]", "http://[::1]:11434/v1"),
            ("[::1]:99", "http://[::1]:99/v1"),
            ("http://gpu:11434", "http://gpu:11434/v1"),
            ("http://gpu:11434/", "http://gpu:11434/v1"),
            ("http://gpu:11434/v1/", "http://gpu:11434/v1"),
            ("https://gpu.example.com", "https://gpu.example.com/v1"),
            ("https://example.com/models", "https://example.com/models/v1"),
        ] {
            assert_eq!(complete_address(address, 11434, "/v1"), expected, "{address}");
        }
    }
}
