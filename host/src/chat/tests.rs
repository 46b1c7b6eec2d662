//! Changes to documents, with documents at random: they are what the same changes to the parsed document would be.

use fastrand::Rng;
use serde_json::{Value, json};

use super::generate;
use super::media::{inline, urls};

const URL: &str = "https://e.example/a \"b\".png";
const DATA: &str = "data:image/png;base64,iVBORw==";

#[test]
fn media_put_in_at_random_places_change_nothing_else() {
    let mut random = Rng::with_seed(1);
    for round in 0..3_000 {
        let mut parts: Vec<Value> = (0..random.usize(..4)).map(|_| part(&mut random)).collect();
        parts.push(serde_json::from_str(&generate::json(&mut random, 2)).unwrap_or_default());
        let extra = generate::json(&mut random, 2);
        let content = if random.u32(..5) == 0 { json!(URL) } else { Value::Array(parts.clone()) };
        let message = json!({ "role": "user", "content": content });
        let document = format!(r#"{{ "model" : "m","extra":{extra} ,"messages":[{message},5], "seed":1.0}}"#);
        let Ok(before) = serde_json::from_str::<Value>(&document) else { continue };

        let mut expected = before;
        for part in expected["messages"][0]["content"].as_array_mut().into_iter().flatten() {
            for (holder, source) in [("image_url", "url"), ("file", "file_data"), ("input_audio", "data")] {
                let Some(holder) = part.get_mut(holder) else { continue };
                let place = if holder.is_object() { holder.get_mut(source) } else { Some(holder) };
                place.filter(|place| **place == URL).into_iter().for_each(|place| *place = DATA.into());
            }
        }
        let media = [(URL.to_owned(), DATA.to_owned())];
        let inlined = inline(&document, &media).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&inlined).unwrap(), expected, "round {round}: {document}");
        assert!(!urls(&inlined).unwrap().contains(&URL.to_owned()), "round {round}: {document}");
        assert_eq!(inline(&inlined, &media).unwrap(), inlined);
    }
}

#[test]
fn media_of_damaged_documents_never_panic_and_valid_ones_stay_valid() {
    let mut random = Rng::with_seed(2);
    let parts: Vec<Value> = (0..6).map(|_| part(&mut random)).collect();
    let sound = json!({ "messages": [{ "role": "user", "content": parts }] }).to_string();
    for _ in 0..20_000 {
        let document = generate::damaged(&mut random, &sound);
        let Ok(inlined) = inline(&document, &[(URL.to_owned(), DATA.to_owned())]) else { continue };
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        assert!(!is_json(&document) || is_json(&inlined), "{document}\nbecame\n{inlined}");
    }
}

/// A part with a place for media, with the URL in it or near to it.
fn part(random: &mut Rng) -> Value {
    match random.u32(..7) {
        0 => json!({ "type": "image_url", "image_url": { "detail": URL, "url": URL } }),
        1 => json!({ "image_url": URL, "type": "image_url" }),
        2 => json!({ "type": "file", "file": { "filename": URL, "file_data": URL } }),
        3 => json!({ "type": "input_audio", "input_audio": { "data": URL, "format": "wav" } }),
        4 => json!({ "type": "text", "text": URL }),
        5 => json!({ "type": "image_url", "image_url": { "url": { "url": URL } } }),
        _ => json!([{ "image_url": URL }]),
    }
}
