//! A validating pull scanner over JSON text: one pass, no tree, no allocation.
//!
//! It is stricter than a JSON parser has to be where leniency would only move the failure elsewhere: nesting is
//! bounded by what a plugin's parser takes, numbers have to fit a double, and, unless asked otherwise, strings have to
//! be Unicode without NUL. It knows nothing of chats: see `request`, `stream` and `answer` for what the values mean.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// How deep arrays and objects may be nested: what `serde_json` accepts, so that no document that passes here fails
/// inside a plugin.
pub const MAX_DEPTH: u32 = 127;

/// Checks that the text is exactly one JSON value.
pub fn validate(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    scanner.skip()?;
    scanner.finish()
}

/// Why a text is not acceptable JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The offset in bytes.
    pub offset: usize,
    /// What was expected there, or what is wrong there, as the start of a sentence in lower case.
    pub problem: &'static str,
}

impl Fault {
    /// Line and column of the fault, both from 1. Columns count characters.
    pub fn place(&self, text: &str) -> (usize, usize) {
        let before = &text.as_bytes()[..self.offset.min(text.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        // Bytes of the form 10xxxxxx continue a character.
        let column = 1 + before[start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (line, column)
    }

    /// The fault in words, with its place.
    pub fn describe(&self, text: &str) -> String {
        let (line, column) = self.place(text);
        let end = if self.offset >= text.len() { ", where the text ends" } else { "" };
        format!("{} at line {line}, column {column}{end}", self.problem)
    }
}

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

impl fmt::Display for Kind {
    /// The kind with its article, for messages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
        })
    }
}

/// A string as it stands in the document, without its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
    /// Where its opening quote stands.
    offset: usize,
    /// By how many bytes decoding makes it shorter. Every escape sequence is longer than what it stands for.
    shrink: usize,
    /// Whether there are escape sequences by number (`\u4e2d`) in it.
    numbered: bool,
}

impl<'a> Text<'a> {
    /// Where the string starts in the document, in bytes: the place of its opening quote.
    pub fn offset(self) -> usize {
        self.offset
    }

    /// The string's bytes as written, escape sequences and all.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// Whether there are escape sequences by number in it (`\u4e2d`): all others stand for one byte of ASCII each.
    pub fn has_numbered_escapes(self) -> bool {
        self.numbered
    }

    /// The length in bytes once decoded.
    pub fn decoded_length(self) -> usize {
        self.raw.len() - self.shrink
    }

    /// The string itself. Allocates only if it was written with escape sequences. Half of a surrogate pair becomes
    /// U+FFFD.
    pub fn decode(self) -> Cow<'a, str> {
        if self.shrink == 0 { Cow::Borrowed(self.raw) } else { Cow::Owned(unescape(self.raw, self.decoded_length())) }
    }
}

/// A number as it stands in the document.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    raw: &'a str,
    integer: bool,
}

impl<'a> Number<'a> {
    /// The number's digits as written.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether it is written without fraction and exponent.
    pub fn is_integer(self) -> bool {
        self.integer
    }

    /// The value, if it is a whole number that is not negative and fits.
    pub fn as_u64(self) -> Option<u64> {
        if self.integer { self.raw.parse().ok() } else { None }
    }

    /// The value, rounded to a double.
    pub fn as_f64(self) -> f64 {
        self.raw.parse().unwrap_or(f64::NAN)
    }
}

/// Which strings a scanner accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strings {
    /// Unicode without NUL.
    Sound,
    /// Whatever the grammar of JSON allows.
    Any,
}

/// A position in a JSON text. Cheap to copy, so that a part can be scanned again.
#[derive(Debug, Clone, Copy)]
pub struct Scanner<'a> {
    source: &'a str,
    offset: usize,
    depth: u32,
    strings: Strings,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of the text. Lone surrogates and NUL characters in strings are faults.
    pub fn new(source: &'a str) -> Self {
        Self { source, offset: 0, depth: 0, strings: Strings::Sound }
    }

    /// Starts at the beginning of a text that is only to be relayed: it may hold half of a surrogate pair, as when an
    /// upstream cuts a stream of UTF-16 in the middle of an emoji, or a NUL.
    pub fn lenient(source: &'a str) -> Self {
        Self { strings: Strings::Any, ..Self::new(source) }
    }

    /// The offset of what comes next, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The kind of the next value, by its first character. The value is not consumed.
    #[inline]
    pub fn peek(&mut self) -> Result<Kind, Fault> {
        match self.next_byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => self.fault("expected a value"),
        }
    }

    /// Consumes the next value, whatever it is.
    pub fn skip(&mut self) -> Result<(), Fault> {
        match self.peek()? {
            // Recursion is bounded by `MAX_DEPTH`.
            Kind::Object => self.members(|scanner, _| scanner.skip()),
            Kind::Array => self.elements(|scanner, _| scanner.skip()),
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Boolean => self.boolean().map(drop),
            Kind::Null => self.null(),
        }
    }

    /// Consumes the next value and says where it stands.
    pub fn span(&mut self) -> Result<Range<usize>, Fault> {
        self.peek()?;
        let start = self.offset;
        self.skip()?;
        Ok(start..self.offset)
    }

    /// Consumes an object: calls `visit` with each key, which must consume the value.
    #[inline]
    pub fn members<E: From<Fault>>(
        &mut self,
        mut visit: impl FnMut(&mut Self, Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', "expected an object")?;
        if !self.closes(b'}') {
            loop {
                if self.next_byte() != Some(b'"') {
                    return Ok(self.fault("expected a key in double quotes")?);
                }
                let key = self.string()?;
                if self.next_byte() != Some(b':') {
                    return Ok(self.fault("expected `:`")?);
                }
                self.offset += 1;
                visit(self, key)?;
                match self.next_byte() {
                    Some(b',') => self.offset += 1,
                    Some(b'}') => break,
                    _ => return Ok(self.fault("expected `,` or `}`")?),
                }
            }
            self.offset += 1;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Consumes an array: calls `visit` with each position, from 0, which must consume the value there.
    #[inline]
    pub fn elements<E: From<Fault>>(
        &mut self,
        mut visit: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[', "expected an array")?;
        if !self.closes(b']') {
            for position in 0.. {
                visit(self, position)?;
                match self.next_byte() {
                    Some(b',') => self.offset += 1,
                    Some(b']') => break,
                    _ => return Ok(self.fault("expected `,` or `]`")?),
                }
            }
            self.offset += 1;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Consumes a string.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, Fault> {
        if self.next_byte() != Some(b'"') {
            return self.fault("expected a string");
        }
        self.offset += 1;
        let start = self.offset;
        let (mut shrink, mut numbered) = (0, false);
        loop {
            self.offset += plain_length(&self.bytes()[self.offset..]);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let shorter = self.escape()?;
                    shrink += shorter;
                    numbered |= shorter > 1;
                }
                Some(_) => return self.fault("expected an escape sequence instead of a control character"),
                None => return self.fault("expected the closing quote of a string"),
            }
        }
        self.offset += 1;
        Ok(Text { raw: &self.source[start..self.offset - 1], offset: start - 1, shrink, numbered })
    }

    /// Consumes a number.
    pub fn number(&mut self) -> Result<Number<'a>, Fault> {
        self.next_byte();
        let start = self.offset;
        if self.byte() == Some(b'-') {
            self.offset += 1;
        }
        match self.byte() {
            Some(b'0') => self.offset += 1,
            _ => self.digits()?,
        }
        let mut integer = true;
        if self.byte() == Some(b'.') {
            self.offset += 1;
            self.digits()?;
            integer = false;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.offset += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.offset += 1;
            }
            self.digits()?;
            integer = false;
        }
        let number = Number { raw: &self.source[start..self.offset], integer };
        // No shorter number without an exponent can be out of range.
        let may_overflow = number.raw.len() > 300 || (!integer && number.raw.contains(['e', 'E']));
        if may_overflow && !number.as_f64().is_finite() {
            return Err(Fault { offset: start, problem: "expected a number in the range of a double" });
        }
        Ok(number)
    }

    /// Consumes `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, Fault> {
        match self.next_byte() {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => self.fault("expected a boolean"),
        }
    }

    /// Consumes `null`.
    pub fn null(&mut self) -> Result<(), Fault> {
        self.next_byte();
        self.literal(b"null")
    }

    /// Checks that nothing but white space follows.
    pub fn finish(mut self) -> Result<(), Fault> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => self.fault("expected the end of the text"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.source.as_bytes()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.offset).copied()
    }

    /// The next byte that is not white space. It is not consumed, the white space is.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.offset += 1,
                other => return other,
            }
        }
    }

    #[cold]
    fn fault<T>(&self, problem: &'static str) -> Result<T, Fault> {
        Err(Fault { offset: self.offset, problem })
    }

    fn open(&mut self, bracket: u8, problem: &'static str) -> Result<(), Fault> {
        if self.next_byte() != Some(bracket) {
            return self.fault(problem);
        }
        if self.depth == MAX_DEPTH {
            return self.fault("expected at most 127 levels of nested arrays and objects");
        }
        self.depth += 1;
        self.offset += 1;
        Ok(())
    }

    /// Consumes the closing bracket of an empty container, if that is what comes.
    #[inline]
    fn closes(&mut self, bracket: u8) -> bool {
        let closes = self.next_byte() == Some(bracket);
        self.offset += usize::from(closes);
        closes
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let length = self.bytes()[self.offset..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return self.fault("expected a digit");
        }
        self.offset += length;
        Ok(())
    }

    fn literal(&mut self, literal: &'static [u8]) -> Result<(), Fault> {
        if !self.bytes()[self.offset..].starts_with(literal) {
            return self.fault("expected a value");
        }
        self.offset += literal.len();
        Ok(())
    }

    /// Consumes an escape sequence, and says by how much it is longer than what it stands for.
    fn escape(&mut self) -> Result<usize, Fault> {
        match self.bytes().get(self.offset + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.offset += 2;
                Ok(1)
            }
            Some(b'u') => self.unicode_escape(),
            _ => self.fault("expected a valid escape sequence"),
        }
    }

    fn unicode_escape(&mut self) -> Result<usize, Fault> {
        let rest = &self.bytes()[self.offset..];
        let Some(unit) = code_unit(rest) else {
            return self.fault("expected four hexadecimal digits after `\\u`");
        };
        let (length, decoded) = match unit {
            0 if self.strings == Strings::Sound => return self.fault("NUL characters (`\\u0000`) are not accepted"),
            0..0x80 => (6, 1),
            0x80..0x800 => (6, 2),
            0xD800..0xDC00 if code_unit(&rest[6..]).is_some_and(|low| (0xDC00..0xE000).contains(&low)) => (12, 4),
            0xD800..0xE000 if self.strings == Strings::Sound => {
                return self.fault("expected both halves of a surrogate pair, found one");
            }
            _ => (6, 3),
        };
        self.offset += length;
        Ok(length - decoded)
    }
}

/// How many bytes at the start are neither a quote, nor a backslash, nor a control character.
///
/// Eight at a time: strings are short (keys, deltas) or long (prompts, images), and one pass has to find all three.
/// Blocks of 32 by the vector instructions that every x86-64 has were no faster.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of a byte of the result is set where a byte of the word is zero. Bits above the lowest such byte
    // may be wrong, the lowest is right.
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = zero_bytes(word ^ (ONES * u64::from(b'"')));
        let backslashes = zero_bytes(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return position * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    bytes.len() - rest.len() + tail
}

/// The UTF-16 code unit that an escape sequence at the start of the bytes stands for.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

fn unescape(raw: &str, decoded_length: usize) -> String {
    let mut decoded = String::with_capacity(decoded_length);
    let mut rest = raw;
    while let Some(plain) = memchr::memchr(b'\\', rest.as_bytes()) {
        decoded.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let (character, length) = escaped_character(rest.as_bytes());
        decoded.push(character);
        rest = &rest[length..];
    }
    decoded.push_str(rest);
    decoded
}

/// What the valid escape sequence at the start of the bytes stands for, and its length.
fn escaped_character(bytes: &[u8]) -> (char, usize) {
    match bytes.get(1).copied().unwrap_or(b'\\') {
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => {
            let units = [code_unit(bytes), bytes.get(6..).and_then(code_unit)];
            let character = char::decode_utf16(units.into_iter().map_while(|unit| unit)).next();
            let character = character.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
            (character, if character.len_utf16() == 2 { 12 } else { 6 })
        }
        itself => (char::from(itself), 2),
    }
}

#[cfg(test)]
mod tests;
