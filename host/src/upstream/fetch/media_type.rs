//! What kind of file it is: by its first bytes, or else by what its server says.

use super::reason::Reason;

/// The types that are passed on, as prefixes.
const ALLOWED: [&str; 7] = ["image/", "audio/", "video/", "application/pdf", "text/plain", "text/markdown", "text/csv"];

/// What files of a type have where: one or two pieces of their first bytes.
struct Signature {
    media_type: &'static str,
    pieces: &'static [(usize, &'static [u8])],
}

const SIGNATURES: [Signature; 11] = [
    Signature { media_type: "image/png", pieces: &[(0, b"\x89PNG\r\n\x1a\n")] },
    Signature { media_type: "image/jpeg", pieces: &[(0, b"\xff\xd8\xff")] },
    Signature { media_type: "image/gif", pieces: &[(0, b"GIF87a")] },
    Signature { media_type: "image/gif", pieces: &[(0, b"GIF89a")] },
    Signature { media_type: "image/webp", pieces: &[(0, b"RIFF"), (8, b"WEBP")] },
    Signature { media_type: "image/bmp", pieces: &[(0, b"BM"), (6, b"\0\0\0\0")] },
    Signature { media_type: "image/tiff", pieces: &[(0, b"II*\0")] },
    Signature { media_type: "image/tiff", pieces: &[(0, b"MM\0*")] },
    Signature { media_type: "image/avif", pieces: &[(4, b"ftypavif")] },
    Signature { media_type: "image/heic", pieces: &[(4, b"ftypheic")] },
    Signature { media_type: "application/pdf", pieces: &[(0, b"%PDF-")] },
];

/// The type of the file that begins with these bytes and has this `Content-Type`.
///
/// Where the bytes say what it is, they have the last word, unless it is said to be text: servers often say `image/jpeg`
/// of what is WebP, or `application/octet-stream` of anything.
pub(super) fn of(claimed: Option<&str>, bytes: &[u8]) -> Result<String, Reason> {
    let claimed = claimed.and_then(essence);
    let is_text = claimed.as_deref().is_some_and(|claimed| claimed.starts_with("text/"));
    match (sniffed(bytes), claimed) {
        (Some(sniffed), _) if !is_text => Ok(sniffed.to_owned()),
        (_, Some(claimed)) if is_allowed(&claimed) => Ok(claimed),
        (_, claimed) => Err(Reason::MediaType(claimed)),
    }
}

/// Type and subtype in lower case, if they are well-formed.
fn essence(content_type: &str) -> Option<String> {
    let (essence, _parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let (kind, subtype) = essence.split_once('/')?;
    (is_token(kind) && is_token(subtype)).then_some(essence)
}

fn is_allowed(media_type: &str) -> bool {
    ALLOWED.iter().any(|allowed| {
        let rest = media_type.strip_prefix(allowed);
        rest.is_some_and(|rest| rest.is_empty() != allowed.ends_with('/'))
    })
}

fn sniffed(bytes: &[u8]) -> Option<&'static str> {
    let has = |(place, piece): &(usize, &[u8])| bytes.get(*place..).is_some_and(|rest| rest.starts_with(piece));
    let signature = SIGNATURES.iter().find(|signature| signature.pieces.iter().all(has))?;
    Some(signature.media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_images_and_pdf_say_what_they_are() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"GIF87a", "image/gif"),
            (b"RIFF....WEBPVP8 ", "image/webp"),
            (b"BM....\0\0\0\0....", "image/bmp"),
            (b"II*\0....", "image/tiff"),
            (b"MM\0*....", "image/tiff"),
            (b"\0\0\0\x20ftypavif", "image/avif"),
            (b"\0\0\0\x20ftypheic", "image/heic"),
            (b"%PDF-1.7", "application/pdf"),
        ] {
            for claimed in
                [None, Some("application/octet-stream"), Some("image/x-unknown"), Some("image/jpeg"), Some("?")]
            {
                assert_eq!(of(claimed, bytes).unwrap(), expected, "{claimed:?}");
            }
        }
    }

    #[test]
    fn what_the_bytes_do_not_say_the_server_says() {
        for (claimed, expected) in [
            ("image/svg+xml", Some("image/svg+xml")),
            ("IMAGE/PNG ; charset=binary", Some("image/png")),
            ("audio/mpeg", Some("audio/mpeg")),
            ("video/mp4", Some("video/mp4")),
            ("application/pdf", Some("application/pdf")),
            ("text/plain; charset=utf-8", Some("text/plain")),
            ("text/markdown", Some("text/markdown")),
            ("text/html; charset=utf-8", None),
            ("text/plainer", None),
            ("application/json", None),
            ("application/octet-stream", None),
            ("application/pdf+zip", None),
            ("image/", None),
            ("image", None),
            ("image/png,base64", None),
            ("", None),
        ] {
            assert_eq!(of(Some(claimed), b"RIFF....WAVE").ok().as_deref(), expected, "{claimed}");
        }
        assert!(of(None, b"RIFF....WAVE").is_err());
    }

    #[test]
    fn text_is_not_taken_for_what_it_begins_with() {
        assert_eq!(of(Some("text/plain"), b"%PDF- is how such files begin").unwrap(), "text/plain");
        assert!(of(Some("text/html"), b"GIF89a").is_err());
    }
}
