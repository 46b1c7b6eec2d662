//! The text of the last user message of a chat, for policies that go by what is said.

use std::ops::Range;

use super::scan::{Fault, Kind, Scanner};

/// The text of the last message of role `user`, its text parts with line ends between them, cut after `longest` bytes.
/// `None` if the document has no such message, or is no chat.
pub fn of_user(document: &[u8], longest: usize) -> Option<String> {
    let document = std::str::from_utf8(document).ok()?;
    let mut last = None;
    let read: Result<(), Fault> = Scanner::lenient(document).members(|scanner, name| match &*name.decode() {
        "messages" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| {
            if let Some(content) = users_content(scanner)? {
                last = Some(content);
            }
            Ok(())
        }),
        _ => scanner.skip(),
    });
    read.ok()?;
    let mut text = text(document.get(last?)?, longest);
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Some(text)
}

/// Where the content of a message stands, if it is a user's.
fn users_content(scanner: &mut Scanner<'_>) -> Result<Option<Range<usize>>, Fault> {
    if scanner.peek()? != Kind::Object {
        scanner.skip()?;
        return Ok(None);
    }
    let (mut is_users, mut content) = (false, None);
    scanner.members(|scanner, name| match &*name.decode() {
        "role" if scanner.peek()? == Kind::String => {
            is_users = scanner.string()?.decode() == "user";
            Ok(())
        }
        "content" => {
            content = Some(scanner.span()?);
            Ok::<(), Fault>(())
        }
        _ => scanner.skip(),
    })?;
    Ok(content.filter(|_| is_users))
}

/// A string, or the texts of a list of parts.
fn text(content: &str, longest: usize) -> String {
    let mut texts = String::new();
    let mut scanner = Scanner::lenient(content);
    let read = match scanner.peek() {
        Ok(Kind::String) => scanner.string().map(|text| texts.push_str(&text.decode())),
        Ok(Kind::Array) => scanner.elements(|scanner, _| {
            if scanner.peek()? != Kind::Object {
                return scanner.skip();
            }
            scanner.members(|scanner, name| {
                if name.decode() != "text" || scanner.peek()? != Kind::String {
                    return scanner.skip();
                }
                let text = scanner.string()?;
                if texts.len() < longest {
                    if !texts.is_empty() {
                        texts.push('\n');
                    }
                    texts.push_str(&text.decode());
                }
                Ok::<(), Fault>(())
            })
        }),
        other => other.map(drop),
    };
    // What was read before a fault is text all the same; the document was checked before.
    let _ = read;
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_is_found_whatever_follows_it() {
        let cases = [
            (
                r#"{"messages":[{"role":"user","content":"a"},{"content":"b\n","role":"user"},{"role":"tool","content":"c"}]}"#,
                Some("b\n"),
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"y"}]}]}"#,
                Some("x\ny"),
            ),
            (r#"{"messages":[{"role":"system","content":"s"}]}"#, None),
            (r#"{"messages":[{"role":"user","content":null}]}"#, Some("")),
            (r#"{"input":"text"}"#, None),
            ("not json", None),
        ];
        for (document, expected) in cases {
            assert_eq!(of_user(document.as_bytes(), 100).as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let document = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, "é".repeat(50));
        assert_eq!(of_user(document.as_bytes(), 11).unwrap(), "é".repeat(5));
    }
}
