//! `run`: from a fresh checkout to a gateway that answers.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::place::Place;
use crate::{components, steps};

/// Builds the plugins and the gateway, and starts it with the terminal attached, until it ends.
pub fn run(place: &Place, arguments: &[&str]) -> Result<ExitCode> {
    components::build_plugins(place)?;
    build_gateway(place)?;
    steps::say(&format!("starting {} serve", place.shown(&place.weir())));
    let mut command = Command::new(place.weir());
    let status = command.arg("serve").args(arguments).status().context("cannot start the gateway")?;
    // Ended by a signal, it has no code of its own.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds the gateway in release.
pub fn build_gateway(place: &Place) -> Result<()> {
    steps::say("building the gateway (the first time takes some minutes)");
    steps::finish(steps::cargo(place).args(["build", "--release", "--package", "weir", "--bin", "weir"]))
}
