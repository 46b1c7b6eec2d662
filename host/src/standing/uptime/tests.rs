//! Uptime, case by case, and against a model over random events at random times.

use std::time::Duration;

use fastrand::Rng;

use super::*;

/// So many seconds are for ever.
const FAR: u64 = 100_000_000;

#[test]
fn it_is_the_part_of_the_time_that_was_not_down() {
    // Changes at these seconds (`d` down, `u` up, a number after `d` if it ends by itself), and what is seen when.
    for (changes, seen, expected) in [
        (&[][..], 0, "100.00%"),
        (&[], 1_000, "100.00%"),
        (&[(0, "d")], 1_000, "0.00%"),
        (&[(500, "d")], 1_000, "50.00%"),
        (&[(500, "d"), (600, "d"), (750, "u")], 1_000, "75.00%"),
        (&[(100, "u"), (500, "d"), (600, "u"), (700, "u")], 1_000, "90.00%"),
        (&[(500, "d100")], 1_000, "90.00%"),
        (&[(500, "d100")], 550, "90.90%"),
        (&[(500, "d100"), (800, "u")], 1_000, "90.00%"),
        (&[(500, "d100"), (550, "d100"), (560, "d100")], 1_000, "84.00%"),
        (&[(500, "d100"), (700, "d100"), (750, "u")], 1_000, "85.00%"),
        // Never rounded up to what it is not.
        (&[(1, "d"), (2, "u")], 80_000, "99.99%"),
        (&[(1, "d"), (10, "u")], 18_000, "99.95%"),
        // Of more than a day, the last day.
        (&[(0, "d"), (86_400, "u")], 200_000, "100.00%"),
        (&[(0, "d")], 10_000_000, "0.00%"),
        (&[(0, "d"), (10_000_000, "u")], 10_000_000, "0.00%"),
        (&[(0, "d"), (9_999_900, "u")], 10_042_950, "49.91%"),
    ] {
        let begun = Instant::now();
        let (uptime, at) = (Uptime::new(begun), |second| begun + Duration::from_secs(second));
        for (second, change) in changes {
            let until = at(second + change[1..].parse().unwrap_or(FAR));
            if change.starts_with('d') { uptime.down(at(*second), until) } else { uptime.up(at(*second)) }
        }
        assert_eq!(uptime.fraction(at(seen)).to_string(), expected, "{changes:?} seen at {seen}");
    }
}

#[test]
fn a_fraction_is_shown_as_a_percentage_that_is_not_rounded_up() {
    for (fraction, expected) in
        [(1.0, "100.00%"), (0.999_999, "99.99%"), (0.9995, "99.95%"), (0.5, "50.00%"), (0.0, "0.00%")]
    {
        assert_eq!(Fraction(fraction).to_string(), expected);
    }
    assert_eq!(Fraction::mean([Fraction(1.0), Fraction(0.5)]), Fraction(0.75));
    assert_eq!(Fraction::mean([]), Fraction::WHOLE);
}

/// The model is one cell per second.
#[test]
fn it_does_what_the_model_does_over_random_events() {
    let mut random = Rng::with_seed(1);
    for round in 0..200 {
        let begun = Instant::now();
        let (uptime, mut now) = (Uptime::new(begun), 0_u64);
        let mut cells: Vec<bool> = Vec::new();
        let mut down_until = None;
        let longest = [60, 600, 20_000][random.usize(..3)];
        for step in 0..100 {
            let passed = random.u64(..longest);
            cells.extend((now..now + passed).map(|second| down_until.is_some_and(|until| second < until)));
            now += passed;
            let at = |second| begun + Duration::from_secs(second);
            match random.u32(..4) {
                0 => {
                    uptime.up(at(now));
                    down_until = None;
                }
                1 => {
                    uptime.down(at(now), at(now + FAR));
                    down_until = Some(u64::MAX);
                }
                2 => {
                    let until = now + random.u64(..longest);
                    uptime.down(at(now), at(until));
                    down_until = Some(until);
                }
                _ => {}
            }
            let oldest = usize::try_from((now / 300).saturating_sub(287) * 300).unwrap();
            let day = &cells[oldest.min(cells.len())..];
            let down = day.iter().filter(|down| **down).count();
            let expected = if day.is_empty() { 1.0 } else { 1.0 - down as f64 / day.len() as f64 };
            let found = uptime.fraction(at(now)).value();
            assert!((found - expected).abs() < 1e-9, "round {round}, step {step}: {found} instead of {expected}");
        }
    }
}
