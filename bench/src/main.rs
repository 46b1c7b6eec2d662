//! What Weir costs: processor time, latency and memory, measured beside a bare proxy in the same run.
//!
//! `weir-bench run` starts everything else as processes of their own, all on loopback: the scripted [`upstream`], the
//! load generator ([`load`]), the `floor` (a proxy that does nothing but pass on) and the gateway. Measurements are
//! interleaved over several rounds, so that a noisy machine is noisy for all alike. The [`plugins`] are measured by
//! themselves too, in this process and in the gateway's own sandbox: what a plan costs ([`planning`]), and what policies
//! come to on a simulated [`fleet`]. `cargo xtask bench` builds it all.

mod fleet;
mod idle;
mod load;
mod options;
mod planning;
mod plugins;
mod processes;
mod report;
mod rounds;
mod subjects;
mod upstream;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::options::{Options, Parts};
use crate::report::Report;

const HELP: &str = "\
Usage: cargo xtask bench [OPTIONS]

  --only PART    measure nothing but the `gateway` as a whole, or nothing but the `plugins` by themselves,
                 or nothing but the `policies` on a simulated fleet
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
        Some(("run", rest)) => one_thread()?.block_on(run(&Options::parse(rest)?)),
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

/// Measures what is asked for and reports.
async fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    report.note_load("at the start");
    if options.parts.include(Parts::Plugins) {
        idle::measure(options, &mut report).await?;
        report.set_plugins(plugins::measure(options).await?);
    }
    if options.parts.include(Parts::Policies) {
        report.set_planning(planning::measure(options).await?);
        let compiled = options.out.parent().unwrap_or(Path::new(".")).join("bench/cache");
        fleet::print(&fleet::simulate(&options.plugins, &compiled, options.simulated).await?);
    }
    if options.parts.include(Parts::Gateway) {
        rounds::measure(options, &mut report).await?;
    }
    report.note_load("at the end");
    report.print();
    report.write(&options.out)?;
    eprintln!("bench: the figures are in {}", options.out.display());
    Ok(())
}

/// Everything but what is measured runs on one thread, to leave the processors to what is measured.
fn one_thread() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
