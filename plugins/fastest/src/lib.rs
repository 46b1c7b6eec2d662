//! The policy that asks the target which is likely to answer first.
//!
//! A target's cost is the time that it takes of late (a peak EWMA), more the busier it is and the more often it fails.
//! Of two targets, drawn from those that are about as quick as the best, the one of lower cost is asked (the power of
//! two choices), so that gateways which see the same figures do not all run to the same target. `README.md` says more.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{Attempt, Candidate, Descriptor, Policy, Request, Standing, Targets, by_rank, followed};

weir_plugin::export_policy!(Fastest);

/// What a target of which nothing is known is taken for while it is busy: slower than all others.
const UNKNOWN_MS: f64 = 1e9;

/// No attempt is doubled or given up sooner, in milliseconds: at such times a quick target is just unlucky.
const SHORTEST_HEDGE_MS: f64 = 50.0;
const SHORTEST_PATIENCE_MS: f64 = 1000.0;

/// The policy, with its settings.
#[derive(Debug)]
pub struct Fastest {
    settings: Settings,
}

/// What an operator can set. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    concurrency: f64,
    within: f64,
    hedge: Option<f64>,
    patience: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: 8.0, within: 1.5, hedge: None, patience: None }
    }
}

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "concurrency": {
      "description": "With so many requests at once a target without a limit of its own takes twice as long.",
      "type": "number", "minimum": 1, "default": 8
    },
    "within": {
      "description": "Targets that take at most so many times as long as the best one are drawn from.",
      "type": "number", "minimum": 1, "default": 1.5
    },
    "hedge": {
      "description": "After so many times the expected time without an answer, the next target is asked as well.",
      "type": ["number", "null"], "minimum": 1
    },
    "patience": {
      "description": "After so many times the expected time without an answer, and a second at least, the next target is asked instead.",
      "type": ["number", "null"], "minimum": 1
    }
  }
}"#;

impl Policy for Fastest {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "fastest".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The target that is likely to answer first, by time, load and errors of late.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, _: Targets) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let winner = self.winner(request, candidates);
        let mut plan = by_rank(request, candidates, |candidate, rank| {
            let is_winner = winner.is_some_and(|winner| std::ptr::eq(winner, candidate));
            rank.tier(u32::from(!is_winner)).score(self.cost(request, candidate))
        });
        self.set_limits(&mut plan, request, candidates);
        Ok(plan)
    }
}

impl Fastest {
    /// How long the client would wait, in milliseconds, were it sent here.
    fn cost(&self, request: &Request, candidate: &Candidate) -> f64 {
        let busy = f64::from(candidate.busy());
        let expected = match candidate.expected_ms(request) {
            Some(expected) => expected.max(1.0),
            // Somebody has to find out. One request at a time will do, and none while it only fails.
            None if candidate.busy() == 0 && candidate.failing() < 0.5 => 0.0,
            None => UNKNOWN_MS,
        };
        let concurrency = candidate.limit.map_or(self.settings.concurrency, f64::from).max(1.0);
        // An attempt that fails has to be made again elsewhere.
        expected * (1.0 + busy / concurrency) / (1.0 - candidate.failing()).max(0.05)
    }

    /// The better of two that are drawn by chance from those about as quick as the best.
    fn winner<'a>(&self, request: &Request, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        let serving =
            || candidates.iter().filter(|candidate| candidate.standing() == Standing::Ready && candidate.fits(request));
        let best = serving().map(|candidate| self.cost(request, candidate)).fold(f64::INFINITY, f64::min);
        let mut drawn: [Option<(u64, &Candidate)>; 2] = [None, None];
        for candidate in serving().filter(|candidate| self.cost(request, candidate) <= best * self.settings.within) {
            let lot = (request.number_for(u64::from(candidate.target)), candidate);
            match drawn {
                [Some(first), _] if lot.0 >= first.0 => {
                    if drawn[1].is_none_or(|second| lot.0 < second.0) {
                        drawn[1] = Some(lot);
                    }
                }
                [first, _] => drawn = [Some(lot), first],
            }
        }
        let cost = |candidate: &Candidate| self.cost(request, candidate);
        drawn
            .into_iter()
            .flatten()
            .map(|(_, candidate)| candidate)
            .min_by(|one, other| cost(one).total_cmp(&cost(other)))
    }

    fn set_limits(&self, plan: &mut [Attempt], request: &Request, candidates: &[Candidate]) {
        let expected = |attempt: &Attempt| {
            let candidate = usize::try_from(attempt.candidate).ok().and_then(|place| candidates.get(place))?;
            candidate.expected_ms(request)
        };
        // A first target of which nothing is known is given as long as the second one takes.
        let hedge = plan.iter().take(2).find_map(expected).zip(self.settings.hedge);
        let followed = followed(plan, request, candidates);
        if let (Some(first), Some((expected, factor))) = (followed.first_mut(), hedge) {
            first.hedge_ms = Some((expected * factor).max(SHORTEST_HEDGE_MS) as u64);
        }
        let Some(patience) = self.settings.patience else { return };
        for attempt in followed {
            attempt.first_byte_ms =
                expected(attempt).map(|expected| (expected * patience).max(SHORTEST_PATIENCE_MS) as u64);
        }
    }
}
