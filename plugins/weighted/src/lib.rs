//! The policy that gives each target its share of the requests, by weight.
//!
//! A share can be sticky: then a user, a key or a session stays at one target, and only those of a target that goes
//! have to move (weighted rendezvous hashing). A canary gets its percentage before the weights are looked at.
//! `README.md` says more.

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::random::{hash, mixed, unit};
use weir_plugin::routing::{
    Attempt, Candidate, Descriptor, PerTarget, Policy, Request, Target, Targets, by_rank, share,
};

weir_plugin::export_policy!(Weighted);

/// The policy, with its settings and what it knows of the targets.
#[derive(Debug)]
pub struct Weighted {
    settings: Settings,
    portions: PerTarget<Portion>,
}

/// What an operator can set. [`SETTINGS_SCHEMA`] says what each is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    sticky: Option<Sticky>,
    canary: Option<Canary>,
}

/// What requests have in common that go to the same target.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sticky {
    /// The client's key.
    Key,
    /// The end user that the client names.
    User,
    /// A text in the document's `metadata`.
    Metadata(String),
    /// A header of the client's.
    Header(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    tag: String,
    percent: f64,
}

/// What is known of a target.
#[derive(Debug, Clone, Copy, Default)]
struct Portion {
    /// The target as a number that stays the same whatever other targets there are.
    identity: u64,
    weight: f64,
    is_canary: bool,
}

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "sticky": {
      "description": "What requests have in common that go to the same target: key, user, {metadata: NAME} or {header: NAME}.",
      "oneOf": [
        { "enum": ["key", "user", null] },
        { "type": "object", "additionalProperties": false, "required": ["metadata"],
          "properties": { "metadata": { "type": "string", "minLength": 1 } } },
        { "type": "object", "additionalProperties": false, "required": ["header"],
          "properties": { "header": { "type": "string", "minLength": 1 } } }
      ]
    },
    "canary": {
      "description": "The targets with this tag get so many percent of the requests; the weights are for the rest.",
      "type": ["object", "null"], "additionalProperties": false, "required": ["tag", "percent"],
      "properties": {
        "tag": { "type": "string", "minLength": 1 },
        "percent": { "type": "number", "minimum": 0, "maximum": 100 }
      }
    }
  }
}"#;

impl Policy for Weighted {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "weighted".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Each target gets its share of the requests, by weight; canaries, and users who stay.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        if !targets.iter().any(|target| target.weight > 0.0) {
            return Err(Failure::invalid_request("no target of this model has a `weight` above 0"));
        }
        if let Some(canary) = &settings.canary {
            targets.demand_tag("canary.tag", &canary.tag)?;
            if targets.iter().all(|target| target.has_tag(&canary.tag)) {
                return Err(Failure::invalid_request(format!(
                    "every target of this model has the canary's tag `{}`: leave it out at those that are not new",
                    canary.tag
                )));
            }
        }
        let portions = targets.map(|target| Portion::of(target, settings.canary.as_ref()));
        Ok(Self { settings, portions })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let seed = self.sticky_to(request).map_or(request.entropy, hash);
        let is_canary = self.settings.canary.as_ref().is_some_and(|canary| canary.takes(seed));
        Ok(by_rank(request, candidates, |candidate, rank| {
            let portion = self.portions.copied(candidate);
            let number = mixed(seed ^ portion.identity);
            rank.tier(u32::from(portion.is_canary != is_canary)).score(share(portion.weight, number))
        }))
    }
}

impl Weighted {
    /// What the request has in common with others that go to the same target. Without it, chance decides.
    fn sticky_to<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let value = match self.settings.sticky.as_ref()? {
            Sticky::Key => request.key.as_deref(),
            Sticky::User => request.user.as_deref(),
            Sticky::Metadata(name) => request.metadata(name),
            Sticky::Header(name) => request.header(name),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl Canary {
    /// Whether this one is of its percentage. Who is stays so while the percentage grows.
    fn takes(&self, seed: u64) -> bool {
        // Mixed with a number of its own, so that who gets the canary says nothing about who gets which other target.
        unit(mixed(seed ^ 0x00ca_4a21)) * 100.0 <= self.percent
    }
}

impl Portion {
    fn of(target: &Target, canary: Option<&Canary>) -> Self {
        Self {
            identity: hash(&format!("{}/{}", target.provider, target.model)),
            weight: target.weight,
            is_canary: canary.is_some_and(|canary| target.has_tag(&canary.tag)),
        }
    }
}
