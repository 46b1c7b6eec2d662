//! Bytes at random: what comes out never depends on where they are cut, and never takes more memory than is allowed.

use fastrand::Rng;

use super::*;

/// Limits of one event's bytes: one that no event here meets, and one that many meet. Which of those at the limit do
/// depends on where a line end of two bytes is cut.
const LIMITS: [usize; 2] = [10_000, 60];

/// What came out before the end or the failure, and which of both it was.
type Outcome = (Vec<(String, String)>, Result<Option<(String, bool)>, Cause>);

#[test]
fn events_and_failures_are_the_same_wherever_random_bytes_are_cut() {
    const PIECES: [&[u8]; 22] = [
        b"data: ",
        b"data:",
        b"data",
        b"event: x",
        b"id: 7",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"\r",
        b"\r\n\r\n",
        b": ",
        b":",
        b"{\"a\":1}",
        b"[DONE]",
        b" ",
        b"\t",
        b"\xC3\xA9",
        b"\xC3",
        b"\xFF",
        b"\xEF\xBB\xBF",
        b"\0",
        b"0123456789012345678901234567890123456789",
    ];
    let mut random = Rng::with_seed(1);
    for round in 0..20_000 {
        let count = random.usize(..24);
        let stream: Vec<u8> = (0..count).flat_map(|_| PIECES[random.usize(..PIECES.len())]).copied().collect();
        for framing in [Framing::Sse, Framing::Ndjson, Framing::AwsEventStream] {
            check_cuts(framing, &stream, &mut random, round);
        }
    }
}

#[test]
fn events_and_failures_are_the_same_wherever_damaged_frames_are_cut() {
    let mut random = Rng::with_seed(2);
    for round in 0..20_000 {
        let mut stream = Vec::new();
        for _ in 0..random.usize(1..4) {
            let payload = &b"{\"text\":\"0123456789\"}"[..random.usize(..22)];
            stream.extend(aws_frame(payload, &mut random));
        }
        for _ in 0..random.usize(..3) {
            let at = random.usize(..stream.len());
            stream[at] = random.u8(..);
        }
        stream.truncate(if random.bool() { stream.len() } else { random.usize(..=stream.len()) });
        check_cuts(Framing::AwsEventStream, &stream, &mut random, round);
    }
}

fn check_cuts(framing: Framing, stream: &[u8], random: &mut Rng, round: usize) {
    let mut pieces = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(random.usize(1..=rest.len()));
        pieces.push(piece);
        rest = others;
    }
    let shown = || format!("round {round}, {framing:?}: {:?}", String::from_utf8_lossy(stream));
    for limit in LIMITS {
        let whole = outcome(framing, limit, [stream]);
        let single = outcome(framing, limit, stream.chunks(1));
        let cut = outcome(framing, limit, pieces.iter().copied());
        if limit == LIMITS[0] {
            assert_eq!(single, whole, "{} byte by byte", shown());
            assert_eq!(cut, whole, "{} in {pieces:?}", shown());
        }
    }
}

fn outcome<'a>(framing: Framing, limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = Splitter::new(framing, limit);
    let mut events = Vec::new();
    for piece in pieces {
        let mut batch = Batch::default();
        let pushed = splitter.push(Bytes::copy_from_slice(piece), &mut batch);
        events.extend(batch.iter().map(|event| (event.name().to_owned(), event.text().to_owned())));
        if let Err(error) = pushed {
            return (events, Err(error.cause));
        }
        assert!(splitter.pending.len() <= limit, "{} bytes are kept", splitter.pending.len());
    }
    let trailing = splitter.finish().map_err(|error| error.cause);
    (events, trailing.map(|trailing| trailing.map(|it| (it.event.text().to_owned(), it.line_ended))))
}

/// A frame of AWS, one in four of which has a header.
fn aws_frame(payload: &[u8], random: &mut Rng) -> Vec<u8> {
    let header: &[u8] = if random.u32(..4) == 0 { b"\x0b:event-type\x07\x00\x01x" } else { b"" };
    let length = (16 + header.len() + payload.len()) as u32;
    let mut frame = [length.to_be_bytes(), (header.len() as u32).to_be_bytes()].concat();
    frame.extend(checksum(&frame).to_be_bytes());
    frame.extend_from_slice(header);
    frame.extend_from_slice(payload);
    frame.extend(checksum(&frame).to_be_bytes());
    frame
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
