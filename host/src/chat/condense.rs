//! Condensing: a chat that does not fit its model is made shorter, so that it can be asked after all.
//!
//! What a model cannot do without stays as it was sent, byte for byte: the system messages, the last turns, the last
//! message of the user. The middle gives way: [`Mode::Cut`] leaves out its oldest exchanges and puts a note in their
//! place, [`Mode::Shorten`] first keeps of each long text its beginning and its end. A tool's call and its results stay
//! or go together, wherever they stand. Only if that is not enough, long texts among what stays are shortened too.
//!
//! **The next turn gets the same middle.** Upstreams cache the beginning of prompts, and a middle that is another one
//! with each turn would lose that. So what to leave out is not found from the whole chat, but by going through it turn
//! by turn, as it grew: when it got larger than the budget, it was brought down to a part of it
//! ([`Options::target`]), and then it could grow again. The chat with one turn more finds the same steps, and only has
//! a new one when it has outgrown the budget again. No state is needed for that.
//!
//! - [`conversation`]: the messages, where their texts stand, and which belong together.
//! - [`extent`]: how much of the middle goes. [`passage`]: the middle of a text left out. [`written`]: the new document.
//! - [`told`]: the sizes that an upstream names when it refuses a prompt. [`cache`]: condensed chats, to use again.

pub mod cache;
mod conversation;
mod extent;
mod passage;
#[cfg(test)]
mod tests;
pub mod told;
mod written;

use bytes::Bytes;

use self::conversation::Conversation;
use self::extent::Budget;
use super::estimate::prompt_tokens;
use crate::error::Error;

/// How chats are condensed.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What becomes of the middle.
    pub mode: Mode,
    /// Whether the first message of the user stays, which often says what all of it is about.
    pub keep_first: bool,
    /// How many turns at the end stay. A turn is a message, or a tool's calls with all their results.
    pub keep_last: usize,
    /// To what part of the budget a chat is brought down when it has outgrown it: above 0, at most 1. The lower, the
    /// more is lost at once, and the longer the beginning of the prompt stays the same.
    pub target: f64,
}

/// What becomes of the middle of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Its oldest exchanges are left out, with a note in their place.
    Cut,
    /// Of its long texts the beginning and the end stay; and if that is not enough, exchanges are left out.
    Shorten,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Cut, keep_first: true, keep_last: 4, target: 0.75 }
    }
}

/// A chat that was condensed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condensed {
    /// The request, with everything beside the messages as it was.
    pub document: Bytes,
    /// How many messages were left out.
    pub removed_messages: usize,
    /// How many texts were shortened.
    pub shortened_texts: usize,
    /// The tokens of the prompt before, as an estimate.
    pub tokens_before: u64,
    /// The tokens of the prompt now, as an estimate: at most the budget.
    pub tokens_after: u64,
}

/// The canonical chat request made to fit a prompt of `budget_tokens`, by the estimate of
/// [`prompt_tokens`]. `None` if it fits as it is, or cannot be made to fit.
///
/// For the same chat to be cut at the same place with the next turn, the budget has to be the same: what the window
/// leaves for the prompt, and not a part of this prompt's size.
///
/// # Errors
/// A document that is not JSON, or no object: whoever gives it has checked it before.
pub fn condense(document: &[u8], options: &Options, budget_tokens: u64) -> Result<Option<Condensed>, Error> {
    let tokens_before = prompt_tokens(document)?;
    if tokens_before <= budget_tokens {
        return Ok(None);
    }
    let text = simdutf8::basic::from_utf8(document).map_err(|_| Error::internal("the document is not UTF-8"))?;
    let Some(conversation) = Conversation::read(text)? else { return Ok(None) };
    let Some(extent) = extent::find(&conversation, options, &Budget::new(budget_tokens, options.target)) else {
        return Ok(None);
    };
    let written = written::write(text, &conversation, &extent);
    let tokens_after = prompt_tokens(written.document.as_bytes())?;
    let condensed = Condensed {
        document: written.document.into(),
        removed_messages: written.removed_messages,
        shortened_texts: written.shortened_texts,
        tokens_before,
        tokens_after,
    };
    // The extent was found from sums of estimates; what counts is the estimate of the sum.
    Ok((tokens_after <= budget_tokens).then_some(condensed))
}
