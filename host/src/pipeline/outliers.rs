//! Compares the targets of each model, and the endpoints of each provider, now and then, and takes out for a while those
//! that do far worse than the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::provider::Provider;
use super::reload::Gateway;
use super::snapshot::Snapshot;
use crate::config::{self, Member};
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
        compare_all(&gateway.snapshot(), Instant::now());
    }
}

/// The targets of each configured name, and the endpoints of each provider for each of its models.
fn compare_all(snapshot: &Snapshot, now: Instant) {
    for route in snapshot.routes().all() {
        let targets = route.targets.iter().filter(|target| !target.model.contains('*'));
        let exact: Vec<_> =
            targets.map(|target| (&target.provider, target.model.clone(), Arc::clone(&target.standing))).collect();
        let patterns = route.targets.iter().filter(|target| target.model.contains('*'));
        // Those are siblings in which the `*` stands for the same.
        let mut filled_in: BTreeMap<String, Vec<Sibling<'_>>> = BTreeMap::new();
        for target in patterns {
            // Of a name that a client mistyped nothing ever came.
            for (model, standing) in target.provider.standings().iter().filter(|(_, standing)| !standing.is_blank()) {
                if let Some(matched) = config::matched(&target.model, model) {
                    let sibling = (&target.provider, model.clone(), Arc::clone(standing));
                    filled_in.entry(matched.to_owned()).or_default().push(sibling);
                }
            }
        }
        if filled_in.is_empty() {
            compare(&exact, now);
        }
        filled_in.values_mut().for_each(|siblings| {
            siblings.extend(exact.iter().cloned());
            compare(siblings, now);
        });
    }
    for group in snapshot.providers().iter().filter(|provider| provider.is_group()) {
        let members = snapshot.members(group.name());
        let known: Vec<_> = members.iter().map(|member| (member, member.standings())).collect();
        let models: BTreeSet<&String> = known.iter().flat_map(|(_, standings)| standings.keys()).collect();
        for model in models {
            let siblings = known
                .iter()
                .filter_map(|(member, standings)| Some((*member, model.clone(), Arc::clone(standings.get(model)?))));
            compare(&siblings.collect::<Vec<_>>(), now);
        }
    }
}

/// A provider, one of its models, and how it stands.
type Sibling<'s> = (&'s Provider, String, Arc<Standing>);

/// Targets that do the same work.
fn compare(siblings: &[Sibling<'_>], now: Instant) {
    let standings: Vec<&Standing> = siblings.iter().map(|(_, _, standing)| &**standing).collect();
    for place in eject(now, &standings) {
        let (provider, model, _) = &siblings[place];
        let endpoint = provider.member().map(Member::label).unwrap_or_default();
        tracing::warn!(
            provider = provider.name(),
            provider_endpoint = endpoint,
            model,
            "the target does far worse than its siblings and is taken out for a while"
        );
    }
}
