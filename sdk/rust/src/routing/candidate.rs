//! What a policy asks of a candidate. The host's figures are taken with care: what is no sensible number is unknown.

use super::{Breaker, Candidate, Health, Request};

/// How a candidate stands, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It serves, or nothing speaks against it.
    Ready,
    /// It serves, with errors or slowly.
    Degraded,
    /// It is down or wants to be left alone: for when nothing else is left.
    Resting,
}

impl Standing {
    /// The same, with degraded targets as good as the others: for policies that have a better measure of theirs.
    #[must_use]
    pub fn or_ready(self) -> Self {
        if self == Self::Degraded { Self::Ready } else { self }
    }
}

impl Candidate {
    /// How it stands, of all that the host knows.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.breaker, self.health) {
            _ if self.cooldown_ms > 0 => Standing::Resting,
            (Breaker::Open, _) => Standing::Resting,
            // Some request has to find out whether it is back, and the host lets only a few through. Behind all others
            // it would get none, and never come back.
            (Breaker::HalfOpen, _) => Standing::Ready,
            (Breaker::Closed, Health::Unhealthy) => Standing::Resting,
            (Breaker::Closed, Health::Degraded) => Standing::Degraded,
            (Breaker::Closed, Health::Healthy | Health::Unknown) => Standing::Ready,
        }
    }

    /// Whether its model can hold the request, as far as that is known: prompt and answer, and images.
    #[must_use]
    pub fn fits(&self, request: &Request) -> bool {
        // Who names no limit still wants an answer.
        let answer = request.answer_tokens.unwrap_or(1);
        let window = self.context_window.is_none_or(|window| request.prompt_tokens.saturating_add(answer) <= window);
        window
            && self.max_output_tokens.is_none_or(|most| answer <= most)
            && (request.images == 0 || self.takes_images != Some(false))
    }

    /// What so many tokens cost in USD. `None` if its prices are not known.
    #[must_use]
    pub fn cost(&self, prompt_tokens: u64, answer_tokens: u64) -> Option<f64> {
        let prices = self.prices.filter(|prices| is_amount(prices.input) && is_amount(prices.output))?;
        // Its answer ends where its model does.
        let answer_tokens = self.max_output_tokens.map_or(answer_tokens, |most| answer_tokens.min(most));
        Some((prices.input * prompt_tokens as f64 + prices.output * answer_tokens as f64) / 1e6)
    }

    /// Requests that it has to do, at work or waiting.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.in_flight.saturating_add(self.queued)
    }

    /// The share of attempts that failed of late, from 0 to 1.
    #[must_use]
    pub fn failing(&self) -> f64 {
        if self.error_rate.is_nan() { 0.0 } else { self.error_rate.clamp(0.0, 1.0) }
    }

    /// How long it is expected to keep the client waiting, in milliseconds: to the first token on a stream, else to the
    /// whole answer. `None` if that is not known.
    #[must_use]
    pub fn expected_ms(&self, request: &Request) -> Option<f64> {
        let figure = if request.stream { self.first_token_ms } else { self.answer_ms };
        figure.filter(|&milliseconds| is_amount(milliseconds))
    }
}

/// Whether a figure is one: not negative, not infinite, a number.
fn is_amount(figure: f64) -> bool {
    figure.is_finite() && figure >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Prices;

    #[test]
    fn a_target_rests_unless_its_breaker_wants_to_know_whether_it_is_back() {
        let cases = [
            (Breaker::Closed, Health::Unknown, 0, Standing::Ready),
            (Breaker::Closed, Health::Healthy, 0, Standing::Ready),
            (Breaker::Closed, Health::Degraded, 0, Standing::Degraded),
            (Breaker::Closed, Health::Unhealthy, 0, Standing::Resting),
            (Breaker::HalfOpen, Health::Unhealthy, 0, Standing::Ready),
            (Breaker::Open, Health::Healthy, 0, Standing::Resting),
            (Breaker::Closed, Health::Healthy, 1, Standing::Resting),
            (Breaker::HalfOpen, Health::Healthy, 1, Standing::Resting),
        ];
        for (breaker, health, cooldown_ms, expected) in cases {
            let candidate = Candidate { breaker, health, cooldown_ms, ..Candidate::default() };
            assert_eq!(candidate.standing(), expected, "{candidate:?}");
        }
    }

    #[test]
    fn a_request_fits_where_nothing_is_known_against_it() {
        let request = Request { prompt_tokens: 90, images: 1, ..Request::default() };
        let long = Request { answer_tokens: Some(20), ..request.clone() };
        let huge = Request { prompt_tokens: u64::MAX, ..long.clone() };
        let window = Candidate { context_window: Some(100), ..Candidate::default() };
        let short = Candidate { max_output_tokens: Some(10), ..Candidate::default() };
        let blind = Candidate { takes_images: Some(false), ..Candidate::default() };
        let cases = [
            (&Candidate::default(), &huge, true),
            (&window, &request, true),
            (&window, &long, false),
            (&window, &huge, false),
            (&short, &request, true),
            (&short, &long, false),
            (&blind, &request, false),
            (&blind, &Request::default(), true),
        ];
        for (candidate, request, expected) in cases {
            assert_eq!(candidate.fits(request), expected, "{candidate:?} {request:?}");
        }
    }

    #[test]
    fn a_figure_that_makes_no_sense_is_unknown() {
        let with = |input, output| Candidate { prices: Some(Prices { input, output }), ..Candidate::default() };
        assert_eq!(with(1.0, 2.0).cost(1_000_000, 500_000), Some(2.0));
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(with(odd, 1.0).cost(1, 1), None);
            let candidate = Candidate { answer_ms: Some(odd), error_rate: odd, ..Candidate::default() };
            assert_eq!(candidate.expected_ms(&Request::default()), None);
            assert!((0.0..=1.0).contains(&candidate.failing()));
        }
    }
}
