//! The folder of plugin files, and the generation of each that is loaded now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::cache::digest;
use super::generation::{Generation, LoadError};
use super::inspect::read;
use super::sandbox::Sandbox;
use super::world::Kind;

/// The plugins of one folder by name: `anthropic` is `anthropic.wasm`.
///
/// It is only touched at start-up and by reloads, which are one at a time; requests hold what they use by themselves.
pub struct Library {
    sandbox: Sandbox,
    folder: PathBuf,
    shelf: BTreeMap<String, Slot>,
}

/// What is known of one plugin file.
#[derive(Default)]
struct Slot {
    current: Option<Arc<Generation>>,
    error: Option<LoadError>,
    /// What the file looked like when it was last read, so that an unchanged one is not read again.
    seen: Option<Stamp>,
    /// The content that was last tried.
    tried: Option<String>,
    loaded: u64,
    generations: Vec<Weak<Generation>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

/// One plugin as `GET /plugins` shows it.
#[derive(Debug, Clone)]
pub struct PluginState {
    /// Its name.
    pub name: String,
    /// The generation that serves, if one could be loaded.
    pub serving: Option<Serving>,
    /// All generations, as long as something runs on them.
    generations: Vec<Weak<Generation>>,
    /// Why the file as it stands now does not serve.
    pub error: Option<String>,
}

/// The generation that serves.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Its number, from 1.
    pub generation: u64,
    /// What kind of plugin it is.
    pub kind: Kind,
    /// The plugin's own version.
    pub version: String,
    /// One sentence on what it does.
    pub summary: String,
    /// SHA-256 of the file in hex.
    pub digest: String,
    /// Size of the file in bytes.
    pub size: usize,
}

impl PluginState {
    /// Generations that are in use at this moment, the serving one included.
    pub fn generations_alive(&self) -> usize {
        self.generations.iter().filter(|generation| generation.strong_count() > 0).count()
    }
}

impl Library {
    /// A library of this folder, with nothing loaded yet.
    pub fn new(sandbox: Sandbox, folder: PathBuf) -> Self {
        Self { sandbox, folder, shelf: BTreeMap::new() }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads the named plugins whose files are new or have changed. A file that cannot be loaded leaves the generation
    /// before it in service. Returns the names of what failed anew.
    pub async fn refresh(&mut self, names: &[&str]) -> Vec<String> {
        let mut failed = Vec::new();
        for name in names {
            let path = self.folder.join(format!("{name}.wasm"));
            let slot = self.shelf.entry((*name).to_owned()).or_default();
            if let Err(error) = slot.refresh(&self.sandbox, name, &path).await {
                tracing::error!(plugin = name, path = %path.display(), "the plugin was not loaded: {error}");
                failed.push((*name).to_owned());
            }
        }
        failed
    }

    /// Forgets all plugins but these.
    pub fn keep(&mut self, names: &[&str]) {
        self.shelf.retain(|name, _| names.contains(&name.as_str()));
    }

    /// The generation that serves under this name, or why there is none.
    pub fn generation(&self, name: &str) -> Result<Arc<Generation>, LoadError> {
        let slot = self.shelf.get(name);
        if let Some(generation) = slot.and_then(|slot| slot.current.as_ref()) {
            return Ok(Arc::clone(generation));
        }
        Err(slot.and_then(|slot| slot.error.clone()).unwrap_or_else(|| LoadError::Read("it was never loaded".into())))
    }

    /// Takes a generation out of service for which the settings turned out not to fit, in favour of this one.
    pub fn fall_back(&mut self, generation: Arc<Generation>, error: LoadError) {
        if let Some(slot) = self.shelf.get_mut(&generation.name) {
            slot.error = Some(error);
            slot.current = Some(generation);
            // The settings may fit at the next reload, so the file is to be tried again then.
            slot.seen = None;
            slot.tried = None;
        }
    }

    /// All plugins, for operators.
    pub fn states(&self) -> Vec<PluginState> {
        self.shelf.iter().map(|(name, slot)| slot.state(name)).collect()
    }
}

impl Slot {
    async fn refresh(&mut self, sandbox: &Sandbox, name: &str, path: &Path) -> Result<(), LoadError> {
        let stamp = stamp(path);
        if stamp.is_some() && stamp == self.seen {
            return Ok(());
        }
        let outcome = self.load(sandbox, name, path).await;
        self.seen = stamp;
        self.generations.retain(|generation| generation.strong_count() > 0);
        match outcome {
            Ok(Some(generation)) => {
                tracing::info!(plugin = name, generation = generation.number, "the plugin was loaded");
                self.generations.push(Arc::downgrade(&generation));
                self.current = Some(generation);
                self.error = None;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                self.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The new generation, or `None` if the content is what serves or failed already.
    async fn load(&mut self, sandbox: &Sandbox, name: &str, path: &Path) -> Result<Option<Arc<Generation>>, LoadError> {
        let content = read(path)?;
        let digest = digest(&content);
        if self.current.as_ref().is_some_and(|current| current.digest == digest) {
            self.error = None;
            self.tried = Some(digest);
            return Ok(None);
        }
        if self.tried.replace(digest.clone()) == Some(digest) {
            return Ok(None);
        }
        let generation = Generation::load(sandbox, name, self.loaded + 1, content).await?;
        self.loaded += 1;
        Ok(Some(generation))
    }

    fn state(&self, name: &str) -> PluginState {
        PluginState {
            name: name.to_owned(),
            serving: self.current.as_ref().map(|generation| Serving {
                generation: generation.number,
                kind: generation.descriptor.kind(),
                version: generation.descriptor.version.clone(),
                summary: generation.descriptor.summary.clone(),
                digest: generation.digest.clone(),
                size: generation.size,
            }),
            generations: self.generations.clone(),
            error: self.error.as_ref().map(ToString::to_string),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), size: metadata.len(), inode: metadata.ino() })
}
