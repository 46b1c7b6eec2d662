//! `GET /v1/models` and `GET /v1/models/{id}`.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::reply::Reply;
use crate::pipeline::{ListedModel, Snapshot};

/// Since when a model exists is not known, and clients need a number.
const CREATED: u64 = 0;

/// The same in the Messages API.
const CREATED_AT: &str = "1970-01-01T00:00:00Z";

/// The models that clients can ask for.
pub(super) fn list(snapshot: &Snapshot) -> Reply {
    let data: Vec<Value> = snapshot.models().iter().map(entry).collect();
    let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    let list = json!({ "object": "list", "data": data, "has_more": false, "first_id": first, "last_id": last });
    Reply::json(StatusCode::OK, &list)
}

/// One of them.
pub(super) fn one(snapshot: &Snapshot, id: &str) -> Reply {
    match snapshot.model(id) {
        Some(model) => Reply::json(StatusCode::OK, &entry(&model)),
        None => Reply::error(&snapshot.unknown(id)),
    }
}

/// The model's id as it stands in a path: percent-encoded or not, with slashes or not.
pub(super) fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A model as OpenAI lists it and as the Messages API does, with what is known of it beside: tokens, modalities, and USD per million tokens.
fn entry(model: &ListedModel) -> Value {
    let mut entry = json!({
        "id": model.id, "object": "model", "created": CREATED, "owned_by": model.owned_by,
        "type": "model", "display_name": model.id, "created_at": CREATED_AT,
    });
    let facts = &model.facts;
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry[name] = value;
        }
    };
    add("context_window", facts.context_window.map(Value::from));
    add("max_output_tokens", facts.max_output_tokens.map(Value::from));
    add("input_modalities", (!facts.input_modalities.is_empty()).then(|| json!(facts.input_modalities)));
    add("output_modalities", (!facts.output_modalities.is_empty()).then(|| json!(facts.output_modalities)));
    add(
        "prices",
        facts.prices.map(|prices| {
            let mut shown = json!({ "input": prices.input, "output": prices.output });
            if let Some(cached) = prices.cached_input {
                shown["cached_input"] = json!(cached);
            }
            shown
        }),
    );
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_id_is_the_same_however_it_is_spelled_in_the_path() {
        for path in ["acme/large-2", "acme%2Flarge-2", "acme%2flarge%2D2"] {
            assert_eq!(decode(path), "acme/large-2");
        }
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("a%zz"), "a%zz");
    }
}
