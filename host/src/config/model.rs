//! The names that clients may ask for: where each leads, and who decides between its targets.

use hyper::header::HeaderName;

use super::condense::Condense;
use super::document::{Node, Value};
use super::errors::{Origin, Place, Problems};
use super::fields::Fields;
use super::provider::Provider;
use super::target::Target;
use super::values::{header_name, text, unexpected};

/// The policy of a name with several targets that says none.
const DEFAULT_POLICY: &str = "failover";

/// The longest name of a model, in bytes.
const LONGEST_NAME: usize = 256;

/// A name that clients may ask for instead of `provider/model`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name. It may hold `/` and `:`, and is compared letter by letter; one `*` stands for any letters.
    pub name: String,
    /// Where it is configured.
    pub place: Place,
    /// Other names for the same, not listed by `GET /v1/models`.
    pub aliases: Vec<String>,
    /// Where it leads, at least one.
    pub targets: Vec<Target>,
    /// Who decides between the targets. `None` if there is nothing to decide: one target, and no policy named.
    pub policy: Option<Policy>,
    /// Headers of the client's that the policy may see, besides those that begin with `x-weir-`.
    pub headers: Vec<HeaderName>,
    /// How chats are made shorter that do not fit a target. Default: they are not.
    pub condense: Option<Condense>,
}

/// A routing policy with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The plugin.
    pub plugin: String,
    /// Where its settings stand, or else its name.
    pub place: Place,
    /// What only the plugin understands: a JSON object.
    pub settings: serde_json::Value,
}

impl Model {
    pub(super) fn read(node: &Node, problems: &mut Problems, providers: &[Provider]) -> Option<Self> {
        Fields::read(node, problems, |fields| {
            let name = fields.required("name", model_name);
            let targets = Self::targets(fields, providers);
            if let Some(name) = &name {
                check_wildcards(fields, name, &targets);
            }
            Some(Self {
                place: Place(fields.origin().clone()),
                aliases: fields.values("aliases", exact_name),
                policy: Policy::read(fields, targets.len()),
                headers: fields.values("headers", header_name),
                condense: Condense::read(fields),
                name: name?,
                targets: (!targets.is_empty()).then_some(targets)?,
            })
        })
        .flatten()
    }

    fn targets(fields: &mut Fields<'_, '_>, providers: &[Provider]) -> Vec<Target> {
        match fields.node("targets").map(|node| &node.value) {
            None => fields.report(fields.origin(), "`targets` is missing: `targets: [provider/model]`"),
            Some(Value::List(items)) if items.is_empty() => {
                fields.report(fields.origin(), "`targets` is empty: `targets: [provider/model]`");
            }
            Some(_) => {}
        }
        let mut place = 0;
        fields.elements("targets", |node, problems| {
            let target = Target::read(node, problems, providers, place);
            place += 1;
            target
        })
    }

    /// What a `*` in the name stands for in this name; empty if there is no `*`. `None` if the name is another one.
    pub fn matched<'a>(&self, asked: &'a str) -> Option<&'a str> {
        matched(&self.name, asked)
    }

    /// Whether its name says of which provider's models it is: `provider/*`. It goes before those models themselves.
    pub fn is_of_provider(&self) -> bool {
        self.name.split_once('*').is_some_and(|(before, _)| before.contains('/'))
    }

    /// Whether the name holds a `*`.
    pub fn is_wildcard(&self) -> bool {
        self.name.contains('*')
    }
}

/// What the `*` of a pattern stands for in a name; empty if there is none. `None` if the name is another one.
pub fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => (pattern == name).then_some(""),
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
    }
}

impl Policy {
    /// A name, or a mapping with `plugin` and `settings`.
    fn read(fields: &mut Fields<'_, '_>, targets: usize) -> Option<Self> {
        let of = |plugin: String, origin: &Origin| Self {
            plugin,
            place: Place(origin.clone()),
            settings: serde_json::Value::Object(serde_json::Map::new()),
        };
        match fields.node("policy") {
            None => (targets > 1).then(|| of(DEFAULT_POLICY.to_owned(), fields.origin())),
            Some(node @ Node { value: Value::Map(_), .. }) => Fields::read(node, fields.problems(), |fields| {
                let plugin = fields.required("plugin", text);
                let settings = super::provider::settings(fields);
                let place = Place(fields.node("settings").map_or(&node.origin, |settings| &settings.origin).clone());
                Some(Self { plugin: plugin?, place, settings })
            })
            .flatten(),
            Some(node) => fields.get("policy", text).map(|plugin| of(plugin, &node.origin)),
        }
    }
}

/// A `*` in a target needs one in the name, to know what it stands for.
fn check_wildcards(fields: &mut Fields<'_, '_>, name: &str, targets: &[Target]) {
    if let Some(target) = targets.iter().find(|target| target.model.contains('*') && !name.contains('*')) {
        let message = format!("`targets`: the `*` in `{target}` stands for nothing, since the name `{name}` has none");
        fields.report(fields.origin(), message);
    }
}

/// A name for a model: no white space, at most 256 bytes, at most one `*`.
pub(super) fn model_name(node: &Node) -> Result<String, String> {
    let name = text(node)?;
    if name.len() > LONGEST_NAME || name.contains(char::is_whitespace) {
        return Err(format!("has to be at most {LONGEST_NAME} bytes long, without white space"));
    }
    match name.matches('*').count() {
        0 | 1 => Ok(name),
        _ => Err("has to hold at most one `*`".to_owned()),
    }
}

fn exact_name(node: &Node) -> Result<String, String> {
    match model_name(node)? {
        name if name.contains('*') => Err(unexpected("a name without `*`", node)),
        name => Ok(name),
    }
}

/// Reports names that stand for two models.
pub(super) fn check_aliases(models: &[Model], fields: &mut Fields<'_, '_>) {
    let mut seen: Vec<(&str, &Origin)> = models.iter().map(|model| (model.name.as_str(), &model.place.0)).collect();
    for model in models {
        for alias in &model.aliases {
            match seen.iter().find(|(name, _)| name == alias) {
                Some((_, first)) => {
                    let message = format!("`aliases`: the name `{alias}` is taken; the first one is at {first}");
                    fields.report(&model.place.0, message);
                }
                None => seen.push((alias, &model.place.0)),
            }
        }
    }
}
