//! The canonical documents of embeddings: what a request for them asks, how one is cut into several, and how what comes
//! back becomes one answer in the encoding that the client wants.
//!
//! Pure, and made for long vectors: nothing is parsed into a tree, and numbers that stay numbers are never read. What a
//! provider's own API calls all this is for its plugin to translate; where the requests go is not known here.
//!
//! - [`describe`]: check a client's request, and find out how many inputs it has and which encoding it wants.
//! - [`split`]: the same request in parts that an upstream takes.
//! - [`Answer`]: parse what came back for each part, [`join`] the parts, write the whole.

mod answer;
mod inputs;
mod usage;
mod vector;

pub use answer::{Answer, join};
pub use inputs::{Inputs, MOST_INPUTS, describe, split};
pub use vector::Encoding;
