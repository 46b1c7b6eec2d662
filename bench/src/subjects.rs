//! What is measured: the upstream by itself, the floor in front of it, and the gateway with either plugin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::options::Options;
use crate::processes::Process;

/// Who is asked in a measurement, as it is called in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The upstream itself.
    Direct,
    /// A bare proxy.
    Floor,
    /// The gateway with the `openai` plugin.
    OpenAi,
    /// The gateway with the `anthropic` plugin.
    Anthropic,
    /// The gateway as a process, whichever of its plugins was asked.
    Weir,
}

impl Subject {
    /// Those that stand between the client and the upstream.
    pub const PROXIES: [Self; 3] = [Self::Floor, Self::OpenAi, Self::Anthropic];
    /// These, and the upstream by itself.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Floor, Self::OpenAi, Self::Anthropic];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "floor",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Weir => "weir",
        }
    }

    /// The name under which this one is asked for a model of the upstream.
    pub fn model(self, name: &str) -> String {
        match self {
            Self::Direct | Self::Floor | Self::Weir => name.to_owned(),
            Self::OpenAi | Self::Anthropic => format!("{}/{name}", self.name()),
        }
    }
}

/// Everything that runs during the measurements.
pub struct Subjects {
    /// The scripted upstream.
    pub upstream: Process,
    /// The bare proxy.
    pub floor: Process,
    /// The gateway, with all its plugins.
    pub weir: Process,
}

impl Subjects {
    /// Starts everything.
    pub async fn start(options: &Options) -> Result<Self> {
        let me = std::env::current_exe()?;
        let mut command = Command::new(&me);
        command.arg("upstream");
        let upstream = Process::start(command, plain_address).await?;
        let mut command = Command::new(&options.floor);
        command.arg(upstream.address.to_string());
        let floor = Process::start(command, plain_address).await?;
        let weir = start_weir(options, upstream.address).await?;
        Ok(Self { upstream, floor, weir })
    }

    /// The process that is asked.
    pub fn process(&self, subject: Subject) -> &Process {
        match subject {
            Subject::Direct => &self.upstream,
            Subject::Floor => &self.floor,
            Subject::OpenAi | Subject::Anthropic | Subject::Weir => &self.weir,
        }
    }
}

/// Starts the gateway in front of this upstream, with the plugins that are measured with it.
pub async fn start_weir(options: &Options, upstream: SocketAddr) -> Result<Process> {
    let demo = json!({ "name": "demo", "plugin": "demo", "models": ["demo"] });
    let providers = [provider("openai", upstream, "/v1"), provider("anthropic", upstream, ""), demo];
    start_with(options, &options.plugins, &providers).await
}

/// Starts the gateway with these providers and the plugins of this folder, with nothing in its environment.
pub async fn start_with(options: &Options, plugins: &Path, providers: &[Value]) -> Result<Process> {
    let config = write_config(options, plugins, providers)?;
    let mut command = Command::new(&options.weir);
    command.arg("serve").arg("--config").arg(config).env_clear();
    Process::start(command, address_in_log).await
}

/// A provider that is called as its plugin.
pub fn provider(plugin: &str, upstream: SocketAddr, path: &str) -> Value {
    json!({
        "name": plugin, "plugin": plugin, "base_url": format!("http://{upstream}{path}"), "api_key": "sk-bench",
        "models": ["fast"],
    })
}

/// The names of the plugins in a folder, in order.
pub fn plugins_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".wasm").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The names of the provider plugins in a folder, in order. The source of a policy has plans among its golden cases.
pub fn providers_in(folder: &Path, sources: &Path) -> Result<Vec<String>> {
    let is_plan = |file: std::fs::DirEntry| file.file_name().to_string_lossy().ends_with(".plan.snap");
    let is_policy = |name: &String| {
        let golden = std::fs::read_dir(sources.join(name).join("golden"));
        golden.is_ok_and(|mut files| files.any(|file| file.is_ok_and(is_plan)))
    };
    Ok(plugins_in(folder)?.into_iter().filter(|name| !is_policy(name)).collect())
}

fn write_config(options: &Options, plugins: &Path, providers: &[Value]) -> Result<PathBuf> {
    let folder = options.out.parent().unwrap_or(Path::new(".")).join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let config = json!({
        "listen": "127.0.0.1:0",
        "plugins": { "path": std::path::absolute(plugins)?, "cache": std::path::absolute(folder.join("cache"))? },
        "providers": providers,
    });
    let file = folder.join("weir.yaml");
    std::fs::write(&file, serde_json::to_string_pretty(&config)?)?;
    Ok(file)
}

fn plain_address(line: &str) -> Option<SocketAddr> {
    line.parse().ok()
}

fn address_in_log(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line["message"] != "listening" {
        return None;
    }
    line["address"].as_str()?.parse().ok()
}
