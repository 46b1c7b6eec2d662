//! What each provider plugin costs by itself: its calls in the real sandbox, its size, and how long it takes to load.
//!
//! The gateway's own library runs the components here as it does when it serves, with no network beside it. Requests
//! are the same for all, as all take the canonical form ([`requests`]); answers and streams are in each upstream's
//! dialect, taken from the plugin's golden cases and made as long as is wanted ([`golden`]). A call's time is that of
//! the processor, so that what else the machine does counts little, and it is the median over rounds in which each
//! plugin is asked in turn. It is measured beside the [`table::Figure::Floor`]: a call that does nothing.

mod golden;
mod loaded;
mod requests;
mod table;
mod timing;

use std::path::Path;

use anyhow::{Context, Result};
use weir::telemetry::Metrics;

use self::golden::Golden;
use self::loaded::Loader;
pub use self::table::Table;
use self::timing::Subject;
pub use self::timing::{microseconds, processor_time};
use crate::options::Options;

/// Measures all plugins whose components are in the folder.
pub async fn measure(options: &Options) -> Result<Table> {
    let folder = options.out.parent().unwrap_or(Path::new(".")).join("bench/compiled");
    let mut loader = Loader::new(&options.plugins, &folder, Metrics::new())?;
    let mut table = Table::default();
    let mut subjects = Vec::new();
    for name in loader.names()? {
        eprintln!("bench: loading {name}");
        if loader.is_policy(&name).await? {
            continue;
        }
        let golden = Golden::read(&options.sources.join(&name).join("golden"))
            .with_context(|| format!("the golden cases of {name}"))?;
        let loaded = loader.load(&name, &golden).await.with_context(|| format!("the plugin {name}"))?;
        table.add_component(&name, loaded.size, loaded.milliseconds);
        subjects.push(Subject::prepare(name, loaded, &golden).await?);
    }
    for round in 0..options.plugin_rounds {
        eprintln!("bench: plugins, round {} of {}", round + 1, options.plugin_rounds);
        for subject in &subjects {
            subject.measure(&mut table).await.with_context(|| format!("the plugin {}", subject.name))?;
        }
    }
    Ok(table)
}
