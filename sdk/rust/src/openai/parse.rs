//! Reads documents, and says which field is at fault when one does not fit.

use serde::de::Deserialize;

use crate::Failure;

/// Reads a canonical document, mostly a [`super::ChatRequest`]. What does not fit is the client's fault: the failure
/// names the field as the client wrote it (`messages[2].content`).
///
/// # Errors
/// `invalid-request`, with `param` set.
pub fn parse<'a, T: Deserialize<'a>>(document: &'a str) -> Result<T, Failure> {
    serde_json::from_str(document).map_err(|error| {
        let path = path_at(document, offset(document, error.line(), error.column()));
        let cause = error.to_string();
        let cause = cause.split(" at line ").next().unwrap_or_default();
        match path.as_str() {
            "" => Failure::invalid_request(format!("The request is not as it must be: {cause}.")),
            path => Failure::invalid_field(path, format!("Invalid value for '{path}': {cause}.")),
        }
    })
}

/// The byte that serde_json means with a line and a column, which both count from 1 and in bytes.
fn offset(document: &str, line: usize, column: usize) -> usize {
    let before: usize = document.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).min(document.len())
}

/// The path of the value that the byte before `end` belongs to. Takes no part in reading: it runs only once
/// something has gone wrong, so that the good case pays nothing for it.
fn path_at(document: &str, end: usize) -> String {
    let bytes = &document.as_bytes()[..end];
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut last_string = (0, 0);
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => {
                let length = string_length(&bytes[position + 1..]);
                last_string = (position + 1, position + 1 + length);
                position += length + 1;
            }
            b'{' => steps.push(Step::Field("")),
            b'[' => steps.push(Step::Element(0)),
            // A container that ends where the error is, is what the error is about.
            b'}' | b']' if position + 1 < end => drop(steps.pop()),
            b':' => {
                if let Some(Step::Field(name)) = steps.last_mut() {
                    *name = document.get(last_string.0..last_string.1).unwrap_or_default();
                }
            }
            b',' => {
                if let Some(Step::Element(index)) = steps.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        position += 1;
    }
    // An error at the bracket itself is about the whole array or object, not about its first value.
    if matches!(bytes.last(), Some(b'{' | b'[')) {
        steps.pop();
    }
    join(&steps)
}

/// One step down into a document.
enum Step<'a> {
    Field(&'a str),
    Element(usize),
}

fn join(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(name) if path.is_empty() => path.push_str(name),
            Step::Field(name) => path.extend([".", name]),
            Step::Element(index) => path.extend(["[", &index.to_string(), "]"]),
        }
    }
    path.trim_end_matches('.').to_owned()
}

/// How long a string is that starts here, behind its quote, up to the quote that ends it.
fn string_length(bytes: &[u8]) -> usize {
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => break,
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    position.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::super::ChatRequest;
    use super::parse;

    #[test]
    fn a_request_that_does_not_fit_names_the_field_at_fault() {
        let cases = [
            (r#"{"model":5}"#, "model"),
            (r#"{"model":"m","messages":"hello"}"#, "messages"),
            (r#"{"messages":[{"role":"user"},{"role":"user","content":7}]}"#, "messages[1].content"),
            (r#"{"messages":[{"role":"user"},{"role":"user","content":{}}]}"#, "messages[1].content"),
            (
                r#"{"messages":[{"content":[{"type":"text"},{"type":"text","text":true}]}]}"#,
                "messages[0].content[1].text",
            ),
            (r#"{"messages":[{"content":"a, \"b\": [{"},5]}"#, "messages[1]"),
            ("{\n  \"messages\": [],\n  \"temperature\": \"hot\"\n}", "temperature"),
            (r#"{"max_tokens":-4}"#, "max_tokens"),
            (r#"{"tools":[{"function":{"parameters":{"a":[1,2]},"name":[]}}]}"#, "tools[0].function.name"),
            (r#"{"stop":{"a":1},"model":"m"}"#, "stop"),
            (r#"{"stream_options":[],"model":"m"}"#, "stream_options"),
        ];
        for (document, expected) in cases {
            let failure = parse::<ChatRequest>(document).unwrap_err();
            assert_eq!(failure.param.as_deref(), Some(expected), "{document}: {}", failure.message);
            assert!(!failure.message.contains("line"), "{}", failure.message);
        }
    }

    #[test]
    fn what_is_no_json_fails_without_a_panic_wherever_it_is_cut() {
        let document = r#"{"messages":[{"role":"user","content":"hi \" é 🙂"}],"stop":["a"]}"#;
        for end in (0..document.len()).filter(|end| document.is_char_boundary(*end)) {
            parse::<ChatRequest>(&document[..end]).unwrap_err();
        }
    }
}
