//! The scanner against `serde_json`, on generated and on damaged documents, and its own words about faults.

use super::*;
use crate::chat::generate;

#[test]
fn the_scanner_agrees_with_serde_json_on_what_is_json() {
    let mut random = fastrand::Rng::with_seed(1);
    let (mut valid, mut invalid) = (0, 0);
    for _ in 0..20_000 {
        let sound = generate::json(&mut random, 4);
        let text = if random.bool() { generate::damaged(&mut random, &sound) } else { sound };
        let parsed = serde_json::from_str::<serde_json::Value>(&text);
        match validate(&text) {
            Ok(()) => {
                assert!(parsed.is_ok(), "accepted what serde_json refuses: {text}");
                valid += 1;
            }
            Err(fault) if fault.problem.starts_with("NUL") => {}
            Err(fault) => {
                assert!(parsed.is_err(), "refused what serde_json accepts: {text}: {fault:?}");
                assert!(fault.offset <= text.len());
                assert!(!fault.describe(&text).is_empty());
                invalid += 1;
            }
        }
    }
    assert!(valid > 5_000 && invalid > 2_000, "the generator is off: {valid} valid, {invalid} invalid");
}

#[test]
fn strings_decode_as_serde_json_decodes_them() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..5_000 {
        let text = generate::json(&mut random, 0);
        let mut scanner = Scanner::new(&text);
        if scanner.peek() == Ok(Kind::String) {
            let string = scanner.string().unwrap();
            let expected: String = serde_json::from_str(&text).unwrap();
            assert_eq!(string.decode(), expected, "{text}");
            assert_eq!(string.decoded_length(), expected.len(), "{text}");
        }
    }
}

#[test]
fn a_fault_names_its_place_and_what_was_expected() {
    let cases = [
        ("", "expected a value at line 1, column 1, where the text ends"),
        ("nul", "expected a value at line 1, column 1"),
        ("{\"a\": 1,}", "expected a key in double quotes at line 1, column 9"),
        ("{\"ä\" 1}", "expected `:` at line 1, column 6"),
        ("{\n  \"a\": 1\n  \"b\": 2\n}", "expected `,` or `}` at line 3, column 3"),
        ("[1 2]", "expected `,` or `]` at line 1, column 4"),
        ("[1] x", "expected the end of the text at line 1, column 5"),
        ("01", "expected the end of the text at line 1, column 2"),
        ("-", "expected a digit at line 1, column 2, where the text ends"),
        ("1.e5", "expected a digit at line 1, column 3"),
        ("[1e999]", "expected a number in the range of a double at line 1, column 2"),
        ("\"a", "expected the closing quote of a string at line 1, column 3, where the text ends"),
        ("\"\\x\"", "expected a valid escape sequence at line 1, column 2"),
        ("\"\\u12g4\"", "expected four hexadecimal digits after `\\u` at line 1, column 2"),
        ("\"a\tb\"", "expected an escape sequence instead of a control character at line 1, column 3"),
        ("\"\\ud83d\"", "expected both halves of a surrogate pair, found one at line 1, column 2"),
        ("\"\\ude00\\ud83d\"", "expected both halves of a surrogate pair, found one at line 1, column 2"),
        ("\"\\u0000\"", "NUL characters (`\\u0000`) are not accepted at line 1, column 2"),
    ];
    for (text, expected) in cases {
        let fault = validate(text).expect_err(text);
        assert_eq!(fault.describe(text), expected, "{text}");
    }
}

#[test]
fn nesting_is_bounded_where_serde_json_bounds_it() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [126, 127, 128, 100_000] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            assert_eq!(validate(&text).is_ok(), parsed.is_ok(), "{depth} levels of {open}");
        }
    }
}

#[test]
fn a_lenient_scanner_takes_half_a_surrogate_pair_and_nul() {
    for (text, decoded) in [("\"a\\ud83d\"", "a\u{fffd}"), ("\"\\ude00b\"", "\u{fffd}b"), ("\"\\u0000\"", "\0")] {
        let string = Scanner::lenient(text).string().unwrap();
        assert_eq!(string.decode(), decoded);
        assert_eq!(string.decoded_length(), decoded.len());
    }
}

#[test]
fn the_end_of_a_plain_run_is_found_at_every_offset() {
    for length in 0..40 {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for at in 0..=length {
                // A byte with the high bit set before, and a second special one behind, must not confuse the search.
                let mut bytes = vec![0xc3; length];
                bytes[..at].iter_mut().step_by(2).for_each(|byte| *byte = b' ');
                bytes.insert(at, special);
                bytes.push(b'"');
                assert_eq!(plain_length(&bytes), at, "{special} at {at} of {length}");
            }
        }
        assert_eq!(plain_length(&vec![b'!'; length]), length);
    }
}

#[test]
fn spans_and_offsets_point_into_the_text() {
    let text = r#" { "a" : [1, {"b": 2}] , "c":"d" }"#;
    let mut found = Vec::new();
    let mut scanner = Scanner::new(text);
    let read: Result<(), Fault> = scanner.members(|scanner, key| {
        let span = scanner.span()?;
        found.push((&text[key.offset()..], &text[span]));
        Ok(())
    });
    read.unwrap();
    scanner.finish().unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].0.starts_with("\"a\" :") && found[0].1 == r#"[1, {"b": 2}]"#);
    assert!(found[1].0.starts_with("\"c\":") && found[1].1 == r#""d""#);
}
