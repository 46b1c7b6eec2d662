//! One case of a policy: what is asked for, how the targets stand, and what the policy plans.

mod given;
mod odd;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use self::given::Given;
use super::{Snapshot, show};
use crate::Failure;
use crate::random::mixed;
use crate::routing::{Attempt, Candidate, Policy, Request, Target};

/// How many requests that differ in nothing but chance show how often each target comes first.
const REQUESTS: u64 = 1000;

/// A case as it stands in its file.
#[derive(Debug)]
pub(super) struct PlanCase {
    name: String,
    settings: Value,
    targets: Vec<Target>,
    request: Request,
    candidates: Vec<Candidate>,
}

impl PlanCase {
    /// Reads the case `name`.
    pub(super) fn load(folder: &Path, name: &str) -> Result<Self, String> {
        let file = format!("{name}.json");
        let text = fs::read_to_string(folder.join(&file)).map_err(|error| format!("{file}: {error}"))?;
        let given: Given = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            settings: given.settings(),
            targets: given.targets(),
            request: given.request().map_err(|error| format!("{file}: {error}"))?,
            candidates: given.candidates().map_err(|error| format!("{file}: {error}"))?,
        })
    }

    /// Plans the request, and all that it could have been.
    pub(super) fn run<P: Policy>(&self) -> Result<Vec<Snapshot>, String> {
        rules::descriptor(&P::describe())?;
        let policy = match self.policy::<P>() {
            Ok(policy) => policy,
            Err(failure) => return Ok(vec![("plan", format!("refuses its settings\n{}", show::failure(&failure)))]),
        };
        let plan = policy.plan(&self.request, &self.candidates);
        rules::plan(&plan, self.candidates.len())?;
        odd::mistreat(&policy, &self.name, &self.request, &self.candidates)?;
        Ok(vec![("plan", self.shown(&plan) + &self.shares(&policy))])
    }

    fn policy<P: Policy>(&self) -> Result<P, Failure> {
        let settings = serde_json::from_value(self.settings.clone())
            .map_err(|error| Failure::invalid_request(format!("the settings do not fit: {error}")))?;
        P::new(settings, self.targets.clone().into())
    }

    /// The plan, an attempt a line.
    fn shown(&self, plan: &Result<Vec<Attempt>, Failure>) -> String {
        let attempts = match plan {
            Ok(attempts) => attempts,
            Err(failure) => return show::failure(failure),
        };
        let mut text = String::new();
        for (place, attempt) in (1..).zip(attempts) {
            let _ = write!(text, "{place}. {}", self.target_name(attempt));
            let limits = [
                ("first byte within", attempt.first_byte_ms),
                ("never silent for", attempt.idle_ms),
                ("done within", attempt.total_ms),
                ("hedged after", attempt.hedge_ms),
            ];
            for (what, milliseconds) in limits {
                if let Some(milliseconds) = milliseconds {
                    let _ = write!(text, ", {what} {milliseconds} ms");
                }
            }
            text.push('\n');
        }
        text
    }

    /// How often each target comes first, if it is not always the same one.
    fn shares<P: Policy>(&self, policy: &P) -> String {
        let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..REQUESTS {
            let request = Request { entropy: mixed(number), ..self.request.clone() };
            let plan = policy.plan(&request, &self.candidates);
            if let Some(first) = plan.ok().and_then(|plan| plan.into_iter().next()) {
                *firsts.entry(self.target_name(&first)).or_default() += 1;
            }
        }
        if firsts.len() < 2 {
            return String::new();
        }
        let shares: Vec<String> = firsts.iter().map(|(target, count)| format!("{target} {count}")).collect();
        format!("first of {REQUESTS} requests: {}\n", shares.join(", "))
    }

    /// The target of an attempt, as the configuration names it.
    fn target_name(&self, attempt: &Attempt) -> String {
        let candidate = self.candidates.get(attempt.candidate as usize);
        match candidate.and_then(|candidate| self.targets.get(candidate.target as usize)) {
            Some(target) => format!("{}/{}", target.provider, target.model),
            None => format!("candidate {}", attempt.candidate),
        }
    }
}

#[cfg(test)]
mod tests;
