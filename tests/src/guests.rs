//! Where the components are that the tests load: the plugins that come with Weir, and the guests made for the tests.
//!
//! `cargo xtask test` builds both. `tests/guests/README.md` says how to do it by hand.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::gateway::replace;

/// The workspace's build folder.
#[must_use]
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// The folder of the plugins as built: `WEIR_PLUGINS_DIR`, or where `cargo xtask plugins` puts them.
#[must_use]
pub fn built_plugins() -> PathBuf {
    std::env::var_os("WEIR_PLUGINS_DIR").map_or_else(|| target().join("release/plugins"), PathBuf::from)
}

/// One cache of compiled components for all tests: compiling is most of what a start costs.
#[must_use]
pub fn compile_cache() -> PathBuf {
    let folder = target().join("tests/cache");
    std::fs::create_dir_all(&folder).expect("the build folder can be written to");
    folder
}

/// The bytes of a plugin that comes with Weir.
#[must_use]
pub fn plugin(name: &str) -> Vec<u8> {
    read(&built_plugins().join(format!("{name}.wasm")), "cargo xtask plugins")
}

/// The bytes of a guest made for the tests: `WEIR_GUESTS_DIR`, or `target/guests`.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("WEIR_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from);
    read(&folder.join(format!("{name}.wasm")), "cargo xtask test")
}

/// The `variant` guest with another answer in its data section, the same length as the one that it was built with.
#[must_use]
pub fn variant(answer: [u8; 16]) -> Vec<u8> {
    const BUILT_WITH: &[u8] = b"WEIR-VARIANT-000";
    let mut component = guest("variant");
    let places: Vec<_> = component
        .windows(BUILT_WITH.len())
        .enumerate()
        .filter(|(_, window)| *window == BUILT_WITH)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "the variant guest does not contain its answer");
    for place in places {
        component[place..place + answer.len()].copy_from_slice(&answer);
    }
    component
}

/// The answer of the `number`th variant.
#[must_use]
pub fn variant_answer(number: usize) -> [u8; 16] {
    let text = format!("variant {number:08}");
    text.into_bytes().try_into().expect("eight letters and eight digits")
}

fn read(path: &Path, built_by: &str) -> Vec<u8> {
    let missing = |error| panic!("{} cannot be read ({error}): it is built by `{built_by}`", path.display());
    std::fs::read(path).unwrap_or_else(missing)
}

/// A folder of plugins that belongs to one test, which may replace the files in it.
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    /// The same with a copy of a plugin that comes with Weir.
    #[must_use]
    pub fn with_plugin(self, name: &str) -> Self {
        self.put(name, &plugin(name));
        self
    }

    /// The same with a copy of a guest made for the tests.
    #[must_use]
    pub fn with_guest(self, name: &str) -> Self {
        self.put(name, &guest(name));
        self
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of a plugin.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.wasm"))
    }

    /// Writes or replaces a plugin's file in one step, by a rename.
    pub fn put(&self, name: &str, content: &[u8]) {
        replace(&self.file(name), content);
    }

    /// Writes over a plugin's file in place, as `cp` does.
    pub fn overwrite(&self, name: &str, content: &[u8]) {
        std::fs::write(self.file(name), content).expect("the folder of a test can be written to");
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}
