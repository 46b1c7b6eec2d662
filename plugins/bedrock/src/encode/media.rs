//! Images, documents, videos and sounds: inline, in a bucket, or to be fetched by the host first.

use weir_plugin::Failure;
use weir_plugin::openai::{DataUri, Part};
use weir_plugin::serde_json::Value;

use crate::wire::{Block, Media, Source};

/// What a format is a format of.
#[derive(Clone, Copy)]
enum Kind {
    Image,
    Document,
    Video,
    Audio,
}

/// Media types, the extensions of their files, and what Converse calls them.
const FORMATS: [(&str, &str, Kind, &str); 32] = [
    ("image/png", "png", Kind::Image, "png"),
    ("image/jpeg", "jpeg", Kind::Image, "jpeg"),
    ("image/jpg", "jpg", Kind::Image, "jpeg"),
    ("image/gif", "gif", Kind::Image, "gif"),
    ("image/webp", "webp", Kind::Image, "webp"),
    ("application/pdf", "pdf", Kind::Document, "pdf"),
    ("text/csv", "csv", Kind::Document, "csv"),
    ("application/msword", "doc", Kind::Document, "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", Kind::Document, "docx"),
    ("application/vnd.ms-excel", "xls", Kind::Document, "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", Kind::Document, "xlsx"),
    ("text/html", "html", Kind::Document, "html"),
    ("text/markdown", "md", Kind::Document, "md"),
    ("text/plain", "txt", Kind::Document, "txt"),
    ("application/json", "json", Kind::Document, "txt"),
    ("application/xml", "xml", Kind::Document, "txt"),
    ("video/mp4", "mp4", Kind::Video, "mp4"),
    ("video/quicktime", "mov", Kind::Video, "mov"),
    ("video/webm", "webm", Kind::Video, "webm"),
    ("video/x-matroska", "mkv", Kind::Video, "mkv"),
    ("video/mpeg", "mpeg", Kind::Video, "mpeg"),
    ("video/x-flv", "flv", Kind::Video, "flv"),
    ("video/x-ms-wmv", "wmv", Kind::Video, "wmv"),
    ("video/3gpp", "3gp", Kind::Video, "three_gp"),
    ("audio/mpeg", "mp3", Kind::Audio, "mp3"),
    ("audio/wav", "wav", Kind::Audio, "wav"),
    ("audio/x-wav", "wave", Kind::Audio, "wav"),
    ("audio/ogg", "ogg", Kind::Audio, "ogg"),
    ("audio/opus", "opus", Kind::Audio, "opus"),
    ("audio/flac", "flac", Kind::Audio, "flac"),
    ("audio/aac", "aac", Kind::Audio, "aac"),
    ("audio/mp4", "m4a", Kind::Audio, "m4a"),
];

/// The media of a request.
#[derive(Default)]
pub struct Library {
    /// The URLs that the host has to fetch.
    pub fetch: Vec<String>,
    /// The names of the documents so far.
    names: Vec<String>,
}

/// Where something is, and what tells what it is.
struct Item<'a> {
    source: Source<'a>,
    media_type: &'a str,
    /// A name whose extension may tell.
    name: &'a str,
}

impl Library {
    /// The block of a part. `None` if it has to be fetched first.
    pub fn block<'a>(&mut self, part: &'a Part, place: impl Fn() -> String) -> Result<Option<Block<'a>>, Failure> {
        let (content, name) = content_of(part);
        if content.starts_with("https://") || content.starts_with("http://") {
            self.fetch.push(content.to_owned());
            return Ok(None);
        }
        let Some(item) = item(part, content, name) else {
            if part.file.as_ref().is_some_and(|file| file.file_id.is_some()) {
                let message = "This provider has no uploaded files, but takes the addresses of objects in S3.";
                return Err(Failure::unsupported(place(), message));
            }
            let message = "This has to be base64, a data URL in base64, an http(s) URL or an s3 URL.";
            return Err(Failure::invalid_field(place(), message));
        };
        let Some((kind, format)) = format_of(item.media_type, item.name) else {
            let message = format!("This provider does not take media of type `{}`.", item.media_type);
            return Err(Failure::unsupported(place(), message));
        };
        let source = item.source;
        Ok(Some(match kind {
            Kind::Image => Block::Image(Media { format, source }),
            Kind::Video => Block::Video(Media { format, source }),
            Kind::Audio => Block::Audio(Media { format, source }),
            Kind::Document => {
                let option = |name: &str| part.extra.get(name).or_else(|| part.file.as_ref()?.extra.get(name));
                let (context, citations) = (option("context"), option("citations"));
                Block::Document { format, source, name: self.document_name(name), context, citations }
            }
        }))
    }

    /// A name for a document: of the characters that are allowed, without an extension, and its own.
    fn document_name(&mut self, name: &str) -> String {
        let stem = name.rsplit('/').next().unwrap_or_default();
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let allowed = |character: char| character.is_ascii_alphanumeric() || "-()[]".contains(character);
        let words: Vec<&str> = stem.split(|character| !allowed(character)).filter(|word| !word.is_empty()).collect();
        let mut stem = if words.is_empty() { "Document".to_owned() } else { words.join(" ") };
        // Two hundred are allowed, and a number has to fit behind them.
        stem.truncate(190);
        let stem = stem.trim_end();
        let is_taken = |name: &String| self.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|number: usize| format!("{stem} {number}"));
        let mut names = std::iter::once(stem.to_owned()).chain(numbered);
        let name = names.find(|name| !is_taken(name)).unwrap_or_default();
        self.names.push(name.clone());
        name
    }
}

/// What a part holds or refers to, and the name of its file.
fn content_of<'a>(part: &'a Part) -> (&'a str, &'a str) {
    let url = |value: Option<&'a Value>| {
        let value = value?;
        value.as_str().or_else(|| value["url"].as_str())
    };
    let file = part.file.as_ref();
    let other = file.and_then(|file| ["url", "file_url"].iter().find_map(|name| url(file.extra.get(*name))));
    let id = || file.and_then(|file| file.file_id.as_deref()).filter(|id| id.starts_with("s3://"));
    let content = match (&part.image_url, &part.input_audio) {
        (Some(image), _) => Some(image.url()),
        (None, Some(audio)) => audio.data.as_deref(),
        (None, None) => file.and_then(|file| file.file_data.as_deref()).or(other).or_else(id),
    };
    let content = content.or_else(|| url(part.extra.get("video_url"))).unwrap_or_default();
    (content, file.and_then(|file| file.filename.as_deref()).unwrap_or_default())
}

fn item<'a>(part: &'a Part, content: &'a str, name: &'a str) -> Option<Item<'a>> {
    if let Some(DataUri { media_type, base64: true, data }) = DataUri::parse(content) {
        return Some(Item { source: Source::Bytes(data), media_type, name });
    }
    if content.starts_with("s3://") {
        return Some(Item { source: Source::S3Location { uri: content }, media_type: "", name: content });
    }
    let name = match &part.input_audio {
        Some(audio) => audio.format.as_deref().unwrap_or_default(),
        // What has no other sign is what most files are.
        None if name.is_empty() => "pdf",
        None => name,
    };
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let is_bare = !content.is_empty() && content.bytes().all(is_base64) && part.image_url.is_none();
    is_bare.then_some(Item { source: Source::Bytes(content), media_type: "", name })
}

fn format_of(media_type: &str, name: &str) -> Option<(Kind, &'static str)> {
    let media_type = media_type.to_ascii_lowercase();
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let by_type = FORMATS.iter().find(|(known, ..)| *known == media_type);
    let by_extension = || FORMATS.iter().find(|(_, known, ..)| *known == extension);
    let found = by_type.or_else(by_extension).map(|(_, _, kind, format)| (*kind, *format));
    found.or(media_type.starts_with("text/").then_some((Kind::Document, "txt")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_names_that_are_allowed_and_their_own() {
        let mut library = Library::default();
        let long = "x".repeat(300);
        for (name, expected) in [
            ("report_v1.2.pdf", "report v1 2"),
            ("Report v1  2.PDF", "Report v1 2 2"),
            ("s3://bucket/key/notes (1).md", "notes (1)"),
            ("", "Document"),
            ("Отчёт.pdf", "Document 2"),
            (".pdf", "Document 3"),
            (&long, &long[..190]),
        ] {
            assert_eq!(library.document_name(name), expected, "{name}");
        }
    }
}
