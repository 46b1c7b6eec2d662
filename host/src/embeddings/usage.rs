//! What embeddings cost: the `usage` of one answer, and the sum of several.

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// A `usage` object, unknown fields included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Usage(Map<String, Value>);

impl Usage {
    /// What an upstream says, if it says something. Anything but an object says nothing.
    pub(super) fn parse(text: Option<&RawValue>) -> Self {
        Self(text.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default())
    }

    /// Adds the numbers of another answer, at any depth. What is no number stays what it is.
    pub(super) fn add(&mut self, other: Self) {
        add(&mut self.0, other.0);
    }

    /// The tokens of the inputs, if the upstream says how many.
    pub(super) fn prompt_tokens(&self) -> Option<u64> {
        self.count("prompt_tokens").or_else(|| self.count("total_tokens"))
    }

    /// The object, with the two counts that clients rely on. One stands in for the other; 0 is what nobody knows.
    pub(super) fn complete(mut self) -> Map<String, Value> {
        let prompt = self.prompt_tokens().unwrap_or_default();
        let total = self.count("total_tokens").unwrap_or(prompt);
        self.0.insert("prompt_tokens".into(), prompt.into());
        self.0.insert("total_tokens".into(), total.into());
        self.0
    }

    fn count(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64))
    }
}

fn add(sums: &mut Map<String, Value>, others: Map<String, Value>) {
    for (name, other) in others {
        match (sums.get_mut(&name), other) {
            (Some(Value::Number(sum)), Value::Number(other)) => {
                if let Some(number) = added(sum, &other) {
                    *sum = number;
                }
            }
            (Some(Value::Object(sums)), Value::Object(others)) => add(sums, others),
            (Some(sum @ Value::Null), other) => *sum = other,
            (Some(_), _) => {}
            (None, other) => {
                sums.insert(name, other);
            }
        }
    }
}

/// The sum: a whole number if both are.
fn added(one: &Number, other: &Number) -> Option<Number> {
    let whole = one.as_u64().zip(other.as_u64()).and_then(|(one, other)| one.checked_add(other));
    whole.map(Number::from).or_else(|| Number::from_f64(one.as_f64()? + other.as_f64()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usage(value: Value) -> Usage {
        let text = serde_json::value::to_raw_value(&value).unwrap();
        Usage::parse(Some(&text))
    }

    #[test]
    fn numbers_are_summed_at_any_depth_and_the_rest_stays() {
        let mut sum = usage(json!({"prompt_tokens": 3, "total_tokens": 3, "cost": {"currency": "USD", "total": 0.5}}));
        sum.add(usage(json!({"prompt_tokens": 4, "total_tokens": 4, "cost": {"currency": "USD", "total": 0.25}})));
        sum.add(usage(json!({"prompt_tokens": 1, "total_tokens": 1, "cost": null, "seconds": 2})));
        sum.add(Usage::default());
        assert_eq!(
            Value::from(sum.complete()),
            json!({"prompt_tokens": 8, "total_tokens": 8, "cost": {"currency": "USD", "total": 0.75}, "seconds": 2})
        );
    }

    #[test]
    fn both_counts_are_always_there() {
        for (value, prompt, total) in [
            (json!(null), 0, 0),
            (json!("free"), 0, 0),
            (json!({}), 0, 0),
            (json!({"prompt_tokens": null}), 0, 0),
            (json!({"prompt_tokens": 5}), 5, 5),
            (json!({"total_tokens": 6.0}), 6, 6),
            (json!({"prompt_tokens": 5, "total_tokens": 7}), 5, 7),
        ] {
            let complete = usage(value).complete();
            assert_eq!((&complete["prompt_tokens"], &complete["total_tokens"]), (&json!(prompt), &json!(total)));
        }
    }
}
