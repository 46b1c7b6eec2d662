//! Errors. Mistral's servers have several layers, and each has its own way to say that something is wrong.

use serde_json::Value;
use weir_plugin::openai;
use weir_plugin::{Failure, FailureKind};

/// What an error tells. `status` is that of the answer; a 2xx counts for nothing.
pub fn failure(status: u16, body: &str) -> Failure {
    let Ok(mut document) = serde_json::from_str::<Value>(body) else { return openai::failure(status, body) };
    flatten(&mut document);
    let mut failure = openai::failure(status, &document.to_string());
    let problem = &document["detail"][0];
    if let Some(place) = problem["loc"].as_array() {
        failure.param = Some(path(place));
    }
    let kind = match (document["type"].as_str(), problem["type"].as_str()) {
        (Some("invalid_model"), _) => Some(FailureKind::NotFound),
        // What this API has no field for, another one may have.
        (_, Some("extra_forbidden")) => Some(FailureKind::Unsupported),
        _ if status == 400 && failure.message.contains("not enabled for this model") => Some(FailureKind::Unsupported),
        _ => None,
    };
    failure.kind = kind.unwrap_or(failure.kind);
    if failure.kind == FailureKind::NotFound && document["type"] == "invalid_model" {
        return failure.with_code("model_not_found");
    }
    failure
}

/// The place of a problem as the client wrote it: `messages[0].role`.
fn path(steps: &[Value]) -> String {
    let steps = steps.iter().filter(|step| *step != "body");
    let steps = steps.map(|step| step.as_str().map_or_else(|| format!("[{step}]"), |name| format!(".{name}")));
    steps.collect::<String>().trim_start_matches('.').to_owned()
}

/// Brings up what the layers have put elsewhere: the list of problems, which is in the message as an object or as its
/// text, and the status.
pub fn flatten(document: &mut Value) {
    let Some(fields) = document.as_object_mut() else { return };
    let inner = match fields.get("message") {
        Some(Value::String(text)) if text.starts_with('{') => serde_json::from_str(text).ok(),
        Some(Value::Object(inner)) => Some(inner.clone()),
        _ => None,
    };
    if let Some(inner) = inner {
        fields.shift_remove("message");
        fields.extend(inner);
    }
    if let Some(status) = fields.shift_remove("raw_status_code") {
        fields.insert("status_code".to_owned(), status);
    }
}
