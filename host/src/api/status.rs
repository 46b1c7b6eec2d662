//! Whether the gateway and its providers are well: for load balancers, for operators, and for their scripts, which rely
//! on the names of these fields. Nothing here is secret: no addresses, no credentials, no prompts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::body;
use super::reply::Reply;
use crate::error::{Cause, Error};
use crate::pipeline::{Checked, Gateway, ModelStatus, Provider, ProviderStatus, TargetStatus};
use crate::standing::{BreakerView, Fraction, Health};
use crate::telemetry::rfc_3339;

/// The largest body of `POST /check`, in bytes.
const SMALL_BODY: body::Limits =
    body::Limits { bytes: 64 << 10, pause: Duration::from_secs(5), total: Duration::from_secs(10) };

/// The process is alive, and how well its providers are. Always 200: a provider that is down is no reason to restart
/// the gateway.
pub(super) fn health(gateway: &Gateway) -> Reply {
    Reply::json(StatusCode::OK, &Value::Object(summary(gateway)))
}

/// Whether requests should be sent here: not while it drains, nor while no provider can serve.
pub(super) fn ready(gateway: &Gateway) -> Reply {
    let (snapshot, now) = (gateway.snapshot(), Instant::now());
    let serving = snapshot.shown().filter(|provider| provider.health(now) != Health::Unhealthy).count();
    let (code, status) = match (gateway.is_draining(), serving) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, 0) => (StatusCode::SERVICE_UNAVAILABLE, "no_provider_can_serve"),
        (false, _) => (StatusCode::OK, "ready"),
    };
    let document = json!({
        "status": status,
        "providers": snapshot.shown().count(),
        "providers_serving": serving,
        "configuration_stale": gateway.config_error().is_some(),
    });
    Reply::json(code, &document)
}

/// All providers.
pub(super) fn providers(gateway: &Gateway) -> Reply {
    let providers: Vec<Value> = gateway.snapshot().shown().map(provider).collect();
    Reply::json(StatusCode::OK, &json!({ "total": providers.len(), "providers": providers }))
}

/// Everything at once.
pub(super) fn status(gateway: &Gateway, requests_in_flight: usize) -> Reply {
    let mut document = summary(gateway);
    if let Some(counts) = document.remove("providers") {
        document.insert("summary".into(), counts);
    }
    let providers: Vec<Value> = gateway.snapshot().shown().map(provider).collect();
    let models: Vec<Value> = gateway.models(Instant::now()).iter().map(model).collect();
    document.insert("providers".into(), providers.into());
    document.insert("models".into(), models.into());
    document.insert("requests_in_flight".into(), requests_in_flight.into());
    document.insert("draining".into(), gateway.is_draining().into());
    document.insert("configuration_stale".into(), gateway.config_error().is_some().into());
    Reply::json(StatusCode::OK, &Value::Object(document))
}

/// One provider.
pub(super) fn one(gateway: &Gateway, name: &str) -> Reply {
    let snapshot = gateway.snapshot();
    if let Some(found) = snapshot.shown().find(|provider| provider.label() == name) {
        return Reply::json(StatusCode::OK, &provider(found));
    }
    let members = snapshot.members(name);
    match ProviderStatus::of_group(members, Instant::now()) {
        Some(status) => Reply::json(StatusCode::OK, &group(name, members, status)),
        None => Reply::error(&unknown_provider(name)),
    }
}

/// Asks all providers now, or the one that the request names, and answers when that is done.
pub(super) async fn check(gateway: &Arc<Gateway>, request: Request<Incoming>) -> Reply {
    let name = match named(request).await {
        Ok(name) => name,
        Err(error) => return Reply::error(&error),
    };
    let Some(checks) = gateway.check(name.as_deref()).await else {
        return Reply::error(&unknown_provider(name.as_deref().unwrap_or_default()));
    };
    let checked: Vec<Value> = checks.iter().map(|(one, checked)| with_outcome(provider(one), checked)).collect();
    // A group without endpoints cannot be well.
    let nobody = name.is_some() && checks.is_empty();
    let well = !nobody && checks.iter().all(|(_, checked)| !matches!(checked, Checked::Failed(_)));
    let status = if well { "ok" } else { "failed" };
    Reply::json(StatusCode::OK, &json!({ "status": status, "checked": checked.len(), "providers": checked }))
}

/// Forgets what can be found out, or made, again.
pub(super) fn clear_cache(gateway: &Gateway) -> Reply {
    let cleared = json!({
        "health_checks": gateway.clear_health_checks(),
        "condensed_chats": gateway.clear_condensed_chats(),
    });
    Reply::json(StatusCode::OK, &json!({ "status": "ok", "cleared": cleared }))
}

/// What `/health` says. A provider of which nothing is known yet counts as neither well nor ill.
fn summary(gateway: &Gateway) -> Map<String, Value> {
    let (snapshot, now) = (gateway.snapshot(), Instant::now());
    let all: Vec<(&Provider, Health)> = snapshot.shown().map(|provider| (provider, provider.health(now))).collect();
    let count = |health: Health| all.iter().filter(|(_, found)| *found == health).count();
    let last_check = snapshot.shown().filter_map(Provider::latest_check).map(|check| check.at).max();
    let mut summary = Map::new();
    let mut add = |name: &str, value: Value| summary.insert(name.to_owned(), value);
    add("status", overall(&all).into());
    add("timestamp", seconds_since_1970().into());
    add(
        "providers",
        json!({
            "total": all.len(),
            "healthy": count(Health::Healthy),
            "degraded": count(Health::Degraded),
            "unhealthy": count(Health::Unhealthy),
            "unknown": count(Health::Unknown),
        }),
    );
    let uptime = Fraction::mean(snapshot.shown().map(|provider| provider.uptime(now)));
    add("uptime", uptime.to_string().into());
    add("last_check", last_check.map(rfc_3339).into());
    add("version", env!("CARGO_PKG_VERSION").into());
    add("components", components(gateway));
    summary
}

/// Unhealthy when no provider serves, degraded when one does not serve as it should.
fn overall(all: &[(&Provider, Health)]) -> &'static str {
    let serves = |health: Health| health != Health::Unhealthy;
    // One that is only looked for may be absent.
    let is_ill = |(provider, health): &(&Provider, Health)| *health > Health::Healthy && !provider.is_optional();
    if !all.is_empty() && !all.iter().any(|(_, health)| serves(*health)) {
        Health::Unhealthy.label()
    } else if all.iter().any(is_ill) {
        Health::Degraded.label()
    } else {
        Health::Healthy.label()
    }
}

fn components(gateway: &Gateway) -> Value {
    let well = |is_well: bool, otherwise: &'static str| if is_well { "healthy" } else { otherwise };
    json!({
        "api_server": well(!gateway.is_draining(), "draining"),
        "health_worker": well(gateway.checks_run(), "unhealthy"),
        "metrics_collector": "healthy",
        "config_manager": well(gateway.config_error().is_none(), "degraded"),
    })
}

fn provider(provider: &Provider) -> Value {
    shown(&provider.label(), provider.status(Instant::now()))
}

/// The endpoints of one provider together.
fn group(name: &str, members: &[Provider], status: ProviderStatus) -> Value {
    let mut group = shown(name, status);
    group["endpoints"] = members.iter().map(|member| Value::from(member.label())).collect();
    group
}

fn shown(name: &str, status: ProviderStatus) -> Value {
    let (plugin, version, generation) = status.plugin;
    let check = status.check.as_ref();
    json!({
        "name": name,
        "status": status.health.label(),
        "reasons": status.reasons,
        "last_check": check.map(|check| rfc_3339(check.at)),
        "response_time": status.response_time.map(seconds),
        "models": status.models,
        "circuit_breaker": breaker(&status.breaker),
        "uptime": status.uptime.to_string(),
        "health_check": {
            "enabled": status.is_checked,
            "error": check.and_then(|check| check.error.as_ref()),
            "in_a_row": check.map(|check| check.in_a_row),
            "failing": check.is_some_and(|check| check.failing),
        },
        "plugin": { "name": plugin, "version": version, "generation": generation },
        "targets": status.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

fn target(target: &TargetStatus) -> Value {
    let (view, figures) = (&target.view, &target.view.figures);
    json!({
        "model": target.model,
        "status": view.health.label(),
        "reasons": target.reasons,
        "circuit_breaker": breaker(&target.breaker),
        "uptime": target.uptime.to_string(),
        "cooldown_seconds": view.cooldown.map(seconds),
        "ejected_seconds": view.ejected.map(seconds),
        "in_flight": view.in_flight,
        "queued": view.queued,
        "limit": view.limit,
        "requests": figures.samples,
        "recent_requests": figures.recent.total,
        "recent_failures": figures.recent.failed,
        "error_rate": figures.error_rate(),
        "first_token_seconds": figures.first_token.map(seconds),
        "answer_seconds": figures.answer.map(seconds),
    })
}

fn breaker(breaker: &BreakerView) -> Value {
    json!({
        "state": breaker.state.label(),
        "failure_count": breaker.failure_count,
        "last_failure_time": breaker.last_failure.map(rfc_3339),
        "unchanged_seconds": seconds(breaker.unchanged_for),
        "open_seconds": seconds(breaker.open_for),
        "openings": breaker.openings,
    })
}

fn model(model: &ModelStatus) -> Value {
    let target = |(name, health): &(String, Health)| json!({ "target": name, "status": health.label() });
    let targets: Vec<Value> = model.targets.iter().map(target).collect();
    json!({ "name": model.name, "policy": model.policy, "targets": targets })
}

fn with_outcome(mut provider: Value, checked: &Checked) -> Value {
    let (outcome, error) = match checked {
        Checked::Well => ("ok", None),
        Checked::Failed(reason) => ("failed", Some(reason)),
        Checked::Skipped => ("skipped", None),
    };
    provider["check"] = json!({ "outcome": outcome, "error": error });
    provider
}

/// The provider that a request names, in its query or in its body; none if it means all of them.
async fn named(request: Request<Incoming>) -> Result<Option<String>, Error> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes()).find(|(field, _)| field == "provider");
    if let Some((_, name)) = in_query {
        return Ok(Some(name.into_owned()));
    }
    // Without a body nobody says what kind it is.
    if request.body().is_end_stream() {
        return Ok(None);
    }
    let (_, body) = body::read(request, &SMALL_BODY).await?;
    in_body(&body)
}

fn in_body(body: &Bytes) -> Result<Option<String>, Error> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| Error::invalid_request(format!("The request is not valid JSON: {error}.")))?;
    match (document.is_object(), document.get("provider")) {
        (true, None | Some(Value::Null)) => Ok(None),
        (true, Some(Value::String(name))) => Ok(Some(name.clone())),
        (true, Some(_)) => Err(Error::invalid_field("provider", "`provider` has to be the name of a provider.")),
        (false, _) => Err(Error::invalid_request("The request has to be a JSON object.")),
    }
}

fn unknown_provider(name: &str) -> Error {
    let message = format!("There is no provider `{name}`. GET /providers lists those that there are.");
    Error::new(Cause::NotFound, message).with_code("provider_not_found")
}

/// To the microsecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

fn seconds_since_1970() -> f64 {
    seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_of_all_providers_or_of_the_one_that_is_named() {
        for (body, expected) in [
            ("", Ok(None)),
            (" \n", Ok(None)),
            ("{}", Ok(None)),
            (r#"{"provider": null}"#, Ok(None)),
            (r#"{"provider": "acme"}"#, Ok(Some("acme"))),
            (r#"{"provider": 7}"#, Err(Some("provider"))),
            ("[]", Err(None)),
            ("{", Err(None)),
        ] {
            let found = in_body(&Bytes::from_static(body.as_bytes()));
            let found = found.as_ref().map(Option::as_deref).map_err(|error| error.param.as_deref());
            assert_eq!(found, expected, "{body}");
        }
    }
}
