//! The account of one request: what it asked for, what it cost and how it ended, as metrics and one line in the log.

use std::sync::Arc;
use std::time::Instant;

use hyper::StatusCode;

use super::provider::Provider;
use super::request::Request;
use super::retry::{Follows, Notes};
use super::route::Target;
use super::summary;
use crate::chat::usage::Usage;
use crate::config::Member;
use crate::error::{Cause, Error};
use crate::telemetry::Metrics;

/// The provider's name in the metrics for requests that never had one.
const NO_PROVIDER: &str = "none";

/// What proxies log for a request whose client was gone before its answer was complete.
const CLIENT_LEFT: u16 = 499;

/// The account of one request. Closing it counts the request and writes its line; it is closed exactly once.
pub struct Account {
    metrics: Metrics,
    endpoint: &'static str,
    request_id: Arc<str>,
    key: Option<String>,
    started: Instant,
    is_stream: bool,
    provider: Option<Provider>,
    model: String,
    attempts: u32,
    retried: Vec<String>,
    usage: Option<Usage>,
    is_closed: bool,
}

impl Account {
    /// Opens the account of a request to `endpoint`, the path that stands in the metrics.
    pub fn open(metrics: &Metrics, endpoint: &'static str, request_id: &Arc<str>) -> Self {
        Self {
            metrics: metrics.clone(),
            endpoint,
            request_id: Arc::clone(request_id),
            key: None,
            started: Instant::now(),
            is_stream: false,
            provider: None,
            model: String::new(),
            attempts: 0,
            retried: Vec::new(),
            usage: None,
            is_closed: false,
        }
    }

    /// The id of the request.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Notes the name of the client's key.
    pub fn set_key(&mut self, name: &str) {
        self.key = Some(name.to_owned());
    }

    /// Notes that the client wants a stream.
    pub fn set_stream(&mut self, is_stream: bool) {
        self.is_stream = is_stream;
    }

    /// Notes who is asked. The last one noted is the one that has answered.
    pub(super) fn set_target(&mut self, provider: &Provider, model: &str) {
        provider.metrics().connection_opened();
        if let Some(before) = self.provider.replace(provider.clone()) {
            before.metrics().connection_closed();
        }
        model.clone_into(&mut self.model);
    }

    /// What takes note of the attempts at these targets.
    pub(super) fn notes<'a>(&'a mut self, targets: &'a [Target], request: &'a Request<'a>) -> AttemptNotes<'a> {
        AttemptNotes { account: self, targets, request }
    }

    pub(super) fn set_usage(&mut self, usage: Option<Usage>) {
        self.usage = usage.or(self.usage);
    }

    pub(super) fn scrub(&self, error: Error) -> Error {
        match &self.provider {
            Some(provider) => provider.scrub(error),
            None => error,
        }
    }

    /// Closes the account of a request that was answered.
    pub fn succeeded(mut self) {
        self.close(None);
    }

    /// Closes the account of a request that failed.
    pub fn failed(mut self, error: &Error) {
        self.close(Some(error));
    }

    fn close(&mut self, error: Option<&Error>) {
        self.is_closed = true;
        let status = error.map_or(200, |error| error.status.as_u16());
        self.count(status);
        if let Some(error) = error {
            match &self.provider {
                Some(provider) => provider.metrics().count_error(error.cause.label()),
                None => self.metrics.count_error(NO_PROVIDER, error.cause.label()),
            }
        }
        self.log(status, error);
    }

    fn count(&self, status: u16) {
        let elapsed = self.started.elapsed();
        let Some(provider) = &self.provider else {
            self.metrics.count_request(NO_PROVIDER, self.endpoint, status, elapsed);
            return;
        };
        provider.metrics().count_request(self.endpoint, status, elapsed);
        if let Some(usage) = self.usage {
            provider.metrics().count_tokens(usage.prompt_tokens, usage.completion_tokens);
        }
    }

    fn log(&self, status_code: u16, error: Option<&Error>) {
        let provider = self.provider.as_ref().map_or(NO_PROVIDER, Provider::name);
        let tokens = self.usage.map_or(0, |usage| usage.total_tokens);
        let duration = self.started.elapsed().as_secs_f64();
        let key = self.key.as_deref().unwrap_or_default();
        let (request_id, model, stream, attempts) = (&*self.request_id, &*self.model, self.is_stream, self.attempts);
        let (endpoint, retried) = (self.endpoint, self.retried.join(", "));
        let member = self.provider.as_ref().and_then(Provider::member);
        let provider_endpoint = member.map(Member::label).unwrap_or_default();
        let Some(error) = error else {
            tracing::info!(
                target: "weir::request",
                request_id, provider, provider_endpoint, model, tokens, duration, status_code, endpoint, key, stream, attempts, retried,
                "request"
            );
            return;
        };
        // The message may quote the upstream, and an upstream may quote the prompt: only the cause is logged.
        let (error_type, code) = (error.cause.label(), error.code.as_deref().unwrap_or_default());
        let detail = error.detail.as_deref().unwrap_or_default();
        if status_code >= 500 {
            tracing::warn!(
                target: "weir::request",
                request_id, provider, provider_endpoint, model, tokens, duration, status_code, endpoint, key, stream, attempts, retried,
                error_type, code, detail,
                "request failed"
            );
        } else {
            let what = if error.cause == Cause::ClientClosed { "client left" } else { "request refused" };
            tracing::info!(
                target: "weir::request",
                request_id, provider, provider_endpoint, model, tokens, duration, status_code, endpoint, key, stream, attempts, retried,
                error_type, code, detail,
                "{what}"
            );
        }
    }
}

/// Takes note of attempts.
pub(super) struct AttemptNotes<'a> {
    account: &'a mut Account,
    targets: &'a [Target],
    request: &'a Request<'a>,
}

impl Notes for AttemptNotes<'_> {
    fn begun(&mut self, target: usize, is_hedge: bool) {
        let target = &self.targets[target];
        self.account.attempts += 1;
        if is_hedge {
            target.provider.metrics().count_hedge(summary::prompt_tokens(self.request));
        } else {
            self.account.set_target(&target.provider, &target.model);
        }
    }

    fn failed(&mut self, target: usize, error: &Error, follows: Follows) {
        let target = &self.targets[target];
        target.provider.metrics().count_error(error.cause.label());
        match follows {
            Follows::Same => target.provider.metrics().count_retry(),
            Follows::Other => target.provider.metrics().count_failover(),
        }
        let what = format!("{} {}", error.status.as_u16(), error.cause.label());
        let is_alone = self.targets.len() == 1;
        self.account.retried.push(if is_alone { what } else { format!("{}: {what}", target.label()) });
    }

    fn kept(&mut self, target: usize) {
        let target = &self.targets[target];
        self.account.set_target(&target.provider, &target.model);
    }
}

impl Drop for Account {
    /// A request that is dropped before its end is one whose client has left. What it used is still counted.
    fn drop(&mut self) {
        if !self.is_closed {
            let mut error = Error::new(Cause::ClientClosed, "The client closed the connection.");
            error.status = StatusCode::from_u16(CLIENT_LEFT).unwrap_or(error.status);
            self.close(Some(&error));
        }
        if let Some(provider) = &self.provider {
            provider.metrics().connection_closed();
        }
    }
}
