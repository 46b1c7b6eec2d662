//! How providers and their targets stand, gathered for those who look from outside: status pages and metrics. What is
//! shown here decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::checks::{self, Checked};
use super::provider::Provider;
use super::reload::Gateway;
use crate::standing::{BreakerView, Check, Fraction, Health, Standing, View};

/// How many providers are asked at once.
const CHECKS_AT_ONCE: usize = 32;

/// All that operators see of a provider. Nothing of it is secret.
pub struct ProviderStatus {
    /// How well it is.
    pub health: Health,
    /// Why it is not healthy.
    pub reasons: Vec<String>,
    /// Its latest check, however old.
    pub check: Option<Arc<Check>>,
    /// Whether it is checked now and then.
    pub is_checked: bool,
    /// How long its latest check took or, without any, how long the first token takes in live traffic.
    pub response_time: Option<Duration>,
    /// The names of its models.
    pub models: Vec<String>,
    /// The worst breaker of its targets.
    pub breaker: BreakerView,
    /// The mean of its targets.
    pub uptime: Fraction,
    /// The plugin that it runs on: name, version and generation.
    pub plugin: (String, String, u64),
    /// Its targets that were asked so far, by the names of their models.
    pub targets: Vec<TargetStatus>,
}

/// All that operators see of a target.
pub struct TargetStatus {
    /// The provider's name for its model.
    pub model: String,
    /// What policies see.
    pub view: View,
    /// Why it is not healthy.
    pub reasons: Vec<String>,
    /// Its breaker.
    pub breaker: BreakerView,
    /// The part of the last 24 hours in which it was not unhealthy.
    pub uptime: Fraction,
}

/// A configured name with what it leads to.
pub struct ModelStatus {
    /// The name.
    pub name: String,
    /// The plugin of its policy, if there is anything to decide.
    pub policy: Option<String>,
    /// Its targets, as `provider/model`, with their health.
    pub targets: Vec<(String, Health)>,
}

impl Provider {
    /// How well it is: as its targets are, and by its checks alone while nothing is known of them.
    pub fn health(&self, now: Instant) -> Health {
        // A group by itself is nobody who could serve: its members are.
        if self.plugin().is_quarantined() || self.is_group() {
            return Health::Unhealthy;
        }
        match combined(self.known_targets().iter().map(|(_, standing)| standing.health(now))) {
            Health::Unknown if self.is_local() => Health::Healthy,
            Health::Unknown => self.by_checks().health(now),
            known => known,
        }
    }

    /// The mean uptime of its targets, or its own by its checks while none was asked.
    pub fn uptime(&self, now: Instant) -> Fraction {
        let targets = self.known_targets();
        if targets.is_empty() {
            return self.by_checks().uptime(now);
        }
        Fraction::mean(targets.iter().map(|(_, standing)| standing.uptime(now)))
    }

    /// The worst breaker of its targets, with the failures of all of them.
    pub fn breaker(&self, now: Instant) -> BreakerView {
        let targets = self.known_targets();
        targets.iter().map(|(_, standing)| standing.breaker(now)).fold(self.by_checks().breaker(now), worse)
    }

    /// Its targets by name: those of which an attempt has said something, and the models that it is known to have. A
    /// name that a client mistyped is neither.
    fn known_targets(&self) -> Vec<(String, Arc<Standing>)> {
        let standings = self.standings();
        let is_known = |(model, standing): &(&String, &Arc<Standing>)| !standing.is_blank() || self.has_model(model);
        let known = standings.iter().filter(is_known);
        let mut known: Vec<_> = known.map(|(model, standing)| (model.clone(), Arc::clone(standing))).collect();
        known.sort_by(|(one, _), (other, _)| one.cmp(other));
        known
    }

    /// Its latest check, however old.
    pub fn latest_check(&self) -> Option<Arc<Check>> {
        self.checks().latest()
    }

    /// Whether nobody minds if it is not there.
    pub fn is_optional(&self) -> bool {
        self.config().optional
    }

    /// All of it.
    pub fn status(&self, now: Instant) -> ProviderStatus {
        let (check, generation) = (self.latest_check(), self.plugin().generation());
        let known = self.known_targets();
        let targets: Vec<TargetStatus> = known.iter().map(|(model, standing)| target(model, standing, now)).collect();
        let first_token = targets.iter().filter_map(|target| target.view.figures.first_token).min();
        ProviderStatus {
            health: self.health(now),
            reasons: self.reasons(&targets, now),
            response_time: check.as_ref().map(|check| check.took).or(first_token),
            check,
            is_checked: checks::is_checked(self),
            models: self.models().into_iter().map(|model| model.id).collect(),
            breaker: self.breaker(now),
            uptime: self.uptime(now),
            plugin: (generation.name.clone(), generation.descriptor.version.clone(), generation.number),
            targets,
        }
    }

    /// Why it is not healthy: those of a target name it, unless they hold for all of them.
    fn reasons(&self, targets: &[TargetStatus], now: Instant) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_group() {
            reasons.push("it has no endpoints".to_owned());
        }
        if self.plugin().is_quarantined() {
            reasons.push("its plugin keeps failing and is out of service for a while".to_owned());
        }
        let of_all = self.by_checks().reasons(now);
        for target in targets {
            let own = target.reasons.iter().filter(|reason| !of_all.contains(reason));
            reasons.extend(own.map(|reason| format!("{}: {reason}", target.model)));
        }
        reasons.extend(of_all);
        reasons
    }
}

impl ProviderStatus {
    /// What the endpoints of a group come to together. `None` if there are none.
    pub fn of_group(members: &[Provider], now: Instant) -> Option<Self> {
        let all: Vec<(String, Self)> = members.iter().map(|member| (member.label(), member.status(now))).collect();
        let statuses = || all.iter().map(|(_, status)| status);
        let named = |(label, status): &(String, Self)| -> Vec<String> {
            status.reasons.iter().map(|reason| format!("{label}: {reason}")).collect()
        };
        let models: BTreeSet<&String> = statuses().flat_map(|status| &status.models).collect();
        Some(Self {
            health: combined(statuses().map(|status| status.health)),
            reasons: all.iter().flat_map(named).collect(),
            check: statuses().filter_map(|status| status.check.clone()).max_by_key(|check| check.at),
            is_checked: statuses().any(|status| status.is_checked),
            response_time: statuses().filter_map(|status| status.response_time).min(),
            models: models.into_iter().cloned().collect(),
            breaker: statuses().map(|status| status.breaker).reduce(worse)?,
            uptime: Fraction::mean(statuses().map(|status| status.uptime)),
            plugin: statuses().next()?.plugin.clone(),
            // Those of its endpoints, which are shown by their own names.
            targets: Vec::new(),
        })
    }
}

impl Gateway {
    /// Asks a provider, or all of them, whether it is there. `None` if there is none of this name.
    pub async fn check(&self, provider: Option<&str>) -> Option<Vec<(Provider, Checked)>> {
        let snapshot = self.snapshot();
        let asked: Vec<Provider> = match provider {
            // The name of a group stands for all of its endpoints.
            Some(name) if snapshot.provider(name).is_some() => snapshot.members(name).to_vec(),
            Some(name) => vec![snapshot.callable().find(|provider| provider.label() == name)?.clone()],
            None => snapshot.callable().cloned().collect(),
        };
        let checks = asked.into_iter().map(|provider| async move {
            let checked = checks::check(&provider).await;
            (provider, checked)
        });
        Some(stream::iter(checks).buffered(CHECKS_AT_ONCE).collect().await)
    }

    /// Forgets the results of all health checks. Returns how many there were that still counted.
    pub fn clear_health_checks(&self) -> usize {
        let now = Instant::now();
        self.snapshot().callable().filter(|provider| provider.forget_checks(now)).count()
    }

    /// Forgets the chats that were made shorter, those of all models. Returns how many there were.
    pub fn clear_condensed_chats(&self) -> usize {
        let snapshot = self.snapshot();
        let condensing = snapshot.routes().all().into_iter().filter_map(|route| route.condensing.as_ref());
        condensing.map(|condensing| condensing.clear()).sum()
    }

    /// Whether everything that is to ask providers in the background does so.
    pub fn checks_run(&self) -> bool {
        self.snapshot().callable().all(Provider::is_asked_as_planned)
    }

    /// The configured names with what they lead to.
    pub fn models(&self, now: Instant) -> Vec<ModelStatus> {
        let snapshot = self.snapshot();
        let names = snapshot.config().models.iter().map(|model| (model, snapshot.routes().of(&model.name)));
        let known = names.filter_map(|(model, route)| Some((model, route?)));
        let status = known.map(|(model, route)| ModelStatus {
            name: model.name.clone(),
            policy: model.policy.as_ref().filter(|_| route.policy.is_some()).map(|policy| policy.plugin.clone()),
            targets: route.targets.iter().map(|target| (target.name(), target.standing.health(now))).collect(),
        });
        status.collect()
    }

    /// Brings the figures of how providers stand up to date, for whoever reads the metrics now.
    pub fn report_standing(&self) {
        let (snapshot, now) = (self.snapshot(), Instant::now());
        let mut results = 0;
        for provider in snapshot.providers() {
            // The labels are those of the configuration: the endpoints of a group are one.
            let members = snapshot.members(provider.name());
            let breaker = members.iter().map(|member| member.breaker(now)).reduce(worse);
            let health = match combined(members.iter().map(|member| member.health(now))) {
                Health::Unknown => 0,
                Health::Healthy => 1,
                Health::Degraded => 2,
                Health::Unhealthy => 3,
            };
            let breaker = breaker.map_or(0, |breaker| breaker.state.number());
            self.metrics().set_standing(provider.name(), breaker, health);
            results += members.iter().filter(|member| member.checks().current(now).is_some()).count();
        }
        self.metrics().set_health_check_cache(results);
    }
}

fn target(model: &str, standing: &Standing, now: Instant) -> TargetStatus {
    TargetStatus {
        model: model.to_owned(),
        view: standing.view(now),
        reasons: standing.reasons(now),
        breaker: standing.breaker(now),
        uptime: standing.uptime(now),
    }
}

/// What the health of several targets comes to: degraded as soon as they differ, as something does not serve as it
/// should and something else does.
fn combined(all: impl IntoIterator<Item = Health>) -> Health {
    let known = all.into_iter().filter(|health| *health != Health::Unknown);
    let same = |one: Health, other: Health| if one == other { one } else { Health::Degraded };
    known.reduce(same).unwrap_or(Health::Unknown)
}

fn worse(one: BreakerView, other: BreakerView) -> BreakerView {
    let worst = if one.state.number() >= other.state.number() { one } else { other };
    BreakerView {
        failure_count: one.failure_count.max(other.failure_count),
        last_failure: one.last_failure.max(other.last_failure),
        openings: one.openings.saturating_add(other.openings),
        ..worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::BreakerState;

    #[test]
    fn a_provider_is_as_well_as_its_targets_and_degraded_when_they_differ() {
        use Health::{Degraded, Healthy, Unhealthy, Unknown};
        for (targets, expected) in [
            (&[][..], Unknown),
            (&[Unknown, Unknown], Unknown),
            (&[Unknown, Healthy], Healthy),
            (&[Healthy, Unhealthy], Degraded),
            (&[Unhealthy, Unhealthy, Unknown], Unhealthy),
            (&[Unhealthy, Healthy, Unhealthy], Degraded),
            (&[Degraded], Degraded),
        ] {
            assert_eq!(combined(targets.iter().copied()), expected, "{targets:?}");
        }
    }

    #[test]
    fn the_worst_breaker_is_shown_with_the_failures_of_all() {
        let view = |state, failure_count| BreakerView {
            state,
            failure_count,
            last_failure: None,
            unchanged_for: Duration::ZERO,
            open_for: Duration::ZERO,
            openings: 1,
        };
        let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
        let worst = states.into_iter().zip([7, 5, 2]).map(|(state, count)| view(state, count)).reduce(worse).unwrap();
        assert_eq!((worst.state, worst.failure_count, worst.openings), (BreakerState::Open, 7, 3));
    }
}
