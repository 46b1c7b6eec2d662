//! `test`: sets up what the tests need, runs every suite, and closes with one line that counts them all.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::place::Place;
use crate::tally::{Runner, Tally};
use crate::{components, environment, run, steps};

/// How one suite went.
struct Outcome {
    name: &'static str,
    tally: Tally,
    duration: Duration,
}

/// Sets everything up and runs every suite, also after one has failed. `soak`: for how many seconds the mixed load goes
/// on, where it is not to be as short as it is by itself.
pub fn run(place: &Place, soak: Option<u32>) -> Result<ExitCode> {
    components::build_all(place)?;
    run::build_gateway(place)?;
    let python = environment::python(place)?;
    let node = environment::node(place)?;

    let mut cargo = steps::cargo(place);
    cargo.args(["test", "--workspace", "--release", "--no-fail-fast"]);
    if let Some(seconds) = soak {
        cargo.env("WEIR_SOAK_SECONDS", seconds.to_string());
    }
    let mut pytest = Command::new(python);
    pytest.current_dir(place.root.join("tests/outside")).args(["-m", "pytest"]).env("WEIR_NODE_DIR", node);
    // Python would leave its compiled files in the source.
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");

    let outcomes = [
        run_suite(place, "Rust: units, goldens, black box", cargo, Runner::Libtest)?,
        run_suite(place, "outside: SDKs, a model, recordings", pytest, Runner::Pytest)?,
    ];
    Ok(report(&outcomes))
}

fn run_suite(place: &Place, name: &'static str, mut command: Command, runner: Runner) -> Result<Outcome> {
    steps::say(&format!("running {name}"));
    let start = Instant::now();
    command.env("WEIR_BIN", place.weir()).env("WEIR_PLUGINS_DIR", place.plugins());
    command.env("WEIR_GUESTS_DIR", place.guests()).env("WEIR_TARGET_DIR", &place.target);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the suite")?;
    let mut tally = Tally::default();
    let mut ours = std::io::stdout();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("cannot read what the suite prints")?;
            let line = String::from_utf8_lossy(&line);
            writeln!(ours, "{line}")?;
            tally += runner.read(&line);
        }
    }
    let status = child.wait()?;
    // A suite that does not compile, or dies, has no count of its own.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(Outcome { name, tally, duration: start.elapsed() })
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    let mut all = Tally::default();
    println!();
    for Outcome { name, tally, duration } in outcomes {
        println!("{name:<40} {:>5} s   {tally}", duration.as_secs());
        all += *tally;
    }
    println!("{all}");
    let good = all.failed == 0 && all.passed > 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
