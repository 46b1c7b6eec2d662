//! The condensed document: the bytes of the one that came, without what was left out, with a note in its place and the
//! shortened texts in theirs.

use super::conversation::{Conversation, Message, Role};
use super::extent::Extent;
use super::passage::shorten;
use crate::chat::estimate::Tally;
use crate::chat::scan::Scanner;

/// What became of a document.
#[derive(Debug)]
pub(super) struct Written {
    pub document: String,
    pub removed_messages: usize,
    pub shortened_texts: usize,
}

/// The document with what the extent says.
pub(super) fn write(document: &str, conversation: &Conversation, extent: &Extent) -> Written {
    let messages = &conversation.messages;
    let removed_messages = extent.fates.iter().filter(|fate| fate.is_removed).count();
    let first_removed = extent.fates.iter().position(|fate| fate.is_removed);
    let mut written = Written { document: String::with_capacity(document.len()), removed_messages, shortened_texts: 0 };
    let [Some(first), Some(last)] = [messages.first(), messages.last()] else { return written };
    written.document.push_str(&document[..first.place.start]);
    let mut is_first = true;
    for (position, message) in messages.iter().enumerate() {
        let fate = &extent.fates[position];
        if fate.is_removed && first_removed != Some(position) {
            continue;
        }
        if !is_first {
            written.document.push(',');
        }
        is_first = false;
        if fate.is_removed {
            let role = note_role(conversation, extent, position);
            written.document.push_str(&format!(r#"{{"role":"{role}","content":"{}"}}"#, note(removed_messages)));
        } else {
            written.message(document, message, &fate.limits);
        }
    }
    written.document.push_str(&document[last.place.end..]);
    written
}

/// What the note weighs at most, and not what it weighs here: a digit more would have the next turn cut elsewhere.
pub(super) fn note_weight() -> u64 {
    let mut tally = Tally::default();
    tally.separators();
    tally.text(&note(99_999_999));
    tally.weight()
}

/// The note in place of this many messages. Nothing in it has to be escaped.
fn note(messages: usize) -> String {
    let earlier =
        if messages == 1 { "1 earlier message was".to_owned() } else { format!("{messages} earlier messages were") };
    format!("[{earlier} left out here: the whole conversation does not fit the model's context window.]")
}

/// Who says so: the assistant between two messages of the user, so that the two go on taking turns, as some models
/// insist on; else the user.
fn note_role(conversation: &Conversation, extent: &Extent, position: usize) -> &'static str {
    let role_of = |position: usize| conversation.messages[position].role;
    let stays = |position: &usize| !extent.fates[*position].is_removed;
    let before = (0..position).rev().find(stays).map(role_of);
    let after = (position..conversation.messages.len()).find(stays).map(role_of);
    if before == Some(Role::User) && after == Some(Role::User) { "assistant" } else { "user" }
}

impl Written {
    /// Adds a message, with its texts held to their limits.
    fn message(&mut self, document: &str, message: &Message, limits: &[Option<u64>]) {
        let mut start = message.place.start;
        for (passage, limit) in message.passages.iter().zip(limits) {
            let Some(limit) = limit.filter(|limit| passage.weight > *limit) else { continue };
            let Ok(text) = Scanner::lenient(&document[passage.place.clone()]).string() else { continue };
            self.document.push_str(&document[start..passage.place.start]);
            self.document.push_str(&serde_json::Value::from(shorten(&text.decode(), limit)).to_string());
            self.shortened_texts += 1;
            start = passage.place.end;
        }
        self.document.push_str(&document[start..message.place.end]);
    }
}
