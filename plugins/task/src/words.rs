//! Which task a text tells of, by its words. One walk over the text, whatever the number of words.

/// How much of either end of a text is read, in bytes. What is to be done stands there, and a plan has to be quick.
const READ_BYTES: usize = 1024;

/// Words of a few tasks, to be looked for all at once.
#[derive(Debug)]
pub struct Words {
    /// Each word in lower case with the number of its task, sorted.
    words: Vec<(Vec<u8>, usize)>,
    /// What is known of the words that have this first byte.
    by_first: Vec<First>,
    tasks: usize,
}

/// The words that begin with a certain byte.
#[derive(Debug)]
struct First {
    /// Where in the list they begin and end.
    from: usize,
    to: usize,
    /// A bit for each second byte that one of them has, by its lowest six bits: most words of a text are none of ours,
    /// and two bytes tell.
    seconds: u64,
}

impl Words {
    /// The words of each task.
    pub fn new<'a>(tasks: impl Iterator<Item = &'a [String]>) -> Self {
        let (mut words, mut count) = (Vec::new(), 0);
        for (task, own) in tasks.enumerate() {
            let own = own.iter().filter(|word| !word.is_empty());
            words.extend(own.map(|word| (word.to_ascii_lowercase().into_bytes(), task)));
            count = task + 1;
        }
        words.sort();
        let by_first = (0..=u8::MAX).map(|byte| First::of(byte, &words)).collect();
        Self { words, by_first, tasks: count }
    }

    /// The number of the task of which the text has the most words; of two alike, the first one. `None` if it has none
    /// of any.
    pub fn most_told_of(&self, text: &str) -> Option<usize> {
        if self.words.is_empty() {
            return None;
        }
        let mut found = vec![0_usize; self.tasks];
        let text = text.as_bytes();
        let head = text.len().min(READ_BYTES);
        // Long pastes come first or last: the question stands on their other side.
        self.count(&text[..head], &mut found);
        self.count(&text[text.len().saturating_sub(READ_BYTES).max(head)..], &mut found);
        let most = found.iter().copied().max().filter(|&most| most > 0)?;
        found.iter().position(|&count| count == most)
    }

    fn count(&self, text: &[u8], found: &mut [usize]) {
        let mut in_word = false;
        for (start, byte) in text.iter().enumerate() {
            let is_letter = is_letter(*byte);
            // A word begins where no other one goes on; signs such as a fence may begin anywhere.
            if !(in_word && is_letter) {
                let first = &self.by_first[usize::from(byte.to_ascii_lowercase())];
                if first.seconds & bit(text.get(start + 1).copied()) != 0 {
                    for (word, task) in &self.words[first.from..first.to] {
                        found[*task] += usize::from(stands_at(text, start, word));
                    }
                }
            }
            in_word = is_letter;
        }
    }
}

impl First {
    /// The words that begin with this byte, of a sorted list.
    fn of(byte: u8, words: &[(Vec<u8>, usize)]) -> Self {
        let from = words.partition_point(|(word, _)| word[0] < byte);
        let to = words.partition_point(|(word, _)| word[0] <= byte);
        // After a word of one byte, anything may stand.
        let second = |(word, _): &(Vec<u8>, usize)| word.get(1).map_or(u64::MAX, |second| bit(Some(*second)));
        Self { from, to, seconds: words[from..to].iter().map(second).fold(0, |all, one| all | one) }
    }
}

/// The bit of a second byte, the same for both cases of a letter. That of the end of a text is any.
fn bit(second: Option<u8>) -> u64 {
    1 << (second.unwrap_or_default().to_ascii_lowercase() & 63)
}

/// Whether the whole word stands there, in whatever case.
fn stands_at(text: &[u8], start: usize, word: &[u8]) -> bool {
    let end = start + word.len();
    let same = text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(word));
    let goes_on =
        word.last().is_some_and(|last| is_letter(*last)) && text.get(end).is_some_and(|next| is_letter(*next));
    same && !goes_on
}

/// Letters and digits, and all of what is not ASCII.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let code = ["```", "fix", "stack trace"].map(str::to_owned);
        let search = ["find", "Where is", "für", "?"].map(str::to_owned);
        Words::new([code.as_slice(), search.as_slice()].into_iter())
    }

    #[test]
    fn whole_words_tell_and_parts_of_others_do_not() {
        let cases = [
            ("Please FIX this", Some(0)),
            ("fix", Some(0)),
            ("(fix)", Some(0)),
            ("prefix fixed affixes", None),
            ("see:```rust", Some(0)),
            ("the stack trace", Some(0)),
            ("stack  trace", None),
            ("WHERE IS it", Some(1)),
            ("für dich", Some(1)),
            ("find the fix", Some(0)),
            ("find where is the fix", Some(1)),
            ("really?", Some(1)),
            ("", None),
            ("🙂", None),
        ];
        for (text, expected) in cases {
            assert_eq!(words().most_told_of(text), expected, "{text}");
        }
        assert_eq!(Words::new(std::iter::empty()).most_told_of("fix"), None);
    }

    #[test]
    fn a_question_is_found_before_and_after_a_long_paste() {
        let paste = "lorem ".repeat(5000);
        for (text, expected) in [
            (format!("find this: {paste}"), Some(1)),
            (format!("{paste} now fix it"), Some(0)),
            (format!("{paste} fix {paste}"), None),
        ] {
            assert_eq!(words().most_told_of(&text), expected);
        }
    }
}
