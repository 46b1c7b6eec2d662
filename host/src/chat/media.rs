//! Media that a canonical chat request only refers to: which URLs these are, and the same document with the media
//! themselves in their places.
//!
//! Only the places that are meant for media are looked at, in the parts of messages: a URL in a text is text. Nothing is
//! fetched here.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scan::{Fault, Kind, Scanner, Text};
use crate::error::Error;

/// The fields of a part that hold media: as a string, or as an object with one of `SOURCES`.
const HOLDERS: [&str; 5] = ["image_url", "file", "input_audio", "audio_url", "video_url"];
/// The fields in such an object that hold the media or refer to them.
const SOURCES: [&str; 4] = ["url", "file_url", "file_data", "data"];

/// The `http` and `https` URLs of media in a chat request, each once, in the order of the document.
///
/// What a plugin wants fetched has to be among them: else it could send a prompt to wherever it likes, as part of a URL.
///
/// # Errors
/// A document that is not JSON.
pub fn urls(document: &str) -> Result<Vec<String>, Error> {
    let mut urls: Vec<String> = Vec::new();
    visit(document, |text, _| {
        let url = text.decode();
        if is_web_url(&url) && !urls.iter().any(|known| *known == url) {
            urls.push(url.into_owned());
        }
    })?;
    Ok(urls)
}

/// The chat request with `data:` URLs in place of these URLs. `media` holds pairs of both. What is not found is passed
/// over, and everything else stays as it is, byte for byte.
///
/// # Errors
/// A document that is not JSON.
pub fn inline(document: &str, media: &[(String, String)]) -> Result<String, Error> {
    let mut found: Vec<(Range<usize>, &str)> = Vec::new();
    visit(document, |text, place| {
        let url = text.decode();
        if let Some((_, data_url)) = media.iter().find(|(known, _)| *known == url) {
            found.push((place, data_url));
        }
    })?;
    let added: usize = found.iter().map(|(_, data_url)| data_url.len() + 2).sum();
    let mut inlined = String::with_capacity(document.len() + added);
    let mut end = 0;
    for (place, data_url) in found {
        inlined.push_str(&document[end..place.start]);
        push_string(&mut inlined, data_url);
        end = place.end;
    }
    inlined.push_str(&document[end..]);
    Ok(inlined)
}

/// A `data:` URL (RFC 2397) of these bytes, in base64.
pub fn data_url(media_type: &str, bytes: &[u8]) -> String {
    // Four letters for every three bytes.
    let mut url = String::with_capacity("data:;base64,".len() + media_type.len() + bytes.len().div_ceil(3) * 4);
    url.push_str("data:");
    url.push_str(media_type);
    url.push_str(";base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}

/// Calls `found` with each string at a place for media, and with where it stands, quotes included.
fn visit<'a>(document: &'a str, mut found: impl FnMut(Text<'a>, Range<usize>)) -> Result<(), Error> {
    let mut scanner = Scanner::lenient(document);
    let visited = each_part(&mut scanner, |scanner| {
        fields(
            scanner,
            |name| HOLDERS.contains(&name),
            |scanner| match scanner.peek()? {
                Kind::Object => {
                    fields(scanner, |name| SOURCES.contains(&name), |scanner| take_string(scanner, &mut found))
                }
                _ => take_string(scanner, &mut found),
            },
        )
    });
    // The document was checked when it came, and again after whoever has changed it.
    visited.map_err(|fault| Error::internal(format!("the document is not JSON: {}", fault.describe(document))))
}

/// Calls `part` at each part of a message's content, which it must consume.
fn each_part<'a>(
    scanner: &mut Scanner<'a>,
    mut part: impl FnMut(&mut Scanner<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    fields(
        scanner,
        |name| name == "messages",
        |scanner| {
            elements(scanner, |scanner| {
                fields(scanner, |name| name == "content", |scanner| elements(scanner, &mut part))
            })
        },
    )
}

/// Calls `visit` at the values of the fields with such names. Passes over whatever is not an object.
fn fields<'a>(
    scanner: &mut Scanner<'a>,
    is_wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&mut Scanner<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if scanner.peek()? != Kind::Object {
        return scanner.skip();
    }
    scanner.members(|scanner, key| if is_wanted(&key.decode()) { visit(scanner) } else { scanner.skip() })
}

/// Calls `visit` at each element. Passes over whatever is not an array.
fn elements<'a>(
    scanner: &mut Scanner<'a>,
    mut visit: impl FnMut(&mut Scanner<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if scanner.peek()? != Kind::Array {
        return scanner.skip();
    }
    scanner.elements(|scanner, _| visit(scanner))
}

fn take_string<'a>(scanner: &mut Scanner<'a>, found: &mut impl FnMut(Text<'a>, Range<usize>)) -> Result<(), Fault> {
    if scanner.peek()? != Kind::String {
        return scanner.skip();
    }
    let text = scanner.string()?;
    found(text, text.offset()..scanner.offset());
    Ok(())
}

fn is_web_url(text: &str) -> bool {
    let begins_with = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins_with("http://") || begins_with("https://")
}

/// Appends a JSON string.
fn push_string(json: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "data:image/png;base64,iVBORw==";

    /// A chat request with this part in the content of a message.
    fn document(role: &str, part: &str) -> String {
        format!(
            r#"{{ "model":"m", "seed": 1.0, "messages":[{{"role":"system","content":"https://a/b"}},
                {{"role":"{role}","content":[{{"type":"text","text":"see https://a/b"}}, {part}]}}],"x":["https://a/b"]}}"#
        )
    }

    #[test]
    fn media_are_put_in_place_of_their_urls_and_nothing_else_changes() {
        for part in [
            r#"{"type":"image_url","image_url":{"url":"https://a/b","detail":"low"}}"#,
            r#"{"image_url":"https://a/b","type":"image_url"}"#,
            r#"{"type":"image_url","image_url": { "detail":"low", "url" : "https:\/\/a\/b" } }"#,
            r#"{"type":"file","file":{"filename":"https://a/b.pdf","file_url":"https://a/b"}}"#,
            r#"{"type":"file","file":{"file_data":"https://a/b"}}"#,
            r#"{"type":"file","file":{"url":"https://a/b"}}"#,
            r#"{"type":"input_audio","input_audio":{"data":"https://a/b","format":"wav"}}"#,
            r#"{"type":"input_audio","input_audio":{"url":"https://a/b"}}"#,
            r#"{"type":"audio_url","audio_url":{"url":"https://a/b"}}"#,
            r#"{"type":"video_url","video_url":{"url":"https://a/b"}}"#,
            r#"{"type":"video_url","video_url":"\u0068ttps://a/b","cache_control":{"type":"ephemeral"}}"#,
        ] {
            let written = ["https://a/b", r"https:\/\/a\/b", r"\u0068ttps://a/b"];
            let written = written.map(|url| format!("\"{url}\""));
            let expected = written.iter().fold(part.to_owned(), |part, url| part.replace(url, &format!("\"{DATA}\"")));
            for role in ["user", "tool", "assistant"] {
                let document = document(role, part);
                assert_eq!(urls(&document).unwrap(), ["https://a/b"]);
                let media = [("https://other".to_owned(), "data:,".to_owned()), ("https://a/b".into(), DATA.into())];
                assert_eq!(inline(&document, &media).unwrap(), self::document(role, &expected));
            }
        }
    }

    #[test]
    fn a_url_elsewhere_is_no_reference_to_media() {
        for part in [
            r#"{"type":"text","text":"https://a/b"}"#,
            r#"{"type":"image_url","image_url":{"detail":"https://a/b"}}"#,
            r#"{"type":"image_url","image_url":{"url":{"url":"https://a/b"}}}"#,
            r#"{"type":"image_url","image_url":["https://a/b"]}"#,
            r#"{"type":"image_url","image_url":null}"#,
            r#"{"type":"file","file":{"filename":"https://a/b"}}"#,
            r#"{"type":"thing","url":"https://a/b","nested":{"image_url":"https://a/b"}}"#,
            r#""https://a/b""#,
            r#"[{"image_url":"https://a/b"}]"#,
        ] {
            let document = document("user", part);
            assert_eq!(urls(&document).unwrap(), [""; 0], "{part}");
            assert_eq!(inline(&document, &[("https://a/b".into(), DATA.into())]).unwrap(), document, "{part}");
        }
        for document in ["{}", "[]", "null", r#"{"messages":5}"#, r#"{"messages":[5,{"content":5}]}"#] {
            assert_eq!(urls(document).unwrap(), [""; 0]);
            assert_eq!(inline(document, &[]).unwrap(), document);
        }
    }

    #[test]
    fn each_web_url_is_listed_once_and_data_not_at_all() {
        let part = |url: &str| format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#);
        let parts = ["https://b/", "HTTP://c/", DATA, "https://b/", "ftp://d/", "file_id"].map(part);
        let document = document("user", &parts.join(","));
        assert_eq!(urls(&document).unwrap(), ["https://b/", "HTTP://c/"]);
        let inlined = inline(&document, &[("https://b/".into(), "data:,b".into())]).unwrap();
        assert_eq!(inlined.matches("data:,b").count(), 2);
        assert_eq!(urls(&inlined).unwrap(), ["HTTP://c/"]);
    }

    #[test]
    fn what_is_put_in_stays_one_string() {
        let document = document("user", r#"{"type":"file","file":{"url":"https://a/b"}}"#);
        let inlined = inline(&document, &[("https://a/b".into(), "data:a\"\\\n,".into())]).unwrap();
        let inlined: serde_json::Value = serde_json::from_str(&inlined).unwrap();
        assert_eq!(inlined["messages"][1]["content"][1]["file"]["url"], "data:a\"\\\n,");
    }

    #[test]
    fn bytes_become_data_urls() {
        for (bytes, expected) in [
            (&b""[..], "data:image/png;base64,"),
            (b"\x89PNG", "data:image/png;base64,iVBORw=="),
            (b"\xfb\xff\xbf", "data:image/png;base64,+/+/"),
        ] {
            assert_eq!(data_url("image/png", bytes), expected);
        }
    }

    #[test]
    fn a_document_that_is_not_json_is_an_error() {
        for document in ["", "{", r#"{"messages":[{"content":[{"image_url":"https://a/b"}]}"#] {
            assert!(urls(document).is_err());
            assert!(inline(document, &[]).is_err());
        }
    }
}
