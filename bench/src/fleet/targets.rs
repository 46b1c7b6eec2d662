//! The targets: how soon each begins to answer, what it costs, how much fits, and when it fails.

use std::time::Duration;

use weir::config::{ModelInfo, Prices};
use weir::plugin::Target;

use super::chance::{spread, unit};
use super::requests::Arrival;

/// One target as it really is.
#[derive(Debug)]
pub struct Model {
    name: &'static str,
    /// The median time to the first token, in milliseconds, while nobody else is served.
    first_token_ms: f64,
    /// How far the times lie apart: the deviation of their logarithm.
    deviation: f64,
    /// With so many requests at once it takes twice as long to begin.
    capacity: f64,
    /// Tokens of an answer per second.
    speed: f64,
    /// USD per million tokens of the prompt and of the answer.
    prices: (f64, f64),
    /// How many tokens fit.
    window: u64,
    /// The share of attempts that fail.
    errors: f64,
    /// When it is out of service: in every so many seconds, for the last so many of them.
    outages: Option<(f64, f64)>,
    tags: &'static [&'static str],
    weight: f64,
}

/// What a target does with a request.
pub enum Deed {
    /// It answers: when the first token comes, and when the last.
    Answers { first_token: Duration, whole: Duration },
    /// It fails after this time.
    Fails(Duration),
    /// The prompt is too long.
    TooLong(Duration),
}

/// The fleet: an old friend, a quick one that is dear, one that is cheap and slow, one that is quick and flaky, and a
/// small one in the house.
pub const FLEET: [Model; 5] = [
    Model {
        name: "steady",
        first_token_ms: 450.0,
        deviation: 0.3,
        capacity: 60.0,
        speed: 80.0,
        prices: (2.5, 10.0),
        window: 128_000,
        errors: 0.002,
        outages: None,
        tags: &["heavy", "cloud"],
        weight: 4.0,
    },
    Model {
        name: "quick",
        first_token_ms: 180.0,
        deviation: 0.4,
        capacity: 60.0,
        speed: 150.0,
        prices: (5.0, 15.0),
        window: 128_000,
        errors: 0.005,
        outages: None,
        tags: &["heavy", "cloud"],
        weight: 2.0,
    },
    Model {
        name: "frugal",
        first_token_ms: 1_500.0,
        deviation: 0.5,
        capacity: 200.0,
        speed: 40.0,
        prices: (0.2, 0.6),
        window: 64_000,
        errors: 0.005,
        outages: None,
        tags: &["light"],
        weight: 2.0,
    },
    Model {
        name: "flaky",
        first_token_ms: 250.0,
        deviation: 0.8,
        capacity: 40.0,
        speed: 100.0,
        prices: (0.8, 2.4),
        window: 64_000,
        errors: 0.05,
        outages: Some((300.0, 40.0)),
        tags: &["light", "cloud"],
        weight: 1.0,
    },
    Model {
        name: "local",
        first_token_ms: 800.0,
        deviation: 0.3,
        capacity: 20.0,
        speed: 60.0,
        prices: (0.1, 0.1),
        window: 8_000,
        errors: 0.001,
        outages: None,
        tags: &["fast"],
        weight: 1.0,
    },
];

/// The targets as an operator would configure them.
pub fn configured(with_weights: bool) -> Vec<Target> {
    let target = |(priority, model): (u32, &Model)| Target {
        provider: model.name.to_owned(),
        model: "m".to_owned(),
        priority,
        weight: if with_weights { model.weight } else { 1.0 },
        tags: model.tags.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    (0..).zip(&FLEET).map(target).collect()
}

impl Model {
    /// What is configured about it.
    pub fn facts(&self) -> ModelInfo {
        let (input, output) = self.prices;
        ModelInfo {
            id: "m".to_owned(),
            context_window: Some(self.window),
            prices: Some(Prices { input, output, cached_input: None }),
            ..ModelInfo::default()
        }
    }

    /// What an answer to this request costs, in USD.
    pub fn cost(&self, request: &Arrival) -> f64 {
        let (input, output) = self.prices;
        (request.prompt_tokens as f64 * input + request.answer_tokens as f64 * output) / 1e6
    }

    /// What it does with a request that comes `at` this time, with so many others in flight.
    pub fn deed(&self, request: &Arrival, at: Duration, in_flight: u32) -> Deed {
        let things = [request.number, self.identity(), 0, 0];
        let busy = 1.0 + f64::from(in_flight) / self.capacity;
        let first_token = self.first_token_ms / 1e3 * spread(things, self.deviation) * busy;
        if request.prompt_tokens + request.answer_tokens > self.window {
            return Deed::TooLong(Duration::from_millis(50));
        }
        if self.is_out(at) || self.fails(request) {
            return Deed::Fails(Duration::from_secs_f64(first_token));
        }
        let whole = first_token + request.answer_tokens as f64 / self.speed;
        Deed::Answers { first_token: Duration::from_secs_f64(first_token), whole: Duration::from_secs_f64(whole) }
    }

    /// Whether it would have answered this request at its arrival.
    pub fn would_serve(&self, request: &Arrival) -> bool {
        let fits = request.prompt_tokens + request.answer_tokens <= self.window;
        fits && !self.is_out(request.at) && !self.fails(request)
    }

    fn fails(&self, request: &Arrival) -> bool {
        unit([request.number, self.identity(), 0, 8]) < self.errors
    }

    fn is_out(&self, at: Duration) -> bool {
        self.outages.is_some_and(|(every, length)| at.as_secs_f64() % every >= every - length)
    }

    /// A number that is this target's own.
    fn identity(&self) -> u64 {
        self.prices.0.to_bits()
    }
}
