//! An answer told piece by piece, of which a whole answer or the chunks of a stream are made.
//!
//! Upstreams tell the same things in whole answers and in streams, mostly in the same shapes. A plugin that reads both
//! with one function hands what it finds to an [`AnswerSink`]: a [`WholeAnswer`] gathers it, a [`StreamedAnswer`] makes
//! chunks of it at once. Both keep the grammar that clients rely on: who speaks comes first and once, each call has
//! its own place and an id, a call without arguments has `{}`, and calls decide the finish reason. They hold one answer
//! of one message; `n` of them are beyond these types.

use serde_json::{Map, Value, json};

use super::{
    AnswerMessage, ChatCompletion, ChunkWriter, FinishReason, FunctionCall, ToolCall, Usage, completion_id, now,
    to_json, tool_call_id,
};
use crate::{Call, Failure};

/// Takes an answer in pieces. See the [whole](WholeAnswer) and the [streamed](StreamedAnswer) one.
pub trait AnswerSink {
    /// More text.
    fn text(&mut self, text: &str);

    /// More of what the model thinks.
    fn reasoning(&mut self, text: &str);

    /// The begin of a tool call. Returns its place among the calls, from 0. An id is made if there is none.
    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32;

    /// More of the arguments of a call: a piece of a JSON text.
    fn arguments(&mut self, call: u32, fragment: &str);

    /// The end of a call. One without arguments gets `{}`. What is not ended, the end of the answer ends.
    fn end_call(&mut self, call: u32);

    /// One more element of a list in the message: of `annotations`, `thinking_blocks` or another extension. It gets
    /// its place in the list as `index`, which client libraries merge the lists of several chunks by.
    fn element(&mut self, list: &'static str, element: Map<String, Value>);

    /// Probabilities of tokens, each in the form of OpenAI's `logprobs.content`.
    fn logprobs(&mut self, tokens: Vec<Value>);

    /// How many calls there are so far.
    fn calls(&self) -> u32;

    /// How much text there is so far, in characters.
    fn characters(&self) -> usize;

    /// One more source on the web that the answer cites, as an annotation of OpenAI's. `start` and `end` are places in
    /// the text, in characters.
    fn url_citation(&mut self, start: u64, end: u64, url: &str, title: &str) {
        let citation = json!({"start_index": start, "end_index": end, "title": title, "url": url});
        let fields = [("type".to_owned(), "url_citation".into()), ("url_citation".to_owned(), citation)];
        self.element("annotations", fields.into_iter().collect());
    }
}

/// Gathers a whole answer.
#[derive(Debug)]
pub struct WholeAnswer<'c> {
    call: &'c Call,
    legacy: bool,
    content: String,
    reasoning: String,
    calls: Vec<(String, String, String)>,
    lists: Map<String, Value>,
    logprobs: Vec<Value>,
}

impl<'c> WholeAnswer<'c> {
    /// Begins. `legacy` says that the client speaks of functions ([`super::ChatRequest::adopt_functions`]).
    pub fn new(call: &'c Call, legacy: bool) -> Self {
        let (content, reasoning, calls) = (String::new(), String::new(), Vec::new());
        Self { call, legacy, content, reasoning, calls, lists: Map::new(), logprobs: Vec::new() }
    }

    /// The answer as JSON. An id is made and the model is that of the call, if the upstream gives none.
    ///
    /// # Errors
    /// Only for what JSON cannot hold.
    pub fn finish(
        mut self,
        id: Option<&str>,
        model: Option<&str>,
        reason: FinishReason,
        usage: Option<Usage>,
    ) -> Result<String, Failure> {
        (0..self.calls()).for_each(|call| self.end_call(call));
        let reason = finish_reason(reason, self.calls(), self.legacy);
        let mut message = AnswerMessage::assistant();
        if !self.content.is_empty() || self.calls.is_empty() {
            message.content = Some(self.content.into());
        }
        message.reasoning_content = (!self.reasoning.is_empty()).then(|| self.reasoning.into());
        if let Some(Value::Array(annotations)) = self.lists.shift_remove("annotations") {
            message.annotations = Some(annotations);
        }
        let mut calls = self.calls.into_iter().map(|(id, name, arguments)| ToolCall::function(id, name, arguments));
        if self.legacy {
            message.function_call = calls.next().and_then(|call| call.function);
        } else if calls.len() > 0 {
            message.tool_calls = Some(calls.collect());
        }
        message.extra = self.lists;
        let id = id.filter(|id| !id.is_empty()).map_or_else(|| completion_id(self.call), str::to_owned);
        let mut answer = ChatCompletion::new(id, now(), model.unwrap_or(&self.call.model), message, reason, usage);
        if let Some(choice) = answer.choices.iter_mut().flatten().next().filter(|_| !self.logprobs.is_empty()) {
            choice.logprobs = Some(json!({"content": self.logprobs, "refusal": null}));
        }
        to_json(&answer)
    }
}

impl AnswerSink for WholeAnswer<'_> {
    fn text(&mut self, text: &str) {
        self.content.push_str(text);
    }

    fn reasoning(&mut self, text: &str) {
        self.reasoning.push_str(text);
    }

    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32 {
        let place = self.calls();
        self.calls.push((given_or_made(id, self.call, place), name.to_owned(), String::new()));
        place
    }

    fn arguments(&mut self, call: u32, fragment: &str) {
        if let Some((.., arguments)) = self.calls.get_mut(call as usize) {
            arguments.push_str(fragment);
        }
    }

    fn end_call(&mut self, call: u32) {
        if let Some((.., arguments)) = self.calls.get_mut(call as usize).filter(|(.., text)| text.trim().is_empty()) {
            "{}".clone_into(arguments);
        }
    }

    fn element(&mut self, list: &'static str, mut element: Map<String, Value>) {
        let elements = self.lists.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(elements) = elements {
            element.insert("index".to_owned(), elements.len().into());
            elements.push(element.into());
        }
    }

    fn logprobs(&mut self, tokens: Vec<Value>) {
        self.logprobs.extend(tokens);
    }

    fn calls(&self) -> u32 {
        self.calls.len() as u32
    }

    fn characters(&self) -> usize {
        self.content.chars().count()
    }
}

/// Makes chunks of an answer. The first one is made with the first piece, so that an error in its place can still be
/// an error of the whole request.
#[derive(Debug)]
pub struct StreamedAnswer {
    call: Call,
    legacy: bool,
    id: String,
    model: String,
    created: u64,
    writer: Option<ChunkWriter>,
    chunks: Vec<String>,
    /// Whether each call has arguments.
    calls: Vec<bool>,
    /// How many elements each list has.
    lists: Vec<(&'static str, usize)>,
    characters: usize,
}

impl StreamedAnswer {
    /// Begins. `legacy` says that the client speaks of functions ([`super::ChatRequest::adopt_functions`]).
    pub fn new(call: Call, legacy: bool) -> Self {
        Self {
            id: completion_id(&call),
            model: call.model.clone(),
            call,
            legacy,
            created: now(),
            writer: None,
            chunks: Vec::new(),
            calls: Vec::new(),
            lists: Vec::new(),
            characters: 0,
        }
    }

    /// The id and the model that the upstream gives. They count until the first chunk is made: all have the same.
    pub fn identify(&mut self, id: Option<&str>, model: Option<&str>) {
        if self.writer.is_some() {
            return;
        }
        for (own, given) in [(&mut self.id, id), (&mut self.model, model)] {
            if let Some(given) = given.filter(|given| !given.is_empty()) {
                given.clone_into(own);
            }
        }
    }

    /// The chunks since the last time.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.chunks)
    }

    /// The end: what calls still lack, the finish reason, and the usage if it is known.
    pub fn finish(&mut self, reason: FinishReason, usage: Option<&Usage>) {
        (0..self.calls()).for_each(|call| self.end_call(call));
        let reason = finish_reason(reason, self.calls(), self.legacy);
        self.push(|writer| writer.finish(0, reason));
        if let Some(usage) = usage {
            self.push(|writer| writer.usage(usage));
        }
    }

    /// Makes a chunk, and the first one before it.
    fn push(&mut self, chunk: impl FnOnce(&ChunkWriter) -> String) {
        let writer = self.writer.get_or_insert_with(|| {
            let writer = ChunkWriter::new(&self.id, self.created, &self.model);
            self.chunks.push(writer.role(0));
            writer
        });
        self.chunks.push(chunk(writer));
    }
}

impl AnswerSink for StreamedAnswer {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.characters += text.chars().count();
            self.push(|writer| writer.content(0, text));
        }
    }

    fn reasoning(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(|writer| writer.reasoning(0, text));
        }
    }

    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32 {
        let place = self.calls();
        self.calls.push(false);
        let id = given_or_made(id, &self.call, place);
        match (self.legacy, place) {
            (false, _) => self.push(|writer| writer.tool_start(0, place, &id, name)),
            (true, 0) => self.push(|writer| writer.extension(0, "function_call", &function(Some(name), ""))),
            // There is no place for more than one.
            (true, _) => {}
        }
        place
    }

    fn arguments(&mut self, call: u32, fragment: &str) {
        let Some(has_arguments) = self.calls.get_mut(call as usize).filter(|_| !fragment.is_empty()) else { return };
        *has_arguments |= !fragment.trim().is_empty();
        match (self.legacy, call) {
            (false, _) => self.push(|writer| writer.tool_arguments(0, call, fragment)),
            (true, 0) => self.push(|writer| writer.extension(0, "function_call", &function(None, fragment))),
            (true, _) => {}
        }
    }

    fn end_call(&mut self, call: u32) {
        if self.calls.get(call as usize) == Some(&false) {
            self.arguments(call, "{}");
        }
    }

    fn element(&mut self, list: &'static str, mut element: Map<String, Value>) {
        let known = self.lists.iter().position(|(name, _)| *name == list);
        let known = known.unwrap_or_else(|| {
            self.lists.push((list, 0));
            self.lists.len() - 1
        });
        element.insert("index".to_owned(), self.lists[known].1.into());
        self.lists[known].1 += 1;
        self.push(|writer| writer.extension(0, list, &[element]));
    }

    fn logprobs(&mut self, tokens: Vec<Value>) {
        self.push(|writer| writer.logprobs(0, &tokens));
    }

    fn calls(&self) -> u32 {
        self.calls.len() as u32
    }

    fn characters(&self) -> usize {
        self.characters
    }
}

/// The reason that clients expect: calls decide, unless the answer was cut off or blocked.
fn finish_reason(reason: FinishReason, calls: u32, legacy: bool) -> FinishReason {
    match reason {
        FinishReason::Length | FinishReason::ContentFilter => reason,
        _ if calls > 0 && legacy => FinishReason::FunctionCall,
        _ if calls > 0 => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

fn given_or_made(id: Option<&str>, call: &Call, place: u32) -> String {
    id.filter(|id| !id.is_empty()).map_or_else(|| tool_call_id(call, place), str::to_owned)
}

fn function<'a>(name: Option<&'a str>, arguments: &'a str) -> FunctionCall<'a> {
    FunctionCall { name: name.map(Into::into), arguments: Some(arguments.into()), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;

    fn call() -> Call {
        Call {
            operation: Operation::Chat,
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            request_id: "r".to_owned(),
            headers: Vec::new(),
        }
    }

    /// The whole answer and the deltas of the streamed one that `tell` makes.
    fn told(legacy: bool, reason: FinishReason, tell: impl Fn(&mut dyn AnswerSink)) -> (Value, Vec<Value>) {
        let call = call();
        let mut whole = WholeAnswer::new(&call, legacy);
        tell(&mut whole);
        let whole = whole.finish(Some("id"), None, reason, Some(Usage::new(1, 2))).unwrap();
        let mut streamed = StreamedAnswer::new(call.clone(), legacy);
        streamed.identify(Some("id"), None);
        tell(&mut streamed);
        streamed.finish(reason, Some(&Usage::new(1, 2)));
        let chunks = streamed.take().into_iter().map(|chunk| serde_json::from_str(&chunk).unwrap());
        (serde_json::from_str(&whole).unwrap(), chunks.collect())
    }

    #[test]
    fn an_answer_says_the_same_whole_and_streamed() {
        let (whole, chunks) = told(false, FinishReason::Stop, |sink| {
            sink.reasoning("hm");
            sink.text("é");
            sink.text("!");
            sink.url_citation(0, 1, "u", "t");
            sink.logprobs(vec![json!({"token": "é", "logprob": -0.5})]);
            assert_eq!((sink.characters(), sink.calls()), (2, 0));
        });
        let message = &whole["choices"][0]["message"];
        assert_eq!(whole["id"], "id");
        assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("é!"), &json!("hm")));
        assert_eq!(message["annotations"][0]["index"], 0);
        assert_eq!(whole["choices"][0]["logprobs"]["content"][0]["token"], "é");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop");
        let deltas: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0].get("delta")).collect();
        let place = json!({"start_index": 0, "end_index": 1, "title": "t", "url": "u"});
        let source = json!([{"type": "url_citation", "url_citation": place, "index": 0}]);
        let expected = [
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"reasoning_content": "hm"}),
            json!({"content": "é"}),
            json!({"content": "!"}),
            json!({"annotations": source}),
            json!({}),
            json!({}),
        ];
        assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
        assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 3);
    }

    #[test]
    fn calls_get_what_they_lack_and_decide_the_reason() {
        let tell = |sink: &mut dyn AnswerSink| {
            let first = sink.start_call(None, "a");
            let second = sink.start_call(Some("given"), "b");
            sink.arguments(second, "{\"x\"");
            sink.arguments(second, ":1}");
            sink.end_call(first);
        };
        let (whole, chunks) = told(false, FinishReason::Stop, tell);
        let calls = json!([
            {"id": "call_r_0", "type": "function", "function": {"name": "a", "arguments": "{}"}},
            {"id": "given", "type": "function", "function": {"name": "b", "arguments": "{\"x\":1}"}}]);
        assert_eq!(whole["choices"][0]["message"]["tool_calls"], calls);
        assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0));
        let pieces: Vec<_> = pieces.map(|piece| (&piece["index"], &piece["function"]["arguments"])).collect();
        let expected =
            [(0, ""), (1, ""), (1, "{\"x\""), (1, ":1}"), (0, "{}")].map(|(i, text)| (json!(i), json!(text)));
        assert_eq!(pieces, expected.iter().map(|(index, text)| (index, text)).collect::<Vec<_>>());

        let (whole, chunks) = told(true, FinishReason::Length, tell);
        assert_eq!(whole["choices"][0]["message"]["function_call"], json!({"name": "a", "arguments": "{}"}));
        assert_eq!(whole["choices"][0]["finish_reason"], "length");
        let pieces: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["function_call"]).collect();
        assert!(
            pieces.contains(&&json!({"name": "a", "arguments": ""})) && pieces.contains(&&json!({"arguments": "{}"}))
        );
        assert!(chunks.iter().all(|chunk| chunk["choices"][0]["delta"].get("tool_calls").is_none()));
    }
}
