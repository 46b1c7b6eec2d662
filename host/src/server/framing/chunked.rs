//! A chunked request body (RFC 9112, section 7.1), byte by byte where it is framing and at once where it is data.

use super::{Progress, Refusal, is_token};

const SIZE: Refusal = Refusal::malformed("A chunk of the request's body does not begin with its size.");
const SIZE_TOO_LARGE: Refusal = Refusal::malformed("A chunk of the request's body has an absurd size.");
const EXTENSION: Refusal = Refusal::malformed("A chunk of the request's body has a malformed extension.");
const EXTENSION_TOO_LONG: Refusal = Refusal::malformed("The chunks of the request's body have too long extensions.");
const CHUNK_END: Refusal = Refusal::malformed("A chunk of the request's body is longer or shorter than its size.");
const LINE_END: Refusal =
    Refusal::malformed("A line between the chunks of the request's body does not end with CR LF.");
const TRAILER: Refusal = Refusal::malformed("The request's body has a malformed trailer.");
const TRAILERS_TOO_LONG: Refusal = Refusal::malformed("The request's body has too long trailers.");

/// The largest chunk: as many bytes as eight hexadecimal digits can say, 4 GiB.
const CHUNK_BYTES: u64 = u32::MAX as u64;
/// The most digits of a chunk size, leading zeros included.
const SIZE_DIGITS: u8 = 16;
/// The most bytes of chunk extensions in one body.
const EXTENSION_BYTES: u16 = 4096;
/// The most bytes of trailers in one body: hyper reads up to 16 KiB.
const TRAILER_BYTES: u16 = 8192;
/// The most trailer lines in one body: hyper reads up to 100.
const TRAILERS: u8 = 32;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    place: Place,
    extension_bytes: u16,
    trailer_bytes: u16,
    trailers: u8,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Size { digits: u8, size: u64 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataEnd,
    TrailerBegin,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunked {
    /// Judges the bytes that follow those judged before.
    pub(super) fn judge(&mut self, bytes: &[u8]) -> Progress {
        let mut at = 0;
        while at < bytes.len() {
            if let Place::Data { left } = self.place {
                let ahead = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += ahead;
                let left = left - ahead as u64;
                self.place = if left == 0 { Place::DataReturn } else { Place::Data { left } };
                continue;
            }
            match self.step(bytes[at]) {
                Ok(Place::Done) => return Progress::End(at + 1),
                Ok(place) => self.place = place,
                Err(refusal) => return Progress::Broken(at, refusal),
            }
            at += 1;
        }
        Progress::Pass
    }

    /// The place after this byte of framing.
    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        match (self.place, byte) {
            (Place::Size { digits, size }, _) => size_digit(digits, size, byte),
            (Place::Extension { size }, b'\r') => Ok(Place::SizeEnd { size }),
            (Place::Extension { size }, _) => self.extension(size, byte),
            (Place::SizeEnd { size: 0 }, b'\n') => Ok(Place::TrailerBegin),
            (Place::SizeEnd { size }, b'\n') => Ok(Place::Data { left: size }),
            (Place::DataReturn, b'\r') => Ok(Place::DataEnd),
            (Place::DataEnd, b'\n') => Ok(Place::default()),
            (Place::TrailerBegin, b'\r') => Ok(Place::LastEnd),
            (Place::LastEnd, b'\n') => Ok(Place::Done),
            (Place::TrailerBegin | Place::TrailerName | Place::TrailerValue, _) => self.trailer(byte),
            (Place::TrailerEnd, b'\n') => Ok(Place::TrailerBegin),
            (Place::DataReturn, _) => Err(CHUNK_END),
            _ => Err(LINE_END),
        }
    }

    fn extension(&mut self, size: u64, byte: u8) -> Result<Place, Refusal> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES {
            return Err(EXTENSION_TOO_LONG);
        }
        if byte.is_ascii_control() && byte != b'\t' { Err(EXTENSION) } else { Ok(Place::Extension { size }) }
    }

    fn trailer(&mut self, byte: u8) -> Result<Place, Refusal> {
        self.trailer_bytes += 1;
        if matches!(self.place, Place::TrailerBegin) {
            self.trailers += 1;
        }
        if self.trailer_bytes > TRAILER_BYTES || self.trailers > TRAILERS {
            return Err(TRAILERS_TOO_LONG);
        }
        match (self.place, byte) {
            (Place::TrailerName, b':') => Ok(Place::TrailerValue),
            (Place::TrailerBegin | Place::TrailerName, _) if is_token(byte) => Ok(Place::TrailerName),
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerEnd),
            (Place::TrailerValue, _) if byte == b'\t' || !byte.is_ascii_control() => Ok(Place::TrailerValue),
            _ => Err(TRAILER),
        }
    }
}

/// The place after a byte of the line that says how long the chunk is.
fn size_digit(digits: u8, size: u64, byte: u8) -> Result<Place, Refusal> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if digits > 0 => return Ok(Place::SizeEnd { size }),
        b';' if digits > 0 => return Ok(Place::Extension { size }),
        _ => return Err(SIZE),
    };
    let size = size * 16 + u64::from(digit);
    if digits == SIZE_DIGITS || size > CHUNK_BYTES {
        return Err(SIZE_TOO_LARGE);
    }
    Ok(Place::Size { digits: digits + 1, size })
}
