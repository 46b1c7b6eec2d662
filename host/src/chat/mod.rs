//! The canonical documents of a chat: what a request, a streamed chunk and an answer in the form of the OpenAI Chat
//! Completions API look like, how to look into one without parsing it, and how to make one conform.
//!
//! Pure: no IO, no clock on the fast path, no async. Everything here works on text that somebody else has read.
//! No provider is known here; what an upstream says in its own words is for its plugin to translate.
//!
//! - [`request`]: look at a client's request (`Peek`), and change single fields of it in place (`edit`).
//! - [`stream`]: the grammar of a stream of chunks (`Sequence`): relay, drop, repair, truncated.
//! - [`answer`]: the same for an answer in one piece.
//! - [`usage`]: the token counts in either. [`estimate`]: how many a prompt will have, where no upstream can be asked.
//! - [`condense`]: a chat that does not fit its model, made shorter.
//! - [`last_text`], [`prompts`]: what is said in a chat, and in documents that hold prompts in its place.
//! - [`media`]: the files that a request only refers to, and how they are put into it.
//! - [`scan`]: the JSON scanner below all of them.

pub mod answer;
pub mod condense;
pub mod estimate;
pub mod failure;
pub mod finish_reason;
#[cfg(test)]
pub(crate) mod generate;
pub mod last_text;
pub mod media;
pub mod prompts;
mod repair;
pub mod request;
mod rules;
pub mod scan;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod usage;

pub use repair::parsable;
