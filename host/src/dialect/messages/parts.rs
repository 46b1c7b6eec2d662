//! Content blocks as the parts of a canonical message: text, images, documents, search results.

use serde_json::{Value, json};

use super::given::{Object, Place, kind, missing, take, take_object, take_text, unsupported, wrong};
use crate::error::Error;

/// A part that is text.
pub(super) fn text(text: impl Into<Value>) -> Value {
    json!({ "type": "text", "text": text.into() })
}

/// Adds the parts that a block becomes: one, as a rule. A cache mark goes to the last of them.
pub(super) fn add(mut block: Object, place: Place, parts: &mut Vec<Value>) -> Result<(), Error> {
    let mark = take(&mut block, "cache_control");
    let before = parts.len();
    match kind(&block) {
        "text" => parts.push(text(take_text(&mut block, "text", place)?)),
        "image" => parts.push(image(take_object(&mut block, "source", place)?, place)?),
        "document" => document(block, place, parts)?,
        "search_result" => parts.push(search_result(block, place)?),
        _ => return Err(refused(&block, place)),
    }
    if let (Some(mark), true) = (mark, parts.len() > before)
        && let Some(last) = parts.last_mut()
    {
        last["cache_control"] = mark;
    }
    Ok(())
}

/// The error for a block that has no place in a chat.
pub(super) fn refused(block: &Object, place: Place) -> Error {
    match kind(block) {
        "" => missing(format_args!("{place}.type")),
        kind => unsupported(place, format!("A block of the type `{kind}` is not supported here with this model")),
    }
}

fn image(mut source: Object, place: Place) -> Result<Value, Error> {
    let url = address(&mut source, place)?;
    Ok(json!({ "type": "image_url", "image_url": { "url": url } }))
}

/// The address of an image or a file: what is given in base64 as a data URL.
fn address(source: &mut Object, place: Place) -> Result<String, Error> {
    let path = format_args!("{place}.source");
    match kind(source) {
        "base64" => {
            let media_type = take_text(source, "media_type", path)?;
            Ok(format!("data:{media_type};base64,{}", take_text(source, "data", path)?))
        }
        "url" => take_text(source, "url", path),
        "file" => Err(unsupported(path, "Uploaded files are not available with this model; send the content itself")),
        _ => Err(wrong(format_args!("{path}.type"), "Input should be 'base64' or 'url'")),
    }
}

fn document(mut block: Object, place: Place, parts: &mut Vec<Value>) -> Result<(), Error> {
    let mut source = take_object(&mut block, "source", place)?;
    let mut about = |name: &str| take(&mut block, name).and_then(|value| value.as_str().map(str::to_owned));
    let (title, context) = (about("title"), about("context"));
    match kind(&source) {
        "text" => {
            let content = take_text(&mut source, "data", format_args!("{place}.source"))?;
            let lines: Vec<_> = [title, context, Some(content)].into_iter().flatten().collect();
            parts.push(text(lines.join("\n\n")));
        }
        "content" => {
            parts.extend(title.into_iter().chain(context).map(text));
            match take(&mut source, "content") {
                Some(Value::String(content)) => parts.push(text(content)),
                Some(Value::Array(blocks)) => {
                    for block in blocks {
                        let Value::Object(block) = block else { return Err(wrong(place, "Input should be an object")) };
                        add(block, place, parts)?;
                    }
                }
                _ => return Err(wrong(format_args!("{place}.source.content"), "Input should be a string or a list")),
            }
        }
        _ => {
            let data = address(&mut source, place)?;
            parts.extend(context.map(text));
            parts.push(json!({ "type": "file", "file": { "filename": file_name(title), "file_data": data } }));
        }
    }
    Ok(())
}

/// A name for a document: upstreams tell its format by the ending, and one that is no text is a PDF.
fn file_name(title: Option<String>) -> String {
    match title {
        Some(title) if title.to_ascii_lowercase().ends_with(".pdf") => title,
        Some(title) => title + ".pdf",
        None => "document.pdf".to_owned(),
    }
}

/// A search result as text: its title, where it is from, and what it says.
fn search_result(mut block: Object, place: Place) -> Result<Value, Error> {
    let (title, source) = (take_text(&mut block, "title", place)?, take_text(&mut block, "source", place)?);
    let mut lines = vec![title, source];
    match take(&mut block, "content") {
        Some(Value::Array(content)) => {
            lines.extend(content.iter().filter_map(|block| block["text"].as_str()).map(str::to_owned));
        }
        _ => return Err(wrong(format_args!("{place}.content"), "Input should be a list")),
    }
    Ok(text(lines.join("\n")))
}
