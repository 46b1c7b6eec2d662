//! What operators and their tools look at.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use super::reply::Reply;
use crate::pipeline::Gateway;
use crate::plugin::{CONTRACT_VERSION, PluginState};

/// The process is alive.
pub(super) fn health() -> Reply {
    Reply::json(StatusCode::OK, &json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}

/// The gateway can serve: always, once it runs, since it does not start otherwise. A configuration file that is
/// invalid by now does not change that.
pub(super) fn ready(gateway: &Gateway) -> Reply {
    let providers = gateway.snapshot().providers().len();
    let stale = gateway.config_error().is_some();
    Reply::json(StatusCode::OK, &json!({ "status": "ready", "providers": providers, "configuration_stale": stale }))
}

/// The figures, in the text format of Prometheus.
pub(super) fn metrics(gateway: &Gateway) -> Reply {
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
        "generation": serving.map(|serving| serving.generation),
        "generations_alive": state.generations_alive(),
        "version": serving.map(|serving| &serving.version),
        "summary": serving.map(|serving| &serving.summary),
        "sha256": serving.map(|serving| &serving.digest),
        "bytes": serving.map(|serving| serving.size),
        "error": state.error,
    })
}
