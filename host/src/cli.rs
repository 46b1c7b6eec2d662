//! What can be typed: the commands, their help, and those of them that do not serve.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};

use crate::serve;
use weir::config::{self, Config, Environment, Source};
use weir::pipeline::Gateway;
use weir::plugin::{self, Abilities, Library, Sandbox};
use weir::telemetry::Metrics;

/// Where a config file is looked for when none is named.
const DEFAULT_FILES: [&str; 2] = ["weir.yaml", "weir.yml"];

/// An LLM gateway: clients speak the OpenAI API to it, it speaks to every provider through sandboxed plugins.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests.
    ///
    /// Without a file, Weir uses weir.yaml in the current folder if there is one, and else starts with what it finds:
    /// a provider for each well-known API key in the environment, Ollama on this machine, and the offline demo.
    Serve {
        /// The config file (YAML or JSON).
        #[arg(long, short, value_name = "FILE", env = "WEIR_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Check a configuration, its plugins and their settings, without serving.
    ///
    /// Prints what is wrong with file and line, and exits with 1 then.
    Check {
        /// The config file. Default: as for `serve`.
        #[arg(value_name = "FILE", env = "WEIR_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Look at plugins.
    Plugin {
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Ask a running gateway whether it is alive; exits with 1 if not. For health checks of containers.
    Health {
        /// Where it listens.
        #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        address: String,
    },
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List the plugins in the plugin folder.
    List {
        /// The config file that names the folder. Default: as for `serve`.
        #[arg(long, short, value_name = "FILE", env = "WEIR_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Show what a component is: its world, its contract version, what it says of itself, what it imports.
    Inspect {
        /// The component.
        file: PathBuf,
    },
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve { config } => serve::run(source(config)),
            Command::Check { config } => check(source(config)),
            Command::Plugin { command: PluginCommand::List { config } } => list(source(config)),
            Command::Plugin { command: PluginCommand::Inspect { file } } => inspect(&file),
            Command::Health { address } => health(&address),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "weir", &mut script);
                Ok(std::io::stdout().write_all(&script)?)
            }
        }
    }
}

/// The file that was named, or the one in the current folder, and the environment.
fn source(config: Option<PathBuf>) -> Source {
    let found = || DEFAULT_FILES.iter().map(PathBuf::from).find(|file| file.exists());
    let file = config.or_else(found);
    let environment = Environment::of_process();
    match plugins_beside_the_program() {
        Some(folder) if file.is_none() => Source { file, environment: environment.or("WEIR_PLUGINS__PATH", folder) },
        _ => Source { file, environment },
    }
}

/// Where an installation has its plugins: what a start without a file uses.
fn plugins_beside_the_program() -> Option<String> {
    let folder = std::env::current_exe().ok()?.parent()?.join("plugins");
    folder.is_dir().then(|| folder.into_os_string().into_string().ok()).flatten()
}

fn check(source: Source) -> anyhow::Result<()> {
    let config = config::load(&source)?;
    let (providers, models) = (config.providers.len(), config.models.len());
    runtime()?.block_on(async {
        serve::tls(&config)?;
        Gateway::start(source, config, Metrics::new()).await.map_err(anyhow::Error::from)
    })?;
    println!("ok: {providers} providers, {models} model names");
    Ok(())
}

fn list(source: Source) -> anyhow::Result<()> {
    let config = config::load(&source)?;
    let folder = config.plugins.path.clone();
    let names = plugin_files(&folder)?;
    let sandbox = sandbox(&config)?;
    let states = runtime()?.block_on(async {
        let mut library = Library::new(sandbox, folder.clone());
        library.refresh(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        library.states()
    });
    if states.is_empty() {
        println!("no plugins in {}", folder.display());
    }
    for state in states {
        match (state.serving, state.error) {
            (Some(serving), _) => {
                println!(
                    "{:<16} {:<9} {:<10} {:>6} KiB  {}",
                    state.name,
                    serving.kind.label(),
                    serving.version,
                    serving.size / 1024,
                    serving.summary
                );
            }
            (None, error) => println!("{:<16} cannot be loaded: {}", state.name, error.unwrap_or_default()),
        }
    }
    Ok(())
}

fn plugin_files(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".wasm").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn inspect(file: &Path) -> anyhow::Result<()> {
    // Only for the folder of compiled components; a component can be looked at whatever the configuration says.
    let sandbox = match config::load(&source(None)) {
        Ok(config) => sandbox(&config)?,
        Err(_) => {
            Sandbox::new(&std::env::temp_dir().join("weir-inspect")).map_err(|error| anyhow::anyhow!("{error:#}"))?
        }
    };
    let inspection =
        runtime()?.block_on(plugin::inspect(&sandbox, file)).with_context(|| file.display().to_string())?;
    let descriptor = &inspection.descriptor;
    println!("file        {} ({} KiB)", file.display(), inspection.size / 1024);
    println!("sha256      {}", inspection.digest);
    println!("world       {}, contract {}", inspection.world, inspection.contract);
    println!("plugin      {} {}, {}", descriptor.name, descriptor.version, descriptor.kind().describe());
    println!("summary     {}", descriptor.summary);
    show_abilities(&descriptor.abilities);
    println!("imports     {}", inspection.imports.join("\n            "));
    println!(
        "settings    {}",
        serde_json::to_string_pretty(&descriptor.settings_schema)?.replace('\n', "\n            ")
    );
    Ok(())
}

fn show_abilities(abilities: &Abilities) {
    match abilities {
        Abilities::Provider(abilities) => {
            let operations: Vec<_> = abilities.operations.iter().map(|operation| operation.name()).collect();
            println!("operations  {}", operations.join(", "));
        }
        Abilities::Policy(abilities) => {
            let wants = [
                (abilities.wants_text, "the text of the last user message"),
                (abilities.wants_outcomes, "to hear how attempts ended"),
            ];
            let wants: Vec<_> = wants.iter().filter(|(wants, _)| *wants).map(|(_, what)| *what).collect();
            println!("wants       {}", if wants.is_empty() { "nothing more".to_owned() } else { wants.join(", ") });
            let then = if abilities.fail_closed { "requests are refused" } else { "the order of priority holds" };
            println!("if it fails {then}");
        }
    }
}

fn sandbox(config: &Config) -> anyhow::Result<Sandbox> {
    Sandbox::new(&config.plugins.cache).map_err(|error| anyhow::anyhow!("the sandbox cannot be made: {error:#}"))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Speaks just enough HTTP for the question.
fn health(address: &str) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let address: SocketAddr = address.to_socket_addrs()?.next().with_context(|| format!("{address} is no address"))?;
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("{address} is not healthy: {}", answer.lines().next().unwrap_or("no answer"));
    }
    println!("healthy");
    Ok(())
}
