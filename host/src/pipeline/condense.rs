//! Prompts that do not fit their target, made shorter where the model is configured so: before they are sent if the
//! target's window is known, or else when the upstream has refused one. How is told in `chat::condense`; a document of
//! another dialect is made a chat for that, also where the target speaks the dialect by itself.

use std::collections::BTreeSet;

use hyper::header::{HeaderName, HeaderValue};

use super::attempt::Attempt;
use super::canonical::Canonical;
use super::provider::Provider;
use super::request::Request;
use super::route::Target;
use super::work::Work;
use crate::chat::condense::cache::Cache;
use crate::chat::condense::{Options, told as told_by};
use crate::chat::estimate::prompt_tokens;
use crate::chat::request::Peek;
use crate::config;
use crate::error::Error;
use crate::plugin::Operation;

/// Tells the client what was left out.
const CONDENSED: HeaderName = HeaderName::from_static("x-weir-condensed");

/// The most that the cache of one model takes, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// What is kept free for an answer whose length nobody has limited: a part of the window, and at most so many tokens.
const PART_FOR_ANSWER: u64 = 8;
const MOST_FOR_ANSWER: u64 = 4_096;

/// To what a chat is brought down that an upstream has refused though it should have fitted: the estimate is too low by
/// an unknown part.
const AFTER_REFUSAL: f64 = 0.75;

/// What makes the chats of one model shorter.
pub(super) struct Condensing {
    options: Options,
    cache: Cache,
}

impl Condensing {
    pub(super) fn new(config: &config::Condense) -> Self {
        Self { options: config.options.clone(), cache: Cache::new(config.cache_entries, CACHE_BYTES) }
    }

    /// Makes a prompt fit the window of its target, if that is known. One that cannot be made to fit stays as it is.
    ///
    /// # Errors
    /// The document makes no sense.
    pub(super) fn before(&self, work: &mut Work, request: &Request<'_>, target: &Target) -> Result<(), Error> {
        let Some(window) = window(target) else { return Ok(()) };
        // Only pictures have more tokens than bytes. Of such a document the upstream has to say that it is too long.
        if work.call.operation == Operation::Chat || work.body.len() as u64 > window {
            self.fit(work, request, target, |chat| Some(budget(window, &chat.peek)))?;
        }
        Ok(())
    }

    /// Makes a prompt shorter that the upstream has refused as too long. Says whether it did.
    pub(super) fn after(&self, work: &mut Work, request: &Request<'_>, target: &Target, error: &Error) -> bool {
        let shortened = self.fit(work, request, target, |chat| {
            let tokens = prompt_tokens(&chat.body).ok()?;
            let window = told_by::window(&error.message).or_else(|| window(target));
            let known = window.map(|window| budget(window, &chat.peek)).filter(|budget| *budget < tokens);
            // Not finer than a guess can be, and the same for the next turn of the same chat.
            Some(known.unwrap_or((tokens as f64 * AFTER_REFUSAL) as u64))
        });
        shortened.unwrap_or(false)
    }

    /// The tokens that a request's prompt would have if it were made to fit one of these targets: the smallest that it
    /// can be made to fit. `None` if there is none.
    pub(super) fn tokens_after<'a>(
        &self,
        request: &Request<'_>,
        targets: impl Iterator<Item = &'a Target>,
    ) -> Option<u64> {
        let targets = targets.filter(|target| is_for_chats(&target.provider, request.operation));
        let windows: BTreeSet<u64> = targets.filter_map(window).collect();
        let chat = Canonical::of(request).filter(|chat| !chat.is_part)?;
        windows.into_iter().find_map(|window| {
            let budget = budget(window, &chat.peek);
            let condensed = self.cache.condense(&chat.document, &self.options, budget).ok()??;
            Some(condensed.tokens_after)
        })
    }

    /// Forgets the chats that were made shorter so far. Returns how many there were.
    pub(super) fn clear(&self) -> usize {
        self.cache.clear()
    }

    /// Makes a prompt fit what `budget` says of the chat that it is in. Says whether it did. What would be sent in
    /// another dialect is sent as a chat from then on: only of that is known what can be left out.
    fn fit(
        &self,
        work: &mut Work,
        request: &Request<'_>,
        target: &Target,
        budget: impl Fn(&Work) -> Option<u64>,
    ) -> Result<bool, Error> {
        if work.call.operation == Operation::Chat {
            return budget(work).map_or(Ok(false), |budget| self.fit_chat(work, budget));
        }
        if !is_for_chats(&target.provider, request.operation) {
            return Ok(false);
        }
        // What cannot be said in a chat goes the way it came.
        let Ok(mut chat) = Work::translated(request, target) else { return Ok(false) };
        let is_shortened = budget(&chat).map_or(Ok(false), |budget| self.fit_chat(&mut chat, budget))?;
        if is_shortened {
            *work = chat;
        }
        Ok(is_shortened)
    }

    fn fit_chat(&self, work: &mut Work, budget_tokens: u64) -> Result<bool, Error> {
        let Some(condensed) = self.cache.condense(&work.body, &self.options, budget_tokens)? else { return Ok(false) };
        work.peek = Peek::chat(&condensed.document, Some(&work.peek.model))?;
        work.body = condensed.document.clone();
        let told = format!(
            "messages={}; texts={}; tokens={}-{}",
            condensed.removed_messages, condensed.shortened_texts, condensed.tokens_before, condensed.tokens_after
        );
        work.condensed = HeaderValue::try_from(told).ok();
        Ok(true)
    }
}

/// Whether a request of this operation can be asked there as a chat, which is what can be made shorter.
fn is_for_chats(provider: &Provider, operation: Operation) -> bool {
    provider.supports(Operation::Chat)
        && match operation {
            Operation::Chat | Operation::Messages | Operation::Responses => true,
            // A model that completes texts by itself may not know what a chat is.
            Operation::Completions => !provider.supports(Operation::Completions),
            Operation::Models | Operation::Embeddings | Operation::CountTokens => false,
        }
}

/// The answer with what the client is told of a chat that was made shorter.
pub(super) fn told(work: &Work, mut answer: Attempt) -> Attempt {
    let (Attempt::Whole { headers, .. } | Attempt::Stream { headers, .. }) = &mut answer;
    if let Some(condensed) = &work.condensed {
        headers.insert(CONDENSED, condensed.clone());
    }
    answer
}

fn window(target: &Target) -> Option<u64> {
    target.provider.facts(&target.model).context_window
}

/// What a window leaves for the prompt, in tokens.
fn budget(window: u64, peek: &Peek) -> u64 {
    let answer = peek.max_tokens.unwrap_or_else(|| (window / PART_FOR_ANSWER).min(MOST_FOR_ANSWER));
    window.saturating_sub(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_leaves_room_for_the_answer() {
        let asked = |max_tokens| Peek { max_tokens, ..Peek::default() };
        assert_eq!(budget(8_000, &asked(Some(500))), 7_500);
        assert_eq!(budget(8_000, &asked(None)), 7_000);
        assert_eq!(budget(1_000_000, &asked(None)), 1_000_000 - MOST_FOR_ANSWER);
        assert_eq!(budget(100, &asked(Some(1_000))), 0);
    }
}
