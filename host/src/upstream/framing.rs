//! Cuts a byte stream into events, wherever its frames are cut: server-sent events as the HTML standard defines them
//! (section 9.2.6), one document a line, or the binary frames of AWS. Data in, data out; no IO.
//!
//! An event that lies within one frame is a slice of it; only one that is cut across frames is copied, once. Each byte
//! is looked at a fixed number of times, also when they come one by one.

mod aws_event_stream;

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr, memchr2};

use super::events::Batch;
use super::fault;
use crate::error::Error;

/// How a stream is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events: `text/event-stream`.
    Sse,
    /// One document a line; blank lines mean nothing.
    Ndjson,
    /// Binary frames with checksums: `application/vnd.amazon.eventstream`. An event's name is that of its type or its
    /// exception's, its data the payload. One named `error` holds a JSON object of the error's `code` and `message`.
    AwsEventStream,
}

/// One event of a stream: valid UTF-8, with data or at least a name. Comments, `id` and `retry` fields and events
/// without data do not come this far.
#[derive(Debug, Clone)]
pub struct Event {
    raw: Bytes,
    data: Data,
    name: Range<usize>,
    is_canonical: bool,
}

#[derive(Debug, Clone)]
enum Data {
    /// This part of the raw bytes.
    Within(Range<usize>),
    /// Several `data` lines, joined by line feeds.
    Joined(Vec<u8>),
}

impl Event {
    /// The event as it came, its end included.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The data: the value of the `data` field, the line, or the payload.
    pub fn data(&self) -> &[u8] {
        match &self.data {
            Data::Within(range) => &self.raw[range.clone()],
            Data::Joined(joined) => joined,
        }
    }

    /// The data as text.
    pub fn text(&self) -> &str {
        simdutf8::basic::from_utf8(self.data()).unwrap_or_default()
    }

    /// The value of the `event` field, or the type of the frame; empty when there was none, and for `Framing::Ndjson`.
    pub fn name(&self) -> &str {
        simdutf8::basic::from_utf8(&self.raw[self.name.clone()]).unwrap_or_default()
    }

    /// Whether the raw bytes are exactly `data: <data>\n\n`, so that they can be relayed as they are.
    pub fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// The event as `data: <data>\n\n`, a `data: ` line for each line of the data: the raw bytes without a copy where
    /// they have that form. The name is left out.
    pub fn to_canonical(&self) -> Bytes {
        if self.is_canonical {
            return self.raw.clone();
        }
        let data = self.data();
        let mut framed = BytesMut::with_capacity(data.len() + 16);
        for line in data.split(|byte| *byte == b'\n') {
            framed.put_slice(b"data: ");
            framed.put_slice(line);
            framed.put_u8(b'\n');
        }
        framed.put_u8(b'\n');
        framed.freeze()
    }
}

/// What stood at the end of a stream without being closed by a blank line (for `Framing::Ndjson`: by a line end). By
/// the standard it is to be thrown away; whether it says that all is well is for the caller to know.
#[derive(Debug, Clone)]
pub struct Trailing {
    /// The event, as far as it came.
    pub event: Event,
    /// Whether its last line was closed by a line end. If not, it may be cut off anywhere.
    pub line_ended: bool,
}

/// Cuts frames into events.
#[derive(Debug)]
pub(super) struct Splitter {
    framing: Framing,
    /// The most bytes of one event.
    limit: usize,
    /// The start of an event whose end has not come yet.
    pending: BytesMut,
    scan: Scan,
    /// The length of the binary frame whose end has not come yet, once its prelude is there.
    frame_length: Option<usize>,
    /// Whether nothing was cut off yet, so that a byte order mark may stand here.
    at_start: bool,
}

impl Splitter {
    pub(super) fn new(framing: Framing, limit: usize) -> Self {
        let (pending, scan) = (BytesMut::new(), Scan::default());
        Self { framing, limit, pending, scan, frame_length: None, at_start: true }
    }

    /// Adds the events that are complete with this frame. The batch keeps those before a failure.
    ///
    /// # Errors
    /// An event over the limit, one that is not UTF-8, or one that arrived damaged. Nothing sensible can be pushed
    /// after that.
    pub(super) fn push(&mut self, mut frame: Bytes, batch: &mut Batch) -> Result<(), Error> {
        loop {
            if self.pending.is_empty() && self.scan.takes_line_feed(&frame) {
                let _ = frame.split_to(1);
            }
            let Some(end) = self.end_of_event(&frame)? else {
                self.check_size(self.pending.len() + frame.len())?;
                self.pending.extend_from_slice(&frame);
                return Ok(());
            };
            self.check_size(self.pending.len() + end)?;
            let raw = if self.pending.is_empty() {
                frame.split_to(end)
            } else {
                self.pending.extend_from_slice(&frame.split_to(end));
                std::mem::take(&mut self.pending).freeze()
            };
            batch.has_lines = true;
            if let Some(event) = self.parse(raw)? {
                batch.push(event);
            }
            self.scan.start_event();
        }
    }

    /// What is left when the stream has ended.
    ///
    /// # Errors
    /// When it is not UTF-8, as when it was cut inside a character, or the start of a binary frame.
    pub(super) fn finish(&mut self) -> Result<Option<Trailing>, Error> {
        let raw = std::mem::take(&mut self.pending).freeze();
        if self.framing == Framing::AwsEventStream {
            return if raw.is_empty() { Ok(None) } else { Err(fault::cut_frame()) };
        }
        let line_ended = raw.ends_with(b"\n") || raw.ends_with(b"\r");
        Ok(self.parse(raw)?.map(|event| Trailing { event, line_ended }))
    }

    /// Where in this continuation of the stream the event ends, its line ends included.
    fn end_of_event(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        match self.framing {
            Framing::Sse => Ok(self.scan.blank_line(bytes)),
            Framing::Ndjson => Ok(memchr(b'\n', bytes).map(|found| found + 1)),
            Framing::AwsEventStream => self.end_of_frame(bytes),
        }
    }

    fn end_of_frame(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        if self.frame_length.is_none() {
            self.frame_length = aws_event_stream::frame_length(&self.pending, bytes)?;
        }
        let Some(length) = self.frame_length else { return Ok(None) };
        // A frame that is too large is refused before it is held.
        self.check_size(length)?;
        let end = length - self.pending.len();
        Ok((end <= bytes.len()).then(|| {
            self.frame_length = None;
            end
        }))
    }

    fn check_size(&self, size: usize) -> Result<(), Error> {
        if size > self.limit { Err(fault::event_too_large(self.limit)) } else { Ok(()) }
    }

    fn parse(&mut self, raw: Bytes) -> Result<Option<Event>, Error> {
        match self.framing {
            Framing::Sse => {
                let raw = self.text(raw)?;
                let is_canonical = self.scan.lines == 2 && is_canonical(&raw);
                Ok(if is_canonical { Some(canonical(raw)) } else { parse_sse(raw) })
            }
            Framing::Ndjson => Ok(parse_line(self.text(raw)?)),
            Framing::AwsEventStream => aws_event_stream::parse(raw),
        }
    }

    /// The bytes less a byte order mark, if they are text.
    fn text(&mut self, mut raw: Bytes) -> Result<Bytes, Error> {
        if std::mem::take(&mut self.at_start) && raw.starts_with(b"\xEF\xBB\xBF") {
            let _ = raw.split_to(3);
        }
        if simdutf8::basic::from_utf8(&raw).is_err() { Err(fault::not_utf8()) } else { Ok(raw) }
    }
}

/// Where the search for the end of an event stands between two frames.
#[derive(Debug, Default)]
struct Scan {
    /// Whether the current line has bytes already.
    in_line: bool,
    /// Whether the last byte was a carriage return: a line feed after it belongs to the same line end.
    after_return: bool,
    /// The line ends of this event so far.
    lines: usize,
}

impl Scan {
    /// Whether the frame starts with the second half of the line end that closed the event before.
    fn takes_line_feed(&mut self, frame: &[u8]) -> bool {
        let takes = self.after_return && frame.first() == Some(&b'\n');
        self.after_return &= frame.is_empty();
        takes
    }

    fn start_event(&mut self) {
        (self.in_line, self.lines) = (false, 0);
    }

    /// Where in this continuation of the stream the next blank line ends.
    fn blank_line(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut position = usize::from(self.after_return && bytes.first() == Some(&b'\n'));
        self.after_return &= bytes.is_empty();
        while let Some(length) = memchr2(b'\n', b'\r', &bytes[position..]) {
            let is_blank = length == 0 && !self.in_line;
            let line_end = position + length;
            position = line_end + 1;
            if bytes[line_end] == b'\r' {
                match bytes.get(position) {
                    Some(b'\n') => position += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            self.lines += 1;
            self.in_line = false;
            if is_blank {
                return Some(position);
            }
        }
        self.in_line |= position < bytes.len();
        None
    }
}

/// Whether an event of two line ends is `data: <data>\n\n`, which nearly all are. Nothing else can be in it then.
fn is_canonical(raw: &[u8]) -> bool {
    raw.len() > 8 && raw.starts_with(b"data: ") && raw.ends_with(b"\n\n") && raw[raw.len() - 3] != b'\r'
}

fn canonical(raw: Bytes) -> Event {
    let data = Data::Within(6..raw.len() - 2);
    Event { raw, data, name: 0..0, is_canonical: true }
}

fn parse_sse(raw: Bytes) -> Option<Event> {
    let mut name = 0..0;
    let mut data: Option<Data> = None;
    let mut start = 0;
    while start < raw.len() {
        let length = memchr2(b'\n', b'\r', &raw[start..]).unwrap_or(raw.len() - start);
        let line = start..start + length;
        // A line feed after a carriage return makes one more blank line here, which means nothing.
        start = line.end + 1;
        let Some((field, value)) = split_field(&raw, line) else { continue };
        match &raw[field] {
            b"event" => name = value,
            b"data" => data = Some(with_line(&raw, data, value)),
            _ => {}
        }
    }
    let event = Event { data: data?, raw, name, is_canonical: false };
    let is_empty = event.data().is_empty() && event.name.is_empty();
    (!is_empty).then_some(event)
}

/// Splits a line into field and value, less the one space that may stand after the colon. `None` for a blank line and
/// for a comment.
fn split_field(raw: &[u8], line: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    if line.is_empty() || raw[line.start] == b':' {
        return None;
    }
    let Some(colon) = memchr(b':', &raw[line.clone()]).map(|found| line.start + found) else {
        return Some((line.clone(), line.end..line.end));
    };
    let space = usize::from(raw[colon + 1..line.end].first() == Some(&b' '));
    Some((line.start..colon, colon + 1 + space..line.end))
}

/// Adds a `data` line. The second one moves the data out of the raw bytes, where the lines do not touch.
fn with_line(raw: &[u8], data: Option<Data>, line: Range<usize>) -> Data {
    let mut joined = match data {
        None => return Data::Within(line),
        Some(Data::Within(first)) => raw[first].to_vec(),
        Some(Data::Joined(joined)) => joined,
    };
    joined.push(b'\n');
    joined.extend_from_slice(&raw[line]);
    Data::Joined(joined)
}

fn parse_line(raw: Bytes) -> Option<Event> {
    let data = raw.trim_ascii();
    if data.is_empty() {
        return None;
    }
    let start = raw.len() - raw.trim_ascii_start().len();
    let range = start..start + data.len();
    Some(Event { raw, data: Data::Within(range), name: 0..0, is_canonical: false })
}

#[cfg(test)]
mod tests;
