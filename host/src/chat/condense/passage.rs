//! A text without its middle.

use crate::chat::estimate::weight;

/// The part of what stays that is taken from the beginning: it says what the text is, the end how it came out.
const HEAD: (u64, u64) = (2, 3);

/// The text without its middle, such that it weighs at most `limit`, which is more than the remark in place of the
/// middle. Cut between characters. A text that weighs no more is kept as it is.
pub(super) fn shorten(text: &str, limit: u64) -> String {
    if weight(text) <= limit {
        return text.to_owned();
    }
    let characters = text.chars().count();
    let room = limit.saturating_sub(weight(&remark(characters)));
    let head = length_within(text.chars(), room * HEAD.0 / HEAD.1);
    let rest = &text[head..];
    let tail = length_within(rest.chars().rev(), room - weight(&text[..head]));
    let left_out = &rest[..rest.len() - tail];
    let remark = remark(left_out.chars().count());
    format!("{}{remark}{}", &text[..head], &rest[rest.len() - tail..])
}

fn remark(characters: usize) -> String {
    format!("\n[... {characters} characters left out ...]\n")
}

/// How many bytes of these characters weigh at most `limit`.
fn length_within(characters: impl Iterator<Item = char>, limit: u64) -> usize {
    let mut total = 0;
    let lengths = characters.map_while(|character| {
        total += weight(character.encode_utf8(&mut [0; 4]));
        (total <= limit).then_some(character.len_utf8())
    });
    lengths.sum()
}
