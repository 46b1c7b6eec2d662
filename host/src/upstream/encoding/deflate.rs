//! `deflate` as it is found: in a zlib envelope (RFC 1950), as the standard says, or bare (RFC 1951).

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::DecodeError;

const STEP: usize = 16 * 1024;

/// Decompresses piece by piece.
#[derive(Default)]
pub(super) struct Inflater {
    /// Chosen by the first two bytes.
    inflate: Option<Decompress>,
    /// The first byte, while the second has not come.
    held: Option<u8>,
    has_ended: bool,
}

impl Inflater {
    pub(super) fn decode(&mut self, input: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
        let joined;
        let input = match (self.held.take(), input) {
            (None, _) => input,
            (Some(first), _) => {
                joined = [&[first], input].concat();
                &joined
            }
        };
        let inflate = match &mut self.inflate {
            Some(inflate) => inflate,
            None => match input {
                [] => return Ok(Bytes::new()),
                [first] => {
                    self.held = Some(*first);
                    return Ok(Bytes::new());
                }
                [first, second, ..] => self.inflate.insert(Decompress::new(has_envelope(*first, *second))),
            },
        };
        let (output, has_ended) = run(inflate, input, limit)?;
        self.has_ended |= has_ended;
        Ok(output)
    }

    pub(super) fn finish(&self) -> Result<Bytes, DecodeError> {
        if self.has_ended { Ok(Bytes::new()) } else { Err(DecodeError::Truncated) }
    }
}

/// Whether these are the first two bytes of a zlib envelope: the method is deflate, and the check bits are right.
fn has_envelope(first: u8, second: u8) -> bool {
    first & 0x0F == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

/// Inflates all of the input. Bytes behind the end are left alone.
fn run(inflate: &mut Decompress, mut input: &[u8], limit: usize) -> Result<(Bytes, bool), DecodeError> {
    let mut output = Vec::new();
    loop {
        output.reserve(STEP);
        let (read_before, room) = (inflate.total_in(), output.capacity() - output.len());
        let written_before = output.len();
        let status = inflate
            .decompress_vec(input, &mut output, FlushDecompress::None)
            .map_err(|error| DecodeError::Corrupt(error.to_string()))?;
        if output.len() > limit {
            return Err(DecodeError::TooLarge);
        }
        input = &input[(inflate.total_in() - read_before) as usize..];
        let is_starved = input.is_empty() && output.len() - written_before < room;
        if status == Status::StreamEnd || is_starved || status == Status::BufError {
            return Ok((output.into(), status == Status::StreamEnd));
        }
    }
}
