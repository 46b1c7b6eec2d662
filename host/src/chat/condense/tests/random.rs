//! Random conversations, with calls of tools in every order: the rules that hold for all of them.

use std::collections::HashMap;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{Mode, Options, condense, tokens};
use crate::chat::generate::pick;

const WORDS: [&str; 9] = ["word ", "12345 ", "\n", "\"quoted\" ", "中文字", "é\\", "😀", "{\"a\": [1]}", "\u{1}x "];

fn text(random: &mut Rng) -> String {
    let length = [0, 3, 30, 300, 1500][random.usize(..5)];
    (0..random.usize(..=length)).map(|_| pick(random, &WORDS)).collect()
}

fn content(random: &mut Rng) -> Value {
    match random.u32(..6) {
        0 => json!([{ "type": "text", "text": text(random), "x_part": 1 }, { "type": "text", "text": text(random) }]),
        1 => json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }]),
        _ => json!(text(random)),
    }
}

/// A conversation that upstreams take: each call is answered after it was made, in any order, at once or later.
fn conversation(random: &mut Rng) -> Value {
    let mut messages = Vec::new();
    for _ in 0..random.usize(..3) {
        messages.push(json!({ "role": pick(random, &["system", "developer"]), "content": text(random) }));
    }
    let mut open: Vec<Value> = Vec::new();
    for number in 0..random.usize(1..30) {
        if !open.is_empty() && random.bool() {
            messages.push(open.swap_remove(random.usize(..open.len())));
            continue;
        }
        match random.u32(..8) {
            0..3 => messages.push(json!({ "role": "user", "content": content(random), "x_message": [1.5, null] })),
            3..5 => messages.push(json!({ "role": "assistant", "content": content(random) })),
            5 => {
                let name = format!("f{number}");
                messages.push(json!({ "role": "assistant", "function_call": { "name": name, "arguments": "{}" } }));
                open.push(json!({ "role": "function", "name": name, "content": text(random) }));
            }
            6 => messages.push(json!({ "role": "system", "content": text(random) })),
            _ => {
                let ids: Vec<_> = (0..random.usize(1..4)).map(|call| format!("call_{number}_{call}")).collect();
                let call = |id: &String| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
                messages.push(json!({ "role": "assistant", "tool_calls": ids.iter().map(call).collect::<Vec<_>>() }));
                open.extend(
                    ids.iter().map(|id| json!({ "role": "tool", "tool_call_id": id, "content": content(random) })),
                );
            }
        }
    }
    messages.extend(open);
    json!({ "model": "m", "messages": messages, "temperature": 0.5, "x_top": { "b": 1, "a": 2 } })
}

/// Whether each result follows its call, and each call has its result.
fn is_whole(messages: &[Value]) -> bool {
    let mut open: HashMap<String, usize> = HashMap::new();
    for message in messages {
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            *open.entry(call["id"].to_string()).or_default() += 1;
        }
        if let Some(call) = message.get("function_call") {
            *open.entry(call["name"].to_string()).or_default() += 1;
        }
        let answered = match message["role"].as_str() {
            Some("tool") => message["tool_call_id"].to_string(),
            Some("function") => message["name"].to_string(),
            _ => continue,
        };
        match open.get_mut(&answered).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => return false,
        }
    }
    open.values().all(|count| *count == 0)
}

fn role(message: &Value) -> &str {
    message["role"].as_str().unwrap()
}

fn leading(messages: &[Value]) -> Vec<&Value> {
    messages.iter().take_while(|message| matches!(role(message), "system" | "developer")).collect()
}

/// The message as it was, but for its texts.
fn without_texts(message: &Value) -> Value {
    let mut message = message.clone();
    match message.get_mut("content") {
        Some(Value::Array(parts)) => {
            parts.iter_mut().filter(|part| part["text"].is_string()).for_each(|part| part["text"] = json!(""))
        }
        Some(content) => *content = json!(""),
        None => {}
    }
    message
}

#[test]
fn whatever_the_conversation_the_rules_hold() {
    let mut random = Rng::with_seed(7);
    let (mut done, mut removed, mut shortened) = (0, 0, 0);
    for round in 0..3_000 {
        let document = conversation(&mut random);
        let options = Options {
            mode: if random.bool() { Mode::Cut } else { Mode::Shorten },
            keep_first: random.bool(),
            keep_last: random.usize(..6),
            target: [0.3, 0.75, 1.0][random.usize(..3)],
        };
        let before = tokens(&document);
        let budget = random.u64(..=before + 10);
        let text = document.to_string();
        let Some(condensed) = condense(text.as_bytes(), &options, budget).unwrap() else { continue };
        done += 1;
        removed += condensed.removed_messages;
        shortened += condensed.shortened_texts;
        let found: Value = serde_json::from_slice(&condensed.document).unwrap();
        let about = || format!("round {round}, {options:?}, budget {budget}:\n{text}\n{found}");
        assert_eq!(Some(&condensed), condense(text.as_bytes(), &options, budget).unwrap().as_ref(), "{}", about());
        assert!(before > budget && tokens(&found) <= budget && condensed.tokens_after <= budget, "{}", about());
        assert_eq!(condense(&condensed.document, &options, budget).unwrap(), None, "{}", about());
        check_messages(&document, &found, condensed.removed_messages, options.keep_last, &about);
    }
    assert!(done > 1_000 && removed > 1_000 && shortened > 1_000, "{done}, {removed}, {shortened}");
}

fn check_messages(document: &Value, found: &Value, removed: usize, keep_last: usize, about: &impl Fn() -> String) {
    let [given, kept] = [document, found].map(|document| document["messages"].as_array().unwrap());
    for (name, value) in document.as_object().unwrap().iter().filter(|(name, _)| *name != "messages") {
        assert_eq!(&found[name], value, "{}", about());
    }
    assert!(is_whole(given) && is_whole(kept), "{}", about());
    assert!(leading(kept).starts_with(&leading(given)), "{}", about());
    let last_user = |messages: &[Value]| messages.iter().rfind(|message| role(message) == "user").cloned();
    if let Some(last) = last_user(given) {
        assert!(kept.contains(&last), "{}", about());
    }
    // What stays stays in its order, and but for its texts as it was; there is at most one message more, the note.
    let is_note = |message: &&Value| message["content"].as_str().is_some_and(|text| text.contains("left out here:"));
    let notes = kept.iter().filter(is_note).count();
    assert_eq!(notes, usize::from(removed > 0), "{}", about());
    assert_eq!(kept.len(), given.len() - removed + notes, "{}", about());
    let mut rest = given.iter().map(without_texts);
    assert!(
        kept.iter().filter(|message| !is_note(message)).all(|kept| rest.any(|given| given == without_texts(kept))),
        "{}",
        about()
    );
    if keep_last > 0 {
        assert_eq!(kept.last().map(without_texts), given.last().map(without_texts), "{}", about());
    }
}
