//! Counting what test runners report, from what they print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that passed.
    pub passed: u64,
    /// Those that failed, or could not run.
    pub failed: u64,
    /// Those that did not run and said so.
    pub skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(formatter, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Which runner's closing line is meant.
#[derive(Debug, Clone, Copy)]
pub enum Runner {
    /// Rust's own: `test result: ok. 3 passed; 0 failed; 0 ignored; ...`, once for each test binary.
    Libtest,
    /// `==== 1 failed, 3 passed, 1 skipped in 0.52s ====`, once.
    Pytest,
}

impl Runner {
    /// What a line of output adds to the count: nothing, unless it is a closing line.
    pub fn read(self, line: &str) -> Tally {
        match self {
            Self::Libtest => line.trim().strip_prefix("test result:").map(|counts| count(counts, ';')),
            Self::Pytest => closing_line_of_pytest(line).map(|counts| count(counts, ',')),
        }
        .unwrap_or_default()
    }
}

fn closing_line_of_pytest(line: &str) -> Option<&str> {
    let line = line.trim().trim_matches('=').trim();
    let (counts, duration) = line.rsplit_once(" in ")?;
    let starts_with_a_number = counts.starts_with(|first: char| first.is_ascii_digit());
    (starts_with_a_number && duration.contains('s')).then_some(counts)
}

fn count(text: &str, separator: char) -> Tally {
    let mut tally = Tally::default();
    for part in text.split(separator) {
        // Libtest puts its verdict before the first count: `ok. 3 passed`.
        let mut words = part.split_whitespace().rev();
        let (what, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = number.parse().unwrap_or(0);
        match what {
            "passed" | "xpassed" => tally.passed += number,
            "failed" | "error" | "errors" => tally.failed += number,
            "skipped" | "ignored" | "xfailed" => tally.skipped += number,
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted_and_other_lines_are_not() {
        let cases = [
            (
                Runner::Libtest,
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
                (12, 0, 1),
            ),
            (
                Runner::Libtest,
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
                (1, 2, 0),
            ),
            (Runner::Libtest, "test a::b ... ok", (0, 0, 0)),
            (Runner::Pytest, "======= 2 failed, 12 passed, 1 skipped, 3 warnings in 3.21s =======", (12, 2, 1)),
            (Runner::Pytest, "12 passed in 3.21s", (12, 0, 0)),
            (Runner::Pytest, "==== 1 passed, 1 error in 63.00s (0:01:03) ====", (1, 1, 0)),
            (Runner::Pytest, "the model loaded in 3.2s", (0, 0, 0)),
        ];
        for (runner, line, (passed, failed, skipped)) in cases {
            assert_eq!(runner.read(line), Tally { passed, failed, skipped }, "{line}");
        }
    }
}
