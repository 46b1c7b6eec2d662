//! The shapes of Cohere's answers and events, as far as they matter here.
//!
//! A part of a message has the same fields in an answer and in an event, but where an answer has a list, an event has
//! one element: [`Many`] reads both. All is optional, so that a new kind of answer is no reason to fail. Numbers are
//! fractional ones in Cohere's own words.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_plugin::document;
use weir_plugin::openai::{self, Many, Text, Vector};

document! {
    /// An answer of any form, or an event of its stream.
    pub struct Answer<'a> {
        /// Of v2 and generate.
        id: Text<'a>,
        /// Of v1 chat: its id.
        generation_id: Text<'a>,
        /// What kind of event it is, in v2.
        kind = "type": Text<'a>,
        /// The same in v1.
        event_type: Text<'a>,
        /// Of events of v2: which block or call it is about.
        index: f64,
        /// Of answers of v2.
        message: Message<'a>,
        /// Of events of v2.
        delta: Box<Answer<'a>>,
        /// Of v1: the text, or more of it.
        text: Text<'a>,
        /// Of v1 chat.
        tool_calls: Many<Call<'a>>,
        /// Of v1 chat.
        citations: Many<Map<String, Value>>,
        /// Of v1 chat: what citations refer to.
        documents: Many<Map<String, Value>>,
        /// Of generate.
        generations: Many<Answer<'a>>,
        /// Of the last event of v1: the whole answer.
        response: Box<Answer<'a>>,
        /// Why it ended.
        finish_reason: Text<'a>,
        /// What went wrong, in the last event of v2.
        error: Text<'a>,
        /// The same in v1.
        err: Text<'a>,
        /// What it cost, in v2: `tokens`, `billed_units` and `cached_tokens`.
        usage: Value,
        /// The same in v1.
        meta: Value,
        /// The same in older answers of v1 chat: `prompt_tokens` and `response_tokens`.
        token_count: Value,
        /// Probabilities of pieces of its text: `text`, and `logprobs` of one or several tokens.
        logprobs: Many<Map<String, Value>>,
        /// Of embeddings: lists by their type or, in v1, one list.
        embeddings: &'a RawValue,
    }

    /// A message of v2, or a part of one.
    pub struct Message<'a> {
        /// Text and thoughts.
        content: Many<Block<'a>>,
        /// What the model thinks before it calls tools.
        tool_plan: Text<'a>,
        /// In an event, one call or a part of one.
        tool_calls: Many<Call<'a>>,
        /// In an event, one.
        citations: Many<Map<String, Value>>,
    }

    /// A block of content. Which kind it is shows in which field it has.
    pub struct Block<'a> {
        /// What the model says.
        text: Text<'a>,
        /// What it thinks.
        thinking: Text<'a>,
    }

    /// A tool call, or a part of one.
    pub struct Call<'a> {
        /// Of v2.
        id: Text<'a>,
        /// Of v2: what is called.
        function: Box<Call<'a>>,
        /// The tool.
        name: Text<'a>,
        /// Of v2: the arguments as text, or a piece of it.
        arguments: Text<'a>,
        /// Of v1: the arguments as an object.
        parameters: &'a RawValue,
    }

    /// Embeddings by their type: for each text, one of each type that was asked for.
    pub struct Embeddings {
        /// Floats as numbers.
        float: Vec<Vector>,
        /// The same as little-endian bytes in base64.
        base64: Vec<Vector>,
        /// Bytes with signs.
        int8: Vec<Vector>,
        /// Bytes without.
        uint8: Vec<Vector>,
        /// Eight dimensions in a byte with a sign.
        binary: Vec<Vector>,
        /// Eight dimensions in a byte without.
        ubinary: Vec<Vector>,
    }
}

impl Answer<'_> {
    /// What the answer cost, in OpenAI's terms: by the tokens that the model saw or, if only those are told, by the
    /// tokens that are billed, which leave out what Cohere itself adds to a prompt.
    pub fn usage(&self) -> Option<openai::Usage> {
        let usage = self.usage.as_ref().or(self.meta.as_ref()).unwrap_or(&Value::Null);
        let told = [usage.get("tokens"), self.token_count.as_ref(), usage.get("billed_units")];
        let tokens = told.into_iter().flatten().find(|tokens| tokens.is_object())?;
        let count = |counts: &Value, name: &str| counts.get(name)?.as_f64().map(|count| count as u64);
        let input = count(tokens, "input_tokens").or(count(tokens, "prompt_tokens")).unwrap_or(0);
        let output = count(tokens, "output_tokens").or(count(tokens, "response_tokens")).unwrap_or(0);
        let mut canonical = openai::Usage::new(input, output);
        if let Some(cached) = count(usage, "cached_tokens") {
            canonical = canonical.with_cached(cached);
        }
        if let Some(reasoning) = count(tokens, "reasoning_tokens") {
            canonical = canonical.with_reasoning(reasoning);
        }
        if let Some(images) = count(tokens, "image_tokens") {
            let details = canonical.prompt_tokens_details.get_or_insert_default();
            details.extra.insert("image_tokens".to_owned(), images.into());
        }
        Some(canonical)
    }
}
