//! AWS event streams (`application/vnd.amazon.eventstream`): where a frame ends, whether it arrived unharmed, and the
//! event in it.
//!
//! A frame is its length and the length of its headers (32 bits each, big-endian, as all numbers here), a checksum of
//! these two, the headers, the payload, and a checksum of all before it. Both checksums are the CRC-32 of zip files.
//! Source: the AWS SDKs' specification of the event stream encoding, and the Smithy specification on what the headers
//! `:message-type`, `:event-type`, `:exception-type`, `:error-code` and `:error-message` mean.

use std::ops::Range;

use bytes::Bytes;
use flate2::Crc;

use super::{Data, Event};
use crate::error::Error;
use crate::upstream::fault;

/// The two lengths and their checksum.
const PRELUDE: usize = 12;
/// A checksum.
const CHECKSUM: usize = 4;

/// The length of the frame that begins with `pending` and goes on with `next`: `None` until enough of it is there to
/// tell.
///
/// # Errors
/// A prelude that fails its checksum or contradicts itself. Nobody can say where the next frame would begin.
pub(super) fn frame_length(pending: &[u8], next: &[u8]) -> Result<Option<usize>, Error> {
    let mut prelude = [0; PRELUDE];
    let bytes = pending.iter().chain(next).take(PRELUDE);
    let known = prelude.iter_mut().zip(bytes).map(|(place, byte)| *place = *byte).count();
    if known < PRELUDE {
        return Ok(None);
    }
    let (length, headers) = (number(&prelude, 0), number(&prelude, 4));
    if number(&prelude, 8) != checksum(&prelude[..8]) {
        return Err(fault::damaged_frame("the checksum of its prelude is wrong"));
    }
    if length < headers.saturating_add(PRELUDE + CHECKSUM) {
        return Err(fault::damaged_frame("it is shorter than its headers"));
    }
    Ok(Some(length))
}

/// The event in a whole frame. `None` if it says nothing.
///
/// # Errors
/// A frame that fails its checksum or whose headers make no sense, or text that is not UTF-8.
pub(super) fn parse(raw: Bytes) -> Result<Option<Event>, Error> {
    let end = raw.len() - CHECKSUM;
    if number(&raw, end) != checksum(&raw[..end]) {
        return Err(fault::damaged_frame("its checksum is wrong"));
    }
    let payload = PRELUDE + number(&raw, 4)..end;
    let headers = Headers::read(&raw, PRELUDE..payload.start);
    let headers = headers.ok_or_else(|| fault::damaged_frame("its headers are malformed"))?;
    for text in [&payload, &headers.name, &headers.code, &headers.message] {
        simdutf8::basic::from_utf8(&raw[text.clone()]).map_err(|_| fault::not_utf8())?;
    }
    let data = match headers.is_error {
        true => Data::Joined(headers.error(&raw).into_bytes()),
        false => Data::Within(payload),
    };
    let event = Event { data, raw, name: headers.name, is_canonical: false };
    let is_empty = event.data().is_empty() && event.name.is_empty();
    Ok((!is_empty).then_some(event))
}

/// Those of a frame's headers that say what it is, as parts of the frame.
#[derive(Default)]
struct Headers {
    /// The type of the event or of the exception, or the word `error`.
    name: Range<usize>,
    /// Whether the frame is an error that the API has no name for. It is described in headers, without a payload.
    is_error: bool,
    code: Range<usize>,
    message: Range<usize>,
}

impl Headers {
    /// `None` if the bytes are no headers.
    fn read(raw: &[u8], range: Range<usize>) -> Option<Self> {
        let mut headers = Self::default();
        let mut rest = raw.get(range.clone())?;
        while let Some((&name_length, after)) = rest.split_first() {
            let (name, after) = after.split_at_checked(usize::from(name_length))?;
            let (&kind, after) = after.split_first()?;
            let (length, after) = value_length(kind, after)?;
            let start = range.end - after.len();
            let (value, after) = after.split_at_checked(length)?;
            rest = after;
            let place = start..start + length;
            match name {
                _ if kind != STRING => {}
                b":message-type" if value == b"error" => (headers.is_error, headers.name) = (true, place),
                b":event-type" | b":exception-type" if !headers.is_error => headers.name = place,
                b":error-code" => headers.code = place,
                b":error-message" => headers.message = place,
                _ => {}
            }
        }
        Some(headers)
    }

    /// The error as a JSON document.
    fn error(&self, raw: &[u8]) -> String {
        let text = |range: &Range<usize>| String::from_utf8_lossy(&raw[range.clone()]).into_owned();
        serde_json::json!({ "code": text(&self.code), "message": text(&self.message) }).to_string()
    }
}

/// The type of a header whose value is text.
const STRING: u8 = 7;

/// The length of a value of this type, and the bytes from the value on.
fn value_length(kind: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    match kind {
        // True and false, which are types of their own.
        0 | 1 => Some((0, bytes)),
        // Whole numbers of 8, 16, 32 and 64 bits, and a time.
        2 => Some((1, bytes)),
        3 => Some((2, bytes)),
        4 => Some((4, bytes)),
        5 | 8 => Some((8, bytes)),
        // Bytes and text, which say how long they are.
        6 | STRING => {
            let (length, value) = bytes.split_first_chunk()?;
            Some((usize::from(u16::from_be_bytes(*length)), value))
        }
        // A UUID.
        9 => Some((16, bytes)),
        _ => None,
    }
}

/// The 32 bits at this place.
fn number(bytes: &[u8], at: usize) -> usize {
    let word = bytes[at..].first_chunk().copied().unwrap_or_default();
    u32::from_be_bytes(word) as usize
}

fn checksum(bytes: &[u8]) -> usize {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum() as usize
}

#[cfg(test)]
mod tests;
