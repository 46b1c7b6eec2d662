//! How a client is told what happens in its stream.

use bytes::{BufMut, Bytes, BytesMut};

use super::Out;
use crate::chat::parsable;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::upstream::Event;

const DONE_EVENT: &[u8] = b"data: [DONE]\n\n";

/// What keeps proxies on the way from closing a stream while the upstream thinks.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// How a client is told what happens in its stream.
pub(super) enum Voice {
    /// As the OpenAI API streams chats and completions: nameless events, and `[DONE]`.
    Plain,
    /// As another dialect has it.
    Dialect(Box<dyn Dialect>),
}

impl Voice {
    pub(super) fn of(dialect: Option<Box<dyn Dialect>>) -> Self {
        dialect.map_or(Self::Plain, Self::Dialect)
    }

    /// Tells what an upstream's event says: without a copy where its bytes are just what the client is to get.
    pub(super) fn relay(&mut self, event: &Event, out: &mut Out) -> Result<(), Error> {
        match self {
            Self::Plain => {
                out.push(event.to_canonical());
                Ok(())
            }
            Self::Dialect(dialect) => dialect.chunk(&parsable(event.text()), out.buffer()),
        }
    }

    pub(super) fn chunk(&mut self, chunk: &str, out: &mut BytesMut) -> Result<(), Error> {
        match self {
            Self::Plain => {
                write_event(chunk, out);
                Ok(())
            }
            Self::Dialect(dialect) => dialect.chunk(&parsable(chunk), out),
        }
    }

    /// The end of a complete answer.
    pub(super) fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::Plain => out.put_slice(DONE_EVENT),
            Self::Dialect(dialect) => dialect.end(out),
        }
    }

    /// The end of an answer that broke off.
    pub(super) fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        match self {
            Self::Plain => {
                write_event(&error.to_json(), out);
                out.put_slice(DONE_EVENT);
            }
            Self::Dialect(dialect) => dialect.fail(error, out),
        }
    }

    pub(super) fn keep_alive(&self) -> Bytes {
        Bytes::from_static(match self {
            Self::Plain => KEEP_ALIVE,
            Self::Dialect(dialect) => dialect.keep_alive(),
        })
    }
}

fn write_event(data: &str, out: &mut BytesMut) {
    out.reserve(data.len() + 8);
    out.put_slice(b"data: ");
    out.put_slice(data.as_bytes());
    out.put_slice(b"\n\n");
}
