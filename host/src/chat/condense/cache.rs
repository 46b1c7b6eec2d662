//! Condensed chats, kept for when the same chat comes again: with the next target of a plan, or when a client repeats
//! a request.
//!
//! Bounded by a number of entries and by their bytes; what was not used for the longest time goes first. It is asked
//! on the rare path of a chat that does not fit, and its lock is held for a look-up and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::{Condensed, Mode, Options, condense};
use crate::chat::estimate::prompt_tokens;
use crate::error::Error;

/// What an entry takes beside its document, in bytes, as an estimate.
const ENTRY_BYTES: usize = 256;

/// Condensed chats by what they were made of.
#[derive(Debug)]
pub struct Cache {
    entries: usize,
    bytes: usize,
    kept: Mutex<Kept>,
}

/// A chat and how it was condensed. A digest that nobody can find another chat for: a client must never be sent what
/// another one has said.
type Key = [u8; 32];

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<Key, Entry>,
    bytes: usize,
    /// How often the cache was asked: the time by which entries age.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    /// `None` for a chat that cannot be condensed: not to be tried again either.
    condensed: Option<Arc<Condensed>>,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// An empty cache for so many chats of so many bytes together. With no entries, nothing is kept.
    pub fn new(entries: usize, bytes: usize) -> Self {
        Self { entries, bytes, kept: Mutex::default() }
    }

    /// [`condense`], or what it said of the same chat before.
    ///
    /// # Errors
    /// As [`condense`].
    pub fn condense(
        &self,
        document: &[u8],
        options: &Options,
        budget_tokens: u64,
    ) -> Result<Option<Arc<Condensed>>, Error> {
        if self.entries == 0 {
            return Ok(condense(document, options, budget_tokens)?.map(Arc::new));
        }
        // Most chats fit. They are not to take the places of those that do not, nor the time for a digest.
        if prompt_tokens(document)? <= budget_tokens {
            return Ok(None);
        }
        let key = key(document, options, budget_tokens);
        if let Some(known) = self.kept().get(&key) {
            return Ok(known);
        }
        let condensed = condense(document, options, budget_tokens)?.map(Arc::new);
        self.kept().insert(key, condensed.clone(), self.entries, self.bytes);
        Ok(condensed)
    }

    /// Forgets all chats. Returns how many there were.
    pub fn clear(&self) -> usize {
        let forgotten = std::mem::take(&mut *self.kept());
        forgotten.by_key.len()
    }

    /// Nothing in there panics half way, so that a poisoned lock guards what is sound.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn get(&mut self, key: &Key) -> Option<Option<Arc<Condensed>>> {
        self.clock += 1;
        let entry = self.by_key.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.condensed.clone())
    }

    fn insert(&mut self, key: Key, condensed: Option<Arc<Condensed>>, most_entries: usize, most_bytes: usize) {
        let bytes = ENTRY_BYTES + condensed.as_ref().map_or(0, |condensed| condensed.document.len());
        if bytes > most_bytes {
            return;
        }
        self.remove(&key);
        while self.by_key.len() >= most_entries || self.bytes + bytes > most_bytes {
            // A walk through all of them: they are few, and each took longer to make than this takes.
            let Some(oldest) = self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key) else {
                break;
            };
            self.remove(&oldest);
        }
        self.bytes += bytes;
        self.by_key.insert(key, Entry { condensed, bytes, used: self.clock });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.bytes -= entry.bytes;
        }
    }
}

fn key(document: &[u8], options: &Options, budget_tokens: u64) -> Key {
    let Options { mode, keep_first, keep_last, target } = options;
    let mut digest = Sha256::new();
    digest.update(budget_tokens.to_le_bytes());
    digest.update([u8::from(*mode == Mode::Shorten), u8::from(*keep_first)]);
    digest.update((*keep_last as u64).to_le_bytes());
    digest.update(target.to_bits().to_le_bytes());
    digest.update(document);
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
