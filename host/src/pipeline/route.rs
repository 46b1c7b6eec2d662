//! Where a model name leads: its targets, and the policy that decides between them.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderName;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::condense::Condensing;
use super::draw::{self, OfEntry};
use super::policy::Policy;
use super::provider::Provider;
use crate::chat::request::{Edit, Peek, edit};
use crate::config;
use crate::plugin::Operation;
use crate::standing::Standing;

/// A provider and one of its models.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) provider: Provider,
    pub(super) model: String,
    /// How it stands; the same for all names that lead to it.
    pub(super) standing: Arc<Standing>,
    /// Its place in the configured list, from 0. Several have the same if one entry stands for several.
    pub(super) place: u32,
    /// Which come first where no policy says otherwise: those with the lower number.
    pub(super) priority: u32,
    changes: Option<Arc<Changes>>,
}

/// Fields that a target sets in every document, as JSON.
struct Changes {
    defaults: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
}

/// The targets that may serve a name, and who decides between them.
pub(super) struct Route {
    /// At least one.
    pub(super) targets: Vec<Target>,
    /// `None` if there is nothing to decide: there is one, or they are endpoints of one provider.
    pub(super) policy: Option<Arc<Policy>>,
    /// Whose turn it is where no policy decides.
    pub(super) turn: usize,
    /// Headers of the client's that the policy may see, besides those that begin with `x-weir-`.
    pub(super) headers: Vec<HeaderName>,
    /// What makes chats shorter that do not fit a target, if that is wanted.
    pub(super) condensing: Option<Arc<Condensing>>,
    /// Whether one entry of the list stands for more targets than one request has to choose from.
    pub(super) is_crowded: bool,
}

impl Target {
    /// A model of a provider about which nothing is configured.
    pub(super) fn of(provider: &Provider, model: &str) -> Self {
        let (provider, model) = (provider.clone(), model.to_owned());
        // Of the members of a group those come first that its list or registry prefers.
        let priority = provider.member().map_or(0, |member| member.priority.into());
        Self { standing: provider.standing(&model), provider, model, place: 0, priority, changes: None }
    }

    /// What one entry of a configured list leads to at this provider.
    pub(super) fn configured(provider: &Provider, target: &config::Target, place: u32) -> Self {
        let is_plain = target.defaults.is_empty() && target.parameters.is_empty();
        let changes = (!is_plain).then(|| {
            Arc::new(Changes { defaults: as_json(&target.defaults), parameters: as_json(&target.parameters) })
        });
        let (provider, model) = (provider.clone(), target.model.clone());
        // What holds a `*` is no model yet: nobody asks for it, and of it only what checks say is known.
        let standing = match model.contains('*') {
            true => Arc::clone(provider.by_checks()),
            false => provider.standing(&model),
        };
        Self { provider, model, standing, place, priority: target.priority, changes }
    }

    /// The same with what a `*` stands for in its place.
    fn filled_in(&self, matched: &str) -> Self {
        if !self.model.contains('*') {
            return self.clone();
        }
        let model = self.model.replacen('*', matched, 1);
        Self { standing: self.provider.standing(&model), model, ..self.clone() }
    }

    /// The document with the fields that are configured for this target; `None` if none changes.
    pub(super) fn changed(&self, body: &Bytes, peek: &Peek, operation: Operation) -> Option<Bytes> {
        let changes = self.changes.as_ref()?;
        let is_there = |name: &str| peek.field(name).is_some();
        let is_missing =
            |(name, _): &&(String, String)| !is_there(name) && !synonyms(name).iter().any(|synonym| is_there(synonym));
        let missing = changes.defaults.iter().filter(is_missing);
        let mut edits = Vec::new();
        for (name, value) in missing.chain(&changes.parameters) {
            let name = name_in(operation, name);
            let others = synonyms(name).iter().filter(|other| **other != name && is_there(other));
            edits.extend(others.map(|other| Edit { name: other, value: None }));
            edits.push(Edit { name, value: Some(value) });
        }
        (!edits.is_empty()).then(|| edit(body, peek, &edits))
    }

    /// For messages and headers: `provider/model`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.provider.name(), self.model)
    }

    /// The same for operators, with the endpoint: `provider@endpoint/model`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.provider.label(), self.model)
    }
}

impl Route {
    /// A route to targets that take turns.
    pub(super) fn to(targets: Vec<Target>, turn: usize) -> Self {
        Self { targets, policy: None, turn, headers: Vec::new(), condensing: None, is_crowded: false }
    }

    /// The same route for a name that a wildcard has matched, and for one request.
    pub(super) fn filled_in(&self, matched: &str) -> Self {
        let drawn = self.is_crowded.then(|| self.drawn());
        let targets = drawn.as_ref().map_or(&self.targets, |drawn| &drawn.targets);
        self.with(targets.iter().map(|target| target.filled_in(matched)).collect())
    }

    /// The same route for one request: of the many targets that one entry stands for, a few that are drawn by chance.
    pub(super) fn drawn(&self) -> Self {
        let now = Instant::now();
        let entries = self.targets.chunk_by(|one, other| one.place == other.place);
        let drawn = entries.flat_map(|entry| {
            let drawn = match entry.len() > draw::MOST {
                true => draw::draw(&OfEntry(entry, now)),
                false => (0..entry.len()).collect(),
            };
            drawn.into_iter().map(|index| entry[index].clone())
        });
        self.with(drawn.collect())
    }

    fn with(&self, targets: Vec<Target>) -> Self {
        Self {
            targets,
            policy: self.policy.clone(),
            turn: self.turn,
            headers: self.headers.clone(),
            condensing: self.condensing.clone(),
            is_crowded: false,
        }
    }
}

/// Whether an entry of a list stands for more of these targets than one request has to choose from.
pub(super) fn is_crowded(targets: &[Target]) -> bool {
    targets.chunk_by(|one, other| one.place == other.place).any(|entry| entry.len() > draw::MOST)
}

/// The names of the one limit that the APIs call differently. Upstreams refuse a document with two of them.
const LONGEST_ANSWER: [&str; 3] = ["max_completion_tokens", "max_tokens", "max_output_tokens"];

/// All the names of what this field says, if there are several.
fn synonyms(name: &str) -> &'static [&'static str] {
    if LONGEST_ANSWER.contains(&name) { &LONGEST_ANSWER } else { &[] }
}

/// What a field is called in the documents of an operation.
fn name_in(operation: Operation, name: &str) -> &str {
    match operation {
        _ if !LONGEST_ANSWER.contains(&name) => name,
        Operation::Responses => "max_output_tokens",
        Operation::Messages | Operation::Completions => "max_tokens",
        _ => name,
    }
}

fn as_json(fields: &Map<String, Value>) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
}
