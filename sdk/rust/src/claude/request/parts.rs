//! The parts of a message: text, images, files. Parts in Anthropic's own form pass as they are.

use crate::Failure;
use crate::openai::{DataUri, FileData, Part, Place, is_web};
use serde_json::Value;

use crate::json::Json;

/// Writes a part as a block. `cache` is the message's own cache mark, if this is where it belongs.
pub fn part(json: &mut Json, part: &Part, cache: Option<&Value>, place: Place) -> Result<(), Failure> {
    let cache = part.extra.get("cache_control").or(cache);
    match part.kind.as_deref() {
        Some("text") if part.extra.contains_key("citations") => verbatim(json, part),
        Some("text") => text(json, part.text.as_deref().unwrap_or_default(), cache),
        Some("refusal") => text(json, part.refusal.as_deref().unwrap_or_default(), cache),
        Some("image_url") => {
            let url = part.image_url.as_ref().map(|image| image.url()).unwrap_or_default();
            json.open('{').key("type").body("image").key("source");
            source(json, url, || format!("{place}.image_url.url"))?;
            mark(json, cache);
            json.close('}');
        }
        Some("file") => return file(json, part, cache, place),
        Some("input_audio") => {
            return Err(Failure::unsupported(place.to_string(), "This provider does not take audio."));
        }
        _ => verbatim(json, part),
    }
    Ok(())
}

/// The http(s) URL that a part refers to for what it holds.
pub fn remote<'p>(part: &'p Part) -> Option<&'p str> {
    let address = match part.kind.as_deref()? {
        "image_url" => part.image_url.as_ref()?.url(),
        "file" => file_data(part.file.as_ref()?)?,
        _ => return None,
    };
    is_web(address).then_some(address)
}

/// Writes a block of text, unless there is nothing in it: Anthropic refuses blank ones.
pub fn text(json: &mut Json, text: &str, cache: Option<&Value>) {
    if text.trim().is_empty() {
        return;
    }
    json.open('{').key("type").body("text").key("text").string(text);
    mark(json, cache);
    json.close('}');
}

/// Writes a cache mark.
pub fn mark(json: &mut Json, cache: Option<&Value>) {
    if let Some(cache) = cache.filter(|cache| !cache.is_null()) {
        json.key("cache_control").raw(&cache.to_string());
    }
}

fn verbatim(json: &mut Json, part: &Part) {
    // Serialising a tree of strings and numbers cannot fail.
    json.raw(&serde_json::to_string(part).unwrap_or_default());
}

/// Writes where the bytes are: in the request itself, or at an address.
fn source(json: &mut Json, url: &str, place: impl Fn() -> String) -> Result<(), Failure> {
    if let Some(DataUri { media_type, base64: true, data }) = DataUri::parse(url) {
        json.open('{').key("type").body("base64").key("media_type").string(media_type);
        json.key("data").string(data).close('}');
    } else if is_web(url) {
        json.open('{').key("type").body("url").key("url").string(url).close('}');
    } else {
        let message = "This has to be an http(s) URL or a data URL in base64.";
        return Err(Failure::invalid_field(place(), message));
    }
    Ok(())
}

/// Writes a file: a document, or an image if that is what it holds. In a file of text the text itself is sent,
/// because Anthropic takes base64 of PDFs only.
fn file(json: &mut Json, part: &Part, cache: Option<&Value>, place: Place) -> Result<(), Failure> {
    let missing = || Failure::invalid_field(format!("{place}.file"), "A file needs file_data or file_id.");
    let file = part.file.as_ref().ok_or_else(missing)?;
    let data = file_data(file);
    let media_type = data.and_then(DataUri::parse).map_or("", |uri| uri.media_type);
    let kind = if media_type.starts_with("image/") { "image" } else { "document" };
    json.open('{').key("type").body(kind).key("source");
    match (data, file.file_id.as_deref()) {
        (Some(data), _) if media_type.starts_with("text/") => plain_text(json, data, place)?,
        (Some(data), _) if data.contains(':') => source(json, data, || format!("{place}.file.file_data"))?,
        (Some(data), _) => {
            json.open('{').key("type").body("base64").key("media_type").body("application/pdf");
            json.key("data").string(data).close('}');
        }
        (None, Some(id)) => {
            json.open('{').key("type").body("file").key("file_id").string(id).close('}');
        }
        (None, None) => return Err(missing()),
    }
    if kind == "document" {
        document_options(json, part, file);
    }
    mark(json, cache);
    json.close('}');
    Ok(())
}

/// What a file holds, or where it is.
fn file_data<'f>(file: &'f FileData) -> Option<&'f str> {
    let address = ["url", "file_url"].iter().find_map(|name| file.extra.get(*name)?.as_str());
    file.file_data.as_deref().or(address)
}

fn document_options(json: &mut Json, part: &Part, file: &FileData) {
    if let Some(name) = &file.filename {
        json.key("title").string(name);
    }
    for name in ["citations", "context"] {
        if let Some(option) = part.extra.get(name).or_else(|| file.extra.get(name)) {
            json.key(name).raw(&option.to_string());
        }
    }
}

fn plain_text(json: &mut Json, url: &str, place: Place) -> Result<(), Failure> {
    let Some(text) = DataUri::parse(url).filter(|uri| uri.base64).and_then(|uri| uri.text()) else {
        return Err(Failure::invalid_field(format!("{place}.file.file_data"), "This is no text in UTF-8 and base64."));
    };
    json.open('{').key("type").body("text").key("media_type").body("text/plain").key("data").string(&text).close('}');
    Ok(())
}
