//! An answer as the chunks of a stream.

use serde_json::{Map, Value};

use super::{AnswerSink, finish_reason, given_or_made};
use crate::Call;
use crate::json::object;
use crate::openai::{
    ChunkChoice, ChunkWriter, Delta, FinishReason, FunctionCall, FunctionDelta, ToolCallDelta, Usage, completion_id,
    now,
};

/// Makes chunks of an answer. The first one is made with the first piece, so that an error in its place can still be
/// an error of the whole request.
#[derive(Debug)]
pub struct StreamedAnswer {
    request_id: String,
    legacy: bool,
    id: String,
    model: String,
    created: u64,
    writer: Option<ChunkWriter>,
    chunks: Vec<String>,
    /// What was told of each choice.
    told: Vec<Told>,
    /// Which of them is being told of.
    current: usize,
}

/// What was told of one choice.
#[derive(Debug, Default)]
struct Told {
    choice: u32,
    /// Whether each call has arguments.
    calls: Vec<bool>,
    /// How many elements each list has.
    lists: Vec<(String, usize)>,
    characters: usize,
}

crate::parkable!(struct StreamedAnswer { request_id, legacy, id, model, created, writer, chunks, told, current });
crate::parkable!(struct Told { choice, calls, lists, characters });

impl StreamedAnswer {
    /// Begins. `legacy` says that the client speaks of functions ([`crate::openai::ChatRequest::adopt_functions`]).
    pub fn new(call: Call, legacy: bool) -> Self {
        Self {
            id: completion_id(&call),
            model: call.model,
            request_id: call.request_id,
            legacy,
            created: now(),
            writer: None,
            chunks: Vec::new(),
            told: Vec::new(),
            current: 0,
        }
    }

    /// See [`AnswerSink::identify`], for those who need no other part of it.
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

    /// The end of an answer of one choice, and the usage if it is known.
    pub fn finish(&mut self, reason: FinishReason, usage: Option<&Usage>) {
        self.end(reason, Map::new());
        if let Some(usage) = usage {
            self.usage(usage, None);
        }
    }

    /// What the answer cost so far, and the tier that serves it, in OpenAI's words. The last one counts.
    pub fn usage(&mut self, usage: &Usage, tier: Option<&str>) {
        let chunk = self.writer().usage_of_tier(usage, tier);
        self.chunks.push(chunk);
    }

    fn writer(&mut self) -> &ChunkWriter {
        self.writer.get_or_insert_with(|| ChunkWriter::new(&self.id, self.created, &self.model))
    }

    fn told(&mut self) -> &mut Told {
        if self.told.is_empty() {
            self.begin(0);
        }
        &mut self.told[self.current]
    }

    /// Makes a chunk of the current choice, and the first one before it.
    fn push(&mut self, chunk: impl FnOnce(&ChunkWriter, u32) -> String) {
        let choice = self.told().choice;
        let chunk = chunk(self.writer(), choice);
        self.chunks.push(chunk);
    }

    /// Makes a chunk of what streams have little of.
    fn push_choice(&mut self, choice: ChunkChoice) {
        self.push(|writer, index| writer.choice(&ChunkChoice { index: Some(index), ..choice }));
    }

    /// An id for a call that is about to begin.
    fn call_id(&self, given: Option<&str>) -> String {
        given_or_made(given, &self.request_id, self.told.iter().map(|told| told.calls.len()).sum())
    }
}

impl AnswerSink for StreamedAnswer {
    fn identify(&mut self, id: Option<&str>, model: Option<&str>) {
        Self::identify(self, id, model);
    }

    fn begin(&mut self, choice: u32) {
        let known = self.told.iter().position(|told| told.choice == choice);
        self.current = known.unwrap_or(self.told.len());
        if known.is_none() {
            self.told.push(Told { choice, ..Told::default() });
            self.push(ChunkWriter::role);
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.told().characters += text.chars().count();
            self.push(|writer, choice| writer.content(choice, text));
        }
    }

    fn reasoning(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(|writer, choice| writer.reasoning(choice, text));
        }
    }

    fn start_call(&mut self, id: Option<&str>, name: &str) -> u32 {
        let (id, place) = (self.call_id(id), self.calls());
        self.told().calls.push(false);
        let function = function(Some(name), "");
        match (self.legacy, place) {
            (false, _) => self.push(|writer, choice| writer.tool_start(choice, place, &id, name)),
            (true, 0) => self.push(|writer, choice| writer.extension(choice, "function_call", &function)),
            // There is no place for more than one.
            (true, _) => {}
        }
        place
    }

    fn arguments(&mut self, call: u32, fragment: &str) {
        let has_arguments = self.told().calls.get_mut(call as usize);
        let Some(has_arguments) = has_arguments.filter(|_| !fragment.is_empty()) else { return };
        *has_arguments |= !fragment.trim().is_empty();
        let function = function(None, fragment);
        match (self.legacy, call) {
            (false, _) => self.push(|writer, choice| writer.tool_arguments(choice, call, fragment)),
            (true, 0) => self.push(|writer, choice| writer.extension(choice, "function_call", &function)),
            (true, _) => {}
        }
    }

    fn end_call(&mut self, call: u32) {
        if self.told().calls.get(call as usize) == Some(&false) {
            self.arguments(call, "{}");
        }
    }

    fn whole_call(&mut self, id: Option<&str>, name: &str, arguments: &str, extra: Map<String, Value>) {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        if self.legacy {
            let place = self.start_call(id, name);
            return self.arguments(place, arguments);
        }
        let (id, index) = (self.call_id(id), Some(self.calls()));
        self.told().calls.push(true);
        let (name, arguments) = (Some(name.into()), Some(arguments.into()));
        let function = Some(FunctionDelta { name, arguments, ..FunctionDelta::default() });
        let call = ToolCallDelta { index, id: Some(id.into()), kind: Some("function".into()), function, extra };
        let delta = Some(Delta { tool_calls: Some(vec![call]), ..Delta::default() });
        self.push_choice(ChunkChoice { delta, ..ChunkChoice::default() });
    }

    fn element(&mut self, list: &'static str, mut element: Map<String, Value>) {
        let lists = &mut self.told().lists;
        let known = lists.iter().position(|(name, _)| *name == list);
        let known = known.unwrap_or_else(|| {
            lists.push((list.to_owned(), 0));
            lists.len() - 1
        });
        element.insert("index".to_owned(), lists[known].1.into());
        lists[known].1 += 1;
        self.push(|writer, choice| writer.extension(choice, list, &[element]));
    }

    fn fields(&mut self, fields: Map<String, Value>) {
        if !fields.is_empty() {
            let delta = Some(Delta { extra: fields, ..Delta::default() });
            self.push_choice(ChunkChoice { delta, ..ChunkChoice::default() });
        }
    }

    fn audio(&mut self, data: &str) {
        let audio = object(vec![("id", self.id.as_str().into()), ("data", data.into())]);
        self.push(|writer, choice| writer.extension(choice, "audio", &audio));
    }

    fn logprobs(&mut self, tokens: Vec<Value>) {
        self.push(|writer, choice| writer.logprobs(choice, &tokens));
    }

    fn end(&mut self, reason: FinishReason, extra: Map<String, Value>) {
        (0..self.calls()).for_each(|call| self.end_call(call));
        let reason = finish_reason(reason, self.calls() as usize, self.legacy);
        if extra.is_empty() {
            return self.push(|writer, choice| writer.finish(choice, reason));
        }
        let (delta, finish_reason) = (Some(Delta::default()), Some(reason.as_str().into()));
        self.push_choice(ChunkChoice { delta, finish_reason, extra, ..ChunkChoice::default() });
    }

    fn calls(&self) -> u32 {
        self.told.get(self.current).map_or(0, |told| told.calls.len()) as u32
    }

    fn characters(&self) -> usize {
        self.told.get(self.current).map_or(0, |told| told.characters)
    }
}

fn function<'a>(name: Option<&'a str>, arguments: &'a str) -> FunctionCall<'a> {
    FunctionCall { name: name.map(Into::into), arguments: Some(arguments.into()), ..FunctionCall::default() }
}
