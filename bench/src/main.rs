//! What Weir costs: processor time, latency and memory, measured beside a bare proxy in the same run.
//!
//! `weir-bench run` starts everything else as processes of their own, all on loopback: the scripted [`upstream`], the
//! load generator ([`load`]), the `floor` (a proxy that does nothing but pass on) and the gateway. Measurements are
//! interleaved over several rounds, so that a noisy machine is noisy for all alike. `cargo xtask bench` builds it all.

mod load;
mod options;
mod processes;
mod report;
mod rounds;
mod subjects;
mod upstream;

use anyhow::{Context, Result, bail};

use crate::options::Options;

const HELP: &str = "\
Usage: cargo xtask bench [OPTIONS]

  --rounds N     how many interleaved rounds to measure (5)
  --streams N    how many streams to hold open at once (5000)
  --quick        one short round, to see that everything works
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{HELP}");
        return Ok(());
    }
    match arguments.split_first().map(|(command, rest)| (command.as_str(), rest)) {
        Some(("run", rest)) => one_thread()?.block_on(rounds::run(&Options::parse(rest)?)),
        Some(("upstream", [])) => one_thread()?.block_on(upstream::serve()),
        Some(("load", [task])) => {
            let task = serde_json::from_str(task).context("the task of the load generator")?;
            let result = one_thread()?.block_on(load::run(task))?;
            println!("{}", serde_json::to_string(&result)?);
            Ok(())
        }
        _ => bail!("{HELP}"),
    }
}

/// Everything but what is measured runs on one thread, to leave the processors to what is measured.
fn one_thread() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
