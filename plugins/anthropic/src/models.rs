//! The list of models, from Anthropic's form or from the OpenAI form that other upstreams of this dialect answer with.

use serde_json::{Map, Value, json};
use weir_plugin::{Failure, serde_json};

use crate::failure;

/// Translates the body of an answer with a 2xx status.
pub fn list(body: &str) -> Result<String, Failure> {
    let list: Value = serde_json::from_str(body).map_err(|_| failure::unreadable(body))?;
    let Some(models) = list["data"].as_array() else {
        return Err(failure::of_body(body).unwrap_or_else(|| failure::unreadable(body)));
    };
    let models: Vec<Value> = models.iter().filter_map(model).collect();
    Ok(json!({ "object": "list", "data": models }).to_string())
}

/// One model, with those of Anthropic's fields that tell a client something.
fn model(upstream: &Value) -> Option<Value> {
    let created = upstream["created_at"].as_str().and_then(seconds).or(upstream["created"].as_u64()).unwrap_or(0);
    let mut model = Map::new();
    model.insert("id".to_owned(), upstream["id"].as_str()?.into());
    model.insert("object".to_owned(), "model".into());
    model.insert("created".to_owned(), created.into());
    model.insert("owned_by".to_owned(), upstream["owned_by"].as_str().unwrap_or("anthropic").into());
    for name in ["display_name", "max_input_tokens", "max_tokens"] {
        if let Some(value) = upstream.get(name).filter(|value| !value.is_null()) {
            model.insert(name.to_owned(), value.clone());
        }
    }
    Some(model.into())
}

/// The seconds since 1970 of a time in UTC (`2025-09-29T00:00:00Z`, RFC 3339).
fn seconds(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    // Years that begin in March put the leap day last, and the days before a month follow a line.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + clock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds_since_1970() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-07-24T00:00:00Z", Some(1_784_851_200)),
            ("2025-02-19T01:02:03.5Z", Some(1_739_926_923)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
