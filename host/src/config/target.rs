//! A target: one provider and one of its models, as a model name leads to it.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::document::{Node, Value};
use super::errors::Problems;
use super::fields::Fields;
use super::provider::Provider;
use super::suggest::did_you_mean;
use super::values::{number, text, unexpected, whole_number};

/// Fields that Weir itself sets or reads: a target cannot change them.
const OWN_FIELDS: [&str; 4] = ["model", "messages", "stream", "stream_options"];

/// One provider and one of its models. Displays as `provider/model`.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The name of a configured provider.
    pub provider: String,
    /// The model, as the provider calls it. A `*` stands for what the `*` in the model's name stands for.
    pub model: String,
    /// Its share of the requests, relative to the others, for policies that spread them. Default 1.
    pub weight: f64,
    /// Which targets come first, for policies that go by it: those with the lower number. Default the place in the
    /// list, from 0.
    pub priority: u32,
    /// The operator's own words for it (`local`, `cloud`), for policies that go by them.
    pub tags: Vec<String>,
    /// Fields of the document for requests that do not have them.
    pub defaults: Map<String, Json>,
    /// Fields of the document for all requests, whatever the client says.
    pub parameters: Map<String, Json>,
}

impl Target {
    /// Splits `provider/model` at the first `/`; what follows may hold more of them. `None` without both parts.
    pub fn parse(text: &str) -> Option<(&str, &str)> {
        text.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
    }

    /// A target of which nothing but the name is said.
    fn named((provider, model): (String, String), priority: u32) -> Self {
        let (defaults, parameters) = (Map::new(), Map::new());
        Self { provider, model, weight: 1.0, priority, tags: Vec::new(), defaults, parameters }
    }

    /// An element of `targets`: `provider/model`, or a mapping with it as `target`.
    pub(super) fn read(node: &Node, problems: &mut Problems, providers: &[Provider], place: u32) -> Option<Self> {
        match &node.value {
            Value::Map(_) => {
                Fields::read(node, problems, |fields| Self::read_fields(fields, providers, place)).flatten()
            }
            _ => names(node, providers)
                .map_err(|message| problems.report(&node.origin, format!("`targets`: {message}")))
                .ok()
                .map(|names| Self::named(names, place)),
        }
    }

    fn read_fields(fields: &mut Fields<'_, '_>, providers: &[Provider], place: u32) -> Option<Self> {
        let names = fields.required("target", |node| names(node, providers));
        let priority = fields.get("priority", whole_number(0..=u64::from(u32::MAX)));
        let target = Self {
            weight: fields.or("weight", number, 1.0),
            tags: fields.values("tags", text),
            defaults: document_fields(fields, "defaults"),
            parameters: document_fields(fields, "parameters"),
            ..Self::named(Default::default(), priority.and_then(|given| u32::try_from(given).ok()).unwrap_or(place))
        };
        let (provider, model) = names?;
        Some(Self { provider, model, ..target })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider, self.model)
    }
}

/// `provider/model`, where the provider is configured.
pub(super) fn names(node: &Node, providers: &[Provider]) -> Result<(String, String), String> {
    let text = text(node)?;
    let (provider, model) = Target::parse(&text)
        .ok_or_else(|| unexpected("a target such as `openai/gpt-4o-mini` (provider, slash, model)", node))?;
    if model.matches('*').count() > 1 {
        return Err("has to hold at most one `*`".to_owned());
    }
    match providers.iter().any(|known| known.name == provider) {
        true => Ok((provider.to_owned(), model.to_owned())),
        false => {
            let names = providers.iter().map(|provider| provider.name.as_str());
            Err(format!("there is no provider `{provider}`{}", did_you_mean(provider, names)))
        }
    }
}

fn document_fields(fields: &mut Fields<'_, '_>, key: &'static str) -> Map<String, Json> {
    let mut read = Map::new();
    for entry in fields.entries(key) {
        if OWN_FIELDS.contains(&entry.key.as_str()) {
            fields.report(&entry.origin, format!("`{key}`: `{}` cannot be set for a target", entry.key));
        }
        read.insert(entry.key.clone(), entry.node.to_json());
    }
    read
}
