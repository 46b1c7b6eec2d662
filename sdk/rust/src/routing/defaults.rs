//! Records of the contract without repeating what is nearly always so: for `..Record::default()`.

use super::{Attempt, Breaker, Candidate, Descriptor, Health, Request, Target};
use crate::Operation;

impl Default for Descriptor {
    /// A policy without a name that wants neither text nor outcomes and has no settings.
    fn default() -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            summary: String::new(),
            wants_text: false,
            wants_outcomes: false,
            settings_schema: r#"{"type":"object","additionalProperties":false}"#.to_owned(),
        }
    }
}

impl Default for Target {
    /// A target without names, of weight 1 and without tags.
    fn default() -> Self {
        Self { provider: String::new(), model: String::new(), priority: 0, weight: 1.0, tags: Vec::new() }
    }
}

impl Default for Request {
    /// A small chat that is not streamed, of an unknown client.
    fn default() -> Self {
        Self {
            id: String::new(),
            model: String::new(),
            operation: Operation::Chat,
            stream: false,
            key: None,
            key_tags: Vec::new(),
            user: None,
            tags: Vec::new(),
            metadata: Vec::new(),
            headers: Vec::new(),
            body_bytes: 0,
            messages: 1,
            prompt_tokens: 0,
            answer_tokens: None,
            tools: 0,
            images: 0,
            text: None,
            now_ms: 0,
            entropy: 0,
        }
    }
}

impl Default for Candidate {
    /// The first target, idle, with nothing known of it.
    fn default() -> Self {
        Self {
            target: 0,
            health: Health::Unknown,
            breaker: Breaker::Closed,
            cooldown_ms: 0,
            in_flight: 0,
            queued: 0,
            limit: None,
            samples: 0,
            error_rate: 0.0,
            answer_ms: None,
            first_token_ms: None,
            prices: None,
            context_window: None,
            max_output_tokens: None,
            takes_images: None,
        }
    }
}

impl Attempt {
    /// An attempt at the candidate of this place, with the time limits of its provider and without a hedge.
    #[must_use]
    pub fn at(candidate: u32) -> Self {
        Self { candidate, first_byte_ms: None, idle_ms: None, total_ms: None, hedge_ms: None }
    }
}
