//! What a client understands of an answer, whole or streamed, as its SDK would put it together.

use serde_json::{Value, json};

/// What a client understands: the parts of the content in order, why it ended, what it cost.
pub(super) type Told = (Vec<Value>, Value, Value);

/// The data of all events but `[DONE]`.
pub(super) fn events(text: &str) -> Vec<Value> {
    let data = text.split_terminator("\n\n").map(|event| event.split_once("data: ").unwrap().1);
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

pub(super) fn completion(answer: &[u8]) -> Told {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let choice = &answer["choices"][0];
    (vec![choice["text"].clone()], choice["finish_reason"].clone(), answer["usage"].clone())
}

pub(super) fn completion_stream(text: &str) -> Told {
    assert!(text.ends_with("data: [DONE]\n\n"));
    let (mut said, mut reason, mut usage) = (String::new(), Value::Null, Value::Null);
    for chunk in events(text) {
        let choice = &chunk["choices"][0];
        said.push_str(choice["text"].as_str().unwrap_or_default());
        keep(&mut reason, &choice["finish_reason"]);
        keep(&mut usage, &chunk["usage"]);
    }
    (vec![said.into()], reason, usage)
}

pub(super) fn message(answer: &[u8]) -> Told {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    (answer["content"].as_array().unwrap().clone(), answer["stop_reason"].clone(), answer["usage"].clone())
}

pub(super) fn message_stream(text: &str) -> Told {
    let (mut content, mut reason, mut usage) = (Vec::<Value>::new(), Value::Null, Value::Null);
    let mut input = String::new();
    for event in events(text) {
        match event["type"].as_str().unwrap() {
            "content_block_start" => content.push(event["content_block"].clone()),
            "content_block_delta" => {
                let block = content.last_mut().unwrap();
                for (name, more) in event["delta"].as_object().unwrap().iter().filter(|(name, _)| *name != "type") {
                    let more = more.as_str().unwrap();
                    match name.as_str() {
                        "partial_json" => input.push_str(more),
                        _ => block[name] = format!("{}{more}", block[name].as_str().unwrap_or_default()).into(),
                    }
                }
            }
            "content_block_stop" if !input.is_empty() => {
                content.last_mut().unwrap()["input"] = serde_json::from_str(&std::mem::take(&mut input)).unwrap();
            }
            "message_delta" => {
                keep(&mut reason, &event["delta"]["stop_reason"]);
                keep(&mut usage, &event["usage"]);
            }
            _ => {}
        }
    }
    (content, reason, usage)
}

pub(super) fn response(answer: &[u8]) -> Told {
    told_of_response(&serde_json::from_slice(answer).unwrap())
}

pub(super) fn response_stream(text: &str) -> Told {
    let events = events(text);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    told_of_response(&events.last().unwrap()["response"])
}

fn told_of_response(response: &Value) -> Told {
    let reason = json!([response["status"], response["incomplete_details"]]);
    let mut output = response["output"].as_array().unwrap().clone();
    // Ids have letters at random in them.
    output.iter_mut().for_each(|item| drop(item["id"].take()));
    (output, reason, response["usage"].clone())
}

fn keep(known: &mut Value, news: &Value) {
    if !news.is_null() {
        known.clone_from(news);
    }
}
