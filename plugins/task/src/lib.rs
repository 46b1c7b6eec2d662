//! The policy that chooses by what is to be done: a search is for a small model, code for a large one.
//!
//! What is to be done is a task, which wants a tier of targets: FAST, LIGHT or HEAVY. A request says its task by the
//! model's name (`task:code`), a header or a tag, or the words of its last message tell; a long prompt wants a higher
//! tier. `README.md` says more.

mod settings;
mod words;

use weir_plugin::Failure;
use weir_plugin::routing::{
    Attempt, Candidate, Descriptor, PerTarget, Policy, Preference, Request, Standing, Target, Targets, by_rank,
};

pub use settings::Settings;
use settings::{SETTINGS_SCHEMA, Tier};
use words::Words;

weir_plugin::export_policy!(Task);

/// The policy, with its settings and what it knows of the targets.
#[derive(Debug)]
pub struct Task {
    settings: Settings,
    /// The words that tell of each task, in the order of the settings' tasks.
    words: Words,
    facts: PerTarget<Facts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    preference: Preference,
    /// The tiers that it is of, by their numbers.
    tiers: [bool; 3],
}

impl Policy for Task {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "task".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Targets of the tier that the task wants: fast, light or heavy.".to_owned(),
            wants_text: true,
            settings_schema: SETTINGS_SCHEMA.to_owned(),
            ..Descriptor::default()
        }
    }

    fn new(settings: Settings, targets: Targets) -> Result<Self, Failure> {
        for (tier, tags) in &settings.tiers {
            for tag in tags {
                targets.demand_tag(&format!("tiers.{}", tier.name()), tag)?;
            }
        }
        let facts = targets.map(|target| Facts::of(target, &settings));
        if !facts.iter().any(|facts| facts.tiers.contains(&true)) {
            let problem = "no target of this model has a tier: give them the tags fast, light and heavy, or name others in `tiers`";
            return Err(Failure::invalid_request(problem));
        }
        let words = Words::new(settings.tasks.values().map(|task| task.words.as_slice()));
        Ok(Self { settings, words, facts })
    }

    fn plan(&self, request: &Request, candidates: &[Candidate]) -> Result<Vec<Attempt>, Failure> {
        let wanted = self.tier(request);
        Ok(by_rank(request, candidates, |candidate, mut rank| {
            let facts = self.facts.copied(candidate);
            // A slow target of the right tier is better than a quick one that is not up to the task.
            let is_degraded = rank.standing == Standing::Degraded;
            rank.standing = rank.standing.or_ready();
            rank.tier(facts.distance(wanted) * 2 + u32::from(is_degraded)).preferred(
                request,
                candidate,
                facts.preference,
            )
        }))
    }
}

impl Task {
    /// The tier that the request wants. Who names a tier gets it; a task's tier is raised for a long prompt.
    fn tier(&self, request: &Request) -> Tier {
        let header = self.settings.header.as_deref().and_then(|name| request.header(name));
        let names = [Some(request.model.as_str()), header].into_iter().flatten();
        let mut of_task = None;
        for name in names.chain(request.tags.iter().map(String::as_str)) {
            let name = name.strip_prefix("task:").unwrap_or(name);
            if let Some(tier) = Tier::named(name) {
                return tier;
            }
            of_task = of_task.or_else(|| self.settings.task(name));
        }
        let task = of_task.or_else(|| {
            let text = request.text.as_deref()?;
            self.settings.tasks.values().nth(self.words.most_told_of(text)?)
        });
        let tier = task.map_or(self.settings.default, |task| task.tier);
        tier.max(self.settings.escalated(request.prompt_tokens))
    }
}

impl Facts {
    fn of(target: &Target, settings: &Settings) -> Self {
        let tiers = Tier::ALL.map(|tier| match settings.tiers.get(&tier) {
            Some(tags) => target.has_one_of(tags),
            None => target.has_tag(tier.name()),
        });
        Self { preference: Preference::of(target), tiers }
    }

    /// How far the target is from what is wanted: 0 if it is of the tier, then the higher ones, which can do it as
    /// well, then the lower ones, and at last those of no tier.
    fn distance(&self, wanted: Tier) -> u32 {
        let wanted = wanted as usize;
        let order = (wanted..3).chain((0..wanted).rev());
        (0..).zip(order).find(|&(_, tier)| self.tiers[tier]).map_or(3, |(distance, _)| distance)
    }
}
