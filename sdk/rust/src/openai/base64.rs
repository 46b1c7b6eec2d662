//! What a `data:` URL holds, decoded: for upstreams that want the text of a file and not its bytes.

use super::DataUri;

impl DataUri<'_> {
    /// The content as text. `None` if it is no UTF-8, or is not encoded as the URL says.
    pub fn text(&self) -> Option<String> {
        let bytes = if self.base64 { base64(self.data) } else { percent(self.data) };
        String::from_utf8(bytes?).ok()
    }
}

/// Decodes base64, of either alphabet, with or without padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

fn percent(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? << 4 | digit(low)?);
                rest = behind;
            }
            (b'%', _) => return None,
            _ => bytes.push(*byte),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_both_alphabets_is_decoded() {
        for (text, expected) in
            [("", &b""[..]), ("aGk=", b"hi"), ("aGk", b"hi"), ("-_8", b"\xfb\xff"), ("+/8=", b"\xfb\xff")]
        {
            assert_eq!(base64(text).unwrap(), expected, "{text}");
        }
        assert_eq!(base64("a b"), None);
    }

    #[test]
    fn text_comes_out_of_either_encoding_if_it_is_text() {
        for (url, expected) in [
            ("data:text/plain;base64,aGk=", Some("hi")),
            ("data:text/plain;base64,-_8", None),
            ("data:,a%20b%C3%A9", Some("a b\u{e9}")),
            ("data:,50%", None),
            ("data:,%zz", None),
        ] {
            assert_eq!(DataUri::parse(url).unwrap().text().as_deref(), expected, "{url}");
        }
    }
}
