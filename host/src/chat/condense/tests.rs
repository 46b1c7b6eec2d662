//! Condensing from the outside: what stays, what goes, and what the next turn finds.

mod random;

use std::time::Instant;

use serde_json::{Value, json};

use super::{Condensed, Mode, Options, condense};
use crate::chat::estimate::prompt_tokens;
use crate::error::Cause;

fn options(mode: Mode) -> Options {
    Options { mode, ..Options::default() }
}

fn said(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

/// A message of about this many tokens, which begins and ends with the name.
fn long(role: &str, name: &str, tokens: usize) -> Value {
    said(role, &format!("{name}{}{name}", " word word word word".repeat(tokens / 5)))
}

fn chat(messages: &[Value]) -> Value {
    json!({ "model": "m", "messages": messages, "x_unknown": 1 })
}

fn condensed(document: &Value, options: &Options, budget: u64) -> Option<Condensed> {
    let condensed = condense(document.to_string().as_bytes(), options, budget).unwrap()?;
    assert_eq!(condensed.tokens_before, tokens(document));
    assert_eq!(condensed.tokens_after, tokens(&read(&condensed)));
    assert!(condensed.tokens_after <= budget);
    Some(condensed)
}

fn tokens(document: &Value) -> u64 {
    prompt_tokens(document.to_string().as_bytes()).unwrap()
}

fn read(condensed: &Condensed) -> Value {
    serde_json::from_slice(&condensed.document).unwrap()
}

/// The messages in short: the first letter of the role and the first word of the text.
fn outline(document: &Value) -> String {
    let messages = document["messages"].as_array().unwrap().iter().map(|message| {
        let text = message["content"].as_str().unwrap_or("-");
        let word = text.split([' ', '\n']).next().unwrap_or_default();
        let shortened = if text.contains(" characters left out ...]") { "~" } else { "" };
        format!("{}:{word}{shortened}", &message["role"].as_str().unwrap()[..1])
    });
    messages.collect::<Vec<_>>().join(" ")
}

/// Questions and answers of about a hundred tokens each, after a system message, with a question at the end.
fn questions(count: usize) -> Value {
    let exchange =
        |number: usize| [long("user", &format!("q{number}"), 100), long("assistant", &format!("a{number}"), 100)];
    let mut messages = vec![said("system", "rules")];
    messages.extend((1..count).flat_map(exchange));
    messages.push(said("user", "last"));
    chat(&messages)
}

fn calls(ids: &[&str]) -> Value {
    let call = |id: &&str| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
    json!({ "role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>() })
}

fn result(id: &str, tokens: usize) -> Value {
    let mut result = long("tool", id, tokens);
    result["tool_call_id"] = json!(id);
    result
}

#[test]
fn the_oldest_exchanges_are_cut_as_a_whole_and_a_note_stands_for_them() {
    let chat = questions(10);
    for (keep_first, keep_last, budget, expected) in [
        // Cut when `q7` came, down to 1125 tokens; from there it has grown again, but not past 1500.
        (true, 4, 1500, "s:rules u:q1 a:[5 u:q4 a:a4 u:q5 a:a5 u:q6 a:a6 u:q7 a:a7 u:q8 a:a8 u:q9 a:a9 u:last"),
        // Cut last when `a9` came: four turns before that is `a7`, and it stays.
        (true, 4, 700, "s:rules u:q1 u:[12 a:a7 u:q8 a:a8 u:q9 a:a9 u:last"),
        (false, 4, 1500, "s:rules u:[6 u:q4 a:a4 u:q5 a:a5 u:q6 a:a6 u:q7 a:a7 u:q8 a:a8 u:q9 a:a9 u:last"),
        (true, 1, 150, "s:rules u:q1~ a:[17 u:last"),
        (false, 1, 60, "s:rules u:[18 u:last"),
    ] {
        let options = Options { keep_first, keep_last, ..options(Mode::Cut) };
        let found = condensed(&chat, &options, budget).map(|condensed| outline(&read(&condensed)));
        assert_eq!(found.as_deref(), Some(expected), "{options:?}, {budget}");
    }
}

#[test]
fn long_texts_in_the_middle_are_shortened_before_anything_is_cut() {
    let mut messages = vec![said("system", "rules"), long("user", "q1", 100)];
    for number in 1..6 {
        messages.extend([calls(&["c"]), result("c", if number < 4 { 2000 } else { 100 })]);
    }
    for (budget, expected) in [
        (5000, "s:rules u:q1 a:- t:c~ a:- t:c~ a:- t:c a:- t:c a:- t:c"),
        (3400, "s:rules u:q1 a:- t:c~ a:- t:c~ a:- t:c a:- t:c a:- t:c"),
        (500, "s:rules u:q1 u:[4 a:- t:c~ a:- t:c a:- t:c"),
    ] {
        let options = Options { keep_last: 1, ..options(Mode::Shorten) };
        let found = condensed(&chat(&messages), &options, budget).map(|condensed| outline(&read(&condensed)));
        assert_eq!(found.as_deref(), Some(expected), "{budget}");
    }
}

#[test]
fn a_call_and_its_results_stay_or_go_together_wherever_they_stand() {
    let legacy = json!({ "role": "assistant", "function_call": { "name": "g", "arguments": "{}" } });
    let legacy_result = json!({ "role": "function", "name": "g", "content": "text ".repeat(200) });
    let messages = [
        said("user", "first"),
        calls(&["a", "b"]),
        result("b", 200),
        result("a", 200),
        legacy,
        legacy_result,
        calls(&["late"]),
        long("user", "between", 200),
        result("late", 200),
        calls(&["a"]),
        result("a", 200),
        said("user", "last"),
    ];
    for (keep_last, budget, expected) in [
        // What stands in the middle went; `late` was answered late, and is kept with its call.
        (3, 300, "u:first u:[6 a:- t:late~ a:- t:a~ u:last"),
        (3, 1000, "u:first u:[3 a:- f:text a:- u:between t:late a:- t:a u:last"),
        (2, 500, "u:first u:[8 a:- t:a u:last"),
        (1, 300, "u:first a:[10 u:last"),
    ] {
        let options = Options { keep_last, ..options(Mode::Cut) };
        let found = condensed(&chat(&messages), &options, budget).map(|condensed| outline(&read(&condensed)));
        assert_eq!(found.as_deref(), Some(expected), "{keep_last}, {budget}");
    }
}

#[test]
fn what_the_user_said_last_stays_however_long_ago_it_was() {
    let mut messages = vec![said("user", "first"), said("assistant", "yes"), long("user", "task", 50)];
    for _ in 0..20 {
        messages.extend([calls(&["c"]), result("c", 100)]);
    }
    let found = condensed(&chat(&messages), &options(Mode::Cut), 900).unwrap();
    let outline = outline(&read(&found));
    assert!(outline.starts_with("u:first a:[") && outline.contains(" u:task a:- t:c"), "{outline}");
    let task = messages[2].to_string();
    assert!(String::from_utf8(found.document.to_vec()).unwrap().contains(&task));
}

#[test]
fn everything_that_stays_is_the_same_byte_for_byte() {
    let kept = r#"{"role" : "user", "content":"caf\u00e9 \/ \ud83d\ude00", "x": 1.0e2, "big": 18446744073709551617}"#;
    let document = format!(
        "{{ \"zeta\": [1.50], \"messages\": [\n {{\"role\":\"system\",\"content\":\"r\\u0075les\"}} ,\n \
         {{\"role\":\"user\",\"content\":\"{long}\"}},{{\"role\":\"assistant\",\"content\":\"{long}\"}}, {kept} ]\n, \"a\":null }} ",
        long = "text ".repeat(500)
    );
    let options = Options { keep_first: false, keep_last: 1, ..options(Mode::Cut) };
    let condensed = condense(document.as_bytes(), &options, 100).unwrap().unwrap();
    let expected = "{ \"zeta\": [1.50], \"messages\": [\n {\"role\":\"system\",\"content\":\"r\\u0075les\"},\
         {\"role\":\"user\",\"content\":\"[2 earlier messages were left out here: the whole conversation does not fit \
         the model's context window.]\"},"
        .to_owned()
        + kept
        + " ]\n, \"a\":null } ";
    assert_eq!(String::from_utf8(condensed.document.to_vec()).unwrap(), expected);
    assert_eq!((condensed.removed_messages, condensed.shortened_texts), (2, 0));
}

#[test]
fn images_go_with_their_messages_and_parts_are_shortened_one_by_one() {
    let image = json!({ "type": "image_url", "image_url": { "url": "https://e.example/a.png" } });
    let part = |tokens: usize| json!({ "type": "text", "text": "text ".repeat(tokens), "cache_control": {} });
    let messages = [
        said("user", "first"),
        json!({ "role": "user", "content": [part(10), image] }),
        said("assistant", "nice"),
        json!({ "role": "assistant", "content": [part(5), part(2000)] }),
        said("user", "last"),
    ];
    let options = Options { keep_last: 2, ..options(Mode::Shorten) };
    let found = read(&condensed(&chat(&messages), &options, 1000).unwrap());
    assert_eq!(outline(&found), "u:first u:[2 a:- u:last");
    let parts = &found["messages"][2]["content"];
    assert_eq!(parts[0], part(5));
    assert!(parts[1]["text"].as_str().unwrap().contains(" characters left out ...]\n"));
    assert_eq!(parts[1]["cache_control"], json!({}));
}

#[test]
fn a_chat_that_fits_or_cannot_fit_is_left_alone() {
    let huge = |role| chat(&[long("user", "q", 50), said("assistant", "a"), long(role, "huge", 5000)]);
    for (document, budget) in [
        (questions(3), 2000),
        (huge("user"), 1000),
        (huge("system"), 1000),
        (chat(&[]), 0),
        (chat(&[said("user", "hello there")]), 0),
        (json!({ "messages": [said("user", "hi")], "tools": [{ "name": "x".repeat(4000) }] }), 500),
    ] {
        for mode in [Mode::Cut, Mode::Shorten] {
            assert_eq!(condensed(&document, &options(mode), budget), None, "{budget}: {}", outline(&document));
        }
    }
    assert_eq!(condense(b"[1]", &options(Mode::Cut), 0).unwrap_err().cause, Cause::Internal);
}

#[test]
fn a_chat_of_very_many_messages_takes_no_time_whether_it_can_be_condensed_or_not() {
    let begun = Instant::now();
    let document = |count: usize| {
        let messages = vec![r#"{"role":"assistant","content":"a"}"#; count].join(",");
        format!(r#"{{"messages":[{{"role":"system","content":"{}"}},{messages}]}}"#, "text".repeat(1000))
    };
    for (count, budget, found) in
        [(90_000, 100, false), (49_000, 100, false), (40_000, 2000, true), (200_000, 2000, false)]
    {
        let condensed = condense(document(count).as_bytes(), &options(Mode::Shorten), budget).unwrap();
        assert_eq!(condensed.is_some(), found, "{count}, {budget}");
    }
    assert!(begun.elapsed().as_secs() < 10);
}

/// How many turns of a growing chat have a beginning of the prompt that is not what the turn before sent.
fn breaks(turns: &[Vec<Value>], options: &Options, budget: u64) -> usize {
    let mut messages = vec![said("system", "rules"), long("user", "task", 50)];
    let mut before: Vec<Value> = Vec::new();
    let mut breaks = 0;
    for turn in turns {
        messages.extend(turn.iter().cloned());
        let document = chat(&messages);
        let sent = condensed(&document, options, budget).map_or(document, |condensed| read(&condensed));
        assert!(tokens(&sent) <= budget);
        let sent = sent["messages"].as_array().unwrap().clone();
        breaks += usize::from(!sent.starts_with(&before));
        before = sent;
    }
    breaks
}

#[test]
fn the_next_turn_of_a_chat_begins_as_the_one_before_until_it_has_outgrown_the_budget_again() {
    let agent: Vec<_> = (0..200).map(|turn| vec![calls(&["c"]), result("c", 50 + turn * 37 % 150)]).collect();
    let talk: Vec<_> =
        (0..200).map(|turn| vec![long("assistant", "a", turn * 37 % 150), long("user", "q", 40)]).collect();
    for (name, turns) in [("agent", agent), ("talk", talk)] {
        // 200 turns of about 130 tokens are 26 000; each step makes room for a quarter of the budget.
        for (mode, target, most) in [(Mode::Cut, 0.75, 22), (Mode::Cut, 0.5, 11), (Mode::Shorten, 0.75, 25)] {
            let options = Options { target, ..options(mode) };
            let breaks = breaks(&turns, &options, 6000);
            assert!((1..=most).contains(&breaks), "{name}, {mode:?}, {target}: {breaks}");
        }
    }
}
