//! The policy that asks the targets in the operator's order, and the next one when one fails.
//!
//! It is what a model name with several targets has unless another policy is named. `README.md` says more.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{
    Attempt, Candidate, Descriptor, PerTarget, Policy, Preference, Request, Targets, by_rank, followed,
};

weir_plugin::export_policy!(Failover);

/// The policy, with its settings and the operator's order.
#[derive(Debug)]
pub struct Failover {
    settings: Settings,
    preferences: PerTarget<Preference>,
}

/// What an operator can set. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    keep_degraded: bool,
    first_byte_ms: Option<u64>,
    hedge_ms: Option<u64>,
}

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "keep_degraded": {
      "description": "Whether a target that serves slowly or with errors keeps its place. By default it comes after those that are well.",
      "type": "boolean", "default": false
    },
    "first_byte_ms": {
      "description": "How long a target may take to its first byte while there is another one to go to, in milliseconds.",
      "type": ["integer", "null"], "minimum": 1
    },
    "hedge_ms": {
      "description": "The second target is asked as well if the first is silent for so long, in milliseconds.",
      "type": ["integer", "null"], "minimum": 1
    }
  }
}"#;

impl Policy for Failover {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "failover".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The targets in the operator's order; those of equal priority share the requests.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        Ok(Self { settings, preferences: targets.map(Preference::of) })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let mut plan = by_rank(request, candidates, |candidate, mut rank| {
            if self.settings.keep_degraded {
                rank.standing = rank.standing.or_ready();
            }
            rank.preferred(request, candidate, self.preferences.copied(candidate))
        });
        let followed = followed(&mut plan, request, candidates);
        for attempt in followed.iter_mut() {
            attempt.first_byte_ms = self.settings.first_byte_ms;
        }
        if let Some(first) = followed.first_mut() {
            first.hedge_ms = self.settings.hedge_ms;
        }
        Ok(plan)
    }
}
