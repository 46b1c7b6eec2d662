//! Configurations at random: whatever stands in the file, it is read or refused, and no secret is shown.

use std::time::Instant;

use fastrand::Rng;

use super::{EVERYTHING, VARIABLES, read};

#[test]
fn a_damaged_configuration_is_read_or_refused_with_a_place_and_shows_no_secret() {
    const PIECES: [&str; 28] = [
        "",
        " ",
        "  ",
        "\n",
        "\t",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "~",
        "*a",
        "&a ",
        "<<: ",
        "|",
        ">",
        "#",
        "${SECRET}",
        "${",
        "1e999",
        "-1",
        "é",
        "\u{0}",
        "!!str ",
    ];
    let sound = EVERYTHING.replace("${OPENAI_API_KEY}", "${SECRET}");
    let lines: Vec<&str> = sound.lines().collect();
    let mut random = Rng::with_seed(1);
    for _ in 0..3_000 {
        let mut lines = lines.clone();
        for _ in 0..random.usize(..3) {
            let (place, other) = (random.usize(..lines.len()), random.usize(..lines.len()));
            match random.u32(..3) {
                0 => drop(lines.remove(place)),
                1 => lines.insert(place, lines[other]),
                _ => lines.swap(place, other),
            }
        }
        let mut text: Vec<char> = lines.join("\n").chars().collect();
        for _ in 0..random.usize(..3) {
            let at = random.usize(..text.len());
            let end = at + random.usize(..=(text.len() - at).min(4));
            text.splice(at..end, PIECES[random.usize(..PIECES.len())].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = read(&text, &VARIABLES) {
            let errors = errors.to_string();
            assert!(errors.contains("weir.yaml") && !errors.contains("do-not-show-me"), "{text}\n{errors}");
        }
    }
}

#[test]
fn aliases_in_aliases_and_deep_nesting_are_refused_before_they_take_memory() {
    let begun = Instant::now();
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let element = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![element; 9].join(", ")));
    }
    for text in [laughs, format!("providers: {}", "[".repeat(100_000)), format!("providers:\n{}", "- ".repeat(100_000))]
    {
        assert!(read(&text, &[]).is_err());
    }
    assert!(begun.elapsed().as_secs() < 10);
}
