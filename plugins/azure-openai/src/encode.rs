//! A request to the upstream: the client's document with a few fields changed, and the deployment that it goes to.

use weir_plugin::openai::{self, Model, ModelList};
use weir_plugin::{Call, Failure, Operation, RequestBody, ResponseMode, UpstreamRequest, path_segment};

use crate::settings::{Api, Settings};

/// The request for a document of any operation; for `models` there is none.
pub fn request(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let deployment = settings.own.deployments.get(&call.model).unwrap_or(&call.model);
    let path = path(settings, call.operation, deployment)?;
    let mut request = match call.operation {
        Operation::Models => UpstreamRequest::get(path),
        _ => {
            let changed = settings.changes.apply(call, deployment, document)?;
            let request = UpstreamRequest::post(path, RequestBody::Forward(changed.edits));
            UpstreamRequest { response: ResponseMode::Forward, dropped: changed.dropped, ..request }
        }
    };
    request.auth = settings.own.auth.to_contract();
    Ok(request.with_client_headers(call))
}

/// The list of the models that the settings name.
pub fn deployed(settings: &Settings) -> Result<String, Failure> {
    let models = settings.own.deployments.keys().map(|name| Model::new(name.as_str(), 0, "azure"));
    openai::to_json(&ModelList::new(models.collect()))
}

/// Where a request goes. What is newer than an API lives on the next one, with the same key.
fn path(settings: &Settings, operation: Operation, deployment: &str) -> Result<String, Failure> {
    let place = match operation {
        Operation::Chat => "chat/completions",
        Operation::Embeddings => "embeddings",
        Operation::Completions => "completions",
        Operation::Responses => "responses",
        Operation::Models => "models",
        other => return Err(Failure::no_operation(other)),
    };
    let path = match (settings.own.api, operation) {
        (Api::Dated, Operation::Responses | Operation::Models) => format!("/openai/{place}"),
        (Api::Dated, _) => format!("/openai/deployments/{}/{place}", path_segment(deployment)),
        (Api::Models, Operation::Chat) => format!("/models/{place}"),
        (Api::V1 | Api::Models, _) => format!("/openai/v1/{place}"),
    };
    // The version of one API means nothing to another.
    let is_elsewhere = settings.own.api == Api::Models && path.starts_with("/openai/");
    let version = settings.own.api_version.as_deref().or(settings.own.api.default_version()).filter(|_| !is_elsewhere);
    Ok(match version {
        None => path,
        Some(version) => format!("{path}?api-version={}", path_segment(version)),
    })
}
