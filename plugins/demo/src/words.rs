//! The demo's tokens: words, each with the blanks before it.

/// Cuts a text into tokens. Joined again, they are the text.
pub fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let length = rest[start..].find(char::is_whitespace).unwrap_or(rest.len() - start);
        let (word, behind) = rest.split_at(start + length);
        words.push(word);
        rest = behind;
    }
    words
}

/// How many tokens a text has.
pub fn count(text: &str) -> u64 {
    words(text).len() as u64
}

/// The text up to `limit` characters, with an ellipsis if that leaves something out.
pub fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_joined_are_the_text_again() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[]),
            ("one", &["one"]),
            ("one two\n three ", &["one", " two", "\n three", " "]),
            ("  lead", &["  lead"]),
            ("é\u{2003}🙂", &["é", "\u{2003}🙂"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected);
            assert_eq!(words(text).concat(), text);
        }
    }

    #[test]
    fn an_excerpt_counts_characters_and_not_bytes() {
        assert_eq!(excerpt("éééé", 4), "éééé");
        assert_eq!(excerpt("éé éé", 3), "éé…");
    }
}
