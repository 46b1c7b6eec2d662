//! `reasoning_details` of a stream, which clients join by their `index`, text behind text. Upstreams name the format of
//! an element with every piece of it; joined, that would be no format any more, and the upstream that wants the element
//! back would refuse it. So what does not grow comes once.

use serde_json::{Map, Value};

/// The fields that come in pieces.
const GROWING: [&str; 4] = ["data", "signature", "summary", "text"];

/// What joining leaves as it is.
const JOINED_BY: [&str; 2] = ["index", "type"];

/// What was told of the elements of one stream.
#[derive(Debug, Default)]
pub struct ReasoningDetails(Vec<Element>);

#[derive(Debug)]
struct Element {
    choice: u32,
    index: u64,
    told: Map<String, Value>,
}

crate::parkable!(struct ReasoningDetails { 0 });
crate::parkable!(struct Element { choice, index, told });

impl ReasoningDetails {
    /// Takes from a choice's `reasoning_details` what was told of the same elements before.
    pub fn tell_once(&mut self, choice: u32, details: &mut Value) {
        for detail in details.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(index) = detail.get("index").and_then(Value::as_u64) {
                let told = self.told(choice, index);
                detail.retain(|name, value| is_new(told, name, value));
            }
        }
    }

    fn told(&mut self, choice: u32, index: u64) -> &mut Map<String, Value> {
        let is_it = |element: &Element| (element.choice, element.index) == (choice, index);
        let place = self.0.iter().position(is_it).unwrap_or_else(|| {
            self.0.push(Element { choice, index, told: Map::new() });
            self.0.len() - 1
        });
        &mut self.0[place].told
    }
}

/// Whether a field of an element has to be told, which it then is.
fn is_new(told: &mut Map<String, Value>, name: &str, value: &Value) -> bool {
    if GROWING.contains(&name) || JOINED_BY.contains(&name) {
        return true;
    }
    let is_new = told.get(name) != Some(value);
    told.insert(name.to_owned(), value.clone());
    is_new
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ReasoningDetails;

    #[test]
    fn what_does_not_grow_is_told_once_for_each_element() {
        let mut details = ReasoningDetails::default();
        let piece =
            |text: &str, index: u64| json!([{"type": "t", "text": text, "format": "f", "id": null, "index": index}]);
        for (choice, mut given, expected) in [
            (0, piece("a", 0), piece("a", 0)),
            (0, piece("a", 0), json!([{"type": "t", "text": "a", "index": 0}])),
            (0, piece("b", 1), piece("b", 1)),
            (1, piece("a", 0), piece("a", 0)),
            (0, json!([{"format": "g", "index": 0}]), json!([{"format": "g", "index": 0}])),
            (0, json!([{"format": "f"}, 7]), json!([{"format": "f"}, 7])),
            (0, json!("odd"), json!("odd")),
        ] {
            details.tell_once(choice, &mut given);
            assert_eq!(given, expected);
        }
    }
}
