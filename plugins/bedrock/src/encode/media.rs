//! Images, documents, videos and sounds: inline, in a bucket, or to be fetched by the host first.

use weir_plugin::Failure;
use weir_plugin::json::{Json, to_text};
use weir_plugin::openai::{Media, MediaSource, Part, Place};

/// What files are, by the endings of their names, and what Converse calls their formats where it does not say the same.
const KINDS: [(&str, &str); 4] = [
    ("image", "png jpeg gif webp"),
    ("video", "mp4 mov webm mkv mpeg flv wmv 3gp:three_gp"),
    ("audio", "mp3 wav ogg opus flac aac m4a"),
    ("document", "pdf csv doc docx xls xlsx html md txt json:txt xml:txt"),
];

/// The media of a request.
#[derive(Default)]
pub struct Library {
    /// The URLs that the host has to fetch.
    pub fetch: Vec<String>,
    /// The names of the documents so far.
    names: Vec<String>,
}

impl Library {
    /// Writes the block of a part, unless it has to be fetched first.
    pub fn write(&mut self, json: &mut Json, part: &Part, place: Place) -> Result<(), Failure> {
        let media = part.media();
        let (bytes, uri) = match media.source {
            MediaSource::Base64(data) => (Some(data), None),
            MediaSource::Elsewhere(uri) if uri.starts_with("s3://") => (None, Some(uri)),
            MediaSource::Web(url) => {
                self.fetch.push(url.to_owned());
                return Ok(());
            }
            MediaSource::Uploaded(_) => {
                let message = "This provider has no uploaded files, but takes the addresses of objects in S3.";
                return Err(place.unsupported(message));
            }
            MediaSource::Elsewhere(_) | MediaSource::Missing => {
                let message = "This has to be base64, a data URL in base64, an http(s) URL or an s3 URL.";
                return Err(place.invalid(message));
            }
        };
        let Some((kind, format)) = kind_and_format(&media) else {
            let message = format!("This provider does not take media of type `{}`.", media.media_type);
            return Err(place.unsupported(message));
        };
        json.open('{').key(kind).open('{').key("format").body(format).key("source").open('{').text("bytes", bytes);
        if let Some(uri) = uri {
            json.key("s3Location").open('{').text("uri", Some(uri)).close('}');
        }
        json.close('}');
        if kind == "document" {
            json.key("name").string(&self.document_name(media.name));
            for name in ["context", "citations"] {
                let of_file = || part.file.as_ref()?.extra.get(name);
                if let Some(option) = part.extra.get(name).or_else(of_file) {
                    json.key(name).raw(&to_text(option));
                }
            }
        }
        json.close('}').close('}');
        Ok(())
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

fn kind_and_format(media: &Media) -> Option<(&'static str, &'static str)> {
    let ending = media.ending()?;
    KINDS.iter().find_map(|(kind, formats)| {
        let mut formats = formats.split(' ').map(|word| word.split_once(':').unwrap_or((word, word)));
        formats.find(|(known, _)| *known == ending).map(|(_, format)| (*kind, format))
    })
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
