//! Who of a crowd of endpoints a request may choose from. A registry may name a thousand, and to look at all of them
//! for each request would cost more than the best of them is better than a good one.

use std::ops::Range;

use super::route::Target;
use crate::standing::{BreakerState, View};

/// How many endpoints one target of a model is offered as, at most.
pub(super) const MOST: usize = 8;

/// Draws so many times as often as are wanted, before it is left to chance no longer.
const TRIES: usize = 4;

/// Endpoints in the order of their priorities, of which the lowest numbers come first.
pub(super) trait Crowd {
    /// How many there are.
    fn len(&self) -> usize;
    /// The priority of one of them.
    fn priority(&self, index: usize) -> u16;
    /// How often it is drawn compared with the others.
    fn weight(&self, index: usize) -> u32;
    /// Whether it may be drawn at all.
    fn is_able(&self, index: usize) -> bool;
    /// How much speaks against asking it now.
    fn burden(&self, index: usize) -> Burden;
}

/// What speaks against asking an endpoint now, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Burden {
    /// Whether it gets no requests for a while.
    is_resting: bool,
    /// The requests that it works on or that wait for it.
    requests: u32,
}

impl Burden {
    pub(super) fn of(view: &View) -> Self {
        let is_resting = view.breaker == BreakerState::Open || view.cooldown.max(view.ejected).is_some();
        Self { is_resting, requests: view.in_flight.saturating_add(view.queued) }
    }
}

/// Draws [`MOST`] of a crowd, those of the lowest priority numbers first: by chance, as their weights say, and of each
/// two that are drawn the one that is better off (the power of two choices). All of those that are able, if there are
/// not so many.
pub(super) fn draw(crowd: &impl Crowd) -> Vec<usize> {
    let (mut drawn, mut begin) = (Vec::with_capacity(MOST), 0);
    while begin < crowd.len() && drawn.len() < MOST {
        let priority = crowd.priority(begin);
        let alike = (begin..crowd.len()).take_while(|index| crowd.priority(*index) == priority).count();
        drawn.extend(draw_of(crowd, begin..begin + alike, MOST - drawn.len()));
        begin += alike;
    }
    drawn
}

/// Draws so many of those in a range.
fn draw_of(crowd: &impl Crowd, range: Range<usize>, wanted: usize) -> Vec<usize> {
    let mut total = 0;
    let sums: Vec<u64> = range
        .clone()
        .map(|index| {
            total += u64::from(crowd.weight(index).max(1));
            total
        })
        .collect();
    let mut seen = Vec::with_capacity(2 * wanted);
    if range.len() > 2 * wanted {
        for _ in 0..TRIES * wanted {
            let point = fastrand::u64(..total);
            let index = range.start + sums.partition_point(|sum| *sum <= point);
            if !seen.contains(&index) && crowd.is_able(index) {
                seen.push(index);
            }
        }
    }
    // Few are able, or few there are: they are taken as they come, from anywhere.
    if seen.len() < 2 * wanted {
        let from = fastrand::usize(range.clone());
        let rest = (from..range.end).chain(range.start..from);
        let unseen: Vec<usize> = rest.filter(|index| !seen.contains(index) && crowd.is_able(*index)).collect();
        seen.extend(unseen);
    }
    seen.truncate(2 * wanted);
    better_of_each_two(crowd, &seen, wanted)
}

fn better_of_each_two(crowd: &impl Crowd, seen: &[usize], wanted: usize) -> Vec<usize> {
    let spare = seen.len().saturating_sub(wanted);
    // As many pairs as there are too many of them; the others stand for themselves.
    let (paired, single) = seen.split_at(2 * spare.min(seen.len() / 2));
    let pairs = paired.chunks_exact(2).map(|pair| match crowd.burden(pair[1]) < crowd.burden(pair[0]) {
        true => pair[1],
        false => pair[0],
    });
    pairs.chain(single.iter().copied()).collect()
}

/// Whose turn it is of those with these weights: as often as its weight says.
pub(super) fn in_turn(turn: usize, weights: &[u32]) -> usize {
    let weights: Vec<u64> = weights.iter().map(|weight| u64::from((*weight).max(1))).collect();
    // Equal ones are to take turns one by one, whatever the number.
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let mut point = turn as u64 % weights.iter().sum::<u64>().max(1).div_euclid(divisor).max(1);
    for (index, weight) in weights.iter().enumerate() {
        let weight = weight / divisor;
        if point < weight {
            return index;
        }
        point -= weight;
    }
    0
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

/// The targets that one entry of a model's list stands for.
pub(super) struct OfEntry<'a>(pub(super) &'a [Target], pub(super) tokio::time::Instant);

impl Crowd for OfEntry<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn priority(&self, index: usize) -> u16 {
        self.0[index].provider.member().map_or(0, |member| member.priority)
    }

    fn weight(&self, index: usize) -> u32 {
        self.0[index].provider.member().map_or(1, |member| member.weight)
    }

    fn is_able(&self, _: usize) -> bool {
        true
    }

    fn burden(&self, index: usize) -> Burden {
        Burden::of(&self.0[index].standing.view(self.1))
    }
}

#[cfg(test)]
mod tests;
