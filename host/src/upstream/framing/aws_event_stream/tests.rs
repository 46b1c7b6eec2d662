//! Frames as data: built here, and cut everywhere.

use super::super::{Event, Framing, Splitter};
use super::*;
use crate::error::Cause;
use crate::upstream::Batch;

/// What came out: per event its name and data. Or the error's cause.
type Outcome = Result<Vec<(String, String)>, Cause>;

/// A header with a value of text.
fn text(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = header(name, STRING);
    bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// The start of a header of any type.
fn header(name: &str, kind: u8) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &[kind]].concat()
}

fn frame(headers: &[Vec<u8>], payload: &[u8]) -> Vec<u8> {
    let headers = headers.concat();
    let length = (PRELUDE + headers.len() + payload.len() + CHECKSUM) as u32;
    let mut bytes = [length.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    bytes.extend_from_slice(&(checksum(&bytes) as u32).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&(checksum(&bytes) as u32).to_be_bytes());
    bytes
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let content_type = text(":content-type", "application/json");
    frame(&[text(":event-type", name), content_type, text(":message-type", "event")], payload.as_bytes())
}

fn split<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = Splitter::new(Framing::AwsEventStream, limit);
    let mut events = Vec::new();
    for piece in pieces {
        let mut batch = Batch::default();
        splitter.push(Bytes::copy_from_slice(piece), &mut batch).map_err(|error| error.cause)?;
        events.extend(batch.iter().map(|event| (event.name().to_owned(), event.text().to_owned())));
    }
    let trailing = splitter.finish().map_err(|error| error.cause)?;
    assert!(trailing.is_none());
    Ok(events)
}

/// The one check: the stream gives this outcome in one piece, byte by byte, and cut in two and in three anywhere.
fn check(stream: &[u8], expected: Result<&[(&str, &str)], Cause>) {
    let own = |events: &[(&str, &str)]| -> Vec<(String, String)> {
        events.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect()
    };
    let expected = expected.map(own);
    assert_eq!(split(1000, [stream]), expected, "in one piece");
    assert_eq!(split(1000, stream.chunks(1)), expected, "byte by byte");
    for cut in 0..=stream.len() {
        let (first, rest) = stream.split_at(cut);
        assert_eq!(split(1000, [first, rest]), expected, "cut at {cut}");
        for second_cut in (0..=rest.len()).step_by(3) {
            let (second, third) = rest.split_at(second_cut);
            assert_eq!(split(1000, [first, second, third]), expected, "cut at {cut} and {}", cut + second_cut);
        }
    }
}

#[test]
fn frames_become_events_wherever_they_are_cut() {
    let stream =
        [event("messageStart", "{\"a\":1}"), event("delta", "{\"text\":\"zwei ü\"}"), event("end", "")].concat();
    check(&stream, Ok(&[("messageStart", "{\"a\":1}"), ("delta", "{\"text\":\"zwei ü\"}"), ("end", "")]));
    check(b"", Ok(&[]));
}

#[test]
fn exceptions_are_named_by_their_type_and_errors_are_described() {
    let exception = frame(
        &[text(":exception-type", "throttlingException"), text(":message-type", "exception")],
        b"{\"message\":\"slow\"}",
    );
    check(&exception, Ok(&[("throttlingException", "{\"message\":\"slow\"}")]));
    let error = frame(
        &[text(":error-code", "Internal \"x\""), text(":message-type", "error"), text(":error-message", "böse")],
        b"",
    );
    check(&error, Ok(&[("error", "{\"code\":\"Internal \\\"x\\\"\",\"message\":\"böse\"}")]));
    let bare = frame(&[text(":message-type", "error"), text(":event-type", "x")], b"not looked at");
    check(&bare, Ok(&[("error", "{\"code\":\"\",\"message\":\"\"}")]));
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let sizes = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)];
    let mut headers = sizes.map(|(kind, size)| [header("any", kind), vec![0xFF; size]].concat()).to_vec();
    headers.push([header("bytes", 6), vec![0, 3], vec![0xFF; 3]].concat());
    // A type that is no text names nothing.
    headers.push([header(":event-type", 6), vec![0, 1], b"x".to_vec()].concat());
    headers.push(text(":event-type", "last"));
    check(&frame(&headers, b"{}"), Ok(&[("last", "{}")]));
    check(&frame(&[], b"{}"), Ok(&[("", "{}")]));
    check(&frame(&[], b""), Ok(&[]));
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let cases = [
        ("a type that nobody knows", header("x", 10)),
        ("no type", vec![1, b'x']),
        ("a name that is cut off", vec![9, b'x']),
        ("a number that is cut off", [header("x", 4), vec![0, 0]].concat()),
        ("a length that is cut off", [header("x", 7), vec![0]].concat()),
        ("a text that is cut off", [header("x", 7), vec![0, 9, b'x']].concat()),
    ];
    for (what, header) in cases {
        assert_eq!(split(1000, [&frame(&[header], b"{}")[..]]), Err(Cause::BadAnswer), "{what}");
    }
}

#[test]
fn a_bit_that_fell_over_anywhere_is_noticed() {
    let good = event("messageStart", "{\"a\":1}");
    for bit in 0..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(split(1000, [&damaged[..]]), Err(Cause::BadAnswer), "bit {bit}");
    }
}

#[test]
fn a_frame_shorter_than_its_headers_is_refused() {
    for (length, headers) in [(0_u32, 0_u32), (15, 0), (16, 1), (100, 85), (16, u32::MAX)] {
        let mut prelude = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend_from_slice(&(checksum(&prelude) as u32).to_be_bytes());
        assert_eq!(split(1000, [&prelude[..]]), Err(Cause::BadAnswer), "{length} with headers of {headers}");
    }
}

#[test]
fn a_frame_that_is_cut_off_is_an_early_end() {
    let frame = event("messageStart", "{}");
    for end in 1..frame.len() {
        assert_eq!(split(1000, [&frame[..end]]), Err(Cause::BadAnswer), "after {end} bytes");
    }
}

#[test]
fn what_is_no_event_stream_is_refused() {
    for body in ["<html><body>Bad gateway</body></html>", "{\"message\":\"The model is not ready.\"}"] {
        check(body.as_bytes(), Err(Cause::BadAnswer));
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let name = [header(":event-type", STRING), vec![0, 1, 0xC3]].concat();
    for bytes in [frame(&[name], b"{}"), frame(&[text(":event-type", "x")], b"{\"a\":\"\xC3\"}")] {
        assert_eq!(split(1000, [&bytes[..]]), Err(Cause::BadAnswer));
    }
}

#[test]
fn the_limit_is_on_one_frame_and_known_from_its_prelude() {
    let one = event("delta", "{\"text\":\"12345\"}");
    let stream = one.repeat(3);
    for size in 1..=stream.len() {
        assert_eq!(split(one.len(), stream.chunks(size)).unwrap().len(), 3, "in pieces of {size}");
        assert_eq!(split(one.len() - 1, stream.chunks(size)), Err(Cause::BadAnswer), "in pieces of {size}");
    }
    assert_eq!(split(one.len() - 1, [&one[..PRELUDE]]), Err(Cause::BadAnswer));
}

#[test]
fn events_before_a_bad_frame_are_kept_and_are_slices_of_what_came() {
    let mut damaged = event("b", "{}");
    damaged[20] ^= 1;
    let stream = Bytes::from([event("a", "{}"), damaged].concat());
    let mut batch = Batch::default();
    let result = Splitter::new(Framing::AwsEventStream, 1000).push(stream.clone(), &mut batch);
    assert_eq!(result.unwrap_err().cause, Cause::BadAnswer);
    let within = stream.as_ptr_range();
    assert!(batch.iter().all(|event: &Event| within.contains(&event.data().as_ptr()) && !event.is_canonical()));
    assert_eq!(batch.len(), 1);
}

#[test]
fn the_checksum_is_that_of_zip_files() {
    assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
}
