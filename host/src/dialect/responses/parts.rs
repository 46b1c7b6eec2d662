//! The content of items, as that of messages: text, images, files, audio.

use serde_json::{Value, json};

use super::request::unsupported;
use super::{Object, nonempty, take_text};
use crate::error::Error;

/// What the parts of earlier answers say beside their text, and nobody reads again.
const NOT_FORWARDED: [&str; 2] = ["annotations", "logprobs"];

/// Content in the canonical form: text where it is nothing else, or a list of parts. `place` names it in errors.
///
/// # Errors
/// A 400 naming the part that is wrong, or that needs a stored file.
pub(super) fn canonical(content: Value, place: &str) -> Result<Value, Error> {
    let parts = match content {
        Value::String(_) => return Ok(content),
        Value::Array(parts) => parts,
        _ => return Err(Error::invalid_field(place, "Content is a string or a list of parts.")),
    };
    let parts = parts.into_iter().enumerate().map(|(index, part)| match part {
        Value::Object(part) => canonical_part(part, || format!("{place}[{index}]")),
        _ => Err(Error::invalid_field(format!("{place}[{index}]"), "A part is an object.")),
    });
    let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
    match parts.as_mut_slice() {
        [] => Ok("".into()),
        // Not every upstream takes a list where a string will do.
        [Value::Object(part)] if part.len() == 2 && part.get("type").is_some_and(|kind| kind == "text") => {
            Ok(part.remove("text").unwrap_or_default())
        }
        _ => Ok(parts.into()),
    }
}

/// Two contents of one message, one after the other.
pub(super) fn joined(first: Value, second: Value) -> Value {
    let list = |content| match content {
        Value::Array(parts) => parts,
        Value::String(text) if text.is_empty() => Vec::new(),
        text => vec![json!({ "type": "text", "text": text })],
    };
    let mut parts = list(first);
    parts.extend(list(second));
    parts.into()
}

/// One part. One of a kind that is not known here goes on as it is: the upstream may know it.
fn canonical_part(mut part: Object, place: impl Fn() -> String) -> Result<Value, Error> {
    part.retain(|name, value| !value.is_null() && !NOT_FORWARDED.contains(&name.as_str()));
    match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text" | "text") => text(part, place),
        Some("input_image") => image(part, place),
        Some("input_file") => file(part, place),
        Some(_) => Ok(part.into()),
        None => Err(Error::invalid_field(format!("{}.type", place()), "The part has no type.")),
    }
}

fn text(mut part: Object, place: impl Fn() -> String) -> Result<Value, Error> {
    if !part.get("text").is_some_and(Value::is_string) {
        return Err(Error::invalid_field(format!("{}.text", place()), "The text of the part is not a string."));
    }
    part.insert("type".to_owned(), "text".into());
    Ok(part.into())
}

fn image(mut part: Object, place: impl Fn() -> String) -> Result<Value, Error> {
    let url = take_text(&mut part, "image_url").filter(|url| !url.is_empty());
    let Some(url) = url else {
        return Err(match part.get("file_id") {
            Some(_) => stored_file(place),
            None => Error::invalid_field(format!("{}.image_url", place()), "The image has no address."),
        });
    };
    let mut image = Object::new();
    image.insert("url".to_owned(), url.into());
    if let Some(detail) = part.remove("detail") {
        image.insert("detail".to_owned(), detail);
    }
    Ok(nested(part, "image_url", image))
}

/// A file goes on as `file_data`, which is base64, a `data:` URL, or the address of the file.
fn file(mut part: Object, place: impl Fn() -> String) -> Result<Value, Error> {
    let data = [take_text(&mut part, "file_data"), take_text(&mut part, "file_url")];
    let Some(data) = data.into_iter().flatten().find(|data| !data.is_empty()) else {
        return Err(match nonempty(part.get("file_id")) {
            Some(_) => stored_file(place),
            None => Error::invalid_field(format!("{}.file_data", place()), "The file has neither data nor address."),
        });
    };
    let mut file = Object::new();
    for name in ["filename", "detail"] {
        if let Some(value) = part.remove(name) {
            file.insert(name.to_owned(), value);
        }
    }
    file.insert("file_data".to_owned(), data.into());
    Ok(nested(part, "file", file))
}

fn stored_file(place: impl Fn() -> String) -> Error {
    let message = "Files are not stored here: send the data or the address instead of file_id.";
    unsupported(format!("{}.file_id", place()), message)
}

/// A part of this type whose body has the type's name. Extensions such as `cache_control` stay on the part.
fn nested(mut part: Object, kind: &str, body: Object) -> Value {
    part.remove("file_id");
    part.insert("type".to_owned(), kind.into());
    part.insert(kind.to_owned(), body.into());
    part.into()
}
