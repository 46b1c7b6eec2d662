//! Times as most upstreams write them, in the form that clients expect.

/// The seconds since 1970 of a time in the form of RFC 3339 (`2026-06-19T17:15:40.188-07:00`). `None` if it is none, or
/// lies before 1970. Read by hand: a library for dates is larger than a whole plugin.
pub fn seconds_since_1970(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| {
        let digits = time.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits?.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    // Years that begin in March put the leap day last, and the days before a month follow a line.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    // Behind the seconds and their fraction stands how far the clock is ahead of UTC.
    let zone = 19 + time.get(19..)?.find(['+', '-']).unwrap_or(time.len() - 19);
    let ahead = match time.as_bytes().get(zone) {
        None => 0,
        Some(sign) => {
            let seconds = number(zone + 1, zone + 3)? * 3600 + number(zone + 4, zone + 6)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
    };
    u64::try_from(days * 86_400 + clock - ahead).ok()
}

#[cfg(test)]
mod tests {
    use super::seconds_since_1970;

    #[test]
    fn times_of_every_zone_become_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-07-24T00:00:00Z", Some(1_784_851_200)),
            ("2025-02-19T01:02:03.5Z", Some(1_739_926_923)),
            ("2025-02-18T18:02:03.188240254-07:00", Some(1_739_926_923)),
            ("2025-02-19T06:32:03+05:30", Some(1_739_926_923)),
            ("2025-02-19 01:02:03", Some(1_739_926_923)),
            ("1969-12-31T23:59:59Z", None),
            ("2025-02-19T01:02:03+0", None),
            ("2025-02-+9T01:02:03Z", None),
            ("2025-02-19", None),
            ("yesterday, if not earlier", None),
            ("", None),
            ("é025-02-19T01:02:03Z", None),
        ];
        for (time, expected) in cases {
            assert_eq!(seconds_since_1970(time), expected, "{time}");
        }
    }
}
