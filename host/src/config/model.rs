//! The names that clients may ask for, and where each leads.

use std::fmt;

use super::document::{Node, Value};
use super::errors::Problems;
use super::fields::Fields;
use super::provider::Provider;
use super::suggest::did_you_mean;
use super::values::{text, unexpected};

/// A name that clients may ask for instead of `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name. It may hold `/` and `:`, and is compared letter by letter.
    pub name: String,
    /// Where it leads.
    pub target: Target,
}

/// One provider and one of its models. Displays as `provider/model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name of a configured provider.
    pub provider: String,
    /// The model, as the provider calls it.
    pub model: String,
}

impl Target {
    /// Splits `provider/model` at the first `/`; what follows may hold more of them. `None` without both parts.
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) =
            text.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty())?;
        Some(Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider, self.model)
    }
}

impl Model {
    pub(super) fn read(node: &Node, problems: &mut Problems, providers: &[Provider]) -> Option<Self> {
        Fields::read(node, problems, |fields| {
            let name = fields.required("name", model_name);
            let targets = fields.node("targets").map(|node| &node.value);
            match targets {
                None => fields.report(fields.origin(), "`targets` is missing: `targets: [provider/model]`"),
                Some(Value::List(items)) => match items.as_slice() {
                    [] => fields.report(fields.origin(), "`targets` is empty: `targets: [provider/model]`"),
                    [_] => {}
                    [_, second, ..] => fields.report(
                        &second.origin,
                        "only one target for now: failover and load balancing come with routing policies",
                    ),
                },
                Some(_) => {}
            }
            let targets = fields.values("targets", |node| target(node, providers));
            Some(Self { name: name?, target: targets.into_iter().next()? })
        })
        .flatten()
    }
}

/// A name for a model: no white space, at most 256 bytes.
pub(super) fn model_name(node: &Node) -> Result<String, String> {
    let name = text(node)?;
    match name.len() <= 256 && !name.contains(char::is_whitespace) {
        true => Ok(name),
        false => Err("has to be at most 256 bytes long, without white space".to_owned()),
    }
}

/// `provider/model`, where the provider is configured.
pub(super) fn target(node: &Node, providers: &[Provider]) -> Result<Target, String> {
    let target = Target::parse(&text(node)?)
        .ok_or_else(|| unexpected("a target such as `openai/gpt-4o-mini` (provider, slash, model)", node))?;
    match providers.iter().any(|provider| provider.name == target.provider) {
        true => Ok(target),
        false => {
            let names = providers.iter().map(|provider| provider.name.as_str());
            Err(format!("there is no provider `{}`{}", target.provider, did_you_mean(&target.provider, names)))
        }
    }
}
