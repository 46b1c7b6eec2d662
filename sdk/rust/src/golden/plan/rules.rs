//! What the host relies on in every policy.

use serde_json::Value;

use crate::Failure;
use crate::routing::{Attempt, Descriptor};

/// Holds what a policy says of itself against the rules.
pub(super) fn descriptor(descriptor: &Descriptor) -> Result<(), String> {
    demand(!descriptor.name.is_empty(), "the policy has no name")?;
    let schema: Value = serde_json::from_str(&descriptor.settings_schema)
        .map_err(|error| format!("the schema of the settings is no JSON: {error}"))?;
    // Without this, nobody notices a setting that is spelt wrong.
    demand(
        schema["additionalProperties"] == Value::Bool(false),
        "the schema lets settings through that it does not name",
    )
}

/// Holds a plan for so many candidates against the rules.
pub(super) fn plan(plan: &Result<Vec<Attempt>, Failure>, candidates: usize) -> Result<(), String> {
    let attempts = match plan {
        Ok(attempts) => attempts,
        Err(failure) => return demand(!failure.message.is_empty(), "a refusal says nothing"),
    };
    demand(!attempts.is_empty(), "the plan is empty")?;
    for attempt in attempts {
        demand((attempt.candidate as usize) < candidates, "an attempt is at a candidate that there is not")?;
        let limits = [attempt.first_byte_ms, attempt.idle_ms, attempt.total_ms, attempt.hedge_ms];
        demand(!limits.contains(&Some(0)), "a time limit of 0 ms leaves no time at all")?;
    }
    Ok(())
}

fn demand(condition: bool, problem: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(problem.to_owned()) }
}
