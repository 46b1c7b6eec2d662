//! What one request sees from start to end: the configuration and the providers made of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::policy::Policy;
use super::provider::Provider;
use super::resolve::Routes;
use crate::config::{Config, ModelInfo};
use crate::upstream::Fetcher;

/// The configuration and the providers, as they were at one moment. Never changed, only replaced.
pub struct Snapshot {
    config: Arc<Config>,
    providers: Vec<Provider>,
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
    /// `policies` has the policy of each model that has one, by the model's name.
    pub(super) fn new(
        config: Arc<Config>,
        providers: Vec<Provider>,
        policies: HashMap<String, Arc<Policy>>,
        fetcher: Arc<Fetcher>,
    ) -> Self {
        let routes = Routes::new(&config.models, &providers, &policies);
        Self { config, providers, policies, routes, fetcher }
    }

    /// Where the configured names lead.
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The policy of a model, by the model's name.
    pub(super) fn policy(&self, model: &str) -> Option<&Arc<Policy>> {
        self.policies.get(model)
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
            let facts = self.provider(&owned_by).map(|provider| provider.facts(&target.model));
            listed.push(ListedModel { id: model.name.clone(), owned_by, facts: facts.unwrap_or_default() });
        }
        for provider in &self.providers {
            for model in provider.models() {
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
            self.provider(&model.owned_by).is_some_and(|provider| provider.config().base_url.is_none())
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
        let provider = self.provider(provider).filter(|provider| provider.has_model(model))?;
        Some(ListedModel { id: id.to_owned(), owned_by: provider.name().to_owned(), facts: provider.facts(model) })
    }
}
