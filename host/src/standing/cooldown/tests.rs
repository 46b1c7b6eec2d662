//! The cooldown, case by case, and against a model over random events at random times.

use fastrand::Rng;

use super::*;

fn options() -> config::Cooldown {
    config::Cooldown { default: Duration::from_secs(5), max: Duration::from_secs(60) }
}

#[test]
fn it_lasts_as_long_as_the_target_says_within_the_limit() {
    let begun = Instant::now();
    let never = Duration::ZERO;
    for (said, expected) in [(None, 5), (Some(1), 1), (Some(60), 60), (Some(86_400), 60), (Some(u64::MAX), 60)] {
        let cooldown = Cooldown::new(options(), begun);
        assert_eq!(cooldown.left(begun), None);
        cooldown.begin(begun, said.map(Duration::from_secs));
        let expected = Duration::from_secs(expected);
        assert_eq!(cooldown.left(begun), Some(expected), "{said:?}");
        assert_eq!(cooldown.left(begun + expected), None, "{said:?}");
    }
    let cooldown = Cooldown::new(options(), begun);
    cooldown.begin(begun, Some(never));
    assert_eq!(cooldown.left(begun), None, "at once is no cooldown");
}

#[test]
fn the_one_that_ends_last_counts() {
    let begun = Instant::now();
    let cooldown = Cooldown::new(options(), begun);
    cooldown.begin(begun, Some(Duration::from_secs(30)));
    cooldown.begin(begun + Duration::from_secs(1), Some(Duration::from_secs(2)));
    assert_eq!(cooldown.left(begun + Duration::from_secs(10)), Some(Duration::from_secs(20)));
}

/// The model is the list of all that was ever said.
#[test]
fn it_does_what_the_model_does_over_random_events() {
    let mut random = Rng::with_seed(1);
    for round in 0..2_000 {
        let options = config::Cooldown {
            default: Duration::from_millis(random.u64(1..10_000)),
            max: Duration::from_millis(random.u64(1..60_000)),
        };
        let begun = Instant::now();
        let (cooldown, mut now, mut ends) = (Cooldown::new(options.clone(), begun), Duration::ZERO, Vec::new());
        for _ in 0..100 {
            if random.bool() {
                now += Duration::from_micros(random.u64(..5_000_000));
            }
            if random.u32(..4) == 0 {
                let said = random.bool().then(|| Duration::from_micros(random.u64(..90_000_000)));
                cooldown.begin(begun + now, said);
                ends.push(now + said.unwrap_or(options.default).min(options.max));
            }
            let expected = ends.iter().max().map(|end| end.saturating_sub(now)).unwrap_or_default();
            let left = cooldown.left(begun + now).unwrap_or_default();
            let context = format!("round {round}: {left:?} instead of {expected:?}");
            assert!(left >= expected && left < expected + Duration::from_millis(1), "{context}");
            assert!(left < options.max + Duration::from_millis(1), "{context}");
        }
    }
}

#[test]
fn threads_agree_on_the_longest() {
    let begun = Instant::now();
    let cooldown = Cooldown::new(options(), begun);
    std::thread::scope(|scope| {
        for thread in 1..=4_u64 {
            let cooldown = &cooldown;
            let say =
                move |milliseconds: u64| cooldown.begin(begun, Some(Duration::from_millis(milliseconds * thread)));
            scope.spawn(move || (0..1_000).for_each(say));
        }
    });
    assert_eq!(cooldown.left(begun), Some(Duration::from_millis(999 * 4)));
}
