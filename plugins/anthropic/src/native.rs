//! Clients that speak the Messages API themselves: their documents go as they are, apart from the model's name and from
//! what an earlier turn with another provider has left in the conversation.

use serde_json::{Map, Value};
use weir_plugin::openai::{self, push_json_string};
use weir_plugin::{
    Call, Event, Failure, FieldEdit, Operation, Progress, RequestBody, ResponseMode, StreamDecoder, UpstreamRequest,
    serde_json,
};

use crate::encode::upstream_request;
use crate::failure;
use crate::settings::Settings;

/// Passes a request on, to be answered or to have its tokens counted.
pub fn encode(settings: &Settings, call: &Call, document: &str) -> Result<UpstreamRequest, Failure> {
    let mut model = String::with_capacity(call.model.len() + 2);
    push_json_string(&mut model, &call.model);
    let mut edits = vec![FieldEdit { name: "model".to_owned(), value: Some(model) }];
    edits.extend(own_turns(document)?.map(|messages| FieldEdit { name: "messages".to_owned(), value: Some(messages) }));
    let path = match call.operation {
        Operation::CountTokens => "/v1/messages/count_tokens",
        _ => "/v1/messages",
    };
    Ok(UpstreamRequest {
        response: ResponseMode::Forward,
        ..upstream_request(settings, call, path, RequestBody::Forward(edits), &Map::new())
    })
}

/// The conversation without what Anthropic would refuse: thinking that it has not signed, and the signatures of others.
/// `None` if there is nothing of the kind, as nearly always.
fn own_turns(document: &str) -> Result<Option<String>, Failure> {
    if !document.contains("\"extra_content\"") && !document.contains("\"thinking\"") {
        return Ok(None);
    }
    let request: Map<String, Value> = openai::parse(document)?;
    let Some(Value::Array(mut messages)) = request.get("messages").cloned() else { return Ok(None) };
    for message in &mut messages {
        let Some(Value::Array(blocks)) = message.get_mut("content") else { continue };
        blocks.retain(|block| {
            block["type"] != "thinking" || block["signature"].as_str().is_some_and(|it| !it.is_empty())
        });
        for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
            block.remove("extra_content");
        }
    }
    if request.get("messages").is_some_and(|before| before.as_array() == Some(&messages)) {
        return Ok(None);
    }
    openai::to_json(&messages).map(Some)
}

/// What an answer with a good status is that the host did not take for one.
pub fn no_answer(body: &str) -> Failure {
    failure::of_body(body).unwrap_or_else(|| failure::unreadable(body))
}

/// Passes on the events from one on that is not like the others: an error, most likely.
pub struct Relay;

impl StreamDecoder for Relay {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len());
        for event in events {
            let document = serde_json::from_str::<Value>(&event.data).unwrap_or_default();
            match document["type"].as_str() {
                Some("error") | None => return Err(no_answer(&event.data)),
                Some(_) => chunks.push(event.data),
            }
        }
        Ok(Progress { chunks, ended: false })
    }
}
