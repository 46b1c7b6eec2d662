//! The pieces of canonical OpenAI documents that answers and streams both hold: tool calls, thinking, citations.
//!
//! The elements of extension lists carry an `index`: client libraries merge the lists of several deltas by it.

use std::borrow::Cow;

use crate::openai::push_json_string;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{Json, string_body};

/// One tool call, or in legacy mode the `function_call` object without its list.
pub fn tool_call(json: &mut Json, index: Option<u32>, id: &str, name: &str, arguments: &str) {
    json.open('{');
    if let Some(index) = index {
        json.key("index").number(index.into());
    }
    json.key("id").body(id).key("type").body("function").key("function");
    function(json, name, arguments);
    json.close('}');
}

/// The id of a call as a string body: the upstream's, or one that is made if it gave none.
pub fn call_id(upstream: Option<&RawValue>, make: impl FnOnce() -> String) -> Cow<'_, str> {
    string_body(upstream).filter(|id| !id.is_empty()).map_or_else(|| Cow::Owned(make()), Cow::Borrowed)
}

/// A function's name and arguments, both string bodies.
pub fn function(json: &mut Json, name: &str, arguments: &str) {
    json.open('{').key("name").body(name).key("arguments").body(arguments).close('}');
}

/// The string body of a tool's arguments: the `input` object as text, `{}` when there is none.
pub fn arguments(input: Option<&RawValue>) -> String {
    let input = input.map(RawValue::get).filter(|input| *input != "null").unwrap_or("{}");
    let mut literal = String::with_capacity(input.len() + input.len() / 4 + 2);
    push_json_string(&mut literal, input);
    literal[1..literal.len() - 1].to_owned()
}

/// A thinking block: what a client has to send back unchanged for a tool turn to go on.
pub fn thinking_block(json: &mut Json, index: u32, thinking: &str, signature: &str) {
    json.open('{').key("index").number(index.into()).key("type").body("thinking");
    json.key("thinking").body(thinking).key("signature").body(signature).close('}');
}

/// A thinking block that only Anthropic can read.
pub fn redacted_block(json: &mut Json, index: u32, data: &str) {
    json.open('{').key("index").number(index.into()).key("type").body("redacted_thinking");
    json.key("data").body(data).close('}');
}

/// The citations of an answer so far: those with an address as OpenAI's annotations, the others as they are.
#[derive(Default)]
pub struct Citations {
    annotations: Json,
    annotation_count: u64,
    others: Json,
    other_count: u64,
}

crate::parkable!(struct Citations { annotations, annotation_count, others, other_count });

impl Citations {
    /// Adds a citation of the text between two positions, in characters of the whole answer.
    pub fn add(&mut self, citation: &str, start: usize, end: usize) {
        #[derive(Deserialize)]
        struct Citation<'a> {
            #[serde(borrow)]
            url: Option<&'a RawValue>,
            #[serde(borrow)]
            source: Option<&'a RawValue>,
            #[serde(borrow)]
            title: Option<&'a RawValue>,
        }
        let Ok(parsed) = serde_json::from_str::<Citation>(citation) else { return };
        // The `source` of a search result is whatever the client named it, an address as a rule.
        let source = string_body(parsed.source).filter(|source| source.starts_with("http"));
        let (start, end) = (start as u64, end as u64);
        if let Some(url) = string_body(parsed.url).or(source) {
            let json = &mut self.annotations;
            json.open('{').key("index").number(self.annotation_count).key("type").body("url_citation");
            json.key("url_citation").open('{').key("start_index").number(start).key("end_index").number(end);
            json.key("title").body(string_body(parsed.title).unwrap_or(url)).key("url").body(url);
            json.close('}').close('}');
            self.annotation_count += 1;
        } else {
            let json = &mut self.others;
            json.open('{').key("index").number(self.other_count).key("start_index").number(start);
            json.key("end_index").number(end).key("citation").raw(citation).close('}');
            self.other_count += 1;
        }
    }

    /// Writes the fields of a message or delta for what was added since the last time. Returns whether there was any.
    pub fn write(&mut self, json: &mut Json) -> bool {
        let lists = [("annotations", &mut self.annotations), ("citations", &mut self.others)];
        lists.into_iter().fold(false, |any, (name, list)| {
            let list = std::mem::take(list);
            if list.is_empty() {
                return any;
            }
            json.key(name).open('[').raw(list.as_str()).close(']');
            true
        })
    }
}
