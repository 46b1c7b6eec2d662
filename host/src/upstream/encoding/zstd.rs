//! `zstd` (RFC 8878), walked block by block: no block unpacks into more than 128 KiB, so the limit is checked in
//! steps of that size, and a frame that wants a window larger than HTTP allows is refused before it is allocated.

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};
use ruzstd::decoding::FrameDecoder;

use super::DecodeError;

const FRAME_MAGIC: u32 = 0xFD2F_B528;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;
/// The largest window in HTTP (RFC 9659).
const LARGEST_WINDOW: u64 = 8 * 1024 * 1024;

/// Decompresses piece by piece.
pub(super) struct Unpacker {
    decoder: FrameDecoder,
    /// Input that is not yet a whole step.
    pending: BytesMut,
    step: Step,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { decoder: FrameDecoder::new(), pending: BytesMut::new(), step: Step::Frame }
    }
}

/// What comes next in the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A frame of any kind, or the end.
    Frame,
    /// The rest of a frame that holds no data.
    Skip(u64),
    /// A block; then, after the last one, a checksum or not.
    Block { has_checksum: bool },
}

impl Unpacker {
    pub(super) fn decode(&mut self, input: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
        self.pending.extend_from_slice(input);
        let mut output = Vec::new();
        while self.advance(&mut output, limit)? {}
        Ok(output.into())
    }

    pub(super) fn finish(&self) -> Result<Bytes, DecodeError> {
        if self.step == Step::Frame && self.pending.is_empty() { Ok(Bytes::new()) } else { Err(DecodeError::Truncated) }
    }

    /// Takes one step if the input is there. `false` if not.
    fn advance(&mut self, output: &mut Vec<u8>, limit: usize) -> Result<bool, DecodeError> {
        match self.step {
            Step::Frame => self.begin_frame(limit),
            Step::Skip(0) => {
                self.step = Step::Frame;
                Ok(true)
            }
            Step::Skip(left) => {
                let skipped = self.pending.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.pending.advance(skipped);
                self.step = Step::Skip(left - skipped as u64);
                Ok(skipped > 0)
            }
            Step::Block { has_checksum } => self.unpack_block(has_checksum, output, limit),
        }
    }

    fn begin_frame(&mut self, limit: usize) -> Result<bool, DecodeError> {
        let Some((magic, _)) = self.pending.split_first_chunk() else { return Ok(false) };
        let magic = u32::from_le_bytes(*magic);
        if magic & 0xFFFF_FFF0 == SKIPPABLE_MAGIC {
            let Some((header, _)) = self.pending.split_first_chunk::<8>() else { return Ok(false) };
            let [_, _, _, _, size @ ..] = *header;
            self.step = Step::Skip(u64::from(u32::from_le_bytes(size)));
            self.pending.advance(8);
            return Ok(true);
        }
        if magic != FRAME_MAGIC {
            return Err(DecodeError::Corrupt("this is no zstd frame".into()));
        }
        let Some(header) = FrameHeader::read(&self.pending[4..]) else { return Ok(false) };
        if header.is_single_segment && header.window > limit as u64 {
            return Err(DecodeError::TooLarge);
        }
        if !header.is_single_segment && header.window > LARGEST_WINDOW {
            return Err(DecodeError::Corrupt("its window is larger than 8 MiB".into()));
        }
        let bytes = self.pending.split_to(4 + header.length);
        self.decoder.init(&bytes[..]).map_err(corrupt)?;
        self.step = Step::Block { has_checksum: header.has_checksum };
        Ok(true)
    }

    fn unpack_block(&mut self, has_checksum: bool, output: &mut Vec<u8>, limit: usize) -> Result<bool, DecodeError> {
        let Some((header, _)) = self.pending.split_first_chunk::<BLOCK_HEADER>() else { return Ok(false) };
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let (is_last, is_repeated_byte) = (header & 1 == 1, (header >> 1) & 3 == 1);
        let content = if is_repeated_byte { 1 } else { (header >> 3) as usize };
        let length = BLOCK_HEADER + content + if is_last && has_checksum { CHECKSUM } else { 0 };
        if self.pending.len() < length {
            return Ok(false);
        }
        let block = self.pending.split_to(length);
        self.decoder.decode_from_to(&block, &mut []).map_err(corrupt)?;
        let room = (limit - output.len()) as u64;
        self.decoder.by_ref().take(room + 1).read_to_end(output).map_err(corrupt)?;
        if output.len() > limit {
            return Err(DecodeError::TooLarge);
        }
        if is_last {
            if self.decoder.get_checksum_from_data() != self.decoder.get_calculated_checksum() && has_checksum {
                return Err(DecodeError::Corrupt("its checksum is wrong".into()));
            }
            self.step = Step::Frame;
        }
        Ok(true)
    }
}

fn corrupt(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Corrupt(error.to_string())
}

/// What counts in the header of a frame.
struct FrameHeader {
    /// In bytes, from behind the magic number.
    length: usize,
    /// The window in bytes; for a single segment, the size of the content.
    window: u64,
    is_single_segment: bool,
    has_checksum: bool,
}

impl FrameHeader {
    /// Reads what follows the magic number (RFC 8878, section 3.1.1.1). `None` if it is not all there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let descriptor = *bytes.first()?;
        let is_single_segment = descriptor & 0x20 != 0;
        let window_length = usize::from(!is_single_segment);
        let dictionary_length = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size_length = match descriptor >> 6 {
            0 => usize::from(is_single_segment),
            flag => 1 << flag,
        };
        let length = 1 + window_length + dictionary_length + size_length;
        let header = bytes.get(..length)?;
        let window = if is_single_segment {
            let mut size = [0; 8];
            size[..size_length].copy_from_slice(&header[length - size_length..]);
            // Sizes in two bytes start at 256.
            u64::from_le_bytes(size) + if size_length == 2 { 256 } else { 0 }
        } else {
            let base = 1_u64 << (10 + (header[1] >> 3));
            base + base / 8 * u64::from(header[1] & 7)
        };
        Some(Self { length, window, is_single_segment, has_checksum: descriptor & 4 != 0 })
    }
}
