//! What a policy came to.

use super::requests::Arrival;
use super::targets::FLEET;

/// What became of the requests under one policy.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Figures {
    /// From the arrival to the first token, of those that were answered, in seconds.
    first_tokens: Vec<f64>,
    cost: f64,
    /// What the same requests would have cost, each at the cheapest target that would have served it.
    least_cost: f64,
    failed: usize,
}

impl Figures {
    /// A request was answered by this target, with the first token after so many seconds.
    pub fn answered(&mut self, request: &Arrival, target: usize, first_token: f64) {
        self.first_tokens.push(first_token);
        self.cost += FLEET[target].cost(request);
        let serving = FLEET.iter().filter(|model| model.would_serve(request));
        let least = serving.map(|model| model.cost(request)).fold(f64::INFINITY, f64::min);
        self.least_cost += least.min(FLEET[target].cost(request));
    }

    /// A request was answered by nobody.
    pub fn failed(&mut self) {
        self.failed += 1;
    }

    /// The time to the first token that this share of the requests did not exceed, in seconds.
    pub fn first_token(&self, share: f64) -> f64 {
        let mut sorted = self.first_tokens.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    }

    /// What a thousand requests cost, in USD.
    pub fn cost_of_thousand(&self) -> f64 {
        self.cost / self.first_tokens.len().max(1) as f64 * 1e3
    }

    /// How many times the least that the same requests could have cost.
    pub fn times_the_cheapest(&self) -> f64 {
        self.cost / self.least_cost
    }

    /// The share of requests that nobody answered.
    pub fn error_rate(&self) -> f64 {
        self.failed as f64 / (self.failed + self.first_tokens.len()).max(1) as f64
    }
}
