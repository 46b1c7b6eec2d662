//! From the model name that a client asks for to the targets that may serve it.

use std::collections::HashMap;
use std::sync::Arc;

use super::condense::Condensing;
use super::members::Groups;
use super::policy::Policy;
use super::provider::Provider;
use super::route::{Route, Target, is_crowded};
use super::snapshot::Snapshot;
use crate::config;
use crate::error::{Cause, Error};

/// How similar a name must be to be suggested, from 0 to 1.
const SIMILAR: f64 = 0.7;
const SUGGESTIONS: usize = 3;

/// The most of an unknown name that an error repeats, in characters.
const LONGEST_NAME: usize = 256;

/// The configured model names with what they lead to.
#[derive(Default)]
pub(super) struct Routes {
    named: HashMap<String, Arc<Route>>,
    /// Names with a `*`, in the order of the configuration.
    wildcards: Vec<(config::Model, Arc<Route>)>,
}

impl Routes {
    /// The routes of these models. `policies` has one for each that is to have one, by the model's name.
    pub(super) fn new(
        models: &[config::Model],
        providers: &[Provider],
        groups: &Groups,
        policies: &HashMap<String, Arc<Policy>>,
    ) -> Self {
        let mut routes = Self::default();
        for model in models {
            let targets = targets(model, providers, groups);
            let (policy, headers) = (policies.get(&model.name).cloned(), model.headers.clone());
            let condensing = model.condense.as_ref().map(|condense| Arc::new(Condensing::new(condense)));
            let is_crowded = is_crowded(&targets);
            let route = Arc::new(Route { targets, policy, turn: 0, headers, condensing, is_crowded });
            for alias in &model.aliases {
                routes.named.insert(alias.clone(), Arc::clone(&route));
            }
            if model.is_wildcard() {
                routes.wildcards.push((model.clone(), route));
            } else {
                routes.named.insert(model.name.clone(), route);
            }
        }
        routes
    }

    /// Where a configured name leads, as it stands in the configuration.
    pub(super) fn of(&self, name: &str) -> Option<&Arc<Route>> {
        let wildcard = || self.wildcards.iter().find(|(model, _)| model.name == name).map(|(_, route)| route);
        self.named.get(name).or_else(wildcard)
    }

    /// All of them, once each. A name with a `*` has the targets that do not depend on what it matched.
    pub(super) fn all(&self) -> Vec<&Arc<Route>> {
        let mut all: Vec<&Arc<Route>> = self.named.values().collect();
        all.extend(self.wildcards.iter().map(|(_, route)| route));
        all.sort_by_key(|route| Arc::as_ptr(route));
        all.dedup_by(|one, other| Arc::ptr_eq(one, other));
        all
    }
}

/// All that a model leads to, in the order of the configuration. A group stands for its members.
fn targets(model: &config::Model, providers: &[Provider], groups: &Groups) -> Vec<Target> {
    let mut targets = Vec::new();
    for (place, target) in (0..).zip(&model.targets) {
        let Some(provider) = providers.iter().find(|provider| provider.name() == target.provider) else { continue };
        let able = groups.able(provider, &target.model);
        targets.extend(able.into_iter().map(|provider| Target::configured(provider, target, place)));
    }
    targets
}

impl Snapshot {
    /// Where a name leads: a configured name, also with a `*` behind a `/`, `provider/model`, any other configured name
    /// with a `*`, or a model that some provider has.
    pub(super) fn resolve(&self, name: &str) -> Result<Arc<Route>, Error> {
        if let Some(route) = self.routes().named.get(name) {
            return Ok(if route.is_crowded { Arc::new(route.drawn()) } else { Arc::clone(route) });
        }
        // More exact than `provider/model`: or nobody could put a policy before all models of a provider.
        if let Some(route) = self.by_wildcard(name, config::Model::is_of_provider) {
            return Ok(route);
        }
        if let Some((prefix, model)) = name.split_once('/')
            && !model.is_empty()
            && let Some(provider) = self.provider(prefix).filter(|provider| provider.is_direct())
        {
            return Ok(Arc::new(self.direct(provider, model)));
        }
        if let Some(route) = self.by_wildcard(name, |_| true) {
            return Ok(route);
        }
        match self.providers().iter().find(|provider| provider.is_direct() && self.has_model(provider, name)) {
            Some(provider) => Ok(Arc::new(self.direct(provider, name))),
            None => Err(self.unknown(name)),
        }
    }

    /// The first of these configured names with a `*` that this one matches.
    fn by_wildcard(&self, name: &str, counts: impl Fn(&config::Model) -> bool) -> Option<Arc<Route>> {
        let mut wildcards = self.routes().wildcards.iter().filter(|(model, _)| counts(model));
        wildcards.find_map(|(model, route)| Some(Arc::new(route.filled_in(model.matched(name)?))))
    }

    /// The route to a model of a provider of which nothing else is configured.
    fn direct(&self, provider: &Provider, model: &str) -> Route {
        let drawn = self.groups().drawn(provider, model);
        let targets = drawn.into_iter().map(|provider| Target::of(provider, model)).collect();
        Route::to(targets, self.groups().turn(provider.name()))
    }

    /// The error for a name that leads nowhere, with names that are like it.
    pub fn unknown(&self, name: &str) -> Error {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let name = name.as_str();
        let mut known: Vec<(f64, String)> = self
            .models()
            .into_iter()
            .map(|model| (similarity(name, &model.id), model.id))
            .filter(|(similarity, _)| *similarity >= SIMILAR)
            .collect();
        known.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        let suggestions: Vec<String> = known.into_iter().take(SUGGESTIONS).map(|(_, id)| format!("`{id}`")).collect();
        let hint = if suggestions.is_empty() {
            "GET /v1/models lists those that there are.".to_owned()
        } else {
            format!("Did you mean {}?", suggestions.join(" or "))
        };
        let message = format!("The model `{name}` does not exist. {hint}");
        Error::new(Cause::NotFound, message).with_code("model_not_found").with_param("model")
    }
}

/// How similar two names are. A name without its provider counts as much as the whole.
fn similarity(asked: &str, known: &str) -> f64 {
    let (asked, known) = (asked.to_lowercase(), known.to_lowercase());
    let bare = |name: &str| name.split_once('/').map_or(name, |(_, bare)| bare).to_owned();
    let pairs = [(&asked, &known), (&asked, &bare(&known)), (&bare(&asked), &bare(&known))];
    pairs.into_iter().map(|(asked, known)| strsim::jaro_winkler(asked, known)).fold(0.0, f64::max)
}
