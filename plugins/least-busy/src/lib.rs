//! The policy that asks the target with the most room.
//!
//! Room is what a target's limit leaves of it; if there is one without a limit, what it does is held against its weight
//! instead, at all of them. `README.md` says more.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{Attempt, Candidate, Descriptor, PerTarget, Policy, Request, Targets, by_rank};

weir_plugin::export_policy!(LeastBusy);

/// The policy, with its settings and the targets' weights.
#[derive(Debug)]
pub struct LeastBusy {
    settings: Settings,
    weights: PerTarget<f64>,
}

/// What an operator can set. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    relative_to: Measure,
}

/// What makes a target large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Measure {
    /// Its limit of requests at once, if all have one. Else its weight.
    #[default]
    Limit,
    /// Its weight.
    Weight,
}

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "relative_to": {
      "description": "What makes a target large: its limit of requests at once, if all targets have one, or always its weight.",
      "enum": ["limit", "weight"], "default": "limit"
    }
  }
}"#;

impl Policy for LeastBusy {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "least-busy".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The target that has the fewest requests to do for its size.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        Ok(Self { settings, weights: targets.map(|target| target.weight) })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let by_limit =
            self.settings.relative_to == Measure::Limit && candidates.iter().all(|candidate| candidate.limit.is_some());
        Ok(by_rank(request, candidates, |candidate, rank| {
            let limit = candidate.limit.filter(|_| by_limit).map(f64::from);
            let size = limit.unwrap_or_else(|| self.weights.copied(candidate));
            // With this request among them: of two that are idle, the larger one has more room.
            rank.score((f64::from(candidate.busy()) + 1.0) / size.max(0.0))
        }))
    }
}
