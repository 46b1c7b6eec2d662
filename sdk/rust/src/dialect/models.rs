//! The list of models, as upstreams give it.

use serde_json::{Map, Number, Value, json};

use crate::{Failure, openai};

/// The canonical list. Some upstreams leave out the object around it, or most of the fields, or have other names.
pub fn list(status: u16, body: &str) -> Result<String, Failure> {
    let document = serde_json::from_str(body).unwrap_or(Value::Null);
    let entries = match document {
        Value::Array(entries) => entries,
        Value::Object(mut fields) => match ["data", "models"].into_iter().find_map(|name| fields.shift_remove(name)) {
            Some(Value::Array(entries)) => entries,
            _ => return Err(super::failure::failure(status, body)),
        },
        _ => return Err(Failure::bad_answer("The provider sent something that is not a list of models.")),
    };
    let models: Vec<Value> = entries.into_iter().filter_map(model).collect();
    openai::to_json(&json!({ "object": "list", "data": models }))
}

/// One model, with all that the upstream says of it. `None` if it has no name.
fn model(entry: Value) -> Option<Value> {
    let entry = if entry.is_string() { json!({ "id": entry }) } else { entry };
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = ["id", "name", "model"].into_iter().find_map(text)?.to_owned();
    let owner = ["owned_by", "organization", "provider"].into_iter().find_map(text).unwrap_or("unknown").to_owned();
    let created = entry.get("created").or(entry.get("created_at")).and_then(Value::as_f64).unwrap_or(0.0).max(0.0);
    let facts = facts(&entry);
    let Value::Object(mut fields) = entry else { return None };
    fields.insert("id".to_owned(), id.into());
    fields.insert("object".to_owned(), "model".into());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    fields.insert("created".to_owned(), (created as u64).into());
    fields.insert("owned_by".to_owned(), owner.into());
    fields.extend(facts);
    Some(Value::Object(fields))
}

const CONTEXT_WINDOW: [&str; 10] = [
    "/context_window",
    "/context_length",
    "/max_context_length",
    "/max_model_len",
    "/top_provider/context_length",
    "/providers/0/context_length",
    "/model_spec/availableContextTokens",
    "/metadata/context_length",
    "/meta/n_ctx",
    "/meta/n_ctx_train",
];
const MAX_OUTPUT_TOKENS: [&str; 5] = [
    "/max_output_tokens",
    "/max_completion_tokens",
    "/top_provider/max_completion_tokens",
    "/model_spec/maxCompletionTokens",
    "/max_tokens",
];
const INPUT_MODALITIES: [&str; 2] = ["/input_modalities", "/architecture/input_modalities"];
const OUTPUT_MODALITIES: [&str; 2] = ["/output_modalities", "/architecture/output_modalities"];

/// Where prices stand, and what they are to be multiplied with to be USD per million tokens: `prompt` and its like are
/// per token, xAI's are in hundredths of a cent. `input` is per million if it is a number, per token if it is a text.
const INPUT_PRICE: &[(&str, f64)] = &[
    ("/pricing/prompt", 1e6),
    ("/pricing/input", 1.0),
    ("/providers/0/pricing/input", 1.0),
    ("/model_spec/pricing/input/usd", 1.0),
    ("/metadata/pricing/input_tokens", 1.0),
    ("/prompt_text_token_price", 1e-4),
];
const OUTPUT_PRICE: &[(&str, f64)] = &[
    ("/pricing/completion", 1e6),
    ("/pricing/output", 1.0),
    ("/providers/0/pricing/output", 1.0),
    ("/model_spec/pricing/output/usd", 1.0),
    ("/metadata/pricing/output_tokens", 1.0),
    ("/completion_text_token_price", 1e-4),
];
const CACHED_PRICE: &[(&str, f64)] = &[
    ("/pricing/input_cache_read", 1e6),
    ("/pricing/cached_input", 1.0),
    ("/model_spec/pricing/cache_input/usd", 1.0),
    ("/metadata/pricing/cache_read_tokens", 1.0),
    ("/cached_prompt_text_token_price", 1e-4),
];

/// What the upstream says of a model, under the names that Weir has for it.
fn facts(entry: &Value) -> Map<String, Value> {
    let first = |places: &[&str]| places.iter().find_map(|place| entry.pointer(place));
    let tokens = |places: &[&str]| places.iter().find_map(|place| entry.pointer(place)?.as_u64().filter(|n| *n > 0));
    let facts = [
        ("context_window", tokens(&CONTEXT_WINDOW).map(Value::from)),
        ("max_output_tokens", tokens(&MAX_OUTPUT_TOKENS).map(Value::from)),
        ("input_modalities", first(&INPUT_MODALITIES).and_then(modalities)),
        ("output_modalities", first(&OUTPUT_MODALITIES).and_then(modalities)),
        ("prices", prices(entry)),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
}

fn modalities(list: &Value) -> Option<Value> {
    let known = |name: &Value| match name.as_str()? {
        name @ ("text" | "image" | "audio" | "video" | "file") => Some(Value::from(name)),
        "pdf" | "document" => Some("file".into()),
        _ => None,
    };
    let list: Vec<Value> = list.as_array()?.iter().filter_map(known).collect();
    (!list.is_empty()).then(|| list.into())
}

fn prices(entry: &Value) -> Option<Value> {
    let price =
        |places: &[(&str, f64)]| places.iter().find_map(|(place, factor)| price(entry.pointer(place)?, *factor));
    let mut prices = Map::new();
    prices.insert("input".to_owned(), price(INPUT_PRICE)?.into());
    prices.insert("output".to_owned(), price(OUTPUT_PRICE).unwrap_or_else(|| 0.into()).into());
    if let Some(cached) = price(CACHED_PRICE) {
        prices.insert("cached_input".to_owned(), cached.into());
    }
    Some(prices.into())
}

/// A price in USD per million tokens. `None` for what is no price: some write -1 where it depends.
fn price(value: &Value, factor: f64) -> Option<Number> {
    let per_million = match value {
        // Read as JSON, for which the reader is there: that of `str::parse` adds 15 KB to a component.
        Value::String(text) => serde_json::from_str::<f64>(text).ok()? * 1e6,
        number => number.as_f64()? * factor,
    };
    // Per token, prices have so many zeros that the last digits are noise.
    let rounded = (per_million * 1e6).round() / 1e6;
    Number::from_f64(rounded).filter(|_| rounded >= 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::facts;

    #[test]
    fn facts_are_found_under_every_name_that_upstreams_have_for_them() {
        let cases = [
            (
                json!({"context_length": 400_000, "architecture": {"input_modalities": ["text", "image", "pdf", "smell"],
                    "output_modalities": ["text"]}, "top_provider": {"max_completion_tokens": 128_000},
                    "pricing": {"prompt": "0.00000005", "completion": "0.0000004", "input_cache_read": "0.000000005"}}),
                json!({"context_window": 400_000, "max_output_tokens": 128_000,
                    "input_modalities": ["text", "image", "file"], "output_modalities": ["text"],
                    "prices": {"input": 0.05, "output": 0.4, "cached_input": 0.005}}),
            ),
            (
                json!({"context_window": 8192, "max_completion_tokens": 4096}),
                json!({"context_window": 8192, "max_output_tokens": 4096}),
            ),
            (
                json!({"context_length": 131_072, "pricing": {"hourly": 0, "input": 0.88, "output": 0.9, "base": 0}}),
                json!({"context_window": 131_072, "prices": {"input": 0.88, "output": 0.9}}),
            ),
            (
                json!({"max_tokens": 64_000, "pricing": {"input": "0.000003", "output": "0.000015"}}),
                json!({"max_output_tokens": 64_000, "prices": {"input": 3.0, "output": 15.0}}),
            ),
            (
                json!({"prompt_text_token_price": 30_000, "cached_prompt_text_token_price": 7500,
                    "completion_text_token_price": 150_000, "input_modalities": ["text"]}),
                json!({"input_modalities": ["text"], "prices": {"input": 3.0, "output": 15.0, "cached_input": 0.75}}),
            ),
            (
                json!({"providers": [{"provider": "a", "context_length": 1000, "pricing": {"input": 0.1, "output": 1}}]}),
                json!({"context_window": 1000, "prices": {"input": 0.1, "output": 1.0}}),
            ),
            (
                json!({"model_spec": {"availableContextTokens": 32_768, "pricing": {"input": {"usd": 0.5, "diem": 1}}}}),
                json!({"context_window": 32_768, "prices": {"input": 0.5, "output": 0}}),
            ),
            (json!({"meta": {"n_ctx_train": 4096}}), json!({"context_window": 4096})),
            (json!({"max_model_len": 2048, "pricing": {"prompt": "-1"}}), json!({"context_window": 2048})),
            (json!({"context_length": null, "input_modalities": [], "pricing": null}), json!({})),
        ];
        for (entry, expected) in cases {
            assert_eq!(Value::Object(facts(&entry)), expected, "{entry}");
        }
    }
}
