//! `data:` URLs (RFC 2397): images and files that clients put into the request itself.

/// The parts of a `data:` URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataUri<'a> {
    /// The media type without parameters (`image/png`). Empty if none is given.
    pub media_type: &'a str,
    /// Whether `data` is base64. It is percent-encoded text otherwise.
    pub base64: bool,
    /// The content, still encoded.
    pub data: &'a str,
}

impl<'a> DataUri<'a> {
    /// Takes a `data:` URL apart. `None` if it is another kind of URL, or has no comma.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_at_checked("data:".len())?;
        if !scheme.eq_ignore_ascii_case("data:") {
            return None;
        }
        let (kind, data) = rest.split_once(',')?;
        let mut parameters = kind.split(';').map(str::trim);
        let media_type = parameters.next().unwrap_or_default();
        let base64 = parameters.any(|parameter| parameter.eq_ignore_ascii_case("base64"));
        Some(Self { media_type, base64, data })
    }
}

#[cfg(test)]
mod tests {
    use super::DataUri;

    #[test]
    fn data_urls_are_taken_apart_and_other_urls_left_alone() {
        let cases = [
            ("data:image/png;base64,aGk=", Some(("image/png", true, "aGk="))),
            ("DATA:image/png;charset=x;BASE64,aGk=", Some(("image/png", true, "aGk="))),
            ("data:,a%20b", Some(("", false, "a%20b"))),
            ("data:text/plain", None),
            ("https://example.org/a,b", None),
            ("dat", None),
        ];
        for (url, expected) in cases {
            let parsed = DataUri::parse(url).map(|uri| (uri.media_type, uri.base64, uri.data));
            assert_eq!(parsed, expected, "{url}");
        }
    }
}
