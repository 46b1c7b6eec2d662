//! What one request sees from start to end: the configuration and the providers made of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::members::Groups;
use super::policy::Policy;
use super::provider::Provider;
use super::resolve::Routes;
use crate::config::{Config, ModelInfo};
use crate::upstream::Fetcher;

/// The configuration and the providers, as they were at one moment. Never changed, only replaced.
pub struct Snapshot {
    config: Arc<Config>,
    providers: Vec<Provider>,
    groups: Groups,
    policies: HashMap<String, Arc<Policy>>,
    routes: Routes,
    fetcher: Arc<Fetcher>,
}

/// A model as `GET /v1/models` lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedModel {
    /// What a client asks for.
    pub id: String,
    /// The provider that answers.
    pub owned_by: String,
    /// What is known of it, under the provider's own name.
    pub facts: ModelInfo,
}

impl Snapshot {
    /// What follows `before`, if there is one: the endpoints that its providers had go on. `policies` has the policy of
    /// each model that has one, by the model's name.
    pub(super) fn new(
        config: Arc<Config>,
        providers: Vec<Provider>,
        policies: HashMap<String, Arc<Policy>>,
        fetcher: Arc<Fetcher>,
        before: Option<&Self>,
    ) -> Self {
        let groups = Groups::take_over(&providers, before.map(|before| &before.groups));
        Self::of(config, providers, groups, policies, fetcher)
    }

    /// The same with other endpoints.
    pub(super) fn with_groups(&self, groups: Groups) -> Self {
        let (config, fetcher) = (Arc::clone(&self.config), Arc::clone(&self.fetcher));
        Self::of(config, self.providers.clone(), groups, self.policies.clone(), fetcher)
    }

    fn of(
        config: Arc<Config>,
        providers: Vec<Provider>,
        groups: Groups,
        policies: HashMap<String, Arc<Policy>>,
        fetcher: Arc<Fetcher>,
    ) -> Self {
        let routes = Routes::new(&config.models, &providers, &groups, &policies);
        Self { config, providers, groups, policies, routes, fetcher }
    }

    /// Where the configured names lead.
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The policy of a model, by the model's name.
    pub(super) fn policy(&self, model: &str) -> Option<&Arc<Policy>> {
        self.policies.get(model)
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What fetches media that requests refer to.
    pub(super) fn fetcher(&self) -> &Arc<Fetcher> {
        &self.fetcher
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The providers, in the order of the configuration.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// Where requests for this provider can go: its members if it has endpoints, which may be none; else the provider
    /// alone.
    pub fn members(&self, name: &str) -> &[Provider] {
        match self.provider(name) {
            Some(provider) if provider.is_group() => self.groups.members(name),
            Some(provider) => std::slice::from_ref(provider),
            None => &[],
        }
    }

    /// All that have an upstream of their own, or need none: the providers, and the members of those that are groups.
    pub fn callable(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter().filter(|provider| !provider.is_group()).chain(self.groups.all())
    }

    /// What status pages show: all of those, and the groups that have no endpoints.
    pub fn shown(&self) -> impl Iterator<Item = &Provider> {
        let is_empty = |provider: &&Provider| provider.is_group() && self.groups.members(provider.name()).is_empty();
        self.callable().chain(self.providers.iter().filter(is_empty))
    }

    /// The one that has the same upstream as this one, whatever has changed around it.
    pub(super) fn current(&self, provider: &Provider) -> Option<&Provider> {
        self.members(provider.name()).iter().find(|current| current.shares_upstream(provider))
    }

    /// Whether the provider has this model, as far as it is known.
    pub(super) fn has_model(&self, provider: &Provider, model: &str) -> bool {
        provider.has_model(model) || self.members(provider.name()).iter().any(|member| member.has_model(model))
    }

    /// The models of a provider: those of a group are what its members have together.
    pub(super) fn models_of(&self, provider: &Provider) -> Vec<ModelInfo> {
        let mut models = provider.models();
        if provider.is_group() {
            let mut known: HashSet<String> = models.iter().map(|model| model.id.clone()).collect();
            let others = self.members(provider.name()).iter().flat_map(Provider::models);
            models.extend(others.filter(|model| known.insert(model.id.clone())));
        }
        models
    }

    /// What is known of a model of this provider.
    fn facts(&self, provider: &Provider, model: &str) -> ModelInfo {
        let members = self.members(provider.name());
        Arc::unwrap_or_clone(members.iter().find(|member| member.has_model(model)).unwrap_or(provider).facts(model))
    }

    /// What clients can ask for: the configured names, then each provider's models. A name that leads elsewhere
    /// already is listed with its provider in front.
    pub fn models(&self) -> Vec<ListedModel> {
        let mut taken: HashSet<String> = HashSet::new();
        let mut listed = Vec::new();
        // A name with a `*` is none that a client could ask for.
        for model in self.config.models.iter().filter(|model| !model.is_wildcard()) {
            taken.insert(model.name.clone());
            let Some(target) = model.targets.first() else { continue };
            let owned_by = target.provider.clone();
            let facts = self.provider(&owned_by).map(|provider| self.facts(provider, &target.model));
            listed.push(ListedModel { id: model.name.clone(), owned_by, facts: facts.unwrap_or_default() });
        }
        for provider in self.providers.iter().filter(|provider| provider.is_direct()) {
            for model in self.models_of(provider) {
                // `x/y` would be taken for the model `y` of a provider `x`, if there is one.
                let misleads = model.id.split_once('/').is_some_and(|(prefix, _)| self.provider(prefix).is_some());
                let is_free = !misleads && taken.insert(model.id.clone());
                let id = if is_free { model.id.clone() } else { format!("{}/{}", provider.name(), model.id) };
                listed.push(ListedModel { id, owned_by: provider.name().to_owned(), facts: model });
            }
        }
        listed
    }

    /// A model for a first try: one that answers without any upstream if there is one.
    pub fn model_to_try(&self) -> Option<String> {
        let is_local = |model: &ListedModel| {
            self.provider(&model.owned_by)
                .is_some_and(|provider| provider.config().base_url.is_none() && !provider.is_group())
        };
        let models = self.models();
        models.iter().find(|model| is_local(model)).or(models.first()).map(|model| model.id.clone())
    }

    /// The listed model of this name. `provider/model` is found too, whichever form the list has.
    pub fn model(&self, id: &str) -> Option<ListedModel> {
        if let Some(model) = self.models().into_iter().find(|model| model.id == id) {
            return Some(model);
        }
        let (provider, model) = id.split_once('/')?;
        let provider = self.provider(provider).filter(|provider| self.has_model(provider, model))?;
        let facts = self.facts(provider, model);
        Some(ListedModel { id: id.to_owned(), owned_by: provider.name().to_owned(), facts })
    }
}
