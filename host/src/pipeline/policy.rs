//! The policy of one model name: the plugin that plans, and what is told back to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::provider::Unusable;
use crate::chat::usage::Usage;
use crate::config;
use crate::error::{Cause, Error};
use crate::plugin::{
    self, CallError, Candidate, FailureKind, Generation, Operation, Outcome, PlannedAttempt, PolicyPlugin,
    RoutingRequest,
};
use crate::telemetry::{Metrics, PolicyMetrics};

/// Outcomes that wait to be told. What comes beyond is not told.
const MOST_WAITING: usize = 4_096;

/// Outcomes that are told in one call.
const TOLD_AT_ONCE: usize = 256;

/// Outcomes are gathered for so long before they are told.
const GATHERING: Duration = Duration::from_millis(100);

/// A policy with its settings and targets.
pub(super) struct Policy {
    config: config::Policy,
    plugin: Arc<PolicyPlugin>,
    outcomes: Option<mpsc::Sender<Outcome>>,
    metrics: PolicyMetrics,
}

impl Policy {
    /// Makes the policy of a model, taking over the one from before if nothing of it has changed.
    pub(super) async fn build(
        model: &config::Model,
        policy: &config::Policy,
        generation: Arc<Generation>,
        limits: &config::PluginLimits,
        metrics: &Metrics,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Unusable> {
        let targets: Vec<plugin::Target> = model.targets.iter().map(target).collect();
        if let Some(before) =
            before.filter(|before| before.plugin.fits(&generation, &policy.settings, &targets, limits))
        {
            return Ok(Arc::clone(before));
        }
        let figures = metrics.plugin(&policy.plugin, &plugin::FUNCTIONS);
        let plugin = PolicyPlugin::new(generation, &policy.settings, targets, limits.clone(), figures).await;
        let plugin = Arc::new(plugin.map_err(|error| Unusable::Plugin(policy.plugin.clone(), error))?);
        let outcomes = plugin.abilities().wants_outcomes.then(|| {
            let (sender, receiver) = mpsc::channel(MOST_WAITING);
            tokio::spawn(tell(Arc::clone(&plugin), receiver));
            sender
        });
        let metrics = metrics.policy(&policy.plugin);
        Ok(Arc::new(Self { config: policy.clone(), plugin, outcomes, metrics }))
    }

    /// The plugin's name.
    pub(super) fn name(&self) -> &str {
        &self.config.plugin
    }

    /// The generation that plans.
    pub(super) fn generation(&self) -> &Arc<Generation> {
        self.plugin.generation()
    }

    /// Whether it wants the text of the last user message.
    pub(super) fn wants_text(&self) -> bool {
        self.plugin.abilities().wants_text
    }

    /// What the policy plans. `None` if it failed: the order of priority is to be kept then.
    ///
    /// # Errors
    /// The policy refuses the request.
    pub(super) async fn plan(
        &self,
        id: &Arc<str>,
        request: &RoutingRequest,
        candidates: &[Candidate],
    ) -> Result<Option<Vec<PlannedAttempt>>, Error> {
        match self.plugin.plan(id, request, candidates).await {
            Ok(plan) => Ok(Some(plan)),
            Err(CallError::Failure(failure)) if failure.kind != FailureKind::Internal => {
                Err(super::failure::of_upstream(failure, None, crate::upstream::RetryHint::default()))
            }
            Err(CallError::Failure(failure)) => {
                tracing::warn!(plugin = self.name(), "the policy could not plan: {}", failure.message);
                self.without()
            }
            // What went wrong has been logged where it happened.
            Err(CallError::Fault(_)) => self.without(),
        }
    }

    /// What becomes of a request for which the policy gave no plan.
    fn without(&self) -> Result<Option<Vec<PlannedAttempt>>, Error> {
        self.metrics.count_fallback();
        if self.plugin.abilities().fail_closed {
            let message = format!("The policy `{}` failed, and no request is served without it.", self.name());
            return Err(Error::new(Cause::Unavailable, message).with_code("policy_failed").retryable(None));
        }
        Ok(None)
    }

    /// What will tell the policy how an attempt of this request ended, if it wants to know.
    pub(super) fn observed(&self, id: &Arc<str>, operation: Operation) -> Option<Observed> {
        let outcomes = self.outcomes.clone()?;
        Some(Observed { outcomes, request_id: Arc::clone(id), operation })
    }
}

/// What tells a policy how one attempt ended.
pub(super) struct Observed {
    outcomes: mpsc::Sender<Outcome>,
    request_id: Arc<str>,
    operation: Operation,
}

impl Observed {
    /// Tells it, some time later. Nobody waits for that.
    pub(super) fn tell(
        self,
        target: u32,
        failure: Option<Cause>,
        cancelled: bool,
        first_token: Option<Duration>,
        duration: Duration,
        usage: Option<Usage>,
    ) {
        let outcome = Outcome {
            request_id: self.request_id.to_string(),
            target,
            operation: self.operation,
            failure: failure.map(kind),
            cancelled,
            first_token_ms: first_token.map(milliseconds),
            duration_ms: milliseconds(duration),
            prompt_tokens: usage.map(|usage| usage.prompt_tokens),
            completion_tokens: usage.map(|usage| usage.completion_tokens),
        };
        // When too many wait already this one is left out, as the contract says.
        let _ = self.outcomes.try_send(outcome);
    }
}

/// Tells outcomes until nobody can bring any more.
async fn tell(plugin: Arc<PolicyPlugin>, mut outcomes: mpsc::Receiver<Outcome>) {
    let id: Arc<str> = "outcomes".into();
    let mut gathered = Vec::new();
    while outcomes.recv_many(&mut gathered, TOLD_AT_ONCE).await > 0 {
        tokio::time::sleep(GATHERING).await;
        while gathered.len() < TOLD_AT_ONCE
            && let Ok(outcome) = outcomes.try_recv()
        {
            gathered.push(outcome);
        }
        // A fault has been logged and counted where it happened; the outcomes are lost with it.
        let _ = plugin.observe(&id, &gathered).await;
        gathered.clear();
    }
}

fn target(target: &config::Target) -> plugin::Target {
    plugin::Target {
        provider: target.provider.clone(),
        model: target.model.clone(),
        priority: target.priority,
        weight: target.weight,
        tags: target.tags.clone(),
    }
}

fn kind(cause: Cause) -> FailureKind {
    match cause {
        Cause::InvalidRequest | Cause::ClientClosed => FailureKind::InvalidRequest,
        Cause::Unsupported => FailureKind::Unsupported,
        Cause::Authentication => FailureKind::Unauthorized,
        Cause::Permission => FailureKind::Forbidden,
        Cause::NotFound => FailureKind::NotFound,
        Cause::RateLimit => FailureKind::RateLimited,
        Cause::ContextLength => FailureKind::ContextLengthExceeded,
        Cause::ContentFilter => FailureKind::Blocked,
        Cause::Unavailable | Cause::Timeout | Cause::Connection | Cause::Overloaded => FailureKind::Unavailable,
        Cause::BadAnswer => FailureKind::BadAnswer,
        Cause::Plugin | Cause::Internal => FailureKind::Internal,
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
