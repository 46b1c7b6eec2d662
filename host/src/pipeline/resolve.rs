//! From the model name that a client asks for to a target.

use super::provider::Provider;
use super::snapshot::Snapshot;
use crate::error::{Cause, Error};

/// How similar a name must be to be suggested, from 0 to 1.
const SIMILAR: f64 = 0.7;
const SUGGESTIONS: usize = 3;

/// A provider and one of its models.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) provider: Provider,
    pub(super) model: String,
}

impl Snapshot {
    /// The target for a model name: a configured model, `provider/model`, or a model that some provider has.
    pub(super) fn resolve(&self, name: &str) -> Result<Target, Error> {
        if let Some(model) = self.config().models.iter().find(|model| model.name == name)
            && let Some(provider) = self.provider(&model.target.provider)
        {
            return Ok(self.target(provider, &model.target.model));
        }
        if let Some((prefix, model)) = name.split_once('/')
            && !model.is_empty()
            && let Some(provider) = self.provider(prefix)
        {
            return Ok(self.target(provider, model));
        }
        match self.providers().iter().find(|provider| self.has_model(provider, name)) {
            Some(provider) => Ok(self.target(provider, name)),
            None => Err(self.unknown(name)),
        }
    }

    /// A model of a provider, or of the member that is next if it is a group. A group without any keeps the request,
    /// and says that it has nobody to send it to.
    fn target(&self, provider: &Provider, model: &str) -> Target {
        let member = self.groups().next(provider.name(), model);
        Target { provider: member.unwrap_or(provider).clone(), model: model.to_owned() }
    }

    fn unknown(&self, name: &str) -> Error {
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
    let bare = known.split_once('/').map_or(known, |(_, bare)| bare);
    let (asked, bare, known) = (asked.to_lowercase(), bare.to_lowercase(), known.to_lowercase());
    strsim::jaro_winkler(&asked, &known).max(strsim::jaro_winkler(&asked, &bare))
}
