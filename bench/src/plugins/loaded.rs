//! Loads components as the gateway does, and takes the time of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use weir::config::PluginLimits;
use weir::plugin::{Abilities, FUNCTIONS, Generation, Library, ProviderPlugin, Sandbox};
use weir::telemetry::Metrics;

use super::golden::Golden;

/// Loads the components of one folder.
pub struct Loader {
    folder: PathBuf,
    metrics: Metrics,
    library: Library,
    /// How long each plugin took to load when it was asked for first.
    milliseconds: HashMap<String, f64>,
}

/// A plugin that is ready for calls.
pub struct Loaded {
    /// The plugin, with settings.
    pub plugin: Arc<ProviderPlugin>,
    /// Its component's size in bytes.
    pub size: usize,
    /// How long it took to compile, check and describe it, in milliseconds.
    pub milliseconds: f64,
}

impl Loader {
    /// A loader that has compiled nothing yet: what `compiled` holds of earlier runs is thrown away.
    pub fn new(folder: &Path, compiled: &Path, metrics: Metrics) -> Result<Self> {
        if compiled.exists() {
            std::fs::remove_dir_all(compiled).with_context(|| format!("cannot empty {}", compiled.display()))?;
        }
        let sandbox = Sandbox::new(compiled).map_err(|error| anyhow::anyhow!("the sandbox cannot be made: {error}"))?;
        let library = Library::new(sandbox, folder.to_owned());
        Ok(Self { folder: folder.to_owned(), metrics, library, milliseconds: HashMap::new() })
    }

    /// The names of the plugins in the folder.
    pub fn names(&self) -> Result<Vec<String>> {
        crate::subjects::plugins_in(&self.folder)
    }

    /// Whether it is a policy, which is measured by the plans that it makes for whole requests.
    pub async fn is_policy(&mut self, name: &str) -> Result<bool> {
        let (generation, _) = self.compiled(name).await?;
        Ok(matches!(generation.descriptor.abilities, Abilities::Policy(_)))
    }

    /// A plugin as it was compiled when it was asked for first, and how many milliseconds that took.
    async fn compiled(&mut self, name: &str) -> Result<(Arc<Generation>, f64)> {
        let begun = Instant::now();
        if !self.milliseconds.contains_key(name) {
            self.library.refresh(&[name]).await;
            self.milliseconds.insert(name.to_owned(), begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok((self.library.generation(name)?, self.milliseconds[name]))
    }

    /// Loads a plugin with the first settings that it takes: none, or those of one of its cases.
    pub async fn load(&mut self, name: &str, golden: &Golden) -> Result<Loaded> {
        let (generation, milliseconds) = self.compiled(name).await?;
        let size = generation.size;
        let none = json!({});
        let mut refusal = None;
        for settings in std::iter::once(&none).chain(golden.settings()) {
            let metrics = self.metrics.plugin(name, &FUNCTIONS);
            match ProviderPlugin::new(Arc::clone(&generation), settings, PluginLimits::default(), metrics).await {
                Ok(plugin) => return Ok(Loaded { plugin, size, milliseconds }),
                Err(error) => refusal = Some(error),
            }
        }
        bail!("it takes no settings of its own cases: {}", refusal.map_or_else(String::new, |error| error.to_string()))
    }
}
