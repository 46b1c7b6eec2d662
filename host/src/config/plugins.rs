//! Where plugins are, and what each may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Environment;
use super::fields::Fields;
use super::values::{boolean, count, duration, path, size};

/// The plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// The folder with the components (`openai.wasm`). Default `plugins`, next to the config file.
    pub path: PathBuf,
    /// The folder for compiled components. Nobody else should be able to write to it. Default: what systemd says in
    /// `CACHE_DIRECTORY`, then the user's cache folder (`~/.cache/weir`), then `/var/cache/weir`.
    pub cache: PathBuf,
    /// What a plugin may use.
    pub limits: PluginLimits,
    /// The same by plugin, where it differs.
    pub overrides: BTreeMap<String, PluginLimits>,
}

impl Plugins {
    /// What this plugin may use.
    pub fn limits_of(&self, plugin: &str) -> &PluginLimits {
        self.overrides.get(plugin).unwrap_or(&self.limits)
    }

    pub(super) fn read(fields: &mut Fields<'_, '_>, folder: &Path, environment: &Environment) -> Self {
        let base = PluginLimits::default();
        let limits = fields.section("limits", |fields| PluginLimits::read(fields, &base));
        let mut overrides = BTreeMap::new();
        for entry in fields.entries("overrides") {
            let read = Fields::read(&entry.node, fields.problems(), |fields| PluginLimits::read(fields, &limits));
            overrides.extend(read.map(|own| (entry.key.clone(), own)));
        }
        Self {
            path: fields.or("path", path(folder), folder.join("plugins")),
            cache: fields.get("cache", path(folder)).unwrap_or_else(|| default_cache(environment)),
            limits,
            overrides,
        }
    }
}

/// What a plugin may use. A call that goes past a limit fails, and only that call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// How long one call may run. Default 500 ms.
    pub call_deadline: Duration,
    /// The most memory of one instance, in bytes. Default 64 MiB.
    pub memory_bytes: usize,
    /// The most elements of one instance's tables together. Default 100 000.
    pub table_elements: usize,
    /// The most instances at once; an open stream holds one while its upstream speaks. Default 10 000.
    pub instances: usize,
    /// The most bytes that one call may give back. Default 16 MiB.
    pub output_bytes: usize,
    /// The most log lines per second; more are dropped and counted. Default 50.
    pub log_lines_per_second: usize,
    /// After how many calls an instance is replaced by a fresh one. Default 10 000.
    pub reuse: usize,
    /// The most entries in the plugin's key-value store. Default 10 000.
    pub kv_entries: usize,
    /// The most bytes in the plugin's key-value store, keys and values together. Default 16 MiB.
    pub kv_bytes: usize,
    /// Whether every call gets a fresh instance, at about 50 µs more per call. Default false.
    pub fresh_instances: bool,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            call_deadline: Duration::from_millis(500),
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            instances: 10_000,
            output_bytes: 16 << 20,
            log_lines_per_second: 50,
            reuse: 10_000,
            kv_entries: 10_000,
            kv_bytes: 16 << 20,
            fresh_instances: false,
        }
    }
}

impl PluginLimits {
    fn read(fields: &mut Fields<'_, '_>, base: &Self) -> Self {
        Self {
            call_deadline: fields.or("call_deadline", duration, base.call_deadline),
            memory_bytes: fields.or("memory_bytes", size, base.memory_bytes),
            table_elements: fields.or("table_elements", count, base.table_elements),
            instances: fields.or("instances", count, base.instances),
            output_bytes: fields.or("output_bytes", size, base.output_bytes),
            log_lines_per_second: fields.or("log_lines_per_second", count, base.log_lines_per_second),
            reuse: fields.or("reuse", count, base.reuse),
            kv_entries: fields.or("kv_entries", count, base.kv_entries),
            kv_bytes: fields.or("kv_bytes", size, base.kv_bytes),
            fresh_instances: fields.or("fresh_instances", boolean, base.fresh_instances),
        }
    }
}

fn default_cache(environment: &Environment) -> PathBuf {
    // A relative folder is ignored, as the XDG specification asks; systemd may give several, with colons between.
    let folder = |name| environment.get(name).and_then(|value| value.split(':').next()).map(Path::new);
    let absolute = |name| folder(name).filter(|path| path.is_absolute());
    absolute("CACHE_DIRECTORY")
        .map(Path::to_owned)
        .or_else(|| absolute("XDG_CACHE_HOME").map(|path| path.join("weir")))
        .or_else(|| absolute("HOME").filter(|home| *home != Path::new("/")).map(|home| home.join(".cache/weir")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/weir"))
}
