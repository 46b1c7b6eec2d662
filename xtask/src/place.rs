//! Where things are: the checkout and what is built from it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout, and the folder that builds go to.
pub struct Place {
    /// The folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// `target`, or what `CARGO_TARGET_DIR` says.
    pub target: PathBuf,
}

impl Place {
    /// Finds the checkout that this program was built from.
    pub fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("xtask stands in a folder of the workspace")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = if target.is_absolute() { target } else { root.join(target) };
        Ok(Self { root, target })
    }

    /// The gateway's binary.
    pub fn weir(&self) -> PathBuf {
        self.target.join("release/weir")
    }

    /// The plugins that come with the gateway, as components.
    pub fn plugins(&self) -> PathBuf {
        self.target.join("release/plugins")
    }

    /// The components that are there for tests alone.
    pub fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// A path of the checkout as it is shown: relative to its root.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
