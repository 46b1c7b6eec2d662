//! Who is drawn, and how often.

use super::*;

/// Endpoints by priority, weight, whether they are able, and how many requests they have.
struct Scripted(Vec<(u16, u32, bool, u32)>);

impl Crowd for Scripted {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn priority(&self, index: usize) -> u16 {
        self.0[index].0
    }

    fn weight(&self, index: usize) -> u32 {
        self.0[index].1
    }

    fn is_able(&self, index: usize) -> bool {
        self.0[index].2
    }

    fn burden(&self, index: usize) -> Burden {
        Burden { is_resting: self.0[index].3 > 100, requests: self.0[index].3 }
    }
}

const PLAIN: (u16, u32, bool, u32) = (0, 1, true, 0);

/// How often each is drawn in a thousand draws, all of which have the same size.
fn counts(crowd: &Scripted, size: usize) -> Vec<u32> {
    let mut counts = vec![0; crowd.len()];
    for _ in 0..1_000 {
        let drawn = draw(crowd);
        assert_eq!(drawn.len(), size, "{drawn:?}");
        for index in drawn {
            counts[index] += 1;
        }
    }
    // None is drawn twice at a time.
    assert!(counts.iter().all(|count| *count <= 1_000));
    counts
}

#[test]
fn as_many_are_drawn_as_there_may_be_and_everybody_has_the_same_chance() {
    for size in [1, 7, 8] {
        assert_eq!(counts(&Scripted(vec![PLAIN; size]), size), vec![1_000; size]);
    }
    for size in [9, 12, 16, 17, 100, 1_000] {
        let expected = 1_000.0 * MOST as f64 / size as f64;
        let counts = counts(&Scripted(vec![PLAIN; size]), MOST);
        let is_fair = |count: &u32| (f64::from(*count) - expected).abs() < 6.0 * expected.sqrt() + 6.0;
        assert!(counts.iter().all(is_fair), "{size}: {expected} {counts:?}");
    }
}

#[test]
fn the_preferred_come_first_and_the_others_fill_up() {
    let few_preferred = (0..100).map(|index| (u16::from(index > 2), 1, true, 0)).collect();
    let counts_of_few = counts(&Scripted(few_preferred), MOST);
    assert_eq!(counts_of_few[..3], [1_000; 3]);
    let many_preferred = (0..100).map(|index| (u16::from(index > 49), 1, true, 0)).collect();
    let counts_of_many = counts(&Scripted(many_preferred), MOST);
    assert!(counts_of_many[50..].iter().all(|count| *count == 0));
}

#[test]
fn who_lacks_the_model_is_never_drawn_and_who_has_it_is_found() {
    for able in [0, 1, 5, 8, 30] {
        let crowd = Scripted((0..500).map(|index| (0, 1, index % 16 == 0 && index / 16 < able, 0)).collect());
        let counts = counts(&crowd, able.min(MOST));
        let is_right = |(index, count): (usize, &u32)| crowd.0[index].2 || *count == 0;
        assert!(counts.iter().enumerate().all(is_right), "{able}");
    }
}

#[test]
fn who_has_more_weight_is_drawn_more_often_and_who_is_burdened_less() {
    let crowd = Scripted((0..400).map(|index| (0, if index < 200 { 4 } else { 1 }, true, 0)).collect());
    let counts_by_weight = counts(&crowd, MOST);
    let (heavy, light) = counts_by_weight.split_at(200);
    let share = f64::from(heavy.iter().sum::<u32>()) / f64::from(light.iter().sum::<u32>());
    assert!((3.0..5.0).contains(&share), "{share}");

    // Half of them rest: of two that are drawn both do in a quarter of all cases.
    for burden in [3, 1_000] {
        let crowd = Scripted((0..400).map(|index| (0, 1, true, if index < 200 { burden } else { 0 })).collect());
        let counts = counts(&crowd, MOST);
        let burdened: u32 = counts[..200].iter().sum();
        assert!((1_600..2_400).contains(&burdened), "{burdened} of 8000");
    }
}

#[test]
fn turns_are_taken_as_often_as_the_weights_say() {
    let turns = |weights: &[u32], count: usize| (0..count).map(|turn| in_turn(turn, weights)).collect::<Vec<_>>();
    assert_eq!(turns(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
    assert_eq!(turns(&[10, 10], 4), [0, 1, 0, 1]);
    assert_eq!(turns(&[6, 0, 2], 9).iter().filter(|index| **index == 0).count(), 6);
    assert_eq!(turns(&[300, 100], 8), [0, 0, 0, 1, 0, 0, 0, 1]);
    assert_eq!((in_turn(5, &[]), in_turn(usize::MAX, &[u32::MAX, 1])), (0, 1));
}
