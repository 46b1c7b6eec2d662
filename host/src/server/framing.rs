//! Finds where each HTTP/1 request of a connection begins and ends, and refuses every form that two readers could
//! understand differently: the ground on which requests are smuggled.
//!
//! It reads bytes and decides; it does no IO, builds no request and keeps no copy of the bytes. hyper parses the same
//! bytes afterwards; everything accepted here is also accepted there, with the same beginning and end, but not the
//! other way round. HTTP/2 has frames of its own: of that only the preface is known here. The rules are those of RFC
//! 9112, without its leniences.
//!
//! The verdict on a stream of bytes does not depend on how it was cut into reads.

mod chunked;
mod head;
#[cfg(test)]
mod tests;

use self::chunked::Chunked;
use self::head::Head;
use super::refusal::Refusal;

/// What a client that speaks HTTP/2 sends first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which HTTP the first bytes of a connection speak. `None` while it can still be both.
pub(super) fn version(bytes: &[u8]) -> Option<Version> {
    let compared = bytes.len().min(PREFACE.len());
    if bytes[..compared] != PREFACE[..compared] {
        Some(Version::One)
    } else if compared == PREFACE.len() {
        Some(Version::Two)
    } else {
        None
    }
}

/// The two families of HTTP on a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.0 and HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// How large a request's head may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    /// Bytes, from the first of the request line to the empty line, both included.
    pub bytes: usize,
    /// Header lines.
    pub headers: usize,
}

/// What is known after some more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The head is not complete. After the first `empty` bytes are thrown away (empty lines before the request), the
    /// rest has to be given again, with more behind it.
    Partial {
        /// How many bytes at the beginning are nothing but empty lines.
        empty: usize,
    },
    /// All bytes are in order, and the request goes on after them.
    Pass,
    /// The first bytes, this many, are in order and end the request.
    End(usize),
    /// The head is not acceptable.
    Refused(Refusal),
    /// The first bytes, this many, are in order; what follows them breaks the body.
    Broken(usize, Refusal),
}

/// The state of one connection's inbound bytes.
#[derive(Debug)]
pub(super) struct Framing {
    limits: HeadLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Head),
    Body(Body),
}

/// How the body of a request is delimited, and what is left of it.
#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
}

impl Framing {
    /// The state before a connection's first byte.
    pub(super) fn new(limits: HeadLimits) -> Self {
        Self { limits, state: State::Head(Head::default()) }
    }

    /// Judges the next bytes.
    ///
    /// Within a body these are the bytes after those judged before. Within a head they are all bytes since the end of
    /// the request before, minus the empty lines that were thrown away. Bytes behind an [`Verdict::End`] are not
    /// looked at: they are for the next call. After `Refused` or `Broken` nothing more may be asked.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Verdict {
        let head_length = match &mut self.state {
            State::Body(_) => 0,
            State::Head(head) => match head.judge(bytes, self.limits) {
                Err(refusal) => return Verdict::Refused(refusal),
                Ok(head::Progress::Partial { empty }) => return Verdict::Partial { empty },
                Ok(head::Progress::Complete { length, body }) => {
                    self.state = State::Body(body);
                    length
                }
            },
        };
        let State::Body(body) = &mut self.state else { return Verdict::Pass };
        match body.judge(&bytes[head_length..]) {
            Progress::Pass => Verdict::Pass,
            Progress::End(length) => {
                self.state = State::Head(Head::default());
                Verdict::End(head_length + length)
            }
            Progress::Broken(length, refusal) => Verdict::Broken(head_length + length, refusal),
        }
    }
}

/// What is known of a body after some more bytes, as in [`Verdict`].
#[derive(Debug, Clone, Copy)]
enum Progress {
    Pass,
    End(usize),
    Broken(usize, Refusal),
}

impl Body {
    fn judge(&mut self, bytes: &[u8]) -> Progress {
        match self {
            Self::Chunked(chunked) => chunked.judge(bytes),
            Self::Length(left) => match usize::try_from(*left) {
                Ok(left) if left <= bytes.len() => Progress::End(left),
                _ => {
                    *left -= bytes.len() as u64;
                    Progress::Pass
                }
            },
        }
    }
}

/// Whether a byte may occur in a method or a field name (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = byte_set(b"!#$%&'*+-.^_`|~");

/// Letters, digits and these.
const fn byte_set(others: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        set[others[index] as usize] = true;
        index += 1;
    }
    set
}
