//! Source text without its comments, line for line: just enough of Rust's lexer for that.

/// The same text with every comment blanked out. Texts stay as they are.
pub fn without_comments(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            rest = &rest[length..];
            continue;
        } else if rest.starts_with("/*") {
            let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
            // The line breaks stay, so that line numbers do.
            code.extend(rest[..length].chars().filter(|&character| character == '\n'));
            rest = &rest[length..];
            continue;
        } else if let Some(length) = raw_text(rest, &code) {
            length
        } else if next == '"' {
            text(rest)
        } else if next == '\'' {
            character(rest)
        } else {
            next.len_utf8()
        };
        code.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    code
}

/// The length of the raw text (`r#"..."#`) that starts here, if one does.
fn raw_text(rest: &str, before: &str) -> Option<usize> {
    let in_a_word = before.ends_with(|last: char| last.is_alphanumeric() || last == '_');
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).filter(|_| !in_a_word)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |found| start + found + end.len()))
}

/// The length of the text that starts here with a quote.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (index, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of the character literal that starts here, or of the quote if it is a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            rest[2..].char_indices().skip(1).find(|&(_, last)| last == '\'').map_or(1, |(end, _)| end + 3)
        }
        Some(_) => characters.next().filter(|&(_, last)| last == '\'').map_or(1, |(end, _)| end + 1),
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_texts_stay() {
        let cases = [
            ("a // b\nc", "a \nc"),
            ("a /* b\nb */ c", "a \n c"),
            ("\"http://x\" // y", "\"http://x\" "),
            ("\"\\\"//\" // y", "\"\\\"//\" "),
            ("r#\"// \" \"# // y", "r#\"// \" \"# "),
            ("'\"' // y", "'\"' "),
            ("'\\'' // y", "'\\'' "),
            ("'\\u{41}' // y", "'\\u{41}' "),
            ("&'a str // y", "&'a str "),
            ("/// \"a\nb", "\nb"),
        ];
        for (source, expected) in cases {
            assert_eq!(without_comments(source), expected, "{source}");
        }
    }
}
