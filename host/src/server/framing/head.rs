//! The head of an HTTP/1 request: its request line and its header lines.

use hyper::{StatusCode, Uri};
use memchr::{memchr, memchr2, memrchr};

use super::chunked::Chunked;
use super::{Body, HeadLimits, Refusal, TOKEN, byte_set};

const CONTROL: Refusal = Refusal::malformed("The request's head has a control character in it.");
const BARE_CR: Refusal = Refusal::malformed("A line of the request's head has a carriage return in it.");
const BARE_LF: Refusal = Refusal::malformed("A line of the request's head ends with LF instead of CR LF.");
const TOO_LONG: Refusal = Refusal::head_too_large("The request's head has too many bytes.");
const TOO_MANY: Refusal = Refusal::head_too_large("The request has too many headers.");
const REQUEST_LINE: Refusal = Refusal::malformed("The request line is not `METHOD target HTTP/1.1`.");
const TARGET: Refusal = Refusal::malformed("The request's target is not a valid path or URL.");
const NOT_A_PROXY: Refusal = Refusal {
    status: StatusCode::METHOD_NOT_ALLOWED,
    message: "This server opens no tunnels: CONNECT is not allowed.",
};
const VERSION: Refusal = Refusal {
    status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    message: "This server speaks HTTP/1.1, HTTP/1.0, and HTTP/2 from the first byte of a connection.",
};
const FOLDED: Refusal = Refusal::malformed("A header line begins with white space.");
const NO_COLON: Refusal = Refusal::malformed("A header line has no colon.");
const NO_NAME: Refusal = Refusal::malformed("A header line has no name.");
const SPACE_IN_NAME: Refusal = Refusal::malformed("There is white space before the colon of a header line.");
const NAME: Refusal = Refusal::malformed("A header's name has a character that names cannot have.");
const NO_HOST: Refusal = Refusal::malformed("The Host header is missing.");
const MANY_HOSTS: Refusal = Refusal::malformed("There is more than one Host header.");
const HOST: Refusal = Refusal::malformed("The Host header is not a host with an optional port.");
const MANY_LENGTHS: Refusal = Refusal::malformed("There is more than one Content-Length.");
const LENGTH: Refusal = Refusal::malformed("Content-Length is not a number.");
const MANY_CODINGS: Refusal = Refusal::malformed("There is more than one Transfer-Encoding.");
const CODING: Refusal = Refusal::malformed("Transfer-Encoding is something else than `chunked`.");
const OLD_CODING: Refusal = Refusal::malformed("HTTP/1.0 has no Transfer-Encoding.");
const LENGTH_AND_CODING: Refusal = Refusal::malformed("There are both Content-Length and Transfer-Encoding.");

/// The longest method that is read: the longest registered one has 17 letters.
const METHOD_BYTES: usize = 24;

/// How far a head is read. It counts in bytes from the beginning of the head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line that is not complete yet begins.
    line: usize,
    /// Up to where the bytes were read.
    read: usize,
    /// Set by the request line.
    version: Option<Version>,
    headers: usize,
    has_host: bool,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// What is known of a head after some more bytes.
#[derive(Debug)]
pub(super) enum Progress {
    Partial { empty: usize },
    Complete { length: usize, body: Body },
}

impl Head {
    /// Reads on in a head whose bytes so far are all of `bytes`. See [`super::Framing::judge`].
    pub(super) fn judge(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Progress, Refusal> {
        // Some clients end a body with an empty line that they do not count (RFC 9112, section 2.2).
        let empty = if self.read == 0 { empty_lines(bytes) } else { 0 };
        let bytes = &bytes[empty..];
        if bytes.is_empty() || bytes == b"\r" {
            return Ok(Progress::Partial { empty });
        }
        let window = &bytes[..bytes.len().min(limits.bytes)];
        let unread = self.read;
        let outcome = self.lines(window, limits);
        // All at once instead of line by line, which is faster; but what stands before the end of a bad line comes
        // before what is wrong with it.
        if has_control(&window[unread..self.read]) {
            return Err(CONTROL);
        }
        match outcome? {
            Some((length, body)) => Ok(Progress::Complete { length: empty + length, body }),
            None if window.len() == limits.bytes => Err(TOO_LONG),
            None => Ok(Progress::Partial { empty }),
        }
    }

    /// Reads as many lines as there are: up to the empty one at the end, if it is there, and returns where it ends.
    fn lines(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<(usize, Body)>, Refusal> {
        while let Some(ahead) = memchr2(b'\r', b'\n', &bytes[self.read..]) {
            let end = self.read + ahead;
            self.read = end;
            match (bytes[end], bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => {}
                (b'\r', Some(_)) => return Err(BARE_CR),
                // Whether LF follows shows the next time.
                (b'\r', None) => return Ok(None),
                _ => return Err(BARE_LF),
            }
            let line = &bytes[self.line..end];
            self.line = end + 2;
            self.read = end + 2;
            if line.is_empty() {
                return Ok(Some((self.line, self.body()?)));
            }
            self.line(line, limits)?;
        }
        self.read = bytes.len();
        Ok(None)
    }

    fn line(&mut self, line: &[u8], limits: HeadLimits) -> Result<(), Refusal> {
        let Some(version) = self.version else {
            self.version = Some(request_line(line)?);
            return Ok(());
        };
        self.headers += 1;
        if self.headers > limits.headers {
            return Err(TOO_MANY);
        }
        let (name, value) = header_line(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value, version),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        const HOST_BYTES: [bool; 256] = byte_set(b"-._~!$&'()*+,;=:%[]");
        if std::mem::replace(&mut self.has_host, true) {
            return Err(MANY_HOSTS);
        }
        if are_all(value.trim_ascii(), &HOST_BYTES) { Ok(()) } else { Err(HOST) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        // Equal repetitions are refused too: no client that means well sends them, and not every reader takes the
        // same one of them.
        if self.length.is_some() {
            return Err(MANY_LENGTHS);
        }
        let value = value.trim_ascii();
        // `u64::from_str` would take a plus sign. 18 digits cannot overflow, nor reach what hyper reserves.
        if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err(LENGTH);
        }
        self.length = Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if version == Version::Http10 {
            return Err(OLD_CODING);
        }
        if std::mem::replace(&mut self.is_chunked, true) {
            return Err(MANY_CODINGS);
        }
        if value.trim_ascii().eq_ignore_ascii_case(b"chunked") { Ok(()) } else { Err(CODING) }
    }

    /// How the body behind this complete head is delimited.
    fn body(&self) -> Result<Body, Refusal> {
        if !self.has_host && self.version == Some(Version::Http11) {
            return Err(NO_HOST);
        }
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(LENGTH_AND_CODING),
            (true, None) => Ok(Body::Chunked(Chunked::default())),
            (false, length) => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

/// How many bytes of empty lines are at the beginning.
fn empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2
}

fn request_line(line: &[u8]) -> Result<Version, Refusal> {
    let (Some(first), Some(last)) = (memchr(b' ', line), memrchr(b' ', line)) else { return Err(REQUEST_LINE) };
    if first == last || line[first + 1..last].contains(&b' ') {
        return Err(REQUEST_LINE);
    }
    let (method, target, version) = (&line[..first], &line[first + 1..last], &line[last + 1..]);
    if method.is_empty() || method.len() > METHOD_BYTES || !are_all(method, &TOKEN) {
        return Err(REQUEST_LINE);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        other if other.starts_with(b"HTTP/") => return Err(VERSION),
        _ => return Err(REQUEST_LINE),
    };
    if method == b"CONNECT" {
        return Err(NOT_A_PROXY);
    }
    check_target(target)?;
    Ok(version)
}

fn check_target(target: &[u8]) -> Result<(), Refusal> {
    const PLAIN: [bool; 256] = byte_set(b"-._~!$&'()*+,;=:@/?%");
    let is_path = target.first() == Some(&b'/');
    if is_path && target.len() < 2048 && are_all(target, &PLAIN) {
        return Ok(());
    }
    // The rare forms are left to the parser that hyper uses, so that both agree.
    let uri = Uri::try_from(target).map_err(|_| TARGET)?;
    let is_url = uri.scheme().is_some() && uri.authority().is_some();
    if is_path || is_url || target == b"*" { Ok(()) } else { Err(TARGET) }
}

/// The name, and the value with the white space around it.
fn header_line(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(FOLDED);
    }
    let colon = memchr(b':', line).ok_or(NO_COLON)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    match name.last() {
        None => Err(NO_NAME),
        Some(b' ' | b'\t') => Err(SPACE_IN_NAME),
        Some(_) if !are_all(name, &TOKEN) => Err(NAME),
        Some(_) => Ok((name, value)),
    }
}

/// Whether all bytes are in the set.
fn are_all(bytes: &[u8], set: &[bool; 256]) -> bool {
    // No early exit here either: these are a few bytes each, and nearly always good.
    bytes.iter().fold(true, |all, &byte| all & set[byte as usize])
}

/// Whether there is a control character that is neither a tab nor part of a line's end.
fn has_control(bytes: &[u8]) -> bool {
    // No early exit and no `bool`: so the loop becomes vector instructions. Good requests are read to the end anyway.
    let is_control = |byte: u8| {
        let is_low = u8::from(byte < b' ') & u8::from(byte != b'\t');
        let is_line_end = u8::from(byte == b'\r') | u8::from(byte == b'\n');
        (is_low & !is_line_end) | u8::from(byte == 0x7f)
    };
    bytes.iter().fold(0, |found, &byte| found | is_control(byte)) != 0
}
