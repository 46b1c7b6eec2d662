//! The policy that asks the target which answers for the least money.
//!
//! What a request will cost is its prompt at the price of the prompt, and an answer of likely length at that of the
//! answer. A target whose context window is too small for the request comes last, whatever it costs. `README.md` says
//! more.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{Attempt, Candidate, Descriptor, Policy, Request, Targets, by_rank};

weir_plugin::export_policy!(Cheapest);

/// The policy, with its settings.
#[derive(Debug)]
pub struct Cheapest {
    settings: Settings,
}

/// What an operator can set. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    answer_tokens: u64,
    unknown_prices: UnknownPrices,
}

/// What is made of a target whose prices nobody knows.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UnknownPrices {
    /// It comes after all those whose prices are known.
    Last,
    /// It costs nothing, as what runs in the house does.
    Free,
}

impl Default for Settings {
    fn default() -> Self {
        Self { answer_tokens: 400, unknown_prices: UnknownPrices::Last }
    }
}

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "answer_tokens": {
      "description": "How many tokens an answer usually has. A client that wants fewer is taken at its word.",
      "type": "integer", "minimum": 0, "default": 400
    },
    "unknown_prices": {
      "description": "Targets whose prices are not known come last, or cost nothing (free).",
      "enum": ["last", "free"], "default": "last"
    }
  }
}"#;

impl Policy for Cheapest {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "cheapest".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The target that answers for the least money, if the request fits it.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, _: Targets) -> Result<Self, Failure> {
        Ok(Self { settings })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let answer_tokens = request.likely_answer_tokens(self.settings.answer_tokens);
        Ok(by_rank(request, candidates, |candidate, rank| {
            match (candidate.cost(request.prompt_tokens, answer_tokens), self.settings.unknown_prices) {
                (Some(cost), _) => rank.score(cost),
                (None, UnknownPrices::Free) => rank.score(0.0),
                (None, UnknownPrices::Last) => rank.tier(1),
            }
        }))
    }
}
