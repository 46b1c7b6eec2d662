//! The policies that come with Weir on a simulated fleet: who answers sooner, at what cost, with how many errors.
//!
//! The policies are the real components in the gateway's own sandbox, and what they are shown of each target comes from
//! the gateway's own [`weir::standing`]. Everything else is simulated: targets of different speed, price, size and
//! reliability ([`targets`]), requests that come by chance ([`requests`]), and a clock that jumps from event to event
//! ([`simulation`]). The same seed gives every policy the same requests, and each target's answer to each of them, so
//! that policies differ by nothing but their choices, and the cheapest choice that was there is known.

mod chance;
mod figures;
mod requests;
mod simulation;
mod targets;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use weir::config::PluginLimits;
use weir::plugin::{FUNCTIONS, Library, PolicyPlugin, Sandbox};
use weir::telemetry::Metrics;

pub use self::figures::Figures;
use self::simulation::Simulation;

/// The policies with their settings, by the name that they have in the table.
fn policies() -> [(&'static str, &'static str, Value); 8] {
    [
        // Equal weights are what a round robin comes to.
        ("round robin", "weighted", json!({})),
        ("failover", "failover", json!({})),
        ("weighted", "weighted", json!({ "sticky": "user" })),
        ("fastest", "fastest", json!({})),
        ("cheapest", "cheapest", json!({})),
        ("least-busy", "least-busy", json!({})),
        ("task", "task", json!({})),
        ("guarded", "guarded", json!({})),
    ]
}

/// Runs so many requests through each policy.
pub async fn simulate(plugins: &Path, compiled: &Path, requests: usize) -> Result<Vec<(&'static str, Figures)>> {
    let sandbox = Sandbox::new(compiled).map_err(|error| anyhow::anyhow!("the sandbox cannot be made: {error}"))?;
    let mut library = Library::new(sandbox, plugins.to_owned());
    let metrics = Metrics::new();
    let mut table = Vec::new();
    for (name, plugin, settings) in policies() {
        library.refresh(&[plugin]).await;
        let generation = library.generation(plugin).with_context(|| format!("the policy {plugin}"))?;
        let targets = targets::configured(name == "weighted");
        let (limits, figures) = (PluginLimits::default(), metrics.plugin(plugin, &FUNCTIONS));
        let policy = PolicyPlugin::new(Arc::clone(&generation), &settings, targets, limits, figures).await;
        let policy = policy.with_context(|| format!("the policy {plugin} with {settings}"))?;
        table.push((name, Simulation::new(&policy).run(requests).await?));
    }
    Ok(table)
}

/// Prints a row for each policy.
pub fn print(table: &[(&'static str, Figures)]) {
    println!("\nPolicies on a simulated fleet of {} targets", targets::FLEET.len());
    println!("{:<16}{:>10}{:>10}{:>14}{:>12}{:>10}", "", "p50 ms", "p99 ms", "USD / 1000", "x cheapest", "errors %");
    for (name, figures) in table {
        println!(
            "{name:<16}{:>10.0}{:>10.0}{:>14.3}{:>12.3}{:>10.2}",
            figures.first_token(0.5) * 1e3,
            figures.first_token(0.99) * 1e3,
            figures.cost_of_thousand(),
            figures.times_the_cheapest(),
            figures.error_rate() * 100.0
        );
    }
}

#[cfg(test)]
mod tests;
