//! What `weir-bench run` can be told.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The options of a run, and how long its parts are.
#[derive(Debug)]
pub struct Options {
    /// The gateway's binary.
    pub weir: PathBuf,
    /// The binary of the bare proxy.
    pub floor: PathBuf,
    /// The folder of its plugins.
    pub plugins: PathBuf,
    /// The folder of their source, with the golden cases that documents are taken from.
    pub sources: PathBuf,
    /// The file for the figures, as JSON.
    pub out: PathBuf,
    /// What is measured.
    pub parts: Parts,
    /// How many interleaved rounds.
    pub rounds: usize,
    /// How many rounds of calls to the plugins by themselves.
    pub plugin_rounds: usize,
    /// How many streams are held open at once.
    pub streams: usize,
    /// How many unary requests in each measurement.
    pub requests: usize,
    /// How many times each of the 32 streams is repeated.
    pub repeats: usize,
    /// How long latency is measured, in seconds.
    pub latency_seconds: f64,
    /// How many times the start is measured.
    pub starts: usize,
    /// How many requests each policy gets on the simulated fleet.
    pub simulated: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Everything.
    All,
    /// The gateway beside the bare proxy.
    Gateway,
    /// The plugins by themselves.
    Plugins,
    /// The policies: what a plan costs, and what they come to.
    Policies,
}

impl Options {
    /// Reads the command line.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            weir: PathBuf::from("target/dist/weir"),
            floor: PathBuf::from("target/dist/floor"),
            plugins: PathBuf::from("target/release/plugins"),
            sources: PathBuf::from("plugins"),
            out: PathBuf::from("target/bench.json"),
            parts: Parts::All,
            rounds: 5,
            plugin_rounds: 9,
            streams: 5_000,
            requests: 60_000,
            repeats: 40,
            latency_seconds: 4.0,
            starts: 7,
            simulated: 20_000,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--weir" => options.weir = PathBuf::from(value()?),
                "--floor" => options.floor = PathBuf::from(value()?),
                "--plugins" => options.plugins = PathBuf::from(value()?),
                "--sources" => options.sources = PathBuf::from(value()?),
                "--out" => options.out = PathBuf::from(value()?),
                "--only" => options.parts = Parts::parse(value()?)?,
                "--rounds" => options.rounds = value()?.parse().context("--rounds is a number")?,
                "--streams" => options.streams = value()?.parse().context("--streams is a number")?,
                "--quick" => options.shorten(),
                _ => bail!("there is no option {name}"),
            }
        }
        if options.rounds == 0 {
            bail!("--rounds is at least 1");
        }
        Ok(options)
    }

    fn shorten(&mut self) {
        self.rounds = 1;
        self.plugin_rounds = 1;
        self.streams = self.streams.min(500);
        self.requests = 3_000;
        self.repeats = 4;
        self.latency_seconds = 1.0;
        self.starts = 3;
        self.simulated = 2_000;
    }
}

impl Parts {
    /// Whether this part is measured: one of them.
    pub fn include(self, part: Self) -> bool {
        self == Self::All || self == part
    }

    fn parse(name: &str) -> Result<Self> {
        match name {
            "gateway" => Ok(Self::Gateway),
            "plugins" => Ok(Self::Plugins),
            "policies" => Ok(Self::Policies),
            _ => bail!("--only takes `gateway`, `plugins` or `policies`"),
        }
    }
}
