//! How many tokens a prompt has, where no upstream can be asked: an estimate, and no more. Every guess of the host is
//! made here, so that what routing, condensing and `count_tokens` believe is the same.
//!
//! Each character has a weight in twelfths of a token, by the class of its first byte in UTF-8: see [`weight`]. The
//! weights were fitted to the tokens that `o200k_base` and `cl100k_base` make of prose, source code, tables, logs and
//! tool definitions. Prose, code, configuration and tool definitions come out within 20 % of both; listings up to
//! 27 % too low, hexadecimal and base64 by a third to a half. Other scripts lie between the two: right or up to 15 %
//! low for `cl100k_base` (Greek and Hebrew half), and high for the larger vocabularies since: Chinese, Japanese and
//! Korean 1.4 times, Russian twice, Hindi and Thai almost three times.
//!
//! Text is all that a model reads as such: what was said, names, descriptions and schemas of tools, arguments and
//! results of their calls. Each message, call and tool adds a few tokens for what separates them, and an image or a
//! file a fixed figure. Reasoning of earlier turns does not count: most upstreams leave it out.

use super::scan::{Fault, Kind, Scanner, Text};
use crate::error::Error;

/// The weight of a token.
const TOKEN: u64 = 12;
/// The largest weight of a byte.
const HEAVIEST: u8 = 24;
/// For what separates a message, a call or a tool from the next, in tokens.
const SEPARATORS: u64 = 4;
/// For an image of about a megapixel, in tokens.
const IMAGE: u64 = 1600;
/// For a file, a recording or a film, in tokens: a page or two.
const FILE: u64 = 3000;

/// The tokens of the prompt in a canonical chat request, as an estimate. One pass over the bytes, without a tree.
///
/// # Errors
/// A document that is not JSON, or no object: whoever gives it has checked it before.
pub fn prompt_tokens(document: &[u8]) -> Result<u64, Error> {
    Ok(prompt(document)?.tokens())
}

/// The same, not rounded.
pub(super) fn prompt(document: &[u8]) -> Result<Tally, Error> {
    let document = simdutf8::basic::from_utf8(document).map_err(|_| Error::internal("the document is not UTF-8"))?;
    let mut tally = Tally::default();
    let counted = Scanner::lenient(document).members(|scanner, name| match &*name.decode() {
        "messages" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| message(scanner, &mut tally)),
        "tools" | "functions" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| {
            tally.separators();
            json(scanner, &mut tally)
        }),
        "response_format" => json(scanner, &mut tally),
        _ => scanner.skip(),
    });
    counted.map_err(|fault| Error::internal(format!("the document is not a chat: {}", fault.describe(document))))?;
    Ok(tally)
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    weight: u64,
}

impl Tally {
    /// Adds a text, or JSON as text.
    pub fn text(&mut self, text: &str) {
        self.weight += weight(text);
    }

    /// Adds what separates a message, a call or a tool from the next.
    pub fn separators(&mut self) {
        self.weight += SEPARATORS * TOKEN;
    }

    /// Adds an image.
    pub fn image(&mut self) {
        self.weight += IMAGE * TOKEN;
    }

    /// Adds a file whose text is not known, or a recording.
    pub fn file(&mut self) {
        self.weight += FILE * TOKEN;
    }

    /// The sum, rounded up.
    pub fn tokens(self) -> u64 {
        self.weight.div_ceil(TOKEN)
    }

    /// The sum in twelfths of a token.
    pub(super) fn weight(self) -> u64 {
        self.weight
    }

    /// Adds a string as it stands in a document.
    pub(super) fn written(&mut self, text: Text<'_>) {
        self.weight += written_weight(text);
    }
}

/// The weight of this many tokens.
pub(super) fn weight_of(tokens: u64) -> u64 {
    tokens.saturating_mul(TOKEN)
}

/// The weight of a text, in twelfths of a token: the sum of the weights of its characters.
pub(super) fn weight(text: &str) -> u64 {
    // Sixteen sums side by side, of as many bytes as fit each: a shape that compilers make vector instructions of.
    const MOST: usize = (u8::MAX / HEAVIEST) as usize;
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    let blocks = blocks.chunks(MOST).map(|blocks| {
        let mut sums = [0_u8; 16];
        for block in blocks {
            for (sum, byte) in sums.iter_mut().zip(block) {
                *sum += byte_weight(*byte);
            }
        }
        sums.into_iter().map(u64::from).sum::<u64>()
    });
    blocks.sum::<u64>() + rest.iter().map(|byte| u64::from(WEIGHTS[usize::from(*byte)])).sum::<u64>()
}

/// The weight of a string as it stands in a document.
pub(super) fn written_weight(text: Text<'_>) -> u64 {
    let raw = text.raw();
    let shrink = raw.len() - text.decoded_length();
    if shrink == 0 {
        return weight(raw);
    }
    // Some clients write all but ASCII as `\u4e2d`: only what that stands for has the right weight.
    if text.has_numbered_escapes() {
        return weight(&text.decode());
    }
    // Every other escape sequence is a backslash in front of something of the weight of what it stands for.
    weight(raw).saturating_sub(shrink as u64 * u64::from(WEIGHTS[usize::from(b'\\')]))
}

/// The weight of the character that begins with this byte, and nothing for the bytes that follow in it.
///
/// A token is four letters or spaces, three signs of punctuation, a little less than two digits, two letters of the
/// scripts of two bytes (Cyrillic, Greek, Arabic, Latin letters with accents), one character of three bytes (Chinese,
/// Japanese, Korean, Devanagari), and half of an emoji. Written without branches, so that it is done for 16 bytes at
/// once.
#[inline]
const fn byte_weight(byte: u8) -> u8 {
    (byte < 0x80) as u8 * 3
        + byte.is_ascii_digit() as u8 * 4
        + byte.is_ascii_punctuation() as u8
        + (byte >= 0xC0) as u8 * 6
        + (byte >= 0xE0) as u8 * 6
        + (byte >= 0xF0) as u8 * 12
}

/// [`byte_weight`] of every byte, for those that come alone.
const WEIGHTS: [u8; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < weights.len() {
        weights[byte] = byte_weight(byte as u8);
        byte += 1;
    }
    weights
};

/// Consumes a message.
pub(super) fn message(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    tally.separators();
    members(scanner, |scanner, name| match name {
        "content" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| part(scanner, tally)),
        "content" | "name" | "refusal" => text(scanner, tally),
        "tool_calls" if scanner.peek()? == Kind::Array => scanner.elements(|scanner, _| call(scanner, tally)),
        "function_call" => called(scanner, tally),
        _ => scanner.skip(),
    })
}

/// Consumes a part of a message's content.
fn part(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    members(scanner, |scanner, name| match name {
        "text" | "refusal" => text(scanner, tally),
        "image_url" => {
            tally.image();
            scanner.skip()
        }
        "file" | "input_audio" | "audio_url" | "video_url" => {
            tally.file();
            scanner.skip()
        }
        _ => scanner.skip(),
    })
}

/// Consumes a call of a tool.
fn call(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    tally.separators();
    members(scanner, |scanner, name| match name {
        "function" | "custom" => called(scanner, tally),
        _ => scanner.skip(),
    })
}

/// Consumes what is called: a name, and arguments or an input.
fn called(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    members(scanner, |scanner, name| match name {
        "name" | "arguments" | "input" => text(scanner, tally),
        _ => scanner.skip(),
    })
}

/// Consumes a text. What is none counts nothing.
fn text(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::String => scanner.string().map(|text| tally.written(text)),
        _ => scanner.skip(),
    }
}

/// Consumes a value that the model sees as JSON.
fn json(scanner: &mut Scanner<'_>, tally: &mut Tally) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::Object => scanner.members(|scanner, name| {
            tally.written(name);
            tally.text("\"\":");
            json(scanner, tally)
        }),
        Kind::Array => scanner.elements(|scanner, _| json(scanner, tally)),
        Kind::String => scanner.string().map(|text| {
            tally.written(text);
            tally.text("\"\",");
        }),
        _ => scanner.skip().map(|()| tally.text("true,")),
    }
}

/// Consumes an object: calls `visit` with each name. Passes over whatever is no object.
fn members<'a>(
    scanner: &mut Scanner<'a>,
    mut visit: impl FnMut(&mut Scanner<'a>, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match scanner.peek()? {
        Kind::Object => scanner.members(|scanner, name| visit(scanner, &name.decode())),
        _ => scanner.skip(),
    }
}

#[cfg(test)]
mod tests;
