//! Decompression of bodies, whole or as they come: gzip, deflate, brotli and zstd behind one face.
//!
//! What one call gives out is limited by the caller and checked while it grows, so that a small body that unpacks into
//! a huge one is stopped before it is huge.

mod deflate;
mod zstd;

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// A content encoding (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `gzip` and `x-gzip`.
    Gzip,
    /// `deflate`: with a zlib header, as it should be, and without, as some send it.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`. A stream of it is given out late: what lies within the last window may be held back to the end.
    Zstd,
}

impl Encoding {
    /// The encoding that a body's headers name; `None` if it is not encoded.
    ///
    /// # Errors
    /// The header's value, if it names an encoding that is not known, or more than one. Characters that would garble a
    /// message are replaced.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, String> {
        let mut found = None;
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = String::from_utf8_lossy(value.as_bytes());
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let encoding = Self::named(name).ok_or_else(|| printable(&text))?;
                if encoding.is_some() && std::mem::replace(&mut found, encoding).is_some() {
                    return Err(printable(&text));
                }
            }
        }
        Ok(found)
    }

    fn named(name: &str) -> Option<Option<Self>> {
        Some(match name.to_ascii_lowercase().as_str() {
            "identity" => None,
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => return None,
        })
    }
}

fn printable(text: &str) -> String {
    text.chars().take(60).map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' }).collect()
}

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It unpacks into more than the limit.
    #[error("the decompressed body is over the limit")]
    TooLarge,
    /// It ends in the middle, or not with the checksum that it should end with.
    #[error("the compressed body is cut off, or its checksum is wrong")]
    Truncated,
    /// It is not in its encoding.
    #[error("the compressed body is corrupt: {0}")]
    Corrupt(String),
}

/// Decompresses a whole body into at most `limit` bytes.
///
/// # Errors
/// A body over the limit, cut off or corrupt. An empty body is empty in any encoding.
pub fn decode_all(encoding: Encoding, body: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(encoding);
    let first = decoder.decode(body, limit)?;
    let rest = decoder.finish(limit - first.len())?;
    Ok(if rest.is_empty() { first } else { [first, rest].concat().into() })
}

/// Decompresses a body piece by piece. After an error it is of no further use.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
    /// Whether any input came: a body may be empty whatever encoding is announced.
    has_begun: bool,
}

enum Format {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Box<deflate::Inflater>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<zstd::Unpacker>),
}

impl std::fmt::Debug for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Deflate(_) => "Deflate",
            Self::Brotli(_) => "Brotli",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        let format = match encoding {
            Encoding::Gzip => Format::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            Encoding::Deflate => Format::Deflate(Box::default()),
            Encoding::Brotli => Format::Brotli(Box::new(DecompressorWriter::new(Sink::default(), 16 * 1024))),
            Encoding::Zstd => Format::Zstd(Box::default()),
        };
        Self { format, has_begun: false }
    }

    /// What this input adds to the output: as much as can be known by now, at most `limit` bytes.
    pub(super) fn decode(&mut self, input: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
        self.has_begun |= !input.is_empty();
        match &mut self.format {
            Format::Gzip(gzip) => {
                gzip.get_mut().limit = limit;
                let result = gzip.write_all(input).and_then(|()| gzip.flush());
                gzip.get_mut().take(result)
            }
            Format::Brotli(brotli) => {
                brotli.get_mut().limit = limit;
                let result = brotli.write_all(input).and_then(|()| brotli.flush());
                brotli.get_mut().take(result)
            }
            Format::Deflate(inflater) => inflater.decode(input, limit),
            Format::Zstd(unpacker) => unpacker.decode(input, limit),
        }
    }

    /// Checks that the input was complete. Gives out what was held back.
    pub(super) fn finish(mut self, limit: usize) -> Result<Bytes, DecodeError> {
        if !self.has_begun {
            return Ok(Bytes::new());
        }
        match &mut self.format {
            Format::Gzip(gzip) => {
                gzip.get_mut().limit = limit;
                let result = gzip.try_finish();
                gzip.get_mut().take_last(result)
            }
            Format::Brotli(brotli) => {
                brotli.get_mut().limit = limit;
                let result = brotli.close();
                brotli.get_mut().take_last(result)
            }
            Format::Deflate(inflater) => inflater.finish(),
            Format::Zstd(unpacker) => unpacker.finish(),
        }
    }
}

/// Takes a decoder's output up to the limit.
#[derive(Default)]
struct Sink {
    output: Vec<u8>,
    limit: usize,
    is_full: bool,
}

impl Sink {
    /// The output, unless something went wrong.
    fn take(&mut self, result: io::Result<()>) -> Result<Bytes, DecodeError> {
        match result {
            _ if self.is_full => Err(DecodeError::TooLarge),
            Ok(()) => Ok(std::mem::take(&mut self.output).into()),
            Err(error) => Err(DecodeError::Corrupt(error.to_string())),
        }
    }

    /// The output at the end of the input. The decoders do not say more of an end that is none than that it is invalid.
    fn take_last(&mut self, result: io::Result<()>) -> Result<Bytes, DecodeError> {
        self.take(result).map_err(|error| match error {
            DecodeError::Corrupt(_) => DecodeError::Truncated,
            other => other,
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.output.len() + bytes.len() > self.limit {
            self.is_full = true;
            return Err(io::Error::other("over the limit"));
        }
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
