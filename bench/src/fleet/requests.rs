//! The requests: when each comes, how long it is, and what its client says.

use std::time::Duration;

use weir::plugin::{Header, Operation, RoutingRequest};

use super::chance::{mix, spread, unit};

/// How many come in a second.
const PER_SECOND: f64 = 5.0;

/// Medians and spreads of prompts and answers, in tokens.
const PROMPT: (f64, f64) = (900.0, 1.1);
const ANSWER: (f64, f64) = (220.0, 0.7);

/// What becomes of the longest ones.
const LONGEST_PROMPT: f64 = 100_000.0;
const LONGEST_ANSWER: f64 = 4_000.0;

/// A request that comes.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Which one, from 0.
    pub number: u64,
    /// When, from the beginning.
    pub at: Duration,
    /// The length of its prompt.
    pub prompt_tokens: u64,
    /// The length that an answer to it has, which nobody knows before.
    pub answer_tokens: u64,
}

/// The requests in their order.
pub fn arrivals() -> impl Iterator<Item = Arrival> {
    let mut at = 0.0;
    (0..).map(move |number| {
        at += -unit([number, 1, 0, 0]).ln() / PER_SECOND;
        let tokens = |(median, deviation): (f64, f64), most: f64, place| {
            (median * spread([number, place, 0, 0], deviation)).clamp(1.0, most) as u64
        };
        Arrival {
            number,
            at: Duration::from_secs_f64(at),
            prompt_tokens: tokens(PROMPT, LONGEST_PROMPT, 2),
            answer_tokens: tokens(ANSWER, LONGEST_ANSWER, 3),
        }
    })
}

impl Arrival {
    /// What a policy is shown of it.
    pub fn shown(&self) -> RoutingRequest {
        let chance = |place| unit([self.number, place, 0, 0]);
        let task = ["code", "docs", "search"][(chance(4) * 3.0) as usize];
        let permitted = Header { name: "x-weir-final-check".to_owned(), value: "1".to_owned() };
        RoutingRequest {
            id: self.number.to_string(),
            model: "chat".to_owned(),
            operation: Operation::Chat,
            stream: true,
            key: None,
            key_tags: Vec::new(),
            user: Some(format!("user-{}", (chance(5) * 500.0) as u64)),
            tags: vec![task.to_owned()],
            metadata: Vec::new(),
            headers: if chance(6) < 0.15 { vec![permitted] } else { Vec::new() },
            body_bytes: self.prompt_tokens * 4,
            messages: 1,
            prompt_tokens: self.prompt_tokens,
            answer_tokens: None,
            tools: 0,
            images: 0,
            text: None,
            now_ms: u64::try_from(self.at.as_millis()).unwrap_or_default(),
            entropy: mix(self.number ^ 0x00e7_4012),
        }
    }
}
