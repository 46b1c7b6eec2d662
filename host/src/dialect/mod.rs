//! The dialects of clients that do not speak Chat Completions. A request becomes a canonical one on the way in, and
//! what comes back is told in the client's own words. Pure: no IO, no clock but the time of an answer.
//!
//! Where an upstream speaks such a dialect by itself, nothing is translated: see [`native`].

mod carried;
pub mod completions;
pub mod messages;
pub mod native;
pub mod responses;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

use crate::error::Error;

/// A request of another dialect in the canonical form.
pub struct Translated {
    /// The body of `POST /v1/chat/completions` that it stands for. A stream in it asks for its usage chunk.
    pub document: String,
    /// Tells the client what comes back.
    pub back: Box<dyn Dialect>,
    /// The client's fields that no chat has a place for, and that are left out though they ask for something.
    pub dropped: Vec<&'static str>,
}

/// What fields of a canonical request are called in a dialect, where they have another name there: pairs of both.
pub type Names = &'static [(&'static str, &'static str)];

/// The client's name for a field of the canonical request, which may be a path into one.
pub fn name_for_client(names: Names, field: &str) -> Option<String> {
    names.iter().find_map(|(canonical, own)| match field.strip_prefix(canonical)? {
        "" => Some((*own).to_owned()),
        // Places within a list or an object are others there.
        rest => rest.starts_with(['.', '[']).then(|| (*own).to_owned()),
    })
}

/// The same error, which names the client's own field.
pub fn error_for_client(names: Names, mut error: Error) -> Error {
    let Some(param) = &error.param else { return error };
    let Some(own) = name_for_client(names, param) else { return error };
    for quote in ['\'', '`'] {
        error.message = error.message.replace(&format!("{quote}{param}{quote}"), &format!("{quote}{own}{quote}"));
    }
    error.with_param(own)
}

/// Tells one client in its own dialect what became of its request. Made for one request; either `answer` is called,
/// once, or the others.
pub trait Dialect: Send + Sync {
    /// A whole answer, from a canonical one that conforms to `chat::answer`.
    ///
    /// # Errors
    /// `Cause::BadAnswer` if it is none.
    fn answer(&mut self, document: &[u8]) -> Result<Bytes, Error>;

    /// Adds to `out` what one canonical chunk becomes: none, one or several server-sent events. The chunks conform to
    /// `chat::stream`; the last one may hold usage and no choices.
    ///
    /// # Errors
    /// `Cause::BadAnswer` if it is no chunk.
    fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error>;

    /// Adds to `out` what ends a complete stream.
    fn end(&mut self, out: &mut BytesMut);

    /// Adds to `out` what ends a stream that broke off, so that the client's SDK raises an error.
    fn fail(&mut self, error: &Error, out: &mut BytesMut);

    /// An event, or a comment, that keeps the connection open while the upstream is silent.
    fn keep_alive(&self) -> &'static [u8];
}
