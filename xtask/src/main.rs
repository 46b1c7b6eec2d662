//! What a developer of Weir does, each as one command: `cargo xtask <command>`.
//!
//! Every command does its own set-up and is safe to run again. This is not part of what Weir ships.

mod bench;
mod components;
mod environment;
mod new;
mod place;
mod run;
mod steps;
mod suites;
mod tally;
mod tidy;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::place::Place;

const HELP: &str = "\
Usage: cargo xtask <command>

  run [-- ARGS]      build the plugins and the gateway, then start `weir serve ARGS`
  test [--soak SECONDS]
                     install what the tests need and run all of them; the soak goes on for 30 s or as long as is said
  plugins            build the plugins, and the components that the tests use
  bench [ARGS]       measure the gateway against a bare proxy (`bench --help` tells more)
  tidy               check the structure of the source
  new provider NAME  start a provider plugin in plugins/NAME
  new policy NAME    start a policy in plugins/NAME
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let place = Place::find()?;
    match words.as_slice() {
        ["run", "--", rest @ ..] | ["run", rest @ ..] => run::run(&place, rest),
        ["test"] => suites::run(&place, None),
        ["test", "--soak", seconds] => suites::run(&place, Some(seconds.parse().context("--soak takes seconds")?)),
        ["plugins"] => components::build_all(&place).map(|()| ExitCode::SUCCESS),
        ["bench", "--", rest @ ..] | ["bench", rest @ ..] => bench::run(&place, rest),
        ["tidy"] => tidy::run(&place),
        ["new", "provider", name] => new::plugin(&place, &new::PROVIDER, name).map(|()| ExitCode::SUCCESS),
        ["new", "policy", name] => new::plugin(&place, &new::POLICY, name).map(|()| ExitCode::SUCCESS),
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no command `{}`\n\n{HELP}", words.join(" ")),
    }
}
