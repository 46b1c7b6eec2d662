//! `bench`: builds what is measured and what measures, and runs it.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::place::Place;
use crate::{components, steps};

/// Runs the benchmark with these arguments.
pub fn run(place: &Place, arguments: &[&str]) -> Result<ExitCode> {
    components::build_plugins(place)?;
    steps::say("building the gateway as it is shipped, and the bare proxy in the same way");
    let mut measured = steps::cargo(place);
    measured.args(["build", "--profile", "dist", "--package", "weir", "--package", "weir-bench"]);
    steps::finish(measured.args(["--bin", "weir", "--bin", "floor"]))?;
    steps::say("building the benchmark");
    steps::finish(steps::cargo(place).args(["build", "--release", "--package", "weir-bench", "--bin", "weir-bench"]))?;
    let shipped = place.target.join("dist");
    let mut command = Command::new(place.target.join("release/weir-bench"));
    command.arg("run").arg("--weir").arg(shipped.join("weir")).arg("--floor").arg(shipped.join("floor"));
    command.arg("--plugins").arg(place.plugins());
    command.arg("--sources").arg(place.root.join("plugins"));
    command.arg("--out").arg(place.target.join("bench.json")).args(arguments).stdin(Stdio::null());
    let status = command.status().context("cannot start the benchmark")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
