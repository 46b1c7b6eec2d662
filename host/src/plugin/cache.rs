//! The compilation cache: native code of components on disk, mapped in milliseconds instead of compiled in seconds.
//!
//! Native code runs outside the sandbox's guarantees, so a file is only loaded if Weir wrote it: the folder must
//! belong to this user and be writable to nobody else, and the content must match the digest written beside it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled components, keyed by the content of the component and by the engine.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Opens the folder, making it if needed. One that cannot be trusted or written is not used, and the log says so.
    pub(super) fn open(folder: &Path) -> Self {
        let folder = match trusted(folder) {
            Ok(()) => Some(folder.to_owned()),
            Err(reason) => {
                tracing::warn!(folder = %folder.display(), "compiled plugins are not cached: {reason}");
                None
            }
        };
        Self { folder }
    }

    /// The compiled component from the folder, or compiled now and kept there.
    pub(super) fn load(&self, engine: &Engine, content: &[u8], content_key: &str) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else {
            return Component::new(engine, content);
        };
        let path = folder.join(format!("{content_key}-{:016x}.cwasm", engine_key(engine)));
        if let Some(component) = read(engine, &path) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(content)?;
        if let Err(error) = write(&path, &compiled) {
            tracing::warn!(path = %path.display(), "could not keep a compiled plugin: {error}");
            return Component::new(engine, content);
        }
        drop(compiled);
        match read(engine, &path) {
            Some(component) => Ok(component),
            None => Component::new(engine, content),
        }
    }
}

/// Tells engines apart whose native code does not fit each other: by version, settings and CPU.
fn engine_key(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Makes the folder, and checks that nobody else can put a file there.
fn trusted(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    // SAFETY: geteuid has no preconditions and cannot fail.
    #[allow(unsafe_code)]
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user {
        return Err(io::Error::other("the folder belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to the folder (chmod go-w it)"));
    }
    Ok(())
}

/// Loads a compiled component if the file is whole. Anything else counts as not there.
fn read(engine: &Engine, path: &Path) -> Option<Component> {
    let expected = fs::read_to_string(digest_path(path)).ok()?;
    let found = digest(&fs::read(path).ok()?);
    if expected.trim() != found {
        tracing::warn!(path = %path.display(), "a compiled plugin is damaged and will be compiled again");
        return None;
    }
    // SAFETY: the folder is writable to this user alone (`trusted`) and the content is what Weir wrote, by its
    // digest. The file is replaced by renaming, never changed in place, so the mapping stays as it is.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.inspect_err(|error| tracing::debug!("a compiled plugin is of another engine: {error:#}")).ok()
}

fn write(path: &Path, compiled: &[u8]) -> io::Result<()> {
    write_aside(path, compiled)?;
    write_aside(&digest_path(path), digest(compiled).as_bytes())
}

/// Writes aside, flushes and renames, so that a reader finds all of it or nothing.
fn write_aside(path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(format!("{}-{:x}.part", std::process::id(), fastrand::u64(..)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

fn digest_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

/// The SHA-256 of some content in hex: the key of the cache, and what an operator sees of a plugin's file.
pub(super) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
