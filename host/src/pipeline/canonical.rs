//! The canonical chat that a request of another dialect stands for: what is asked of targets that do not speak the
//! dialect, and what all others are chosen by.

use bytes::Bytes;

use super::request::Request;
use crate::chat::request::Peek;
use crate::dialect::{self, Names, Translated};
use crate::error::Error;
use crate::plugin::Operation;

/// Translates a request of another dialect into a canonical chat. The second argument is the request's id.
pub(super) type Translate = fn(&[u8], &str) -> Result<Translated, Error>;

/// The fields of other dialects that say how long a prompt is and who asks, but for `tools`: hardly anything can be in
/// them that only an upstream of the dialect understands.
const ESSENTIAL: [&str; 7] =
    ["messages", "system", "max_tokens", "metadata", "input", "instructions", "max_output_tokens"];

/// How a request of this operation becomes a chat, if it is one in another dialect, and what the fields of that are
/// called there.
pub(super) fn translation(operation: Operation) -> Option<(Translate, Names)> {
    match operation {
        Operation::Completions => Some((dialect::completions::request, dialect::completions::NAMES)),
        Operation::Responses => Some((dialect::responses::request, dialect::responses::NAMES)),
        Operation::Messages => Some((dialect::messages::request, dialect::messages::NAMES)),
        Operation::Chat | Operation::Models | Operation::Embeddings | Operation::CountTokens => None,
    }
}

/// A chat that nobody is asked to answer: it is looked at.
pub(super) struct Canonical {
    pub(super) document: Bytes,
    pub(super) peek: Peek,
    /// Whether some of the request is missing in it, its tools above all.
    pub(super) is_part: bool,
}

impl Canonical {
    /// The chat that a request stands for; or what can be said in a chat of one that only an upstream of its dialect
    /// understands. `None` if that is nothing: whoever serves it says what is wrong.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        let whole = |document: Bytes, peek: Peek| Self { document, peek, is_part: false };
        if request.operation == Operation::Chat {
            return Some(whole(request.body.clone(), request.peek.clone()));
        }
        let translated = |body: &[u8]| {
            let document = match request.operation {
                Operation::CountTokens => dialect::messages::counted(body).ok()?,
                other => translation(other)?.0(body, &request.id).ok()?.document,
            };
            let peek = Peek::chat(document.as_bytes(), Some(&request.peek.model)).ok()?;
            Some(whole(document.into(), peek))
        };
        let part = || translated(&essential(request)).map(|canonical| Self { is_part: true, ..canonical });
        translated(&request.body).or_else(part)
    }
}

/// The request's document with nothing but its essential fields.
fn essential(request: &Request<'_>) -> Vec<u8> {
    let fields = request.peek.fields.iter().filter(|field| ESSENTIAL.contains(&&*field.name));
    let entries: Vec<&[u8]> = fields.filter_map(|field| request.body.get(field.entry.clone())).collect();
    [b"{", entries.join(&b","[..]).as_slice(), b"}"].concat()
}
