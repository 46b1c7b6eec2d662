//! The list of models. Most of what Mistral tells of a model is told by others too; what goes into it is not.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The list with the kinds of input of each model under the name that others have for them.
pub fn with_modalities(body: &str) -> Cow<'_, str> {
    let Ok(mut list) = serde_json::from_str::<Value>(body) else { return Cow::Borrowed(body) };
    let models = list.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten();
    for model in models.filter_map(Value::as_object_mut) {
        if let Some(capabilities) = model.get("capabilities").and_then(Value::as_object) {
            let kinds = input(capabilities);
            model.insert("input_modalities".to_owned(), kinds);
        }
        model.entry("owned_by").or_insert_with(|| "mistralai".into());
        model.retain(|_, fact| !fact.is_null());
    }
    Cow::Owned(list.to_string())
}

fn input(capabilities: &Map<String, Value>) -> Value {
    let can = |name: &str| capabilities.get(name).is_some_and(|can| *can == true);
    let kinds = [("text", true), ("image", can("vision")), ("audio", can("audio"))];
    kinds.into_iter().filter(|(_, can)| *can).map(|(kind, _)| kind).collect()
}
