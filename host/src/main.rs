//! The `weir` binary: see `weir --help`.

mod cli;
mod memory;
mod serve;

use std::process::ExitCode;

use clap::Parser;

/// Streams make many small allocations of a few sizes, which the system's allocator scatters.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}
