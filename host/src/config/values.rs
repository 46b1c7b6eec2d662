//! What a single value may be: text, numbers, durations, sizes, addresses, headers. Each reader takes a node and gives
//! the value, or says in words what it expected and what it found.
//!
//! A text that came from the environment is never part of a message; it is called by the name of its variable.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::document::{Kind, Node, Scalar, Value};
use super::errors::Origin;
use super::secret::Secret;
use super::suggest::did_you_mean;

/// A text that is not empty. A number will do, as written.
pub(super) fn text(node: &Node) -> Result<String, String> {
    let scalar = scalar(node, "text")?;
    match scalar.wanted_kind() {
        Kind::Boolean(_) if scalar.variable.is_none() => {
            Err(format!("expected text, found `{0}`; write \"{0}\"", scalar.text))
        }
        _ if scalar.text.is_empty() => Err("is empty".to_owned()),
        _ if scalar.text.chars().any(char::is_control) => Err("holds a control character".to_owned()),
        _ => Ok(scalar.text.clone()),
    }
}

/// A text for nobody's eyes.
pub(super) fn secret(node: &Node) -> Result<Secret, String> {
    let scalar = scalar(node, "text")?;
    // A line break at the end is what `$(cat file)` and editors leave behind, and is never part of a key.
    let text = scalar.text.trim();
    match text.chars().any(|character| character.is_control() || !character.is_ascii()) {
        true => Err("holds a character that cannot be sent in a header".to_owned()),
        false => Ok(Secret::new(text)),
    }
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    let expected = "true or false";
    match scalar(node, expected)?.wanted_kind() {
        Kind::Boolean(boolean) => Ok(boolean),
        _ => Err(unexpected(expected, node)),
    }
}

/// A whole number within a range.
pub(super) fn whole_number(range: RangeInclusive<u64>) -> impl Fn(&Node) -> Result<u64, String> {
    move |node| {
        let expected = "a whole number";
        let number = match scalar(node, expected)?.wanted_kind() {
            Kind::Integer(integer) => u64::try_from(integer).ok(),
            _ => return Err(unexpected(expected, node)),
        };
        let within = number.filter(|number| range.contains(number));
        within.ok_or_else(|| format!("has to be from {} to {}", range.start(), range.end()))
    }
}

/// A number of things, at least one.
pub(super) fn count(node: &Node) -> Result<usize, String> {
    let number = whole_number(1..=u64::from(u32::MAX))(node)?;
    usize::try_from(number).map_err(|_| "is too large".to_owned())
}

/// A number from 0 up, with or without a fraction.
pub(super) fn number(node: &Node) -> Result<f64, String> {
    let expected = "a number";
    let number = match scalar(node, expected)?.wanted_kind() {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, far beyond what anybody writes here")]
        Kind::Integer(integer) => integer as f64,
        Kind::Float(float) => float,
        _ => return Err(unexpected(expected, node)),
    };
    if number < 0.0 { Err("has to be 0 or more".to_owned()) } else { Ok(number) }
}

/// A share of something, from 0 to 1.
pub(super) fn share(node: &Node) -> Result<f64, String> {
    let share = number(node)?;
    if share > 1.0 { Err("has to be from 0 to 1".to_owned()) } else { Ok(share) }
}

/// A duration of at least a millisecond and at most a year: `500ms`, `30s`, `2m`, `1h`.
pub(super) fn duration(node: &Node) -> Result<Duration, String> {
    let expected = "a duration such as `500ms`, `30s` or `2m`";
    let scalar = scalar(node, expected)?;
    let (number, unit) = split_unit(&scalar.text);
    let milliseconds_per_unit = match unit {
        "" if !number.is_empty() => return Err(format!("a duration needs a unit: {}", with_unit(scalar, number))),
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(unexpected(expected, node)),
    };
    let milliseconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds_per_unit));
    match milliseconds {
        None => Err(unexpected(expected, node)),
        Some(0) => Err("has to be at least 1ms".to_owned()),
        Some(milliseconds) if milliseconds > 365 * 24 * 3_600_000 => Err("has to be at most a year".to_owned()),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
    }
}

fn with_unit(scalar: &Scalar, number: &str) -> String {
    match scalar.variable {
        None => format!("write `{number}s` for seconds or `{number}ms` for milliseconds"),
        Some(_) => "for example `30s`, or `500ms`".to_owned(),
    }
}

/// A size in bytes, at least one: `8MiB` (1024 × 1024), `64KB` (1000), or a plain number of bytes.
pub(super) fn size(node: &Node) -> Result<usize, String> {
    let expected = "a size such as `64KiB`, `8MiB` or a number of bytes";
    let (number, unit) = split_unit(&scalar(node, expected)?.text);
    let bytes_per_unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(unexpected(expected, node)),
    };
    let number: usize = number.replace('_', "").parse().map_err(|_| unexpected(expected, node))?;
    match number.checked_mul(bytes_per_unit) {
        Some(0) => Err("has to be at least one byte".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("is too large".to_owned()),
    }
}

/// The digits in front, and what follows them.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// An address and a port to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for every address.
pub(super) fn socket_address(node: &Node) -> Result<SocketAddr, String> {
    let expected = "an address with a port such as `127.0.0.1:8080`";
    let text = scalar(node, expected)?.text.as_str();
    let numeric = match text.rsplit_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(("" | "*", port)) => format!("0.0.0.0:{port}"),
        _ => text.to_owned(),
    };
    numeric.parse().map_err(|_| unexpected(expected, node))
}

/// A path. What is relative starts from the folder of the config file if it stands in that file, and from the current
/// folder if it comes from a `WEIR_` variable.
pub(super) fn path(folder: &Path) -> impl Fn(&Node) -> Result<PathBuf, String> {
    move |node| {
        let path = PathBuf::from(text(node)?);
        Ok(if matches!(node.origin, Origin::Environment(_)) { path } else { folder.join(path) })
    }
}

/// The URL of an upstream: `http` or `https`, a host, maybe a port and a path, and nothing else. Without the `/` at
/// its end.
pub(super) fn base_url(node: &Node) -> Result<Uri, String> {
    let expected = "a URL such as `https://api.example.com/v1`";
    let url = checked_url(scalar(node, expected)?.text.as_str());
    url.map_err(|reason| reason.map_or_else(|| unexpected(expected, node), str::to_owned))
}

/// See [`base_url`]. The error is what is wrong, or nothing if it is no URL at all.
pub(super) fn checked_url(text: &str) -> Result<Uri, Option<&'static str>> {
    if text.contains('#') {
        return Err(Some("a base URL has no fragment (`#...`)"));
    }
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| None)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(None) };
    if !matches!(scheme, "http" | "https") {
        return Err(Some("a base URL starts with `https://` or `http://`"));
    }
    if authority.as_str().contains('@') {
        return Err(Some("a base URL holds no credentials; set `api_key`"));
    }
    if uri.query().is_some() {
        return Err(Some("a base URL has no query (`?...`)"));
    }
    // A port that is no number up to 65535 is not noticed by the parser.
    let has_port = authority.as_str().len() > authority.host().len();
    if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
        return Err(None);
    }
    Ok(uri)
}

/// The name of a header that may be set or forwarded: not one that Weir or the protocol sets itself.
pub(super) fn header_name(node: &Node) -> Result<HeaderName, String> {
    let name = text(node)?;
    // What a variable holds may be a key in the wrong place.
    name.parse::<HeaderName>().map_err(|_| unexpected("the name of a header", node))?;
    checked_header_name(&name)
}

/// See [`header_name`].
pub(super) fn checked_header_name(name: &str) -> Result<HeaderName, String> {
    let header: HeaderName = name.parse().map_err(|_| format!("`{name}` cannot be the name of a header"))?;
    let reason = match header.as_str() {
        "authorization" | "proxy-authorization" => "the credential goes into `api_key`",
        "host" => "it follows from `base_url`",
        "content-length" | "content-type" | "content-encoding" => "it follows from the body",
        "accept-encoding" => "Weir says itself which encodings it can read",
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        | "expect" => "it belongs to the connection",
        _ => return Ok(header),
    };
    Err(format!("the header `{name}` cannot be set: {reason}"))
}

/// The value of a header. Marked as sensitive: whatever is configured may be a credential.
pub(super) fn header_value(node: &Node) -> Result<HeaderValue, String> {
    let text = &scalar(node, "text")?.text;
    let mut value = HeaderValue::from_str(text.trim())
        .map_err(|_| "holds a character that cannot be sent in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Node) -> Result<T, String> {
    move |node| {
        let expected = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let scalar = scalar(node, &expected)?;
        let found = words.iter().find(|(word, _)| scalar.text.eq_ignore_ascii_case(word));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let hint = did_you_mean(&scalar.text, words.iter().map(|(word, _)| *word));
            format!("expected one of {expected}, found {}{hint}", shown(node))
        })
    }
}

fn scalar<'a>(node: &'a Node, expected: &str) -> Result<&'a Scalar, String> {
    match &node.value {
        Value::Scalar(scalar) => Ok(scalar),
        _ => Err(unexpected(expected, node)),
    }
}

/// The message for a value of the wrong form.
pub(super) fn unexpected(expected: &str, node: &Node) -> String {
    format!("expected {expected}, found {}", shown(node))
}

/// What was found, in words that may be shown.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(Scalar { variable: Some(name), .. }) => format!("what the environment variable `{name}` holds"),
        // A long text is no slip in a number or a name, and may be a key in the wrong place.
        Value::Scalar(scalar) if scalar.text.chars().count() > 40 => "a long text".to_owned(),
        Value::Scalar(scalar) if scalar.text.is_empty() => "an empty text".to_owned(),
        Value::Scalar(scalar) => format!("`{}`", scalar.text.escape_debug()),
        Value::List(_) | Value::Map(_) => node.describe().to_owned(),
    }
}
