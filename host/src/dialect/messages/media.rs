//! Media that a request of this dialect only refers to: which URLs these are, and the same request with the media
//! themselves in their places. `chat::media` is the same for a chat.

use serde_json::{Value, json};

use crate::chat::parsable;
use crate::error::Error;

/// The `http` and `https` URLs of images and documents, each once.
///
/// # Errors
/// A document that is not JSON.
pub fn urls(document: &str) -> Result<Vec<String>, Error> {
    let mut request = parse(document)?;
    let mut urls: Vec<String> = Vec::new();
    visit(&mut request["messages"], &mut |source| {
        if let Some(url) = web_url(source).filter(|url| !urls.iter().any(|known| known == url)) {
            urls.push(url.to_owned());
        }
    });
    Ok(urls)
}

/// The request with the content of these URLs in their places. `media` holds pairs of a URL and a `data:` URL in base64.
///
/// # Errors
/// A document that is not JSON.
pub fn inline(document: &str, media: &[(String, String)]) -> Result<String, Error> {
    let mut request = parse(document)?;
    visit(&mut request["messages"], &mut |source| {
        let found = web_url(source).and_then(|url| media.iter().find(|(known, _)| known == url));
        let parts = found.and_then(|(_, data_url)| data_url.strip_prefix("data:")?.split_once(";base64,"));
        if let Some((media_type, data)) = parts {
            *source = json!({ "type": "base64", "media_type": media_type, "data": data });
        }
    });
    Ok(request.to_string())
}

fn parse(document: &str) -> Result<Value, Error> {
    // The document was checked when it came.
    serde_json::from_str(&parsable(document)).map_err(|fault| Error::internal(fault.to_string()))
}

fn web_url(source: &Value) -> Option<&str> {
    let url = source["url"].as_str().filter(|_| source["type"] == "url")?;
    let scheme = url.split_once("://")?.0;
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(url)
}

/// Calls `found` with the source of each image and each document: in messages, in results of tools, in documents that
/// are made of blocks.
fn visit(list: &mut Value, found: &mut impl FnMut(&mut Value)) {
    for element in list.as_array_mut().into_iter().flatten() {
        let is_media = matches!(element["type"].as_str(), Some("image" | "document"));
        if let Some(source) = element.get_mut("source").filter(|_| is_media) {
            found(source);
            source.get_mut("content").into_iter().for_each(|content| visit(content, found));
        }
        element.get_mut("content").into_iter().for_each(|content| visit(content, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_are_addresses_are_found_wherever_they_stand_and_nothing_else_is() {
        let source = |url: &str| json!({ "type": "url", "url": url });
        let image = |source: &Value| json!({ "type": "image", "source": source });
        let held = json!({ "type": "base64", "media_type": "image/png", "data": "AA==" });
        let request = |url: &dyn Fn(&str) -> Value| {
            json!({ "model": "m", "max_tokens": 9, "messages": [
                { "role": "user", "content": "https://e.example/text" },
                { "role": "user", "content": [
                    image(&url("https://e.example/a.png")),
                    image(&held),
                    image(&json!({ "type": "url", "url": "gs://bucket/b.png" })),
                    { "type": "text", "text": "https://e.example/text", "source": source("https://e.example/no") },
                    { "type": "tool_result", "tool_use_id": "t", "content": [image(&url("HTTP://e.example/c.png"))] },
                    { "type": "document", "cache_control": { "type": "ephemeral" },
                        "source": { "type": "content", "content": [image(&url("https://e.example/a.png"))] } },
                ] },
            ] })
        };
        let given = request(&source).to_string();
        let found = urls(&given).unwrap();
        assert_eq!(found, ["https://e.example/a.png", "HTTP://e.example/c.png"]);
        let media: Vec<_> = found.into_iter().map(|url| (url, "data:image/png;base64,AA==".to_owned())).collect();
        assert_eq!(inline(&given, &media).unwrap(), request(&|_| held.clone()).to_string());
        assert_eq!(inline(&given, &[]).unwrap(), given);
        assert!(urls("{").is_err());
    }
}
