//! The requests that every plugin is asked to encode: canonical documents of a given size.

use serde_json::{Value, json};

/// What a conversation is made of: text as people and models write it, with what JSON has to escape and some letters
/// that are more than one byte.
const TEXT: &str = "The reservoir above the town is \u{201c}full\u{201d}, says the engineer:\n- 3,400,000 m\u{b3} of water\n\
                    - 12.5 m at the dam\nShe adds that \"nothing\" was spilled in M\u{e4}rz, and that tab\tand \\ are fine. ";

/// A chat of about so many bytes: a system message, turns in which a tool is called once, a tool, and the parameters
/// that most clients send.
pub fn chat(model: &str, bytes: usize) -> String {
    let mut text = 8;
    let mut turns = 1;
    loop {
        let document = conversation(model, turns, text);
        match document.len() {
            length if length >= bytes => return document,
            // A long conversation grows by its turns, the last of them by its text.
            length if bytes - length > 2_000 => turns += 1,
            length => text += (bytes - length).div_ceil(2),
        }
    }
}

fn conversation(model: &str, turns: usize, text: usize) -> String {
    let mut messages = vec![json!({ "role": "system", "content": "Answer from the reports of the waterworks alone." })];
    for turn in 1..turns {
        messages.push(json!({ "role": "user", "content": words(turn, 500) }));
        messages.push(json!({ "role": "assistant", "content": words(turn + 7, 900) }));
    }
    let arguments = json!({ "place": "upper dam", "days": 3 }).to_string();
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "level", "arguments": arguments } });
    messages.extend([
        json!({ "role": "user", "content": words(3, text) }),
        json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
        json!({ "role": "tool", "tool_call_id": "call_1", "content": "{\"metres\":12.5}" }),
        json!({ "role": "user", "content": "And now?" }),
    ]);
    json!({ "model": model, "messages": messages, "tools": [tool()], "temperature": 0.7, "max_tokens": 300 })
        .to_string()
}

fn tool() -> Value {
    json!({ "type": "function", "function": {
        "name": "level",
        "description": "The level of a reservoir.",
        "parameters": {
            "type": "object",
            "properties": { "place": { "type": "string" }, "days": { "type": "integer", "minimum": 1 } },
            "required": ["place"],
        },
    } })
}

/// So many characters of text, beginning somewhere else for each number.
pub fn words(number: usize, characters: usize) -> String {
    TEXT.chars().cycle().skip(number * 31).take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::chat;

    #[test]
    fn a_request_is_json_of_about_the_size_that_was_asked_for() {
        for bytes in [1_000, 1_024, 50_000, 51_200] {
            let document = chat("some-model", bytes);
            assert!((bytes..bytes + 200).contains(&document.len()), "{bytes}: {}", document.len());
            let value: serde_json::Value = serde_json::from_str(&document).expect("it is JSON");
            assert_eq!(value["model"], "some-model");
        }
    }
}
