//! A plan of ranks: who comes first, who last, and who by chance.

use std::cmp::Ordering;

use super::{Attempt, Candidate, Request, Standing, Target};
use crate::random::{mixed, unit};

/// How good a candidate is for a request. What weighs most comes first.
#[derive(Debug, Clone, Copy)]
pub struct Rank {
    /// Whether its model can hold the request, as far as is known. If not, it comes after those that can.
    pub fits: bool,
    /// How it stands.
    pub standing: Standing,
    /// A class of candidates, all of which come before those of the next one. Lower is better.
    pub tier: u32,
    /// The operator's order within a class. Lower is better.
    pub priority: u32,
    /// Its place among those of its class and priority. Lower is better, and what is no number is worst. Those that are
    /// equal even in this are put in order by chance.
    pub score: f64,
}

/// The operator's own order of the targets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Preference {
    /// See [`Target::priority`].
    pub priority: u32,
    /// See [`Target::weight`].
    pub weight: f64,
}

impl Preference {
    /// That of a target.
    #[must_use]
    pub fn of(target: &Target) -> Self {
        Self { priority: target.priority, weight: target.weight }
    }
}

impl Rank {
    /// What is the same for all policies.
    #[must_use]
    pub fn new(request: &Request, candidate: &Candidate) -> Self {
        Self { fits: candidate.fits(request), standing: candidate.standing(), tier: 0, priority: 0, score: 0.0 }
    }

    /// The same in this class.
    #[must_use]
    pub fn tier(self, tier: u32) -> Self {
        Self { tier, ..self }
    }

    /// The same with this score.
    #[must_use]
    pub fn score(self, score: f64) -> Self {
        Self { score, ..self }
    }

    /// The same in the operator's order: by priority, and by weight among those of one priority.
    #[must_use]
    pub fn preferred(self, request: &Request, candidate: &Candidate, preference: Preference) -> Self {
        let number = request.number_for(u64::from(candidate.target));
        Self { priority: preference.priority, score: share(preference.weight, number), ..self }
    }

    fn classes(&self) -> (bool, Standing, u32, u32) {
        (!self.fits, self.standing, self.tier, self.priority)
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.classes().cmp(&other.classes()).then_with(|| self.score.total_cmp(&other.score))
    }
}

/// Plans one attempt at each candidate, in the order of the ranks that `rank` gives them. It gets the candidate and
/// what is the same for all policies, to which it adds [`Rank::tier`] and [`Rank::score`].
///
/// Whoever cannot serve comes last and is not left out: the host skips it when its turn comes, unless nothing else is
/// left. Candidates of equal rank share the requests evenly.
pub fn by_rank(
    request: &Request,
    candidates: &[Candidate],
    mut rank: impl FnMut(&Candidate, Rank) -> Rank,
) -> Vec<Attempt> {
    let mut ranked: Vec<(Rank, u64, u32)> = (0..)
        .zip(candidates)
        .map(|(place, candidate)| {
            let mut rank = rank(candidate, Rank::new(request, candidate));
            // Numbers are compared by their bits, which tell NaN from NaN by its sign, and zero from zero.
            rank.score = if rank.score.is_nan() { f64::INFINITY } else { rank.score + 0.0 };
            (rank, chance(request, candidate), place)
        })
        .collect();
    ranked.sort_unstable_by(|(left, chance, place), (right, other_chance, other_place)| {
        left.compare(right).then(chance.cmp(other_chance)).then(place.cmp(other_place))
    });
    ranked.iter().map(|&(_, _, place)| Attempt::at(place)).collect()
}

/// Those attempts of a plan by rank after which another one can serve, from the first: they may be given up early, or
/// hedged.
pub fn followed<'a>(plan: &'a mut [Attempt], request: &Request, candidates: &[Candidate]) -> &'a mut [Attempt] {
    let serves = |attempt: &Attempt| {
        let candidate = usize::try_from(attempt.candidate).ok().and_then(|place| candidates.get(place));
        candidate.is_some_and(|candidate| candidate.fits(request) && candidate.standing() != Standing::Resting)
    };
    let serving = plan.iter().take_while(|attempt| serves(attempt)).count();
    &mut plan[..serving.saturating_sub(1)]
}

/// A score by which each candidate comes first as often as its weight says, if the numbers are random; among those that
/// are left, again so. With numbers that are a hash of a user and a target, each user stays at one target, and only
/// those of a target that goes have to move (weighted rendezvous hashing).
#[must_use]
pub fn share(weight: f64, number: u64) -> f64 {
    // The time of the first event of a process that has `weight` of them in a unit of time.
    if weight > 0.0 { -unit(number).ln() / weight } else { f64::INFINITY }
}

/// A number by chance for each request and candidate. It follows the target and not the place, so that it does not
/// matter who else is there.
fn chance(request: &Request, candidate: &Candidate) -> u64 {
    request.number_for(u64::from(candidate.target))
}

impl Request {
    /// A random number of this request's for each `thing`, the same one every time.
    #[must_use]
    pub fn number_for(&self, thing: u64) -> u64 {
        mixed(self.entropy ^ mixed(thing.wrapping_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::hash;
    use crate::routing::{Breaker, Health};

    fn order(plan: &[Attempt]) -> Vec<u32> {
        plan.iter().map(|attempt| attempt.candidate).collect()
    }

    #[test]
    fn what_does_not_fit_or_serve_comes_last_whatever_its_score() {
        let plain = Candidate::default();
        let small = Candidate { context_window: Some(10), ..plain };
        let open = Candidate { breaker: Breaker::Open, ..plain };
        let slow = Candidate { health: Health::Degraded, ..plain };
        let request = Request { prompt_tokens: 100, ..Request::default() };
        let candidates = [small, open, slow, plain, plain];
        let mut score = 0.0;
        let plan = by_rank(&request, &candidates, |_, rank| {
            score += 1.0;
            rank.score(score).tier(u32::from(score > 4.0))
        });
        assert_eq!(order(&plan), [3, 4, 2, 1, 0]);
    }

    #[test]
    fn an_attempt_is_followed_if_the_next_one_can_serve() {
        let resting = Candidate { cooldown_ms: 1, ..Candidate::default() };
        let cases = [
            (vec![Candidate::default(); 3], 2),
            (vec![resting, Candidate::default(), Candidate::default()], 1),
            (vec![resting, Candidate::default(), resting], 0),
            (vec![resting; 2], 0),
            (vec![], 0),
        ];
        for (candidates, expected) in cases {
            let request = Request::default();
            let mut plan = by_rank(&request, &candidates, |_, rank| rank);
            assert_eq!(followed(&mut plan, &request, &candidates).len(), expected, "{candidates:?}");
        }
    }

    #[test]
    fn a_score_that_is_no_number_is_the_worst() {
        let candidates = [Candidate::default(); 4];
        let mut scores = [f64::NAN, f64::INFINITY, -1.0, -f64::NAN].into_iter();
        let plan = by_rank(&Request::default(), &candidates, |_, rank| rank.score(scores.next().unwrap()));
        assert_eq!(plan[0].candidate, 2);
    }

    #[test]
    fn equal_candidates_share_requests_evenly_and_others_by_weight() {
        let candidates: Vec<_> = (0..4).map(|target| Candidate { target, ..Candidate::default() }).collect();
        let mut firsts = [[0_u32; 4]; 2];
        for entropy in 0..4000 {
            let request = Request { entropy, ..Request::default() };
            let even = by_rank(&request, &candidates, |_, rank| rank);
            let weighted = by_rank(&request, &candidates, |candidate, rank| {
                rank.score(share(f64::from(candidate.target), request.number_for(u64::from(candidate.target))))
            });
            firsts[0][even[0].candidate as usize] += 1;
            firsts[1][weighted[0].candidate as usize] += 1;
        }
        assert!(firsts[0].iter().all(|count| (900..1100).contains(count)), "{firsts:?}");
        for (target, count) in (0..).zip(firsts[1]) {
            let expected = target * 4000 / 6;
            assert!(count.abs_diff(expected) < 120 && (target > 0 || count == 0), "{firsts:?}");
        }
    }

    #[test]
    fn only_the_users_of_a_target_that_goes_have_to_move() {
        let winner = |user: u64, targets: &[u64]| {
            let score = |target: &u64| share(1.0, mixed(user ^ mixed(*target)));
            *targets.iter().min_by(|left, right| score(left).total_cmp(&score(right))).unwrap()
        };
        let users: Vec<u64> = (0..1000).map(|user| hash(&format!("user-{user}"))).collect();
        let before: Vec<u64> = users.iter().map(|&user| winner(user, &[1, 2, 3, 4])).collect();
        for (user, before) in users.iter().zip(before) {
            let after = winner(*user, &[1, 2, 3]);
            assert!(after == before || before == 4);
        }
    }
}
