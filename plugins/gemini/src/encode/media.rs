//! The parts of a message: text, and images, sounds, films and files, inline or by an address that Google can read.

use std::fmt;

use weir_plugin::Failure;
use weir_plugin::openai::{self, DataUri};

use super::contents::text_part;
use crate::wire::{Blob, FileData, Part};

/// Media types by the ending of a name, for what comes without one.
const TYPES: [(&str, &str); 20] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
];

/// Addresses that Google reads by itself: of Cloud Storage, of its Files API, of YouTube.
const GOOGLES: [&str; 6] = [
    "gs://",
    "https://generativelanguage.googleapis.com/",
    "https://www.youtube.com/",
    "https://m.youtube.com/",
    "https://youtube.com/",
    "https://youtu.be/",
];

/// Where something stands in the client's document, for when it is at fault.
#[derive(Clone, Copy)]
pub struct Place {
    /// The index of its message.
    pub message: usize,
    /// The list of the message that it is in, and its index there, if it is in one.
    pub element: Option<(&'static str, usize)>,
    /// The field of it, with a leading dot. Empty for all of it.
    pub field: &'static str,
}

impl Place {
    /// A field of this.
    pub fn field(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// An element of one of the message's lists.
    pub fn element(self, list: &'static str, index: usize) -> Self {
        Self { element: Some((list, index)), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "messages[{}]", self.message)?;
        if let Some((list, index)) = self.element {
            write!(formatter, ".{list}[{index}]")?;
        }
        formatter.write_str(self.field)
    }
}

/// Translates media, and gathers what the host has to fetch.
pub struct Media {
    /// Whether the host is to fetch remote media. They go upstream as addresses if not.
    pub fetches: bool,
    /// The URLs that it has to fetch.
    pub fetch: Vec<String>,
}

impl Media {
    /// Translates a part of a message's content. `None` if there is nothing in it.
    pub fn content<'a>(&mut self, part: &'a openai::Part<'_>, place: Place) -> Result<Option<Part<'a>>, Failure> {
        let part = match part.kind.as_deref() {
            Some("text" | "refusal") => {
                return Ok(part.text.as_deref().or(part.refusal.as_deref()).and_then(|text| text_part(text.into())));
            }
            Some("image_url") => {
                let url = part.image_url.as_ref().map(openai::ImageUrl::url).unwrap_or_default();
                self.part(url, None, place.field(".image_url.url"))?
            }
            Some("video_url") => {
                let url = part.extra.get("video_url").and_then(|video| video["url"].as_str().or(video.as_str()));
                self.part(url.unwrap_or_default(), None, place.field(".video_url.url"))?
            }
            Some("input_audio") => audio(part),
            Some("file") => self.file(part, place)?,
            // A part in Gemini's own form.
            None if !part.extra.is_empty() => Part { extra: part.extra.clone(), ..Part::default() },
            _ => {
                return Err(Failure::unsupported(place.to_string(), "This provider does not take parts of this type."));
            }
        };
        Ok(Some(part))
    }

    /// Translates a URL of any kind. `known` is its media type, if the client said it.
    pub fn part<'a>(&mut self, url: &'a str, known: Option<&'a str>, place: Place) -> Result<Part<'a>, Failure> {
        if let Some(DataUri { media_type, base64: true, data }) = DataUri::parse(url) {
            let given = Some(media_type).filter(|media_type| !media_type.is_empty());
            return Ok(inline(given.or(known).unwrap_or("application/octet-stream"), data));
        }
        let is_remote = url.starts_with("https://") || url.starts_with("http://");
        let is_googles = GOOGLES.iter().any(|start| url.starts_with(start));
        if !is_remote && !is_googles {
            let message = "This has to be an http(s) URL, a gs:// URL or a data URL in base64.";
            return Err(Failure::invalid_field(place.to_string(), message));
        }
        if self.fetches && !is_googles && !self.fetch.iter().any(|other| other == url) {
            self.fetch.push(url.to_owned());
        }
        Ok(by_address(url.into(), known.or(type_of(url))))
    }

    /// Translates a file: given here, by an address, or by its name in the Files API.
    fn file<'a>(&mut self, part: &'a openai::Part<'_>, place: Place) -> Result<Part<'a>, Failure> {
        let missing = || Failure::invalid_field(place.field(".file").to_string(), "A file needs file_data or file_id.");
        let file = part.file.as_ref().ok_or_else(missing)?;
        let named = file.filename.as_deref().and_then(type_of);
        let known = file.extra.get("format").and_then(|format| format.as_str()).or(named);
        let address = ["url", "file_url"].iter().find_map(|name| file.extra.get(*name)?.as_str());
        match (file.file_data.as_deref().or(address), file.file_id.as_deref()) {
            (Some(data), _) if data.contains(':') => self.part(data, known, place.field(".file.file_data")),
            (Some(data), _) => Ok(inline(known.unwrap_or("application/pdf"), data)),
            (None, Some(id)) if id.starts_with("files/") => {
                Ok(by_address(format!("https://generativelanguage.googleapis.com/v1beta/{id}").into(), known))
            }
            (None, Some(id)) => self.part(id, known, place.field(".file.file_id")),
            (None, None) => Err(missing()),
        }
    }
}

fn audio<'a>(part: &'a openai::Part<'_>) -> Part<'a> {
    let audio = part.input_audio.as_ref();
    let data = audio.and_then(|audio| audio.data.as_deref()).unwrap_or_default();
    if let Some(uri) = DataUri::parse(data) {
        return inline(uri.media_type, uri.data);
    }
    let format = audio.and_then(|audio| audio.format.as_deref()).unwrap_or("wav");
    let known = TYPES.iter().find(|(ending, media_type)| *ending == format && media_type.starts_with("audio/"));
    let mut part = inline("", data);
    if let Some(blob) = &mut part.inline_data {
        blob.mime_type = Some(known.map_or_else(|| format!("audio/{format}").into(), |(_, known)| (*known).into()));
    }
    part
}

fn inline<'a>(media_type: &'a str, data: &'a str) -> Part<'a> {
    let blob = Blob { mime_type: Some(media_type.into()), data: Some(data.into()), ..Blob::default() };
    Part { inline_data: Some(blob), ..Part::default() }
}

fn by_address<'a>(uri: openai::Text<'a>, media_type: Option<&'a str>) -> Part<'a> {
    let file = FileData { mime_type: media_type.map(Into::into), file_uri: Some(uri), ..FileData::default() };
    Part { file_data: Some(file), ..Part::default() }
}

/// The media type that the ending of a name or an address tells.
fn type_of(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media_type)| *media_type)
}
