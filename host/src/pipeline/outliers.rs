//! Compares the targets of each model now and then, and takes out for a while those that do far worse than the others.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::reload::Gateway;
use super::route::Route;
use crate::standing::{Standing, eject};

/// How often they are compared.
const INTERVAL: Duration = Duration::from_secs(1);

/// Starts to compare. Ends with the gateway.
pub(super) fn start(gateway: &Arc<Gateway>) {
    tokio::spawn(keep_comparing(Arc::downgrade(gateway)));
}

async fn keep_comparing(gateway: Weak<Gateway>) {
    let mut clock = interval(INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let now = Instant::now();
        gateway.snapshot().routes().all().iter().for_each(|route| compare(route, now));
    }
}

/// The targets of one model, by the options of the provider that comes first.
fn compare(route: &Route, now: Instant) {
    let [first, _, ..] = &*route.targets else { return };
    let siblings: Vec<&Standing> = route.targets.iter().map(|target| &*target.standing).collect();
    for place in eject(now, &siblings, &first.provider.config().standing.outliers) {
        let (provider, model) = (route.targets[place].provider.name(), &route.targets[place].model);
        tracing::warn!(provider, model, "the target does far worse than its siblings and is taken out for a while");
    }
}
