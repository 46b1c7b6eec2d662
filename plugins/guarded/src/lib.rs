//! The policy that keeps some targets, those in the cloud or the expensive ones, for requests with permission.
//!
//! Local-first teams let everything run in the house and allow more only for the final check: `FINAL_CHECK=1`. Here a
//! request says so with a header, or its key or its document does. Without permission it goes to the other targets
//! alone, and is told what to do if none of them can serve. `README.md` says more.

mod permission;
mod settings;

use weir_plugin::routing::{
    Attempt, Candidate, Descriptor, PerTarget, Policy, Preference, Request, Standing, Targets, by_rank,
};
use weir_plugin::{Failure, FailureKind};

use settings::SETTINGS_SCHEMA;
pub use settings::Settings;

weir_plugin::export_policy!(Guarded);

/// The policy, with its settings and what it knows of the targets.
#[derive(Debug)]
pub struct Guarded {
    settings: Settings,
    facts: PerTarget<Facts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    preference: Preference,
    is_guarded: bool,
}

impl Policy for Guarded {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "guarded".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Some targets serve only requests with permission; the operator's order otherwise.".to_owned(),
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        if settings.permissions.is_empty() {
            return Err(Failure::invalid_request(
                "`permissions` is empty: no request could ever reach a guarded target",
            ));
        }
        for tag in &settings.guarded {
            targets.demand_tag("guarded", tag)?;
        }
        let facts = targets.map(|target| Facts {
            preference: Preference::of(target),
            is_guarded: target.has_one_of(&settings.guarded),
        });
        Ok(Self { settings, facts })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let is_permitted = self.settings.permissions.iter().any(|permission| permission.is_given(request));
        let mut plan = by_rank(request, candidates, |candidate, rank| {
            rank.preferred(request, candidate, self.facts.copied(candidate).preference)
        });
        if is_permitted {
            return Ok(plan);
        }
        // A target that is not known is as good as guarded.
        let is_open = |candidate: &&Candidate| self.facts.of(candidate).is_some_and(|facts| !facts.is_guarded);
        let open: Vec<&Candidate> = candidates.iter().filter(is_open).collect();
        if open.iter().all(|candidate| candidate.standing() == Standing::Resting || !candidate.fits(request)) {
            return Err(self.refusal(request, &open));
        }
        plan.retain(|attempt| {
            let candidate = usize::try_from(attempt.candidate).ok().and_then(|place| candidates.get(place));
            candidate.filter(is_open).is_some()
        });
        Ok(plan)
    }
}

impl Guarded {
    /// Tells a client without permission why no target is left, and what it can do.
    fn refusal(&self, request: &Request, open: &[&Candidate]) -> Failure {
        let fitting: Vec<_> = open.iter().filter(|candidate| candidate.fits(request)).collect();
        let (kind, reason) = match (open.is_empty(), fitting.is_empty()) {
            (true, _) => (FailureKind::Forbidden, "All targets that can do this need permission."),
            // The host may know how to make a prompt shorter.
            (_, true) => {
                (FailureKind::ContextLengthExceeded, "The request does not fit any target that needs no permission.")
            }
            _ => (FailureKind::Unavailable, "No target that needs no permission can serve at the moment."),
        };
        let advice = self.settings.advice.clone().unwrap_or_else(|| permission::advice(&self.settings.permissions));
        let wait = fitting.iter().map(|candidate| candidate.cooldown_ms).filter(|&wait| wait > 0).min();
        let failure = Failure::new(kind, format!("{reason} {advice}"));
        match kind {
            FailureKind::ContextLengthExceeded => failure,
            _ => Failure { retry_after_ms: wait, ..failure.with_code("permission_required") },
        }
    }
}
