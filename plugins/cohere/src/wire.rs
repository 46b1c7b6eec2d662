//! The shapes of Cohere's answers and events, as far as they matter here.
//!
//! A part of a message has the same fields in an answer and in an event, but where an answer has a list, an event has
//! one element: [`Many`] reads both. All is optional, so that a new kind of answer is no reason to fail. Numbers are
//! fractional ones in Cohere's own words.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_plugin::document;
use weir_plugin::openai::{Many, Text, Usage, Vectors};

document! {
    /// An answer of any form, or an event of its stream.
    pub struct Answer<'a> {
        /// Its id.
        id = "id" | "generation_id": Text<'a>,
        /// What kind of event it is, in v2 and in v1.
        kind = "type" | "event_type": Text<'a>,
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
        /// What went wrong, in the last event of v2 and of v1.
        error = "error" | "err": Text<'a>,
        /// What it cost, in v2 and in v1: `tokens`, `billed_units` and `cached_tokens`.
        usage = "usage" | "meta": Value,
        /// The same in older answers of v1 chat: `prompt_tokens` and `response_tokens`.
        token_count: Value,
        /// Probabilities of pieces of its text: `text`, and `logprobs` of one or several tokens.
        logprobs: Many<Map<String, Value>>,
        /// Of embeddings: lists by their type or, in v1, one list.
        embeddings: Vectors,
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
}

impl Answer<'_> {
    /// What the answer cost, in OpenAI's terms: by the tokens that the model saw or, if only those are told, by the
    /// tokens that are billed, which leave out what Cohere itself adds to a prompt.
    pub fn usage(&self) -> Option<Usage> {
        let usage = self.usage.as_ref().unwrap_or(&Value::Null);
        let told = [usage.get("tokens"), self.token_count.as_ref(), usage.get("billed_units")];
        let tokens = told.into_iter().flatten().find(|tokens| tokens.is_object())?;
        let count = |name: &str| tokens[name].as_f64().map(|count| count as u64);
        let input = count("input_tokens").or(count("prompt_tokens")).unwrap_or(0);
        let output = count("output_tokens").or(count("response_tokens")).unwrap_or(0);
        let cached = usage["cached_tokens"].as_f64().map(|count| count as u64);
        let mut canonical = Usage::new(input, output).with_cached(cached).with_reasoning(count("reasoning_tokens"));
        if let Some(images) = count("image_tokens") {
            let details = canonical.prompt_tokens_details.get_or_insert_default();
            details.extra.insert("image_tokens".to_owned(), images.into());
        }
        Some(canonical)
    }
}
