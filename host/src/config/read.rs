//! The tree as a whole, read into a [`Config`], and what only shows when its parts are seen together.

use std::net::SocketAddr;
use std::path::Path;

use super::document::{Node, Value};
use super::errors::{Place, Problems};
use super::fields::Fields;
use super::log;
use super::model::{check_aliases, model_name};
use super::provider::Common;
use super::suggest::did_you_mean;
use super::target;
use super::values::{boolean, path, socket_address, text};
use super::{
    ClientTimeouts, Config, Cors, Fetch, Key, Limits, Model, Plugins, Provider, Retries, Source, Standing, Timeouts,
    Tls,
};

/// Reads the whole tree. What is wrong with it goes to `problems`; the result counts only if nothing is.
pub(super) fn config(root: &Node, source: &Source, problems: &mut Problems) -> Option<Config> {
    let folder = source.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    Fields::read(root, problems, |fields| {
        let config = sections(fields, folder, source);
        check_listeners(&config, fields);
        check_aliases(&config.models, fields);
        for list in ["keys", "providers", "models"] {
            check_names_differ(fields, list);
        }
        config
    })
}

fn sections(fields: &mut Fields<'_, '_>, folder: &Path, source: &Source) -> Config {
    let timeouts = fields.section("timeouts", |fields| Timeouts::read(fields, &Timeouts::default()));
    let retries = fields.section("retries", |fields| Retries::read(fields, &Retries::default()));
    let standing = Standing::read(fields, &Standing::default());
    let environment = &source.environment;
    let common = Common { timeouts: &timeouts, retries: &retries, standing: &standing, folder, environment };
    let providers = fields.list("providers", |node, problems| Provider::read(node, problems, &common));
    let models = fields.list("models", |node, problems| Model::read(node, problems, &providers));
    Config {
        listen: fields.or("listen", socket_address, SocketAddr::from(([127, 0, 0, 1], 8080))),
        allow_anonymous: fields.or("allow_anonymous", boolean, false),
        admin_listen: fields.get("admin_listen", socket_address),
        tls: tls(fields, folder),
        plugins: fields.section("plugins", |fields| Plugins::read(fields, folder, &source.environment)),
        keys: keys(fields),
        default_model: fields.get("default_model", |node| default_model(node, &providers, &models)),
        providers,
        models,
        limits: fields.section("limits", Limits::read),
        timeouts,
        client_timeouts: fields.section("client_timeouts", ClientTimeouts::read),
        retries,
        standing,
        fetch: fields.section("fetch", Fetch::read),
        cors: fields.section("cors", Cors::read),
        log: fields.section("log", log::read),
        file: source.file.clone(),
    }
}

fn tls(fields: &mut Fields<'_, '_>, folder: &Path) -> Option<Tls> {
    let node = fields.node("tls")?;
    Fields::read(node, fields.problems(), |fields| {
        let (cert, key) = (fields.required("cert", path(folder)), fields.required("key", path(folder)));
        Some(Tls { place: Place(fields.origin().clone()), cert: cert?, key: key? })
    })
    .flatten()
}

fn keys(fields: &mut Fields<'_, '_>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    fields.list("keys", |node, problems| {
        let key = Key::read(node, problems)?;
        // Whose request it was, and whether it may administrate, would be left to chance.
        if let Some(same) = keys.iter().find(|other| other.secret == key.secret) {
            problems.report(&node.origin, format!("the key is the same as that of `{}`", same.name));
        }
        keys.push(key);
        Some(())
    });
    keys
}

fn default_model(node: &Node, providers: &[Provider], models: &[Model]) -> Result<String, String> {
    let name = model_name(node)?;
    let names = || models.iter().map(|model| model.name.as_str());
    let leads = |model: &Model| model.matched(&name).is_some() || model.aliases.contains(&name);
    match models.iter().any(leads) || target::names(node, providers).is_ok() {
        true => Ok(name),
        false => Err(format!("neither a name in `models` nor `provider/model`{}", did_you_mean(&name, names()))),
    }
}

/// A gateway that others can reach holds keys to paid accounts: it is not to be open by accident.
fn check_listeners(config: &Config, fields: &mut Fields<'_, '_>) {
    if !config.listen.ip().is_loopback() && config.keys.is_empty() && !config.allow_anonymous {
        let origin = fields.node("listen").map_or(fields.origin(), |node| &node.origin);
        let message = format!(
            "`listen`: {} can be reached from other machines, and no key is set: anybody could use the configured \
             accounts. Set a key (`keys: [{{ name: dev, key: \"${{WEIR_KEY}}\" }}]`, or the environment variable \
             WEIR_KEY), listen on 127.0.0.1, or set `allow_anonymous: true`",
            config.listen
        );
        fields.report(origin, message);
    }
    let Some((admin, node)) = config.admin_listen.zip(fields.node("admin_listen")) else { return };
    if !admin.ip().is_loopback() && !config.keys.iter().any(|key| key.admin) {
        let message = format!(
            "`admin_listen`: {admin} can be reached from other machines, and no key is marked `admin: true`: anybody \
             could administrate. Mark a key, or listen on 127.0.0.1"
        );
        fields.report(&node.origin, message);
    }
    if admin == config.listen && admin.port() != 0 {
        fields.report(&node.origin, "`admin_listen`: is the same as `listen`");
    }
}

/// Works on the tree, so that an entry with another mistake in it counts, too, and the line is known.
fn check_names_differ(fields: &mut Fields<'_, '_>, list: &'static str) {
    let Some(Value::List(items)) = fields.node(list).map(|node| &node.value) else { return };
    let mut seen: Vec<(String, &Node)> = Vec::new();
    for item in items {
        let Value::Map(entries) = &item.value else { continue };
        let Some(entry) = entries.iter().find(|entry| entry.key == "name") else { continue };
        let Ok(name) = text(&entry.node) else { continue };
        match seen.iter().find(|(other, _)| *other == name) {
            Some((_, first)) => {
                fields.report(
                    &entry.node.origin,
                    format!("the name `{name}` is taken; the first one is at {}", first.origin),
                );
            }
            None => seen.push((name, &entry.node)),
        }
    }
}
