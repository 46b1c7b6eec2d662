//! What operators and their tools look at and do. Health and status are in [`status`](super::status).

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use super::reply::Reply;
use crate::pipeline::{Discovered, FoundEndpoint, Gateway};
use crate::plugin::{CONTRACT_VERSION, PluginState};

/// The figures, in the text format of Prometheus.
pub(super) fn metrics(gateway: &Gateway) -> Reply {
    gateway.report_standing();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Reply::new(StatusCode::OK, gateway.metrics().render().into()).with_header(CONTENT_TYPE, kind)
}

/// The plugins: what serves, and why a newer file does not.
pub(super) fn plugins(gateway: &Gateway) -> Reply {
    Reply::json(StatusCode::OK, &listing(gateway))
}

/// Reads configuration and plugins anew. Errors are in the answer; what they concern goes on as it was.
pub(super) async fn reload(gateway: &Arc<Gateway>) -> Reply {
    let reloaded = gateway.reload().await;
    let mut listing = listing(gateway);
    if let Some(listing) = listing.as_object_mut() {
        listing.insert("errors".into(), json!(reloaded.errors));
    }
    Reply::json(StatusCode::OK, &listing)
}

/// Asks all registries for endpoints and all upstreams for models. Errors are in the answer; what they concern goes on
/// with what was known before.
pub(super) async fn discover(gateway: &Arc<Gateway>) -> Reply {
    let found: Vec<Value> = gateway.discover().await.iter().map(discovered).collect();
    Reply::json(StatusCode::OK, &json!({ "object": "list", "data": found }))
}

fn discovered(found: &Discovered) -> Value {
    let endpoints = found.registry.map(|_| found.endpoints.iter().map(endpoint).collect::<Vec<_>>());
    json!({
        "provider": found.provider,
        "registry": found.registry,
        "endpoints": endpoints,
        "models": found.models,
        "errors": found.errors,
    })
}

fn endpoint(endpoint: &FoundEndpoint) -> Value {
    let member = &endpoint.member;
    json!({
        "name": endpoint.name,
        "url": member.url.to_string(),
        "weight": member.weight,
        "priority": member.priority,
        "tags": member.tags,
        "models": endpoint.models,
    })
}

fn listing(gateway: &Gateway) -> Value {
    let plugins: Vec<Value> = gateway.plugins().iter().map(plugin).collect();
    json!({
        "object": "list",
        "contract": CONTRACT_VERSION,
        "configuration_error": gateway.config_error(),
        "data": plugins,
    })
}

fn plugin(state: &PluginState) -> Value {
    let serving = state.serving.as_ref();
    json!({
        "name": state.name,
        "status": match (serving.is_some(), state.error.is_some()) {
            (true, false) => "serving",
            (true, true) => "serving_old_generation",
            (false, _) => "failed",
        },
        "kind": serving.map(|serving| serving.kind.label()),
        "generation": serving.map(|serving| serving.generation),
        "generations_alive": state.generations_alive(),
        "version": serving.map(|serving| &serving.version),
        "summary": serving.map(|serving| &serving.summary),
        "sha256": serving.map(|serving| &serving.digest),
        "bytes": serving.map(|serving| serving.size),
        "error": state.error,
    })
}
