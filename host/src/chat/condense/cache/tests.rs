//! What is kept, for how long, and for whom.

use std::sync::Arc;

use serde_json::json;

use super::Cache;
use crate::chat::condense::{Mode, Options, condense};

/// A chat that has to be condensed for a budget of 100 tokens, and then has a document of a few hundred bytes.
fn chat(name: &str) -> Vec<u8> {
    let said = |role: &str, text: String| json!({ "role": role, "content": text });
    let messages =
        [said("user", "text ".repeat(500)), said("assistant", "text ".repeat(500)), said("user", format!("{name}?"))];
    json!({ "messages": messages }).to_string().into_bytes()
}

fn options() -> Options {
    Options { keep_first: false, keep_last: 1, ..Options::default() }
}

#[test]
fn the_same_chat_is_condensed_once_and_another_one_anew() {
    let cache = Cache::new(8, 1 << 20);
    let ask = |chat: &[u8], options: &Options, budget| cache.condense(chat, options, budget).unwrap().unwrap();
    let first = ask(&chat("a"), &options(), 100);
    assert_eq!(Some((*first).clone()), condense(&chat("a"), &options(), 100).unwrap());
    assert!(Arc::ptr_eq(&first, &ask(&chat("a"), &options(), 100)));
    let shorten = Options { mode: Mode::Shorten, ..options() };
    for other in [ask(&chat("b"), &options(), 100), ask(&chat("a"), &options(), 101), ask(&chat("a"), &shorten, 100)] {
        assert!(!Arc::ptr_eq(&first, &other));
    }
}

#[test]
fn the_one_not_used_for_the_longest_time_makes_room() {
    let cache = Cache::new(2, 1 << 20);
    let ask = |name| cache.condense(&chat(name), &options(), 100).unwrap().unwrap();
    let (a, b) = (ask("a"), ask("b"));
    assert!(Arc::ptr_eq(&a, &ask("a")));
    let c = ask("c");
    assert!(Arc::ptr_eq(&a, &ask("a")) && Arc::ptr_eq(&c, &ask("c")));
    assert!(!Arc::ptr_eq(&b, &ask("b")));
}

#[test]
fn neither_entries_nor_bytes_grow_past_their_limits() {
    for (entries, bytes, most) in [(0, 1 << 20, 0), (3, 1 << 20, 3), (100, 1_200, 4), (100, 10, 0)] {
        let cache = Cache::new(entries, bytes);
        for number in 0..20 {
            // Every other one cannot be condensed; that is remembered too.
            let budget = if number % 2 == 0 { 100 } else { 1 };
            let found = cache.condense(&chat(&number.to_string()), &options(), budget).unwrap();
            assert_eq!(found.is_some(), budget == 100);
        }
        let kept = cache.kept();
        assert!(kept.by_key.len() <= most && kept.bytes <= bytes, "{entries}, {bytes}");
        assert_eq!(kept.bytes, kept.by_key.values().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(kept.by_key.is_empty(), most == 0, "{entries}, {bytes}");
    }
}

#[test]
fn what_is_cleared_is_made_anew() {
    let cache = Cache::new(8, 1 << 20);
    let ask = |budget| cache.condense(&chat("a"), &options(), budget).unwrap();
    // The second one cannot be condensed; that is forgotten as well.
    let (first, none) = (ask(100).unwrap(), ask(1));
    assert!(none.is_none());
    assert_eq!((cache.clear(), cache.clear()), (2, 0));
    assert_eq!(cache.kept().bytes, 0);
    let again = ask(100).unwrap();
    assert!(!Arc::ptr_eq(&first, &again) && first == again);
}

#[test]
fn a_chat_that_fits_takes_no_place() {
    let cache = Cache::new(1, 1 << 20);
    let ask = |name, budget| cache.condense(&chat(name), &options(), budget).unwrap();
    let kept = ask("a", 100).unwrap();
    assert_eq!(ask("b", 10_000), None);
    assert!(Arc::ptr_eq(&kept, &ask("a", 100).unwrap()));
}
