//! Names that become part of a path.

use std::fmt::Write as _;

/// The text as one segment of a path: everything but letters, digits and `-._~@` percent-encoded.
pub fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => segment.push(byte.into()),
            // Writing to a string cannot fail.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
    }
    segment
}

/// The same for a name of several segments, such as `publishers/google/models/m`.
pub fn path_segments(text: &str) -> String {
    text.split('/').map(path_segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::{path_segment, path_segments};

    #[test]
    fn a_name_cannot_leave_its_segment() {
        for (text, expected) in
            [("gpt-4.1_x~", "gpt-4.1_x~"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("..", ".."), ("é:", "%C3%A9%3A"), ("", "")]
        {
            assert_eq!(path_segment(text), expected);
        }
        assert_eq!(path_segments("a/b?c/d@1"), "a/b%3Fc/d@1");
    }
}
