//! The configuration of a gateway under test. Every key of the file that a test relies on is written down here, or
//! given to [`Config::set`] by the test that needs it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Dialect, Upstream};

/// The key of an ordinary client, named `dev`.
pub const KEY: &str = "client-key-5up3rs3cr3t";
/// The key of an administrator, named `ops`.
pub const ADMIN_KEY: &str = "admin-key-5up3rs3cr3t";
/// The credential that providers are configured with.
pub const UPSTREAM_SECRET: &str = "sk-upstream-5up3rs3cr3t";
/// The model that providers are configured with.
pub const MODEL: &str = "m1";

/// A configuration file in the making. It is written as JSON, which is YAML.
#[derive(Debug, Clone)]
pub struct Config(Value);

impl Config {
    /// A loopback listener on a free port, two keys and the plugins as built; no provider yet.
    #[must_use]
    pub fn new() -> Self {
        Self(json!({
            "listen": "127.0.0.1:0",
            "plugins": { "path": crate::guests::built_plugins(), "cache": crate::guests::compile_cache() },
            "keys": [
                { "name": "dev", "key": KEY },
                { "name": "ops", "key": ADMIN_KEY, "admin": true },
            ],
            // An upstream under test is sent what the test sends, and nothing more.
            "health_checks": { "enabled": false },
            "providers": [],
        }))
    }

    /// A configuration with one provider of this dialect at this upstream, named after the dialect.
    #[must_use]
    pub fn of(dialect: Dialect, upstream: &Upstream) -> Self {
        Self::new().provider(Provider::new(dialect, upstream))
    }

    /// Adds a provider.
    #[must_use]
    pub fn provider(mut self, provider: Provider) -> Self {
        self.0["providers"].as_array_mut().expect("providers are a list").push(provider.0);
        self
    }

    /// Adds a model name with these targets, each `provider/model` or a mapping, and the `failover` policy.
    #[must_use]
    pub fn model(self, name: &str, targets: &[Value]) -> Self {
        self.routed(json!({ "name": name, "targets": targets }))
    }

    /// Adds a model name as it stands in the file.
    #[must_use]
    pub fn routed(mut self, model: Value) -> Self {
        match &mut self.0["models"] {
            Value::Array(models) => models.push(model),
            models => *models = json!([model]),
        }
        self
    }

    /// Takes plugins from this folder.
    #[must_use]
    pub fn plugins(self, folder: &Path) -> Self {
        self.set("/plugins/path", json!(folder))
    }

    /// Sets the value at a JSON pointer (`/limits/body_bytes`), making the objects on the way.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.0, pointer, value);
        self
    }

    /// Writes the file into a folder.
    #[must_use]
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("weir.yaml");
        std::fs::write(&path, self.text()).expect("the folder of a test can be written to");
        path
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).expect("a value is serializable")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// One entry of `providers`.
#[derive(Debug, Clone)]
pub struct Provider(Value);

impl Provider {
    /// A provider of this dialect at this upstream, named after the dialect, with one model. It does not retry, so
    /// that what an upstream was sent is what the client asked for.
    #[must_use]
    pub fn new(dialect: Dialect, upstream: &Upstream) -> Self {
        Self::of_plugin(dialect.plugin(), &dialect.base_url(upstream.address()))
    }

    /// A provider of a plugin, named like it.
    #[must_use]
    pub fn of_plugin(plugin: &str, base_url: &str) -> Self {
        Self(json!({
            "name": plugin,
            "plugin": plugin,
            "base_url": base_url,
            "api_key": UPSTREAM_SECRET,
            "models": [MODEL],
        }))
        .attempts(1)
    }

    /// A provider of a plugin that answers by itself, named like it.
    #[must_use]
    pub fn offline(plugin: &str, models: &[&str]) -> Self {
        Self(json!({ "name": plugin, "plugin": plugin, "models": models }))
    }

    /// Another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.set("/name", json!(name))
    }

    /// Other models.
    #[must_use]
    pub fn models(self, models: &[&str]) -> Self {
        self.set("/models", json!(models))
    }

    /// How many attempts a request gets at most, the first one included, with next to no wait between them.
    #[must_use]
    pub fn attempts(self, most: u32) -> Self {
        self.set("/retries", json!({ "attempts": most, "backoff": "10ms", "max_backoff": "2s" }))
    }

    /// One of the time limits, as it stands in the file: `connect`, `first_byte`, `idle` or `total`.
    #[must_use]
    pub fn timeout(self, name: &str, value: &str) -> Self {
        self.set(&format!("/timeouts/{name}"), json!(value))
    }

    /// Settings for the plugin.
    #[must_use]
    pub fn settings(self, settings: Value) -> Self {
        self.set("/settings", settings)
    }

    /// Without this key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.as_object_mut().expect("a provider is a mapping").remove(key);
        self
    }

    /// Sets the value at a JSON pointer, making the objects on the way.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.0, pointer, value);
        self
    }
}

fn set(root: &mut Value, pointer: &str, value: Value) {
    let mut place = root;
    for key in pointer.trim_start_matches('/').split('/') {
        place = match key.parse::<usize>() {
            Ok(index) if place.is_array() => &mut place[index],
            _ => &mut place[key],
        };
    }
    *place = value;
}
