//! A request to the upstream: the client's document with a few fields changed, and where it goes.

use weir_plugin::dialect::EmbeddingNumbers;
use weir_plugin::{Call, Failure, Header, Operation, RequestBody, ResponseMode, UpstreamRequest, path_segment};

use crate::settings::Settings;

/// The request for a document of any operation; for `models` there is none.
pub fn request(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let template = match call.operation {
        Operation::Chat => &settings.own.chat_path,
        Operation::Models => &settings.own.models_path,
        Operation::Embeddings => &settings.own.embeddings_path,
        Operation::Completions => &settings.own.completions_path,
        Operation::Responses => &settings.own.responses_path,
        other => return Err(Failure::no_operation(other)),
    };
    let path = path(template, &call.model);
    let mut request = match call.operation {
        Operation::Models => UpstreamRequest::get(path),
        _ => {
            let changed = settings.changes.apply(call, &call.model, document)?;
            let body = RequestBody::Forward(changed.edits);
            let response = if decodes(settings, call) { ResponseMode::Decode } else { ResponseMode::Forward };
            UpstreamRequest { response, dropped: changed.dropped, ..UpstreamRequest::post(path, body) }
        }
    };
    request.auth = settings.own.auth.to_contract();
    let mut request = request.with_client_headers(call);
    // What the operator lets through goes before what he says himself.
    for (name, value) in &settings.own.headers {
        if request.headers.iter().all(|header| header.name != *name) {
            request.headers.push(Header::new(name.as_str(), value.as_str()));
        }
    }
    Ok(request)
}

/// Whether answers have to be looked into even if they conform.
fn decodes(settings: &Settings, call: &Call) -> bool {
    match call.operation {
        Operation::Chat => settings.own.citations,
        Operation::Embeddings => settings.own.embedding_numbers != EmbeddingNumbers::Float,
        _ => false,
    }
}

/// The path with the model in it, where it has a place for it.
fn path(template: &str, model: &str) -> String {
    match template.split_once("{model}") {
        None => template.to_owned(),
        Some((before, after)) => format!("{before}{}{after}", path_segment(model)),
    }
}
