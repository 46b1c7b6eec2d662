//! Where requests end, and what is refused because that is not clear: the same however the bytes are cut.

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 512, headers: 8 };

/// What became of a stream of bytes: where requests end, counted from its beginning, and what stopped it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    End(usize),
    Refused(Refusal),
    Broken(usize, Refusal),
}

/// Feeds the pieces as a connection does.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut framing = Framing::new(LIMITS);
    let mut events = Vec::new();
    let mut waiting = Vec::new();
    let mut judged = 0;
    for piece in pieces {
        waiting.extend_from_slice(piece);
        while !waiting.is_empty() {
            match framing.judge(&waiting) {
                Verdict::Partial { empty } => {
                    judged += empty;
                    waiting.drain(..empty);
                    break;
                }
                Verdict::Pass => {
                    judged += waiting.len();
                    waiting.clear();
                }
                Verdict::End(length) => {
                    judged += length;
                    waiting.drain(..length);
                    events.push(Event::End(judged));
                }
                Verdict::Refused(refusal) => {
                    events.push(Event::Refused(refusal));
                    return events;
                }
                Verdict::Broken(length, refusal) => {
                    events.push(Event::Broken(judged + length, refusal));
                    return events;
                }
            }
        }
    }
    events
}

fn outcome(bytes: &[u8]) -> String {
    let events = feed([bytes]);
    let words = events.iter().map(|event| match event {
        Event::End(_) => "end".to_owned(),
        Event::Refused(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.message),
        Event::Broken(_, refusal) => format!("broken: {}", refusal.message),
    });
    words.collect::<Vec<_>>().join(", ")
}

const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
    "GET http://a.example:8080/x?y=1 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "GET /a|b HTTP/1.1\r\nhost: a\r\nx: \x61\ttab\r\nempty:\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t 0 \r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n0000a;x=\"y z\";q\r\n0123456789\r\n0\r\nsum: 1\r\n\r\n",
];

/// Name of the rule, a request that breaks it, and a part of the outcome.
const BAD: &[(&str, &str, &str)] = &[
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "400 There are both",
    ),
    (
        "both, reversed",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "400 There are both",
    ),
    (
        "different lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "400 There is more than one Content-",
    ),
    (
        "equal lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "400 There is more than one Content-",
    ),
    ("list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\n", "400 Content-Length"),
    ("plus sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", "400 Content-Length"),
    ("minus sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", "400 Content-Length"),
    ("hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", "400 Content-Length"),
    ("empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "400 Content-Length"),
    (
        "length over 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n",
        "400 Content-Length",
    ),
    ("other coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "400 Transfer-Encoding"),
    ("hidden coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "400 Transfer-Encoding"),
    ("quoted coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", "400 Transfer-Encoding"),
    ("identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "400 Transfer-Encoding"),
    (
        "two codings",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "400 There is more than one Transfer",
    ),
    ("coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 HTTP/1.0 has"),
    ("bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400 A line of the request's head ends with LF"),
    ("one bare LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400 A line of the request's head ends with LF"),
    ("bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 A line of the request's head ends with LF"),
    ("leading bare LF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 A line of the request's head ends with LF"),
    ("bare CR", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "400 A line of the request's head has a carriage"),
    ("two CR", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400 A line of the request's head has a carriage"),
    ("folded header", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "400 A header line begins with"),
    ("folded first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 A header line begins with"),
    (
        "space before the colon",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n",
        "400 There is white space before",
    ),
    ("no name", "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", "400 A header line has no name"),
    ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n", "400 A header line has no colon"),
    ("space in a name", "GET / HTTP/1.1\r\nHost: a\r\nfo o: x\r\n\r\n", "400 A header's name"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n", "400 The request's head has a control"),
    ("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nx: a\x7fb\r\n\r\n", "400 The request's head has a control"),
    (
        "form feed before a coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0cchunked\r\n\r\n",
        "400 The request's head has a control",
    ),
    ("no Host", "GET / HTTP/1.1\r\nx: y\r\n\r\n", "400 The Host header is missing"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 There is more than one Host"),
    ("two names in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 The Host header is not"),
    ("path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 The Host header is not"),
    ("HTTP/0.9", "GET /\r\n\r\n", "400 The request line"),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request line"),
    ("tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request line"),
    ("space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 The request line"),
    ("leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request line"),
    ("lower-case protocol", "GET / http/1.1\r\nHost: a\r\n\r\n", "400 The request line"),
    ("other protocol version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505"),
    ("HTTP/2 without its preface", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
    ("strange method", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request line"),
    ("strange target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request's target"),
    ("backslash at the beginning", "GET \\x HTTP/1.1\r\nHost: a\r\n\r\n", "400 The request's target"),
    ("tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
    ("TLS on a plain port", "\x16\x03\x01\x02\0\x01\0\x01", "400 The request's head has a control"),
    ("too many headers", "GET / HTTP/1.1\r\nHost: a\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n", "431"),
    (
        "no chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "bad chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "prefixed chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "negative chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "space behind a chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "absurd chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        "broken: A chunk of the request's body has an absurd",
    ),
    (
        "overflowing chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000005\r\n",
        "broken: A chunk of the request's body has an absurd",
    ),
    (
        "LF behind a chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n",
        "broken: A chunk of the request's body does not begin",
    ),
    (
        "CR without LF behind a chunk size",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\rhello\r\n",
        "broken: A line between",
    ),
    (
        "LF in an extension",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n",
        "broken: A chunk of the request's body has a malformed ext",
    ),
    (
        "chunk too long",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
        "broken: A chunk of the request's body is longer",
    ),
    (
        "LF behind a chunk",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
        "broken: A chunk of the request's body is longer",
    ),
    (
        "LF at the end",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
        "broken: The request's body has a malformed trailer",
    ),
    (
        "folded trailer",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n c\r\n\r\n",
        "broken: The request's body has a malformed trailer",
    ),
    (
        "space before a trailer's colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na : b\r\n\r\n",
        "broken: The request's body has a malformed trailer",
    ),
    (
        "LF behind a trailer",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\n\r\n",
        "broken: The request's body has a malformed trailer",
    ),
];

#[test]
fn good_requests_end_where_they_end() {
    for request in GOOD {
        let length = request.len();
        let twice = request.repeat(2);
        assert_eq!(feed([twice.as_bytes()]), [Event::End(length), Event::End(2 * length)], "{request:?}");
    }
}

#[test]
fn every_ambiguous_form_is_refused() {
    for (name, request, expected) in BAD {
        let outcome = outcome(request.as_bytes());
        assert!(outcome.starts_with(expected), "{name}: {outcome}");
    }
}

#[test]
fn a_bad_request_behind_a_good_one_is_still_refused() {
    for (name, request, expected) in BAD {
        let outcome = outcome(format!("{}{request}", GOOD[6]).as_bytes());
        assert!(outcome.starts_with("end, ") && outcome.contains(expected), "{name}: {outcome}");
    }
}

#[test]
fn a_head_is_refused_at_its_limit_and_not_before() {
    let fill = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(length - frame))
    };
    assert_eq!(outcome(fill(LIMITS.bytes).as_bytes()), "end");
    assert_eq!(outcome(fill(LIMITS.bytes + 1).as_bytes()), "431 The request's head has too many bytes.");
    assert_eq!(outcome("x".repeat(LIMITS.bytes - 1).as_bytes()), "");
    assert_eq!(outcome("x".repeat(LIMITS.bytes).as_bytes()), "431 The request's head has too many bytes.");
}

#[test]
fn extensions_and_trailers_have_limits() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extensions = format!("{head}{}", format!("1;{}\r\nx\r\n", "e".repeat(100)).repeat(41));
    assert_eq!(outcome(extensions.as_bytes()), "broken: The chunks of the request's body have too long extensions.");
    for trailers in ["a: b\r\n".repeat(33), format!("a: {}", "b".repeat(8200))] {
        let outcome = outcome(format!("{head}0\r\n{trailers}").as_bytes());
        assert_eq!(outcome, "broken: The request's body has too long trailers.");
    }
}

#[test]
fn the_verdict_does_not_depend_on_where_the_bytes_were_cut() {
    let mut random = fastrand::Rng::with_seed(1);
    let bad = BAD.iter().map(|(_, request, _)| *request);
    let corpus: Vec<&str> = GOOD.iter().copied().chain(bad).collect();
    for round in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..=3) {
            bytes.extend_from_slice(corpus[random.usize(..corpus.len())].as_bytes());
        }
        if round % 2 == 0 {
            // Change one byte to one of those that matter.
            let at = random.usize(..bytes.len());
            bytes[at] = random.choice(b"\r\n :\t\0;,a5\x80".iter().copied()).unwrap_or(b' ');
        }
        if round % 16 == 0 {
            bytes.splice(3..3, std::iter::repeat_n(b'x', random.usize(400..600)));
        }
        let whole = feed([bytes.as_slice()]);
        let most = random.usize(1..=24);
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(1..=most.min(rest.len())));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(feed(pieces), whole, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn the_preface_of_http_2_is_recognised_as_early_as_it_can_be() {
    assert_eq!(version(b""), None);
    assert_eq!(version(&PREFACE[..23]), None);
    assert_eq!(version(PREFACE), Some(Version::Two));
    assert_eq!(version(&[PREFACE, b"more"].concat()), Some(Version::Two));
    assert_eq!(version(b"PUT"), Some(Version::One));
    assert_eq!(version(b"PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n"), Some(Version::One));
}
