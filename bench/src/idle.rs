//! What plugins cost while nobody asks for anything: all of them in use, and files that no provider uses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::options::Options;
use crate::report::{Metric, Report};
use crate::subjects::{Subject, provider, providers_in, start_with};

/// How long the gateway rests before its memory is read.
const REST: Duration = Duration::from_millis(500);

/// Starts the gateway with a provider for each plugin, then with one for a single plugin: once with that plugin's file
/// alone in its folder and once beside all others.
pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    eprintln!("bench: resting with every plugin, and with one");
    let names = providers_in(&options.plugins, &options.sources)?;
    // Nobody listens there: no provider is asked for anything.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let all: Vec<Value> = names.iter().map(|name| provider(name, nowhere, "")).collect();
    let one = all.get(..1).context("there are no plugins")?;
    let alone = folder_with(options, &names[0])?;
    for _ in 0..options.starts {
        for (metric, plugins, providers) in [
            (Metric::RESIDENT_ALL, options.plugins.as_path(), all.as_slice()),
            (Metric::RESIDENT_ONE, alone.as_path(), one),
            (Metric::RESIDENT_BESIDE, options.plugins.as_path(), one),
        ] {
            let (resident, instances) = at_rest(options, plugins, providers).await?;
            report.add(metric, Subject::Weir, resident);
            if metric == Metric::RESIDENT_BESIDE {
                report.add(Metric::UNUSED_INSTANCES, Subject::Weir, instances - providers.len() as f64);
            }
        }
    }
    Ok(())
}

/// The resident memory of a gateway at rest, in MiB, and how many instances of plugins it has.
async fn at_rest(options: &Options, plugins: &Path, providers: &[Value]) -> Result<(f64, f64)> {
    let weir = start_with(options, plugins, providers).await?;
    tokio::time::sleep(REST).await;
    let resident = weir.memory()?.resident;
    let metrics = weir.get("/metrics").await?;
    let gauges = metrics.lines().filter_map(|line| line.strip_prefix("weir_plugin_instances{")?.rsplit(' ').next());
    let instances = gauges.filter_map(|value| value.parse::<f64>().ok()).sum();
    weir.end().await?;
    Ok((resident, instances))
}

/// A folder with this plugin's file and no other.
fn folder_with(options: &Options, name: &str) -> Result<PathBuf> {
    let folder = options.out.parent().unwrap_or(Path::new(".")).join("bench/alone");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = format!("{name}.wasm");
    std::fs::copy(options.plugins.join(&file), folder.join(&file))?;
    Ok(folder)
}
