//! Bodies in every encoding, whole and cut anywhere, as they should be and not.
//!
//! There is no brotli compressor among the dependencies, so a body in it is put together by hand, of stored blocks.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use hyper::header::HeaderValue;

use super::*;

/// Long enough for more than one symbol table, short enough to be cut at each byte.
const PLAIN: &str = "data: {\"text\":\"one two three\"}\n\ndata: {\"text\":\"one two three four\"}\n\ndata: [DONE]\n\n";
const ALL: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli, Encoding::Zstd];

fn packed(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Brotli => brotli_of_stored_blocks(plain),
        Encoding::Zstd => ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest),
    }
}

/// Brotli without compression: a 16-bit window, then the bytes in uncompressed meta-blocks (RFC 7932, section 9.2).
fn brotli_of_stored_blocks(plain: &[u8]) -> Vec<u8> {
    // WBITS 16 is the bit 0; what follows is aligned by writing bit by bit.
    let mut bits = BitWriter::default();
    bits.push(0, 1);
    for block in plain.chunks(1 << 16) {
        bits.push(0, 1); // ISLAST
        bits.push(0, 2); // four nibbles of length
        bits.push(block.len() as u32 - 1, 16);
        bits.push(1, 1); // ISUNCOMPRESSED
        bits.align();
        bits.bytes.extend_from_slice(block);
    }
    bits.push(0b11, 2); // ISLAST, ISLASTEMPTY
    bits.bytes
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn push(&mut self, value: u32, count: u32) {
        for index in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= (((value >> index) & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    fn align(&mut self) {
        self.used = 0;
    }
}

/// The body given in these pieces.
fn in_pieces<'a>(encoding: Encoding, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(encoding);
    let mut plain = Vec::new();
    for piece in pieces {
        plain.extend_from_slice(&decoder.decode(piece, 1 << 20)?);
    }
    plain.extend_from_slice(&decoder.finish(1 << 20)?);
    Ok(plain)
}

#[test]
fn each_encoding_is_understood_wherever_it_is_cut() {
    for encoding in ALL {
        let body = packed(encoding, PLAIN.as_bytes());
        assert_eq!(decode_all(encoding, &body, PLAIN.len()).unwrap(), PLAIN, "{encoding:?}");
        assert_eq!(in_pieces(encoding, body.chunks(1)).unwrap(), PLAIN.as_bytes(), "{encoding:?}");
        for cut in 0..=body.len() {
            let (first, second) = body.split_at(cut);
            assert_eq!(in_pieces(encoding, [first, second]).unwrap(), PLAIN.as_bytes(), "{encoding:?} at {cut}");
        }
    }
}

#[test]
fn a_body_cut_off_anywhere_is_truncated() {
    for encoding in ALL {
        let body = packed(encoding, PLAIN.as_bytes());
        for length in 1..body.len() {
            let error = decode_all(encoding, &body[..length], 1 << 20).unwrap_err();
            assert!(matches!(error, DecodeError::Truncated), "{encoding:?} after {length}: {error}");
        }
    }
}

#[test]
fn a_body_that_unpacks_into_too_much_is_stopped() {
    let plain = vec![b'x'; 3_000_000];
    for encoding in ALL {
        let body = packed(encoding, &plain);
        assert_eq!(decode_all(encoding, &body, plain.len()).unwrap(), plain, "{encoding:?}");
        for limit in [0, 1000, plain.len() - 1] {
            let error = decode_all(encoding, &body, limit).unwrap_err();
            assert!(matches!(error, DecodeError::TooLarge), "{encoding:?} within {limit}: {error}");
        }
    }
}

#[test]
fn what_is_not_in_its_encoding_is_corrupt() {
    for encoding in ALL {
        let body = b"<!doctype html><p>Bad gateway</p>".repeat(4);
        let error = decode_all(encoding, &body, 1 << 20).unwrap_err();
        assert!(matches!(error, DecodeError::Corrupt(_)), "{encoding:?}: {error}");
    }
}

#[test]
fn an_empty_body_is_empty_in_any_encoding() {
    for encoding in ALL {
        assert!(decode_all(encoding, b"", 0).unwrap().is_empty());
    }
}

#[test]
fn deflate_is_understood_without_its_envelope() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(PLAIN.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    assert_eq!(in_pieces(Encoding::Deflate, body.chunks(1)).unwrap(), PLAIN.as_bytes());
}

#[test]
fn events_come_out_of_gzip_as_soon_as_the_upstream_flushes() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut decoder = Decoder::new(Encoding::Gzip);
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        encoder.write_all(event.as_bytes()).unwrap();
        encoder.flush().unwrap();
        assert_eq!(decoder.decode(&std::mem::take(encoder.get_mut()), 100).unwrap(), event);
    }
}

#[test]
fn two_members_and_two_frames_are_one_body() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let body = [packed(encoding, b"one, "), packed(encoding, b"two")].concat();
        assert_eq!(in_pieces(encoding, body.chunks(1)).unwrap(), b"one, two", "{encoding:?}");
    }
    let skippable = [0x53, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let body = [&skippable[..], &packed(Encoding::Zstd, b"one")].concat();
    assert_eq!(in_pieces(Encoding::Zstd, body.chunks(1)).unwrap(), b"one");
}

#[test]
fn a_zstd_frame_with_a_window_beyond_http_is_refused() {
    // No single segment, window descriptor 0xA0: 2^30 bytes.
    let error = decode_all(Encoding::Zstd, &[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA0], 1 << 20).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt(_)), "{error}");
}

#[test]
fn content_encodings_are_read_as_they_are_written() {
    for (lines, expected) in [
        (vec![], Ok(None)),
        (vec!["identity"], Ok(None)),
        (vec![""], Ok(None)),
        (vec!["GZip"], Ok(Some(Encoding::Gzip))),
        (vec!["x-gzip"], Ok(Some(Encoding::Gzip))),
        (vec![" br , identity"], Ok(Some(Encoding::Brotli))),
        (vec!["zstd"], Ok(Some(Encoding::Zstd))),
        (vec!["deflate"], Ok(Some(Encoding::Deflate))),
        (vec!["snappy"], Err("snappy".to_owned())),
        (vec!["gzip, br"], Err("gzip, br".to_owned())),
        (vec!["gzip", "br"], Err("br".to_owned())),
        (vec!["a\tb"], Err("a?b".to_owned())),
    ] {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        assert_eq!(Encoding::of(&headers), expected, "{lines:?}");
    }
}
