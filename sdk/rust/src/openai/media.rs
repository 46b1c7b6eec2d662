//! Images, sounds, films and files: what a part of a message holds or refers to, in whichever field it has that.

use serde_json::Value;

use super::{DataUri, Part};

/// What a part holds besides text. See [`Part::media`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media<'p> {
    /// Where it is.
    pub source: MediaSource<'p>,
    /// Its type (`image/png`), as it is told in front of the data, in the `format` of a file, or by that of a sound.
    /// Empty if it is not.
    pub media_type: &'p str,
    /// The name of its file or, of a sound, its format. Empty if it has none.
    pub name: &'p str,
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaSource<'p> {
    /// Here, in base64.
    Base64(&'p str),
    /// On the web, at an `http(s)` address.
    Web(&'p str),
    /// At an address of another scheme (`s3://`, `gs://`, a data URL without base64), or at none that makes sense.
    Elsewhere(&'p str),
    /// In a file that was uploaded, by its id.
    Uploaded(&'p str),
    /// Nowhere.
    Missing,
}

/// Endings of names, and the types that they stand for. The first ending of a type is the usual one.
const TYPES: [(&str, &str); 38] = [
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("md", "text/markdown"),
    ("txt", "text/plain"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mkv", "video/x-matroska"),
    ("mpeg", "video/mpeg"),
    ("flv", "video/x-flv"),
    ("wmv", "video/x-ms-wmv"),
    ("3gp", "video/3gpp"),
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("wave", "audio/wav"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("flac", "audio/flac"),
    ("aac", "audio/aac"),
    ("m4a", "audio/mp4"),
    ("m4a", "audio/x-m4a"),
    ("aiff", "audio/aiff"),
];

/// The type that the ending of a name or an address tells: `audio/wav` of `sea.WAV`, and of `wav` as well.
pub fn media_type_of(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('.').next().unwrap_or_default();
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media_type)| *media_type)
}

impl<'p> Media<'p> {
    /// Its type: as it is told, or as its name or its address tell it.
    pub fn kind(&self) -> Option<&'p str> {
        let (MediaSource::Web(address) | MediaSource::Elsewhere(address) | MediaSource::Uploaded(address)) =
            self.source
        else {
            return Some(self.media_type).filter(|told| !told.is_empty()).or_else(|| media_type_of(self.name));
        };
        let told = Some(self.media_type).filter(|told| !told.is_empty());
        told.or_else(|| media_type_of(self.name)).or_else(|| media_type_of(address))
    }

    /// What files of its kind end with, in the usual spelling (`jpeg`, `md`): by its type or else by its name, and
    /// `txt` for text of a kind that is not known. `None` if nobody can tell.
    pub fn ending(&self) -> Option<&'static str> {
        let of_type = |media_type: &str| {
            TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(media_type)).map(|(ending, _)| *ending)
        };
        let address = match self.source {
            MediaSource::Elsewhere(address) | MediaSource::Web(address) => address,
            _ => "",
        };
        let of_name = || media_type_of(self.name).or_else(|| media_type_of(address)).and_then(of_type);
        let is_text = self.media_type.starts_with("text/");
        of_type(self.media_type).or_else(of_name).or(is_text.then_some("txt"))
    }

    /// What stands at an address, or in the request itself.
    pub fn at(address: &'p str, media_type: &'p str, name: &'p str) -> Self {
        match DataUri::parse(address) {
            Some(DataUri { media_type: told, base64: true, data }) => {
                let media_type = if told.is_empty() { media_type } else { told };
                Self { source: MediaSource::Base64(data), media_type, name }
            }
            _ if is_web(address) => Self { source: MediaSource::Web(address), media_type, name },
            _ => Self { source: MediaSource::Elsewhere(address), media_type, name },
        }
    }

    /// The same for what may also stand there as base64 alone, which its first characters tell.
    fn with_bare_data(data: &'p str, media_type: &'p str, name: &'p str) -> Self {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte);
        if data.is_empty() || !data.bytes().take(64).all(is_base64) {
            return Self::at(data, media_type, name);
        }
        // What has no other sign is what most files are.
        let media_type = if name.is_empty() && media_type.is_empty() { "application/pdf" } else { media_type };
        Self { source: MediaSource::Base64(data), media_type, name }
    }
}

impl Part<'_> {
    /// What the part holds or refers to, if it is an `image_url`, `input_audio`, `video_url` or a `file`. A file may be
    /// at an address in `url` or `file_url` as well, and its `format` is a media type.
    pub fn media(&self) -> Media<'_> {
        if let Some(image) = &self.image_url {
            return Media::at(image.url(), "", "");
        }
        if let Some(audio) = &self.input_audio {
            let format = audio.format.as_deref().unwrap_or("wav");
            let known = TYPES.iter().find(|(ending, kind)| *ending == format && kind.starts_with("audio/"));
            let media_type = known.map_or("", |(_, media_type)| *media_type);
            return Media::with_bare_data(audio.data.as_deref().unwrap_or_default(), media_type, format);
        }
        if let Some(video) = self.extra.get("video_url") {
            return Media::at(address(video).unwrap_or_default(), "", "");
        }
        let missing = Media { source: MediaSource::Missing, media_type: "", name: "" };
        let Some(file) = &self.file else { return missing };
        let name = file.filename.as_deref().unwrap_or_default();
        let format = file.extra.get("format").and_then(Value::as_str).unwrap_or_default();
        let elsewhere = || ["url", "file_url"].iter().find_map(|name| address(file.extra.get(*name)?));
        match (file.file_data.as_deref().or_else(elsewhere), file.file_id.as_deref()) {
            (Some(data), _) => Media::with_bare_data(data, format, name),
            (None, Some(id)) if id.contains("://") => Media::at(id, format, name),
            (None, Some(id)) => Media { source: MediaSource::Uploaded(id), media_type: format, name },
            (None, None) => missing,
        }
    }
}

/// An address, alone or in an object with options.
fn address(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value["url"].as_str())
}

/// Whether this is an address on the web, in whichever case its scheme is written.
pub fn is_web(address: &str) -> bool {
    let begins = |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("https://") || begins("http://")
}

#[cfg(test)]
mod tests {
    use super::MediaSource::{Base64, Elsewhere, Missing, Uploaded, Web};
    use super::*;

    #[test]
    fn media_are_found_wherever_they_stand() {
        let cases = [
            (r#"{"image_url":{"url":"data:image/JPG;base64,aGk="}}"#, Base64("aGk="), Some("jpeg")),
            (r#"{"image_url":"https://a/b.PNG?c=d.gif"}"#, Web("https://a/b.PNG?c=d.gif"), Some("png")),
            (r#"{"image_url":"HTTP://a/b"}"#, Web("HTTP://a/b"), None),
            (r#"{"image_url":"aGk="}"#, Elsewhere("aGk="), None),
            (r#"{"image_url":"s3://a/b.webp"}"#, Elsewhere("s3://a/b.webp"), Some("webp")),
            (r#"{"image_url":"data:image/svg+xml,a"}"#, Elsewhere("data:image/svg+xml,a"), None),
            (r#"{"input_audio":{"data":"aGk=","format":"wave"}}"#, Base64("aGk="), Some("wav")),
            (r#"{"input_audio":{"data":"https://a/b","format":"mp3"}}"#, Web("https://a/b"), Some("mp3")),
            (r#"{"video_url":{"url":"https://a/b.mov"}}"#, Web("https://a/b.mov"), Some("mov")),
            (r#"{"video_url":"data:video/3gpp;base64,aGk="}"#, Base64("aGk="), Some("3gp")),
            (r#"{"file":{"file_data":"aGk="}}"#, Base64("aGk="), Some("pdf")),
            (r#"{"file":{"file_data":"aGk=","filename":"a.b.csv"}}"#, Base64("aGk="), Some("csv")),
            (r#"{"file":{"file_data":"aGk=","filename":"a.odd"}}"#, Base64("aGk="), None),
            (r#"{"file":{"file_data":"data:text/odd;base64,aGk="}}"#, Base64("aGk="), Some("txt")),
            (r#"{"file":{"file_data":"no data"}}"#, Elsewhere("no data"), None),
            (r#"{"file":{"file_url":{"url":"https://a/b.pdf"}}}"#, Web("https://a/b.pdf"), Some("pdf")),
            (r#"{"file":{"file_data":"aGk=","format":"image/png"}}"#, Base64("aGk="), Some("png")),
            (r#"{"file":{"file_id":"gs://a/b.md"}}"#, Elsewhere("gs://a/b.md"), Some("md")),
            (r#"{"file":{"file_id":"file_1"}}"#, Uploaded("file_1"), None),
            (r#"{"file":{}}"#, Missing, None),
            (r#"{"text":"a"}"#, Missing, None),
        ];
        for (json, source, ending) in cases {
            let part: Part = serde_json::from_str(json).unwrap();
            let media = part.media();
            assert_eq!((media.source, media.ending()), (source, ending), "{json}");
        }
    }
}
