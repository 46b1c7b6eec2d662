//! Documents and streams that are wrong in one place: what a case becomes when an upstream has a bad day.
//!
//! The places are chosen by [`Dice`], which fall the same way every time for the same case.

use serde_json::Value;

use crate::Event;
use crate::random::{Random, hash};

/// What a value becomes that is not as it should be.
const ODD: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "18446744073709551615",
    "1e300",
    "\"\"",
    "\"odd\"",
    "\"é\\u0000🙂\\\"\"",
    "[]",
    "{}",
    "[null]",
    "[[{\"text\":[0]}]]",
];

/// What arrives in place of a document.
const NO_DOCUMENT: [&str; 10] =
    ["", " ", "null", "[]", "{}", "7", "\"text\"", "[DONE]", "<html>502</html>", "{\"error\":{\"message\":null}}"];

/// Chance that falls the same way every time.
pub(super) struct Dice(Random);

impl Dice {
    /// Dice that fall as they always do for this name.
    pub(super) fn new(name: &str) -> Self {
        Self(Random::new(hash(name)))
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// One of these, if there are any.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }
}

/// The document, wrong in one place: cut off, without a field, with one twice, or with another value somewhere.
pub(super) fn document(text: &str, dice: &mut Dice) -> String {
    let kind = dice.below(8);
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return cut_off(text, dice) };
    let mut places = Vec::new();
    add_places(&value, String::new(), &mut places);
    let Some(place) = dice.pick(&places) else { return cut_off(text, dice) };
    let Some(target) = value.pointer_mut(place) else { return cut_off(text, dice) };
    match kind {
        0 => return cut_off(text, dice),
        1 => return dice.pick(&NO_DOCUMENT).map(ToString::to_string).unwrap_or_default(),
        2 => remove_something(target, dice),
        3 => return with_field_twice(value, place, dice),
        _ => *target = odd_value(dice),
    }
    value.to_string()
}

/// The stream with one or two events wrong, missing, repeated, out of order or of another name.
pub(super) fn stream(events: &[Event], dice: &mut Dice) -> Vec<Event> {
    let mut events = events.to_vec();
    for _ in 0..=dice.below(2) {
        if events.is_empty() {
            break;
        }
        let (place, other) = (dice.below(events.len()), dice.below(events.len()));
        match dice.below(10) {
            0 => drop(events.remove(place)),
            1 => events.insert(place, events[other].clone()),
            2 => events.swap(place, other),
            3 => events[place].name = events[other].name.clone(),
            4 => events.truncate(place),
            _ => events[place].data = document(&events[place].data, dice),
        }
    }
    events
}

/// The events in batches of any size.
pub(super) fn batches(events: &[Event], dice: &mut Dice) -> Vec<Vec<Event>> {
    let mut batches = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(1 + dice.below(rest.len().min(5)));
        batches.push(batch.to_vec());
        rest = others;
    }
    batches
}

fn cut_off(text: &str, dice: &mut Dice) -> String {
    let ends: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    dice.pick(&ends).map_or_else(String::new, |end| text[..*end].to_owned())
}

fn odd_value(dice: &mut Dice) -> Value {
    dice.pick(&ODD).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The JSON pointers of all values in a document.
fn add_places(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                add_places(value, format!("{place}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                add_places(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        _ => {}
    }
    places.push(place);
}

fn remove_something(target: &mut Value, dice: &mut Dice) {
    match target {
        Value::Array(values) if !values.is_empty() => drop(values.remove(dice.below(values.len()))),
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(dice.below(fields.len())).cloned().unwrap_or_default();
            fields.remove(&name);
        }
        other => *other = Value::Null,
    }
}

/// The document with a field of the object at this place, or of the whole, twice: the second time it is odd.
fn with_field_twice(mut value: Value, place: &str, dice: &mut Dice) -> String {
    const MARK: &str = "\"<the object>\"";
    let place = if value.pointer(place).is_some_and(Value::is_object) { place } else { "" };
    let Some(object) = value.pointer_mut(place) else { return String::new() };
    let text = object.to_string();
    let Some((name, inside)) = object
        .as_object()
        .zip(text.strip_suffix('}'))
        .and_then(|(fields, inside)| Some((fields.keys().nth(dice.below(fields.len().max(1)))?.clone(), inside)))
    else {
        return text;
    };
    let twice = format!("{inside},{}:{}}}", Value::String(name), odd_value(dice));
    *object = Value::String(MARK.trim_matches('"').to_owned());
    value.to_string().replacen(MARK, &twice, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a":{"b":[1,{"c":"é"}],"d":null},"e":"x"}"#;

    #[test]
    fn the_dice_fall_the_same_way_for_the_same_name_and_reach_every_number() {
        let numbers = |name| {
            let mut dice = Dice::new(name);
            (0..200).map(|_| dice.below(7)).collect::<Vec<_>>()
        };
        assert_eq!(numbers("a"), numbers("a"));
        assert_ne!(numbers("a"), numbers("b"));
        assert!((0..7).all(|number| numbers("a").contains(&number)));
    }

    #[test]
    fn documents_go_wrong_in_every_way() {
        let mut dice = Dice::new("documents");
        let mutants: Vec<String> = (0..2_000).map(|_| document(TEXT, &mut dice)).collect();
        let valid = |text: &String| serde_json::from_str::<Value>(text).is_ok();
        assert!(mutants.iter().any(|text| !valid(text)) && mutants.iter().any(valid));
        for expected in [
            r#"{"a":{"b":[1,{"c":"é"}],"d":null}}"#,
            r#"{"a":{"b":[1,{"c":{}}],"d":null},"e":"x"}"#,
            r#"{"a":{"b":[1,{"c":"é","c":true}],"d":null},"e":"x"}"#,
            r#"{"a":{"b":[1,{"c":"é"}],"d":null},"e":"x","e":0}"#,
            r#"{"a":{"b":[1,{"c":"#,
            "[DONE]",
        ] {
            assert!(mutants.iter().any(|text| text == expected), "{expected}");
        }
    }

    #[test]
    fn batches_hold_all_events_in_order() {
        let event = |number: usize| Event { name: String::new(), data: number.to_string() };
        let events: Vec<Event> = (0..23).map(event).collect();
        let batches = batches(&events, &mut Dice::new("batches"));
        let joined: Vec<String> = batches.into_iter().flatten().map(|event| event.data).collect();
        assert_eq!(joined, events.into_iter().map(|event| event.data).collect::<Vec<_>>());
    }
}
