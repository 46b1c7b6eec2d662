//! Streams of different speeds.

use super::*;

/// Ten characters per second over ten seconds.
fn watch() -> Speed {
    let timeouts = Timeouts { min_speed: Some(10), speed_window: Duration::from_secs(10), ..Timeouts::default() };
    Speed::watch(&timeouts).unwrap()
}

/// Runs a stream that sends so many characters every so many milliseconds, read by a client that takes so many
/// milliseconds for each. Returns after how many seconds of waiting it was found to be too slow, if it was.
fn run(characters: usize, every: u64, client: u64) -> Option<u64> {
    let begun = Instant::now();
    let (mut speed, mut now, mut waited) = (watch(), begun, Duration::ZERO);
    for _ in 0..1_000 {
        speed.waiting(now);
        now += Duration::from_millis(every);
        waited += Duration::from_millis(every);
        speed.received(now, characters);
        if speed.is_too_slow(now) {
            return Some(waited.as_secs());
        }
        now += Duration::from_millis(client);
    }
    None
}

#[test]
fn a_trickle_is_too_slow_and_a_stream_above_the_floor_is_not() {
    for (characters, every, client, expected) in [
        (1, 10, 0, None),
        (11, 1_000, 0, None),
        (220, 20_000, 0, None),
        (5, 100, 0, None),
        (1, 1_000, 0, Some(11)),
        (9, 1_000, 0, Some(11)),
        (1, 200, 0, Some(10)),
        // The client takes its time: that is not the upstream's fault.
        (1, 10, 60_000, None),
        (20, 1_000, 60_000, None),
        (1, 1_000, 60_000, Some(11)),
    ] {
        assert_eq!(run(characters, every, client), expected, "{characters} every {every} ms, read in {client} ms");
    }
}

#[test]
fn the_time_before_the_first_content_does_not_count() {
    let begun = Instant::now();
    let mut speed = watch();
    speed.waiting(begun);
    let later = begun + Duration::from_secs(600);
    speed.received(later, 0);
    assert!(!speed.is_too_slow(later));
    speed.waiting(later);
    speed.received(later + Duration::from_secs(600), 1);
    assert!(!speed.is_too_slow(later + Duration::from_secs(600)));
}

#[test]
fn a_stream_that_was_fast_is_too_slow_when_it_becomes_slow() {
    let (mut speed, mut now) = (watch(), Instant::now());
    speed.received(now, 1_000_000);
    let begun = now;
    while !speed.is_too_slow(now) {
        speed.waiting(now);
        now += Duration::from_millis(500);
        speed.received(now, 1);
    }
    assert_eq!((now - begun).as_secs(), 11);
}

#[test]
fn somebody_who_only_waits_learns_when_to_look_again() {
    let (mut speed, begun) = (watch(), Instant::now());
    speed.received(begun, 50);
    speed.waiting(begun);
    let (mut now, mut looks) = (begun, 0);
    while !speed.is_too_slow(now) {
        let next = speed.look_again(now);
        assert!(next > now && next - now <= Duration::from_secs(1));
        (now, looks) = (next, looks + 1);
    }
    assert_eq!(((now - begun).as_secs(), looks), (10, 10));
}

#[test]
fn without_a_floor_nothing_is_watched() {
    assert!(Speed::watch(&Timeouts::default()).is_none());
}
