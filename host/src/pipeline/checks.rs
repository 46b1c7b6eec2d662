//! Asks providers in the background whether they are there and which models they have: one question, the list of
//! models, answers both. No request waits for it. What live traffic says of a provider is told elsewhere, by each
//! attempt as it ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::discovery::{self, Listed};
use super::provider::Provider;
use super::reload::Gateway;
use crate::error::{Cause, Error};
use crate::plugin::Operation;
use crate::standing::Blame;

/// How often an upstream is asked for its models, if it is not asked for its health more often.
const INTERVAL: Duration = Duration::from_secs(300);

/// How soon one is asked for its health that is not asked for its models: give or take the half of it.
const FIRST: Duration = Duration::from_secs(4);

/// How soon one is asked again whose models are not known.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// The part of an interval that is taken off at random, so that many gateways do not ask all at once.
const JITTER: f64 = 0.2;

/// What a check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The provider answered.
    Well,
    /// It did not serve, for this reason: a sentence without a secret.
    Failed(String),
    /// Nothing: there is no cheap question, or the answer says nothing of the provider.
    Skipped,
}

/// Starts to ask this provider, if it is to be checked or to tell its models. Ends when no snapshot has the provider
/// any more.
pub(super) fn start(gateway: &Arc<Gateway>, provider: &Provider) {
    if provider.supports(Operation::Models) && (provider.config().discover || is_checked(provider)) {
        let task = tokio::spawn(keep_asking(Arc::downgrade(gateway), provider.clone()));
        provider.set_asking(task.abort_handle());
    }
}

/// Asks once, whatever is configured, and takes note of the answer.
pub(super) async fn check(provider: &Provider) -> Checked {
    if !provider.supports(Operation::Models) {
        return Checked::Skipped;
    }
    let begun = Instant::now();
    let listed = discovery::list(provider, provider.config().standing.health_checks.timeout).await;
    let checked = judge(&listed);
    note(provider, begun.elapsed(), &checked);
    match listed {
        Ok(listed) if provider.config().discover => provider.set_discovered(listed.models),
        Err(error) if provider.config().discover => report(provider, &error),
        _ => {}
    }
    checked
}

/// Whether it is asked for its health. A plugin that answers by itself has nobody to ask.
pub(super) fn is_checked(provider: &Provider) -> bool {
    let enabled = provider.config().standing.health_checks.enabled.unwrap_or(true);
    enabled && provider.supports(Operation::Models) && !provider.is_local()
}

async fn keep_asking(gateway: Weak<Gateway>, first: Provider) {
    let mut provider = first;
    // Models are wanted at once. Its health is worth knowing soon, too: not all at the same time, and after the first
    // requests, which are more urgent.
    let mut wait = if provider.config().discover { Duration::ZERO } else { FIRST.mul_f64(0.5 + fastrand::f64()) };
    loop {
        sleep(wait).await;
        let Some(gateway) = gateway.upgrade() else { return };
        // The plugin may have been replaced in the meantime, or the provider changed, which starts a task of its own.
        match gateway.snapshot().current(&provider) {
            Some(current) => provider = current.clone(),
            None => return,
        }
        drop(gateway);
        let checked = check(&provider).await;
        wait = pause(&provider, matches!(checked, Checked::Failed(_)));
    }
}

/// How long until it is asked again.
fn pause(provider: &Provider, failed: bool) -> Duration {
    let models = provider.config().discover.then_some(if failed { AFTER_FAILURE } else { INTERVAL });
    let health = is_checked(provider).then_some(provider.config().standing.health_checks.interval);
    let pause = models.into_iter().chain(health).min().unwrap_or(INTERVAL);
    pause.mul_f64(1.0 - JITTER * fastrand::f64())
}

/// What a list of models, or the failure to get one, says of the provider. Many upstreams serve chats and no such
/// list: whatever they answer shows that they are there.
fn judge(listed: &Result<Listed, Error>) -> Checked {
    match listed {
        Ok(listed) if listed.by_upstream => Checked::Well,
        Ok(_) => Checked::Skipped,
        Err(error) => match (error.cause, Blame::of(error.cause)) {
            (_, Blame::Target | Blame::Credential) => Checked::Failed(error.message.clone()),
            (Cause::Plugin | Cause::Internal | Cause::Overloaded, _) => Checked::Skipped,
            _ => Checked::Well,
        },
    }
}

fn note(provider: &Provider, took: Duration, checked: &Checked) {
    let result = match checked {
        Checked::Well => Ok(()),
        Checked::Failed(reason) => Err(reason.clone()),
        Checked::Skipped => return,
    };
    provider.metrics().count_health_check(result.is_ok());
    let was_failing = provider.checks().latest().is_some_and(|check| check.failing);
    let is_failing = provider.checked(Instant::now(), took, result);
    let name = provider.label();
    match (was_failing, is_failing) {
        (false, true) if provider.config().optional => tracing::debug!(provider = name, "its health checks fail"),
        (false, true) => tracing::warn!(provider = name, "the provider's health checks fail"),
        (true, false) => tracing::info!(provider = name, "the provider's health checks are well again"),
        _ => {}
    }
}

fn report(provider: &Provider, error: &Error) {
    let (name, detail) = (provider.label(), error.detail.as_deref().unwrap_or_default());
    // Absence is what is to be expected of a provider that is only looked for.
    if provider.config().optional {
        tracing::debug!(provider = name, detail, "the models are not known: {error}");
    } else {
        tracing::warn!(provider = name, detail, error_type = error.cause.label(), "the models are not known");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_that_a_provider_does_not_serve_counts_against_it() {
        let failed = || Checked::Failed("no".to_owned());
        for (cause, expected) in [
            (Cause::Unavailable, failed()),
            (Cause::Timeout, failed()),
            (Cause::Connection, failed()),
            (Cause::BadAnswer, failed()),
            (Cause::Authentication, failed()),
            (Cause::RateLimit, Checked::Well),
            (Cause::NotFound, Checked::Well),
            (Cause::Permission, Checked::Well),
            (Cause::InvalidRequest, Checked::Well),
            (Cause::Plugin, Checked::Skipped),
            (Cause::Overloaded, Checked::Skipped),
        ] {
            assert_eq!(judge(&Err(Error::new(cause, "no"))), expected, "{cause:?}");
        }
        for (by_upstream, expected) in [(true, Checked::Well), (false, Checked::Skipped)] {
            assert_eq!(judge(&Ok(Listed { models: Vec::new(), by_upstream })), expected);
        }
    }
}
