//! What a policy knows of each target: the targets themselves, and what it makes of them once.

use super::{Candidate, Target};
use crate::Failure;

/// The targets of the model, in the order of the configuration.
pub type Targets = PerTarget<Target>;

/// One fact for each target of the model, found by the candidate that stands for it.
#[derive(Debug, Clone)]
pub struct PerTarget<T>(Vec<T>);

impl<T> PerTarget<T> {
    /// The fact on the candidate's target. `None` only if the host breaks the contract.
    #[must_use]
    pub fn of(&self, candidate: &Candidate) -> Option<&T> {
        self.0.get(usize::try_from(candidate.target).ok()?)
    }

    /// The facts in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Another fact for each, made of this one: what can be known before the first request is worked out here.
    pub fn map<U>(&self, fact: impl FnMut(&T) -> U) -> PerTarget<U> {
        PerTarget(self.0.iter().map(fact).collect())
    }
}

impl<T: Copy + Default> PerTarget<T> {
    /// The fact on the candidate's target, which may be small enough to copy.
    #[must_use]
    pub fn copied(&self, candidate: &Candidate) -> T {
        self.of(candidate).copied().unwrap_or_default()
    }
}

impl PerTarget<Target> {
    /// Refuses a tag that a setting names and no target has: a typing error, most likely.
    ///
    /// # Errors
    /// If there is no such target, with the tags that there are.
    pub fn demand_tag(&self, setting: &str, tag: &str) -> Result<(), Failure> {
        if self.iter().any(|target| target.has_tag(tag)) {
            return Ok(());
        }
        let mut known: Vec<&str> = self.iter().flat_map(|target| &target.tags).map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        let known = if known.is_empty() { "no tags".to_owned() } else { format!("only {}", known.join(", ")) };
        let problem = format!("`{setting}` names the tag `{tag}`, but the targets of this model have {known}");
        Err(Failure::invalid_request(problem))
    }
}

impl Target {
    /// Whether the operator gave it this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Whether it has one of these tags.
    #[must_use]
    pub fn has_one_of(&self, tags: &[String]) -> bool {
        tags.iter().any(|tag| self.has_tag(tag))
    }
}

impl<T> From<Vec<T>> for PerTarget<T> {
    fn from(facts: Vec<T>) -> Self {
        Self(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_found_by_the_candidate_that_stands_for_its_target() {
        let facts = PerTarget::from(vec![7, 8]);
        assert_eq!(facts.map(|fact| fact * 2).of(&Candidate { target: 1, ..Candidate::default() }), Some(&16));
        let beyond = Candidate { target: 2, ..Candidate::default() };
        assert_eq!((facts.of(&beyond), facts.copied(&beyond)), (None, 0));
    }

    #[test]
    fn a_tag_that_no_target_has_is_refused_with_those_that_there_are() {
        let tagged =
            |tags: &[&str]| Target { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), ..Target::default() };
        let targets = Targets::from(vec![tagged(&["local"]), tagged(&["cloud", "local"])]);
        assert!(targets.demand_tag("guarded", "cloud").is_ok());
        let message = targets.demand_tag("guarded", "clod").unwrap_err().message;
        assert_eq!(message, "`guarded` names the tag `clod`, but the targets of this model have only cloud, local");
        let message = Targets::from(vec![tagged(&[])]).demand_tag("canary", "new").unwrap_err().message;
        assert!(message.ends_with("have no tags"), "{message}");
    }
}
