//! The prompts of a completion and the inputs of embeddings, which have one form: a text or a list of texts, or the
//! numbers of one's tokens, or a list of such lists. How long they are and what they say, for policies.

use super::estimate::Tally;
use super::scan::{Fault, Kind, Scanner, Text};

/// What a `prompt` or an `input` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// The tokens of the longest one, those of texts as an estimate: each has to fit a window on its own.
    pub longest_tokens: u64,
    /// The texts with line ends between them, if there are any, cut after as many bytes as were asked for.
    pub text: Option<String>,
}

impl Prompts {
    /// Reads the value of such a field. Whatever has another form counts as nothing: it is for others to refuse.
    pub fn read(value: &str, longest_text: usize) -> Self {
        let mut prompts = Self::default();
        let mut scanner = Scanner::lenient(value);
        // What was read before a fault counts all the same; the document was checked before.
        let _ = prompts.value(&mut scanner, longest_text);
        if let Some(text) = &mut prompts.text {
            text.truncate(text.floor_char_boundary(longest_text));
        }
        prompts
    }

    fn value(&mut self, scanner: &mut Scanner<'_>, longest_text: usize) -> Result<(), Fault> {
        match scanner.peek()? {
            Kind::String => self.say(scanner.string()?, longest_text),
            Kind::Array => {
                let mut numbers = 0;
                scanner.elements(|scanner, _| match scanner.peek()? {
                    Kind::Number => {
                        numbers += 1;
                        scanner.skip()
                    }
                    // The list of one prompt's tokens. Nothing is nested deeper than that in what makes sense.
                    Kind::Array => self.value(scanner, longest_text),
                    Kind::String => {
                        self.say(scanner.string()?, longest_text);
                        Ok(())
                    }
                    _ => scanner.skip(),
                })?;
                self.count(numbers);
            }
            _ => scanner.skip()?,
        }
        Ok(())
    }

    fn say(&mut self, said: Text<'_>, longest_text: usize) {
        let mut tally = Tally::default();
        tally.written(said);
        self.count(tally.tokens());
        let text = self.text.get_or_insert_default();
        if text.len() < longest_text {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&said.decode());
        }
    }

    fn count(&mut self, tokens: u64) {
        self.longest_tokens = self.longest_tokens.max(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_all_prompts_counts_and_all_are_said() {
        let long = format!(r#"["short", "{}", "end"]"#, "word ".repeat(40));
        let said = format!("short\n{}\nend", "word ".repeat(40));
        let cases = [
            (r#""four letters""#, 3, Some("four letters")),
            (r#""\u4e2d\n""#, 2, Some("中\n")),
            ("[]", 0, None),
            ("[1, 20, 300]", 3, None),
            ("[[1, 2], [3, 4, 5, 6], []]", 4, None),
            (&long, 50, Some(said.as_str())),
            (r#"["", {"text": "x"}, null]"#, 0, Some("")),
            ("{}", 0, None),
            ("7", 0, None),
            ("", 0, None),
        ];
        for (value, longest_tokens, text) in cases {
            let expected = Prompts { longest_tokens, text: text.map(str::to_owned) };
            assert_eq!(Prompts::read(value, 1_000), expected, "{value}");
        }
    }

    #[test]
    fn the_text_is_cut_between_characters_and_the_count_is_not() {
        let value = format!(r#"["{}", "more"]"#, "é".repeat(50));
        let prompts = Prompts::read(&value, 11);
        assert_eq!(prompts, Prompts { longest_tokens: 25, text: Some("é".repeat(5)) });
    }
}
