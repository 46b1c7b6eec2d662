//! Random documents for the tests: JSON of any shape, and documents damaged in small ways. The same on every run.

use fastrand::Rng;

/// A random JSON value as text, with odd white space, escapes and numbers.
pub(crate) fn json(random: &mut Rng, depth: u32) -> String {
    let pad = |random: &mut Rng| ["", "", "", " ", "\n", "\t \r"][random.usize(..6)];
    let kinds = if depth == 0 { 5 } else { 7 };
    let value = match random.u32(..kinds) {
        0 => pick(random, &["null", "true", "false"]).to_owned(),
        1 | 2 => number(random),
        3 | 4 => string(random),
        5 => {
            let count = random.usize(..4);
            let elements: Vec<_> = (0..count).map(|_| json(random, depth - 1)).collect();
            format!("[{}]", elements.join(","))
        }
        _ => {
            let count = random.usize(..4);
            let member = |random: &mut Rng| format!("{}{}:{}", string(random), pad(random), json(random, depth - 1));
            let members: Vec<_> = (0..count).map(|_| member(random)).collect();
            format!("{{{}}}", members.join(","))
        }
    };
    format!("{}{value}{}", pad(random), pad(random))
}

/// The text with one to three small damages, some of which leave it valid.
pub(crate) fn damaged(random: &mut Rng, text: &str) -> String {
    const PIECES: [&str; 22] = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-", ".", "e5", "null", "{}", "[]", "\"\"", "\\ud83d",
        "\\u0000", "\u{1}", "é", "1e999", " ",
    ];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=characters.len());
        let length = random.usize(..=(characters.len() - at).min(5));
        let piece: Vec<char> = match random.u32(..4) {
            0 => Vec::new(),
            // A piece of the text itself: repeated keys, swapped values.
            1 => {
                let from = random.usize(..=characters.len());
                let to = (from + random.usize(..20)).min(characters.len());
                characters[from..to].to_vec()
            }
            _ => pick(random, &PIECES).chars().collect(),
        };
        characters.splice(at..at + length, piece);
    }
    characters.into_iter().collect()
}

/// One of the values.
pub(crate) fn pick<'a>(random: &mut Rng, values: &[&'a str]) -> &'a str {
    values[random.usize(..values.len())]
}

fn number(random: &mut Rng) -> String {
    let whole = pick(random, &["0", "7", "-1", "-0", "1234567890", "18446744073709551616"]);
    let fraction = pick(random, &["", "", ".5", ".000"]);
    let exponent = pick(random, &["", "", "e3", "E-2", "e+10"]);
    format!("{whole}{fraction}{exponent}")
}

fn string(random: &mut Rng) -> String {
    const PIECES: [&str; 12] = [
        "a",
        "plain words",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u00e9",
        "\\ud83d\\ude00",
        "é",
        "\u{2028}",
        "😀",
        "\\/",
        "x y z ä",
    ];
    let count = random.usize(..6);
    let text: String = (0..count).map(|_| pick(random, &PIECES)).collect();
    format!("\"{text}\"")
}
