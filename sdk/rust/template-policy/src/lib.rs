//! A policy to start from: the targets with a tag first, and the least busy of them.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{Attempt, Candidate, Descriptor, PerTarget, Policy, Request, Targets, by_rank};

weir_plugin::export_policy!(Template);

/// The policy: what it made of its settings.
#[derive(Debug)]
pub struct Template {
    is_preferred: PerTarget<bool>,
}

/// What an operator can set: the `settings` of the model's policy in the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The tag of the targets that come first.
    prefer: Option<String>,
}

/// The same as a JSON Schema, by which the host finds an operator's typing errors.
const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": { "prefer": { "type": ["string", "null"], "minLength": 1 } }
}"#;

impl Policy for Template {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "policy-template".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The targets with a tag first, and the least busy of them.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        if let Some(tag) = &settings.prefer {
            targets.demand_tag("prefer", tag)?;
        }
        // What can be known before the first request is worked out here.
        let is_preferred = targets.map(|target| settings.prefer.as_ref().is_some_and(|tag| target.has_tag(tag)));
        Ok(Self { is_preferred })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        Ok(by_rank(request, candidates, |candidate, rank| {
            let tier = if self.is_preferred.copied(candidate) { 0 } else { 1 };
            rank.tier(tier).score(f64::from(candidate.busy()))
        }))
    }
}
