//! Building the Wasm components: the plugins that Weir comes with, and those that are there for the tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;
use crate::steps;

const TARGET: &str = "wasm32-wasip2";

/// Builds the plugins, and the guests of the tests.
pub fn build_all(place: &Place) -> Result<()> {
    build_plugins(place)?;
    build_guests(place)
}

/// Builds each crate in `plugins/` into `target/release/plugins/<name>.wasm`.
pub fn build_plugins(place: &Place) -> Result<()> {
    build(place, &place.root.join("plugins"), &place.plugins())
}

/// Builds each crate in `tests/guests/` into `target/guests/<name>.wasm`.
pub fn build_guests(place: &Place) -> Result<()> {
    build(place, &place.root.join("tests/guests"), &place.guests())
}

/// The names of the crates in a folder: those of the folders in it that have a `Cargo.toml`.
pub fn crates_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(names) };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn build(place: &Place, source: &Path, destination: &Path) -> Result<()> {
    let names = crates_in(source)?;
    if names.is_empty() {
        return Ok(());
    }
    add_target()?;
    steps::say(&format!("building {}: {}", place.shown(source), names.join(", ")));
    let mut command = steps::cargo(place);
    command.args(["build", "--quiet", "--target", TARGET, "--profile", "plugin", "--target-dir"]).arg(&place.target);
    for name in &names {
        let manifest = fs::read_to_string(source.join(name).join("Cargo.toml"))?;
        command.arg("--package").arg(package_name(&manifest).unwrap_or(name));
    }
    steps::finish(&mut command)?;
    fs::create_dir_all(destination)?;
    for name in &names {
        let manifest = fs::read_to_string(source.join(name).join("Cargo.toml"))?;
        let artifact = package_name(&manifest).unwrap_or(name).replace('-', "_");
        let built = place.target.join(TARGET).join("plugin").join(format!("{artifact}.wasm"));
        publish(&built, &destination.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// The first `name = "..."` of a manifest, which is that of its package.
fn package_name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix("name"))?;
    line.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.split('"').next()
}

/// Adds the Wasm target to the toolchain, unless it is there.
fn add_target() -> Result<()> {
    let installed = steps::output_of(Command::new("rustup").args(["target", "list", "--installed"]))
        .context("rustup is needed to add the Wasm target to the toolchain: see https://rustup.rs")?;
    if installed.lines().any(|line| line.trim() == TARGET) {
        return Ok(());
    }
    steps::say(&format!("adding the target {TARGET} to the toolchain"));
    steps::finish(Command::new("rustup").args(["target", "add", TARGET]))
}

/// Puts a built component in its place in one step, as a gateway may be watching, and only if it changed, as the
/// gateway would compile it again.
fn publish(built: &Path, destination: &Path) -> Result<()> {
    let new = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(destination).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let aside = destination.with_extension("wasm.new");
    fs::write(&aside, new).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, destination).with_context(|| format!("cannot replace {}", destination.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_package_is_read_from_its_manifest() {
        assert_eq!(package_name("[package]\nname = \"flood-log\"\n\n[[bin]]\nname = \"x\"\n"), Some("flood-log"));
        assert_eq!(package_name("[workspace]\n"), None);
    }

    #[test]
    fn a_component_that_did_not_change_is_not_touched() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("weir-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (built, destination) = (folder.join("built.wasm"), folder.join("plugin.wasm"));
        fs::write(&built, "one")?;
        publish(&built, &destination)?;
        let first = fs::metadata(&destination)?.modified()?;
        publish(&built, &destination)?;
        assert_eq!(fs::metadata(&destination)?.modified()?, first);
        fs::write(&built, "two")?;
        publish(&built, &destination)?;
        assert_eq!(fs::read(&destination)?, b"two");
        assert_eq!(crates_in(&folder)?, Vec::<String>::new());
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
