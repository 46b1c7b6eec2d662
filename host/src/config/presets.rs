//! What is known of upstreams before anybody configures them: where their API is, which plugin speaks it, what they do
//! differently. `presets.yaml` has it as data; the `presets` of a config file add to it, or replace.
//!
//! A preset is part of a provider. [`apply`] writes it into the providers that use it, so that whoever reads those
//! later sees nothing of presets.

use super::document::{Entry, Node, Value, parse};
use super::errors::{Errors, Problems};
use super::provider::{Common, Provider};
use super::suggest::did_you_mean;
use super::values::text;
use super::{Environment, Retries, Standing, Timeouts};

const DOCUMENT: &str = include_str!("presets.yaml");

/// What messages call the document.
const NAME: &str = "(built-in presets)";

/// Where the provider's `aws.region` goes in a preset's `base_url`.
const PLACE: &str = "{region}";

/// What a preset says of a provider cannot include who it is, and whose key it uses.
const NOT_IN_PRESETS: [&str; 3] = ["name", "api_key", "preset"];

/// Completes the providers of the tree by the presets that they use, and takes the presets out of it.
///
/// A provider uses the preset that its `preset` names, and the preset of its own name if it names neither that nor a
/// `plugin`. Its own keys win; of keys that are mappings, the entries.
///
/// # Errors
/// None, as long as `presets.yaml` is well-formed.
pub(super) fn apply(root: &mut Node, problems: &mut Problems) -> Result<(), Errors> {
    let Value::Map(sections) = &mut root.value else { return Ok(()) };
    let own = sections.iter().position(|section| section.key == "presets").map(|index| sections.remove(index));
    let presets =
        Presets { own: own.map_or_else(Vec::new, |own| checked(own, problems)), built_in: built_in(problems)? };
    for section in sections.iter_mut().filter(|section| section.key == "providers") {
        if let Value::List(providers) = &mut section.node.value {
            providers.iter_mut().for_each(|provider| complete(provider, &presets, problems));
        }
    }
    Ok(())
}

struct Presets {
    own: Vec<Entry>,
    built_in: Vec<Entry>,
}

impl Presets {
    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.own.iter().chain(&self.built_in)
    }

    fn named(&self, name: &str) -> Option<&Entry> {
        self.all().find(|preset| preset.key == name)
    }
}

fn built_in(problems: &mut Problems) -> Result<Vec<Entry>, Errors> {
    match parse(DOCUMENT, NAME, problems)?.value {
        Value::Map(presets) => Ok(presets),
        Value::Scalar(_) | Value::List(_) => Ok(Vec::new()),
    }
}

/// The presets of a config file. What is wrong with them is reported whether or not a provider uses them.
fn checked(section: Entry, problems: &mut Problems) -> Vec<Entry> {
    if section.node.is_nothing() {
        return Vec::new();
    }
    let form = section.node.describe();
    let Value::Map(mut presets) = section.node.value else {
        problems.report(&section.node.origin, format!("`presets`: expected a mapping, found {form}"));
        return Vec::new();
    };
    presets.iter_mut().for_each(|preset| check(preset, problems));
    presets
}

/// Reports what is wrong with a preset, and takes out what it may not hold.
fn check(preset: &mut Entry, problems: &mut Problems) {
    if let Value::Map(entries) = &mut preset.node.value {
        entries.retain(|entry| {
            let allowed = !NOT_IN_PRESETS.contains(&entry.key.as_str());
            if !allowed {
                problems.report(&entry.origin, format!("`{}` belongs to a provider, not to a preset", entry.key));
            }
            allowed
        });
    }
    let mut provider = preset.node.clone();
    if let Value::Map(entries) = &mut provider.value {
        // The region may stand in a preset, and the keys in the provider; or both in the provider.
        entries.retain(|entry| entry.key != "aws");
        put_region(entries, Some("region"));
        let name = Node { origin: preset.origin.clone(), value: Value::text("preset") };
        entries.push(Entry { key: "name".to_owned(), origin: preset.origin.clone(), node: name });
    }
    let (timeouts, retries, standing) = (Timeouts::default(), Retries::default(), Standing::default());
    let (folder, environment) = ("".as_ref(), &Environment::default());
    let common = Common { timeouts: &timeouts, retries: &retries, standing: &standing, folder, environment };
    // Whether it reads is all that matters here: the reports are in the problems.
    let _provider = Provider::read(&provider, problems, &common);
}

/// Writes the preset that a provider uses into it.
fn complete(provider: &mut Node, presets: &Presets, problems: &mut Problems) {
    let Value::Map(entries) = &mut provider.value else { return };
    let named = entries.iter().position(|entry| entry.key == "preset").map(|index| entries.remove(index).node);
    let preset = match named.filter(|node| !node.is_nothing()) {
        Some(node) => chosen(&node, presets, problems),
        None if given(entries, "plugin").is_some() => None,
        None => given(entries, "name").and_then(|node| presets.named(&text(node).ok()?)),
    };
    if let Some(Value::Map(additions)) = preset.map(|preset| &preset.node.value) {
        // Who says where the endpoints are does not want to hear where they are as a rule.
        let is_elsewhere = given(entries, "endpoints").is_some();
        let wanted = additions.iter().filter(|addition| !(is_elsewhere && addition.key == "base_url"));
        wanted.for_each(|addition| merge(entries, addition));
        if !fill_region(entries) {
            problems.report(&provider.origin, "`base_url` is missing, or `aws: { region: ... }`, which makes one");
        }
    }
}

/// Puts the provider's `aws.region` into a `base_url` that has a place for it. Returns whether it could, or need not;
/// if it could not, there is no `base_url`.
fn fill_region(entries: &mut Vec<Entry>) -> bool {
    let region = given(entries, "aws").and_then(|aws| match &aws.value {
        Value::Map(aws) => text(given(aws, "region")?).ok(),
        Value::Scalar(_) | Value::List(_) => None,
    });
    put_region(entries, region.as_deref())
}

/// See [`fill_region`].
fn put_region(entries: &mut Vec<Entry>, region: Option<&str>) -> bool {
    let before = entries.len();
    entries.retain_mut(|entry| match &mut entry.node.value {
        Value::Scalar(url) if entry.key == "base_url" && url.text.contains(PLACE) => {
            region.iter().for_each(|region| url.text = url.text.replace(PLACE, region));
            region.is_some()
        }
        _ => true,
    });
    entries.len() == before
}

/// The preset that this `preset` names.
fn chosen<'a>(node: &Node, presets: &'a Presets, problems: &mut Problems) -> Option<&'a Entry> {
    let name = text(node).map_err(|message| problems.report(&node.origin, format!("`preset`: {message}"))).ok()?;
    let preset = presets.named(&name);
    if preset.is_none() {
        let hint = did_you_mean(&name, presets.all().map(|preset| preset.key.as_str()));
        problems.report(&node.origin, format!("`preset`: there is no preset `{name}`{hint}"));
    }
    preset
}

fn given<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node).filter(|node| !node.is_nothing())
}

/// Adds an entry of a preset, unless there is one already; if both are mappings, the entries that are missing.
fn merge(entries: &mut Vec<Entry>, addition: &Entry) {
    let Some(own) = entries.iter_mut().find(|own| own.key == addition.key) else {
        entries.push(addition.clone());
        return;
    };
    if own.node.is_nothing() {
        own.node = addition.node.clone();
    } else if let (Value::Map(own), Value::Map(additions)) = (&mut own.node.value, &addition.node.value) {
        for addition in additions {
            // Within a mapping that only a plugin understands, `null` may mean something: it is not filled in.
            if own.iter().all(|own| own.key != addition.key) {
                own.push(addition.clone());
            }
        }
    }
}
