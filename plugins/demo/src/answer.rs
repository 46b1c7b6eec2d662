//! A reply under the request's limits, and its two forms: a document, and a stream of chunks.

use std::ops::Range;

use weir_plugin::openai::{
    self, AnswerMessage, ChatCompletion, ChatRequest, Choice, ChunkWriter, Content, FinishReason, Stop, ToolCall, Usage,
};
use weir_plugin::{Call, Failure};

use crate::reply::Reply;
use crate::words;

/// How many answers a request may ask for, as at OpenAI.
const MOST_CHOICES: u64 = 128;

/// A complete answer: all its `n` choices say the same.
#[derive(Debug)]
pub struct Answer {
    reply: Reply,
    finish_reason: FinishReason,
    choices: u32,
    usage: Usage,
}

impl Answer {
    /// The answer to a request.
    pub fn to(request: &ChatRequest<'_>) -> Result<Self, Failure> {
        let choices = choices(request)?;
        let mut reply = Reply::to(request)?;
        let (finish_reason, tokens) = match &mut reply {
            Reply::Text(text) => limit(text, request.stop.as_ref(), request.token_limit()),
            Reply::Call { name, arguments } => (FinishReason::ToolCalls, words::count(name) + words::count(arguments)),
        };
        let contents = request.messages().iter().filter_map(|message| message.content.as_ref());
        let prompt_tokens = contents.map(|content| words::count(&Content::joined(content))).sum();
        let usage = Usage::new(prompt_tokens, tokens * u64::from(choices));
        Ok(Self { reply, finish_reason, choices, usage })
    }

    /// The answer as one document.
    pub fn document(&self, call: &Call) -> Result<String, Failure> {
        let id = openai::completion_id(call);
        let choices = self.all().map(|index| Choice::new(index, self.message(call, index), self.finish_reason));
        let answer = ChatCompletion {
            choices: Some(choices.collect()),
            ..ChatCompletion::new(id, openai::now(), &*call.model, AnswerMessage::assistant(), self.finish_reason, None)
        };
        openai::to_json(&ChatCompletion { usage: Some(self.usage.clone()), ..answer })
    }

    /// The answer as a stream, a word a chunk.
    pub fn chunks(&self, call: &Call) -> Vec<String> {
        let writer = ChunkWriter::new(&openai::completion_id(call), openai::now(), &call.model);
        let mut chunks: Vec<_> = self.all().map(|index| writer.role(index)).collect();
        match &self.reply {
            Reply::Text(text) => {
                for word in words::words(text) {
                    chunks.extend(self.all().map(|index| writer.content(index, word)));
                }
            }
            Reply::Call { name, arguments } => {
                let start = |index| writer.tool_start(index, 0, &openai::tool_call_id(call, index), name);
                chunks.extend(self.all().map(start));
                for fragment in words::words(arguments) {
                    chunks.extend(self.all().map(|index| writer.tool_arguments(index, 0, fragment)));
                }
            }
        }
        chunks.extend(self.all().map(|index| writer.finish(index, self.finish_reason)));
        chunks.push(writer.usage(&self.usage));
        chunks
    }

    fn all(&self) -> Range<u32> {
        0..self.choices
    }

    fn message(&self, call: &Call, index: u32) -> AnswerMessage<'_> {
        match &self.reply {
            Reply::Text(text) => AnswerMessage::text(text.as_str()),
            Reply::Call { name, arguments } => {
                let tool_call =
                    ToolCall::function(openai::tool_call_id(call, index), name.as_str(), arguments.as_str());
                AnswerMessage { tool_calls: Some(vec![tool_call]), ..AnswerMessage::assistant() }
            }
        }
    }
}

fn choices(request: &ChatRequest<'_>) -> Result<u32, Failure> {
    match request.n.unwrap_or(1) {
        n @ 1..=MOST_CHOICES => Ok(u32::try_from(n).unwrap_or(1)),
        n => Err(Failure::invalid_field("n", format!("'n' is {n}: it must be from 1 to {MOST_CHOICES}."))),
    }
}

/// Cuts a text at the first of the stop texts, then at the limit of tokens. Says why it ends, and how many it has.
fn limit(text: &mut String, stop: Option<&Stop<'_>>, token_limit: Option<u64>) -> (FinishReason, u64) {
    let stops = stop.map(Stop::texts).unwrap_or_default().iter().filter(|stop| !stop.is_empty());
    if let Some(end) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(end);
    }
    let words = words::words(text);
    let limit = token_limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if words.len() <= limit {
        return (FinishReason::Stop, words.len() as u64);
    }
    let end = words[..limit].iter().map(|word| word.len()).sum();
    text.truncate(end);
    (FinishReason::Length, limit as u64)
}
