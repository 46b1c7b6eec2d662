//! Follows the registries of providers whose endpoints come and go, in the background. What a registry says becomes the
//! members of the provider's group, in a snapshot of its own; requests that run keep the endpoints that they began
//! with, so that what disappears drains. A registry that is down leaves the endpoints before in service.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::provider::Provider;
use super::reload::Gateway;
use super::snapshot::Snapshot;
use crate::upstream::{Listing, MOST_ENDPOINTS, Registry, RegistryError};

/// How long the start waits for the first answers of the registries. Who has none by then starts without endpoints.
const START: Duration = Duration::from_secs(5);

/// How long `POST /discover` waits for an answer: for one that is on its way, and then its own.
const ASKED: Duration = Duration::from_secs(25);

/// The first and the longest wait after a failure, which doubles in between.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// At least so long there is quiet after an answer, whatever a registry does.
const QUIET: Duration = Duration::from_millis(50);

/// A registry that is followed, for as long as a snapshot has the provider. Telling it to ask at once, and hearing what
/// it found, goes through here.
#[derive(Debug)]
pub(super) struct Source {
    registry: Arc<Registry>,
    /// How often somebody wanted it to be asked at once.
    wanted: watch::Sender<u64>,
    answered: watch::Sender<Answered>,
}

/// What became of the last question.
#[derive(Debug, Clone, Default)]
struct Answered {
    /// Whether there has been one.
    is_known: bool,
    /// How many of those who wanted an answer have it.
    wanted: u64,
    error: Option<String>,
}

impl Source {
    pub(super) fn new(registry: Registry) -> Self {
        let (wanted, answered) = (watch::Sender::new(0), watch::Sender::default());
        Self { registry: Arc::new(registry), wanted, answered }
    }

    /// Why the registry has not answered the last time, if it has not.
    pub(super) fn error(&self) -> Option<String> {
        self.answered.borrow().error.clone()
    }

    /// Has the registry asked at once, and waits until its answer counts.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let mut answered = self.answered.subscribe();
        let mut number = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            number = *wanted;
        });
        let answer = tokio::time::timeout(ASKED, answered.wait_for(|answered| answered.wanted >= number)).await;
        match answer {
            Ok(Ok(answered)) => answered.error.clone().map_or(Ok(()), Err),
            _ => Err(format!("no answer within {} s", ASKED.as_secs())),
        }
    }

    async fn first_answer(&self) {
        let _ = self.answered.subscribe().wait_for(|answered| answered.is_known).await;
    }
}

/// Begins to follow the registries that are new in this snapshot.
pub(super) fn start(gateway: &Arc<Gateway>, before: Option<&Snapshot>, after: &Snapshot) {
    for provider in after.providers() {
        let Some(source) = provider.source() else { continue };
        let old = before.and_then(|before| before.provider(provider.name()));
        if old.is_none_or(|old| !old.shares_upstream(provider)) {
            let following = Following {
                gateway: Arc::downgrade(gateway),
                source: Arc::downgrade(source),
                provider: provider.name().to_owned(),
                is_optional: provider.config().optional,
                failures: 0,
                left_out: 0,
            };
            tokio::spawn(following.run(Arc::clone(&source.registry), source.wanted.subscribe()));
        }
    }
}

/// Waits for the first answers of all registries, for a while.
pub(super) async fn first_answers(snapshot: &Snapshot) {
    let all = async {
        for source in snapshot.providers().iter().filter_map(Provider::source) {
            source.first_answer().await;
        }
    };
    // Who is late says so in the log, and is waited for no longer: the other providers can serve.
    let _ = tokio::time::timeout(START, all).await;
}

/// One registry's task. Ends when no snapshot has the provider any more.
struct Following {
    gateway: Weak<Gateway>,
    source: Weak<Source>,
    provider: String,
    is_optional: bool,
    /// How often in a row it has failed.
    failures: u32,
    left_out: usize,
}

impl Following {
    async fn run(mut self, registry: Arc<Registry>, mut wanted: watch::Receiver<u64>) {
        let mut watch = registry.watch();
        loop {
            // Who wants an answer gets one to a question that was asked after that.
            let number = *wanted.borrow_and_update();
            let answer = tokio::select! {
                answer = watch.next() => answer,
                // What was just asked is not asked again, or those who cannot wait would keep everybody waiting.
                changed = wanted.changed(), if !watch.is_fresh() => match changed {
                    Ok(()) => {
                        watch = registry.watch();
                        continue;
                    }
                    Err(_) => return,
                },
            };
            let (Some(gateway), Some(source)) = (self.gateway.upgrade(), self.source.upgrade()) else { return };
            // A request of long ago may hold on to what nobody else has any more.
            if !is_followed(&gateway.snapshot(), &self.provider, &source) {
                return;
            }
            let error = self.take(&gateway, &source, answer).await;
            let pause = if error.is_some() { self.wait() } else { QUIET };
            source.answered.send_replace(Answered { is_known: true, wanted: number, error });
            // While it waits, nothing is kept alive that nobody else needs.
            drop((gateway, source));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = wanted.changed() => match changed {
                    Ok(()) => watch = registry.watch(),
                    Err(_) => return,
                },
            }
        }
    }

    /// Makes what the registry said count, and says what was wrong with it, if anything.
    async fn take(
        &mut self,
        gateway: &Arc<Gateway>,
        source: &Arc<Source>,
        answer: Result<Listing, RegistryError>,
    ) -> Option<String> {
        match answer {
            Ok(listing) => {
                self.succeeded(&listing);
                gateway.replace(|snapshot| with_members(snapshot, &self.provider, source, &listing)).await;
                let members = gateway.snapshot().members(&self.provider).len();
                gateway.metrics().set_endpoints(&self.provider, members);
                None
            }
            Err(error) => {
                gateway.metrics().count_discovery_error(&self.provider);
                self.failed(&error);
                Some(error.to_string())
            }
        }
    }

    fn succeeded(&mut self, listing: &Listing) {
        let (provider, found, left_out) = (&*self.provider, listing.members.len(), listing.left_out);
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(provider, found, "the registry answers again");
        }
        if std::mem::replace(&mut self.left_out, left_out) != left_out && left_out > 0 {
            let reason = listing.reason.unwrap_or_default();
            tracing::warn!(
                provider,
                found,
                left_out,
                "the registry has entries that are no endpoints, or more than {MOST_ENDPOINTS}: the first {reason}"
            );
        }
    }

    /// A registry that is down is told once, and not each time that it is asked.
    fn failed(&mut self, error: &RegistryError) {
        self.failures = self.failures.saturating_add(1);
        let provider = &*self.provider;
        if self.failures == 1 && !self.is_optional {
            tracing::warn!(provider, detail = %error, "the registry does not answer: the endpoints stay as they are");
        } else {
            tracing::debug!(provider, detail = %error, failures = self.failures, "the registry does not answer");
        }
    }

    /// How long to leave a registry alone that has failed: longer each time, and not all gateways at the same time.
    fn wait(&self) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        doubled.min(LONGEST_WAIT).mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }
}

/// Whether this is where the endpoints of the provider of this name come from.
fn is_followed(snapshot: &Snapshot, name: &str, source: &Arc<Source>) -> bool {
    let current = snapshot.provider(name).and_then(Provider::source);
    current.is_some_and(|current| Arc::ptr_eq(current, source))
}

/// The snapshot with what the registry of one provider said; `None` if that changes nothing, or the provider is followed
/// by somebody else by now.
fn with_members(snapshot: &Snapshot, name: &str, source: &Arc<Source>, listing: &Listing) -> Option<Snapshot> {
    let provider = snapshot.provider(name).filter(|_| is_followed(snapshot, name, source))?;
    let groups = snapshot.groups().with(provider, &listing.members)?;
    tracing::info!(provider = name, endpoints = listing.members.len(), "the endpoints are others now");
    Some(snapshot.with_groups(groups))
}
