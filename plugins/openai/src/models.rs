//! The list of models, as upstreams give it.

use serde_json::{Value, json};
use weir_plugin::{Failure, openai};

/// The canonical list. Some upstreams leave out the object around it, or most of the fields, or have other names.
pub fn list(status: u16, body: &str) -> Result<String, Failure> {
    let document = serde_json::from_str(body).unwrap_or(Value::Null);
    let entries = match document {
        Value::Array(entries) => entries,
        Value::Object(mut fields) => match ["data", "models"].into_iter().find_map(|name| fields.shift_remove(name)) {
            Some(Value::Array(entries)) => entries,
            _ => return Err(openai::failure(status, body)),
        },
        _ => return Err(Failure::bad_answer("The provider sent something that is not a list of models.")),
    };
    let models: Vec<Value> = entries.into_iter().filter_map(model).collect();
    openai::to_json(&json!({ "object": "list", "data": models }))
}

/// One model, with all that the upstream says of it. `None` if it has no name.
fn model(entry: Value) -> Option<Value> {
    let mut fields = match entry {
        Value::Object(fields) => fields,
        Value::String(id) => serde_json::Map::from_iter([("id".to_owned(), Value::String(id))]),
        _ => return None,
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = ["id", "name", "model"].into_iter().find_map(text)?.to_owned();
    let owner = ["owned_by", "organization", "provider"].into_iter().find_map(text).unwrap_or("unknown").to_owned();
    let created = fields.get("created").and_then(Value::as_f64).unwrap_or(0.0).max(0.0);
    fields.insert("id".to_owned(), id.into());
    fields.insert("object".to_owned(), "model".into());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    fields.insert("created".to_owned(), (created as u64).into());
    fields.insert("owned_by".to_owned(), owner.into());
    Some(Value::Object(fields))
}
