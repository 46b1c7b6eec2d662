//! A routing policy that does everything wrong, on request.
//!
//! The first word in the client's `x-weir-tags` says what: `trap`, `spin`, `empty`. Without one it is a good policy that
//! asks the targets in the reverse order of the configuration, which no policy that comes with Weir does.

use std::hint::black_box;

use serde::Deserialize;
use weir_plugin::Failure;
use weir_plugin::routing::{Attempt, Candidate, Descriptor, Outcome, Policy, Request, Targets};

weir_plugin::export_policy!(Hostile);

/// The settings choose what goes wrong before or after there is a request.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Whether `configure` refuses the targets.
    #[serde(default)]
    refuse: bool,
    /// Whether hearing of outcomes is fatal.
    #[serde(default)]
    deaf: bool,
    /// After how many milliseconds of silence the next target is asked beside the first.
    hedge_ms: Option<u64>,
}

/// The policy.
#[derive(Debug)]
pub struct Hostile(Settings);

const SETTINGS_SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "refuse": { "type": "boolean" },
    "deaf": { "type": "boolean" },
    "hedge_ms": { "type": "integer", "minimum": 1 }
  }
}"#;

impl Policy for Hostile {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "hostile-policy".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Does everything wrong, on request.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            wants_outcomes: true,
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, _: Targets) -> Result<Self, Failure> {
        match settings.refuse {
            true => Err(Failure::invalid_request("these targets are refused on principle")),
            false => Ok(Self(settings)),
        }
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let mut plan = reversed(candidates.len());
        match request.tags.first().map(String::as_str) {
            None => {}
            Some("empty") => plan.clear(),
            Some("nobody") => plan.push(Attempt::at(u32::MAX)),
            Some("endless") => plan = vec![Attempt::at(0); 1_000_000],
            Some("at-once") => {
                for attempt in &mut plan {
                    (attempt.first_byte_ms, attempt.total_ms, attempt.hedge_ms) = (Some(0), Some(0), Some(0));
                }
            }
            Some("internal") => return Err(Failure::internal("the inside of the policy shows")),
            Some("refuse") => return Err(Failure::invalid_request("ask for something else")),
            Some("spin") => loop {
                black_box(());
            },
            Some("allocate") => allocate(),
            _ => std::process::abort(),
        }
        if let Some(first) = plan.first_mut() {
            first.hedge_ms = first.hedge_ms.or(self.0.hedge_ms);
        }
        Ok(plan)
    }

    fn observe(&self, _: &[Outcome]) {
        if self.0.deaf {
            std::process::abort();
        }
    }
}

fn reversed(candidates: usize) -> Vec<Attempt> {
    (0..candidates).rev().filter_map(|candidate| u32::try_from(candidate).ok()).map(Attempt::at).collect()
}

fn allocate() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, so that the pages are really there.
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}
