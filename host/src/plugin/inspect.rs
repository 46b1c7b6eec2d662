//! Looks at a component without running it: what it is, which contract it speaks, what it wants to import.

use std::io;
use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::generation::{Descriptor, Generation, LARGEST_COMPONENT, LoadError};
use super::sandbox::{CONTRACT_VERSION, Sandbox};
use super::world::Kind;
use crate::config::did_you_mean;

/// The package whose interfaces make up the contract.
const PACKAGE: &str = "weir:plugin/";

/// The interfaces of the contract that every world imports.
const GRANTED: [&str; 3] = ["types", "log", "kv"];

/// What `weir plugin inspect` shows.
#[derive(Debug)]
pub struct Inspection {
    /// The world that it implements.
    pub world: &'static str,
    /// The version of the contract that it speaks.
    pub contract: String,
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// What it imports.
    pub imports: Vec<String>,
    /// Its size in bytes.
    pub size: usize,
    /// SHA-256 of the file, in hex.
    pub digest: String,
}

/// Reads, checks and describes the component in a file.
pub async fn inspect(sandbox: &Sandbox, path: &Path) -> Result<Inspection, LoadError> {
    let content = read(path)?;
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let generation = Generation::load(sandbox, &name, 1, content.clone()).await?;
    let component = sandbox.compile(&sandbox.pooled, &content, &generation.digest);
    let component = component.map_err(|error| LoadError::NotAComponent(format!("{error:#}")))?;
    Ok(Inspection {
        world: generation.descriptor.kind().world(),
        contract: CONTRACT_VERSION.to_owned(),
        descriptor: generation.descriptor.clone(),
        imports: imports(&component, &sandbox.pooled),
        size: generation.size,
        digest: generation.digest.clone(),
    })
}

/// Reads a component's file if it has a sensible size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let describe = |error: io::Error| {
        let near = if error.kind() == io::ErrorKind::NotFound { near(path) } else { String::new() };
        LoadError::Read(format!("cannot read {}: {error}{near}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(describe)?.len();
    if size > LARGEST_COMPONENT {
        return Err(LoadError::Read(format!("{} has {size} bytes; {LARGEST_COMPONENT} are allowed", path.display())));
    }
    std::fs::read(path).map_err(describe)
}

/// The end of an error about a component that is not there: which one was probably meant.
fn near(path: &Path) -> String {
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let others = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let components = others.filter(|other| other.extension().is_some_and(|extension| extension == "wasm"));
    let names: Vec<String> = components.map(|component| stem(&component)).collect();
    did_you_mean(&stem(path), names.iter().map(String::as_str))
}

/// Refuses what is no component before anything tries to compile it.
pub(super) fn check_header(content: &[u8]) -> Result<(), LoadError> {
    let reason = match content {
        [] => "the file is empty",
        [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00, ..] => return Ok(()),
        [0x00, b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00, ..] => {
            "it is a core module, not a component: build it for the target wasm32-wasip2, or make a component of it \
             with `wasm-tools component new`"
        }
        [0x00, b'a', b's', b'm', ..] => "it is WebAssembly of a version that this host does not know, or incomplete",
        _ => "it is not WebAssembly",
    };
    Err(LoadError::NotAComponent(reason.to_owned()))
}

/// Checks that the component exports a world of this contract's version, and imports nothing that it is not granted.
pub(super) fn check_world(component: &Component, engine: &Engine) -> Result<Kind, LoadError> {
    let component_type = component.component_type();
    let exports: Vec<String> = component_type.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let exported = Kind::ALL.iter().filter(|kind| exports.contains(&export(**kind)));
    let kind = match exported.copied().collect::<Vec<_>>().as_slice() {
        [kind] => *kind,
        [] => return Err(LoadError::World(wrong_world(&exports))),
        _ => return Err(LoadError::World("it exports more than one kind of plugin: make a component of each".into())),
    };
    for import in imports(component, engine) {
        if !is_granted(&import) {
            return Err(LoadError::Import(format!(
                "it imports `{import}`, which {} is not granted: it may import {PACKAGE}log, \
                 {PACKAGE}kv and the WASI interfaces of clocks, random numbers and standard streams",
                kind.describe()
            )));
        }
    }
    Ok(kind)
}

/// What a component of this kind exports.
fn export(kind: Kind) -> String {
    format!("{PACKAGE}{}@{CONTRACT_VERSION}", kind.interface())
}

fn imports(component: &Component, engine: &Engine) -> Vec<String> {
    component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect()
}

/// WASI 0.2 interfaces that toolchains link. They are served and lead nowhere.
fn is_granted(import: &str) -> bool {
    const WASI: [&str; 6] =
        ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];
    if WASI.iter().any(|prefix| import.starts_with(prefix)) {
        return import.contains("@0.2.");
    }
    GRANTED.iter().any(|interface| import == format!("{PACKAGE}{interface}@{CONTRACT_VERSION}"))
}

fn wrong_world(exports: &[String]) -> String {
    match exports.iter().find(|export| export.starts_with(PACKAGE)) {
        Some(export) => match export.split_once('@') {
            Some((_, version)) if version != CONTRACT_VERSION => format!(
                "it speaks version {version} of the contract weir:plugin, this host speaks {CONTRACT_VERSION}: \
                 rebuild it with the matching SDK"
            ),
            _ => format!("it exports `{export}`, which is no kind of plugin: those export {}", kinds()),
        },
        None => format!("it exports no interface of weir:plugin, so it is no plugin: those export {}", kinds()),
    }
}

fn kinds() -> String {
    Kind::ALL.map(export).join(" or ")
}
