//! Streams as data: what comes out must not depend on where they are cut.

mod random;

use super::*;
use crate::error::Cause;

/// What came out: per event its name and data, then what was left, or the error's cause.
type Outcome = Result<(Vec<(String, String)>, Option<(String, bool)>), Cause>;

fn split<'a>(framing: Framing, limit: usize, frames: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = Splitter::new(framing, limit);
    let mut events = Vec::new();
    for frame in frames {
        let mut batch = Batch::default();
        splitter.push(Bytes::copy_from_slice(frame), &mut batch).map_err(|error| error.cause)?;
        for event in batch {
            check_canonical(&event);
            events.push((event.name().to_owned(), event.text().to_owned()));
        }
    }
    let trailing = splitter.finish().map_err(|error| error.cause)?;
    Ok((events, trailing.map(|trailing| (trailing.event.text().to_owned(), trailing.line_ended))))
}

/// The canonical form says the same, and is the raw bytes where the event says so.
fn check_canonical(event: &Event) {
    let canonical = event.to_canonical();
    assert!(!event.is_canonical() || canonical == event.raw(), "{event:?}");
    let mut batch = Batch::default();
    Splitter::new(Framing::Sse, 10_000).push(canonical, &mut batch).unwrap();
    let texts = batch.iter().map(Event::text).collect::<Vec<_>>();
    assert!(texts == [event.text()] || event.text().is_empty(), "{event:?} became {texts:?}");
}

/// The one check: the stream gives this outcome in one piece, byte by byte, and cut in two and in three anywhere.
fn check(framing: Framing, stream: impl AsRef<[u8]>, events: &[(&str, &str)], trailing: Option<(&str, bool)>) {
    let stream = stream.as_ref();
    let events = events.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect::<Vec<_>>();
    let expected = Ok((events, trailing.map(|(data, line_ended)| (data.to_owned(), line_ended))));
    let shown = String::from_utf8_lossy(stream);
    assert_eq!(split(framing, 1000, [stream]), expected, "{shown:?} in one piece");
    assert_eq!(split(framing, 1000, stream.chunks(1)), expected, "{shown:?} byte by byte");
    for cut in 0..=stream.len() {
        let (first, rest) = stream.split_at(cut);
        assert_eq!(split(framing, 1000, [first, rest]), expected, "{shown:?} cut at {cut}");
        for second_cut in 0..=rest.len() {
            let (second, third) = rest.split_at(second_cut);
            let outcome = split(framing, 1000, [first, second, third]);
            assert_eq!(outcome, expected, "{shown:?} cut at {cut} and {}", cut + second_cut);
        }
    }
}

fn sse(stream: impl AsRef<[u8]>, events: &[(&str, &str)]) {
    check(Framing::Sse, stream, events, None);
}

#[test]
fn events_end_at_a_blank_line_with_any_line_end() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = "data: one|event: done|data: zwei ü|||data: 三|:|data|data: x|||".replace('|', end);
        sse(stream, &[("done", "one\nzwei ü"), ("", "三\n\nx")]);
    }
    sse("data: a\n\r\ndata: b\r\n\ndata: c\r\rdata: d\n\r", &[("", "a"), ("", "b"), ("", "c"), ("", "d")]);
}

#[test]
fn one_space_after_the_colon_is_no_part_of_the_value() {
    sse("data:a\n\ndata:  b\n\ndata: \tc \n\n", &[("", "a"), ("", " b"), ("", "\tc ")]);
    sse("event:ping\ndata:{}\n\n", &[("ping", "{}")]);
}

#[test]
fn comments_other_fields_and_empty_events_are_dropped() {
    sse(": hello\n\n:\n\nid: 7\nretry: 10\ndata: a\nunknown: b\n\nid: 8\n\n\n\n", &[("", "a")]);
    sse("event: ping\n\ndata\n\ndata:\n\ndata: a\n\n", &[("", "a")]);
    sse(": processing\ndata: a\n\n", &[("", "a")]);
    sse("Data: a\n\ndatax: b\n\n data: c\n\n", &[]);
    sse("", &[]);
}

#[test]
fn a_name_alone_is_an_event_if_there_is_a_data_field() {
    sse("event: stop\ndata:\n\n", &[("stop", "")]);
    sse("event: a\nevent: b\ndata: c\n\ndata: d\n\n", &[("b", "c"), ("", "d")]);
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_only() {
    sse("\u{FEFF}data: a\n\n", &[("", "a")]);
    sse("\u{FEFF}\ndata: a\n\n", &[("", "a")]);
    sse("\u{FEFF}: comment\n\n\u{FEFF}data: a\n\n", &[]);
    check(Framing::Ndjson, "\u{FEFF}{\"a\":1}\n", &[("", "{\"a\":1}")], None);
}

#[test]
fn what_is_not_closed_by_a_blank_line_is_left_over() {
    check(Framing::Sse, "data: a\n\ndata: [DONE]\n", &[("", "a")], Some(("[DONE]", true)));
    check(Framing::Sse, "data: a\n\ndata: [DONE]\r\n", &[("", "a")], Some(("[DONE]", true)));
    check(Framing::Sse, "data: a\n\ndata: [DONE]\r", &[("", "a")], Some(("[DONE]", true)));
    check(Framing::Sse, "data: a\n\ndata: [DO", &[("", "a")], Some(("[DO", false)));
    check(Framing::Sse, "data: a\n\n: com", &[("", "a")], None);
    check(Framing::Sse, "data: a\n\nda", &[("", "a")], None);
    check(Framing::Sse, "<!doctype html>\n<p>Bad gateway</p>\n", &[], None);
    check(Framing::Ndjson, "{}\n[1", &[("", "{}")], Some(("[1", false)));
}

#[test]
fn a_line_is_a_document_and_blank_lines_mean_nothing() {
    let stream = "{\"a\":\"ü\"}\n\n \r\n{\"b\":2}\r\n\t[3] \n\n";
    check(Framing::Ndjson, stream, &[("", "{\"a\":\"ü\"}"), ("", "{\"b\":2}"), ("", "[3]")], None);
}

#[test]
fn only_the_plain_form_is_canonical() {
    for (stream, canonical) in [
        ("data: a\n\n", true),
        ("data: \n\n", true),
        ("data:a\n\n", false),
        ("data: a\r\n\r\n", false),
        ("data: a\r\n\n", false),
        ("data: a\n\r\n", false),
        ("data: a\ndata: b\n\n", false),
        ("event: x\ndata: a\n\n", false),
        (": x\ndata: a\n\n", false),
        ("\u{FEFF}data: a\n\n", true),
    ] {
        let mut batch = Batch::default();
        Splitter::new(Framing::Sse, 100).push(Bytes::from(stream), &mut batch).unwrap();
        for event in batch.iter() {
            assert_eq!(event.is_canonical(), canonical, "{stream:?}");
        }
        assert_eq!(batch.len(), usize::from(stream != "data: \n\n"), "{stream:?}");
    }
}

#[test]
fn an_event_within_one_frame_is_a_slice_of_it() {
    let frame = Bytes::from("data: a\n\nevent: x\ndata: b\n\ndata: c");
    let mut batch = Batch::default();
    Splitter::new(Framing::Sse, 100).push(frame.clone(), &mut batch).unwrap();
    let within = frame.as_ptr_range();
    assert!(
        batch.iter().all(|event| within.contains(&event.raw().as_ptr()) && within.contains(&event.data().as_ptr()))
    );
    assert_eq!(batch.len(), 2);
}

#[test]
fn the_limit_is_on_one_event_wherever_it_is_cut() {
    let stream = b"data: 12345\n\ndata: 12345\n\ndata: 12345\n\n";
    for size in 1..=stream.len() {
        assert_eq!(split(Framing::Sse, 13, stream.chunks(size)).unwrap().0.len(), 3, "in pieces of {size}");
        assert_eq!(split(Framing::Sse, 12, stream.chunks(size)), Err(Cause::BadAnswer), "in pieces of {size}");
    }
    assert_eq!(split(Framing::Sse, 12, [&b": never ends, never ends"[..]]), Err(Cause::BadAnswer));
    assert_eq!(split(Framing::Ndjson, 12, [&b"[1, 2, 3, 4, 5"[..]]), Err(Cause::BadAnswer));
}

#[test]
fn events_before_a_bad_one_are_kept() {
    let mut batch = Batch::default();
    let result = Splitter::new(Framing::Sse, 100).push(Bytes::from_static(b"data: a\n\ndata: \xFF\n\n"), &mut batch);
    assert_eq!(result.unwrap_err().cause, Cause::BadAnswer);
    assert_eq!(batch.len(), 1);
}

#[test]
fn bytes_that_are_no_text_are_refused_also_at_the_end() {
    for stream in [&b"data: \xC3\n\n"[..], b"\xFF: x\ndata: y\n\n", b"data: a\n\ndata: \xE4\xB8"] {
        assert_eq!(split(Framing::Sse, 100, [stream]), Err(Cause::BadAnswer));
    }
}

#[test]
fn a_large_event_byte_by_byte_and_one_of_a_million_lines_take_linear_time() {
    let large = format!("data: {}\n\n", "x".repeat(5_000_000));
    let lines = "data:\n".repeat(1_000_000) + "\n";
    for stream in [large, lines] {
        let mut splitter = Splitter::new(Framing::Sse, 8 << 20);
        let mut batch = Batch::default();
        let stream = Bytes::from(stream);
        for index in 0..stream.len() {
            splitter.push(stream.slice(index..=index), &mut batch).unwrap();
        }
        assert_eq!(batch.len(), 1);
    }
}
