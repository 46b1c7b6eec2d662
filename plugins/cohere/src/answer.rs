//! What an answer says, whole or piece by piece, handed to a sink of the SDK.

use serde_json::{Map, Value, json};
use weir_plugin::openai::{AnswerSink, FinishReason, Many, WholeAnswer, odd_answer};
use weir_plugin::{Failure, FailureKind};

use crate::wire::{Answer, Call, Message};

/// Translates the body of an answer with a 2xx status. `legacy` says that the client speaks of functions, not tools.
pub fn whole(call: &weir_plugin::Call, legacy: bool, body: &str) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| odd_answer(body))?;
    let generation = answer.generations.iter().flatten().next();
    let (mut reader, mut sink) = (Reader::default(), WholeAnswer::new(call, legacy));
    match (&answer.message, &answer.text, generation) {
        (Some(message), ..) => reader.message(&mut sink, message, None),
        (None, None, None) => return Err(odd_answer(body)),
        (None, ..) => reader.v1(&mut sink, generation.unwrap_or(&answer)),
    }
    logprobs(&mut sink, answer.logprobs.as_ref());
    let reason = finish_reason(generation.unwrap_or(&answer))?;
    let id = answer.id.as_deref().or(answer.generation_id.as_deref());
    sink.finish(id, None, reason, answer.usage())
}

/// Why an answer ended, in OpenAI's words.
///
/// # Errors
/// If it ended because the upstream failed, for which OpenAI has no word.
pub fn finish_reason(answer: &Answer) -> Result<FinishReason, Failure> {
    match answer.finish_reason.as_deref().unwrap_or_default() {
        "ERROR" | "TIMEOUT" => Err(broken_off(answer)),
        "ERROR_TOXIC" => Ok(FinishReason::ContentFilter),
        "ERROR_LIMIT" => Ok(FinishReason::Length),
        reason => Ok(FinishReason::from_upstream(reason)),
    }
}

/// The failure of an upstream that could not go on.
pub fn broken_off(answer: &Answer) -> Failure {
    let message = answer.error.as_deref().or(answer.err.as_deref());
    Failure::new(FailureKind::Unavailable, message.unwrap_or("The provider failed in the middle of its answer."))
}

/// Where an answer goes.
type Sink<'s> = &'s mut dyn AnswerSink;

/// Reads an answer into a sink, and remembers what later parts of it refer to.
#[derive(Debug, Default)]
pub struct Reader {
    /// Of v1: what citations refer to.
    documents: Vec<Map<String, Value>>,
    /// Where each block of content begins in the text, in characters: citations count from there.
    blocks: Vec<(u64, u64)>,
    /// The upstream's index of each call. It may begin anew, so that the last one with an index counts.
    calls: Vec<u64>,
}

impl Reader {
    /// Reads a message of v2, or the part of it that an event brings: then with the index of the event.
    pub fn message(&mut self, sink: Sink, message: &Message, index: Option<u64>) {
        sink.reasoning(message.tool_plan.as_deref().unwrap_or_default());
        for (place, block) in (0..).zip(message.content.iter().flatten()) {
            let index = index.unwrap_or(place);
            if self.blocks.last().is_none_or(|(last, _)| *last != index) {
                self.blocks.push((index, sink.characters() as u64));
            }
            sink.reasoning(block.thinking.as_deref().unwrap_or_default());
            sink.text(block.text.as_deref().unwrap_or_default());
        }
        message.tool_calls.iter().flatten().for_each(|call| self.call(sink, call, index));
        self.cite(sink, message.citations.as_ref());
    }

    /// Reads an answer of v1, or what an event brings of it.
    pub fn v1(&mut self, sink: Sink, answer: &Answer) {
        self.documents.extend(answer.documents.iter().flatten().cloned());
        let text = answer.text.as_deref().unwrap_or_default();
        // Beside calls the text is a plan to make them.
        match answer.tool_calls.iter().flatten().next() {
            None => sink.text(text),
            Some(_) => sink.reasoning(text),
        }
        answer.tool_calls.iter().flatten().for_each(|call| self.call(sink, call, None));
        self.cite(sink, answer.citations.as_ref());
    }

    fn call(&mut self, sink: Sink, call: &Call, index: Option<u64>) {
        let function = call.function.as_deref().unwrap_or(call);
        if let Some(name) = function.name.as_deref().filter(|name| !name.is_empty()) {
            let place = sink.start_call(call.id.as_deref(), name);
            self.calls.push(index.unwrap_or(place.into()));
        }
        let arguments = function.arguments.as_deref().or(function.parameters.map(|object| object.get()));
        sink.arguments(self.place(index), arguments.unwrap_or_default());
    }

    /// Ends a call.
    pub fn end_call(&mut self, sink: Sink, index: Option<u64>) {
        sink.end_call(self.place(index));
    }

    /// The place of the last call with this index of the upstream's or, without an index, of the last call.
    fn place(&self, index: Option<u64>) -> u32 {
        let place = self.calls.iter().rposition(|known| index.is_none_or(|index| index == *known));
        // There is nothing at the place of a call that never began, and the sink lets it pass.
        place.map_or(u32::MAX, |place| place as u32)
    }

    /// Reads citations: sources with an address become annotations, others stay as they are.
    fn cite(&mut self, sink: Sink, citations: Option<&Many<Map<String, Value>>>) {
        for mut citation in citations.into_iter().flatten().cloned() {
            // In v1 a citation names its sources, which stand elsewhere.
            if let Some(Value::Array(ids)) = citation.shift_remove("document_ids") {
                citation.insert("sources".to_owned(), ids.iter().map(|id| self.source(id)).collect());
            }
            let sources = citation.get("sources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            // A citation in what the model thought has no place in the text.
            let place = self.place_in_text(&citation);
            let mut others = sources.is_empty() || place.is_none();
            for source in sources {
                let content = source.get("document").or(source.get("tool_output")).unwrap_or(&Value::Null);
                match (content["url"].as_str().filter(|url| url.starts_with("http")), place) {
                    (Some(url), Some((start, end))) => {
                        sink.url_citation(start, end, url, content["title"].as_str().unwrap_or(url));
                    }
                    _ => others = true,
                }
            }
            if others {
                let mut element = Map::new();
                if let Some((start, end)) = place {
                    element.extend([("start_index".to_owned(), start.into()), ("end_index".to_owned(), end.into())]);
                }
                element.insert("citation".to_owned(), citation.into());
                sink.element("citations", element);
            }
        }
    }

    /// From where to where in the text a citation reaches, in characters.
    fn place_in_text(&self, citation: &Map<String, Value>) -> Option<(u64, u64)> {
        citation.get("type").is_none_or(|kind| kind == "TEXT_CONTENT").then_some(())?;
        let number = |name: &str| citation.get(name).and_then(Value::as_u64);
        let block = self.blocks.iter().find(|(index, _)| number("content_index") == Some(*index));
        let start = block.map_or(0, |(_, start)| *start);
        Some((start.saturating_add(number("start")?), start.saturating_add(number("end")?)))
    }

    /// A source of v1 in the form of v2.
    fn source(&self, id: &Value) -> Value {
        let document = self.documents.iter().find(|document| document.get("id") == Some(id));
        json!({"type": "document", "id": id, "document": document})
    }
}

/// Reads probabilities of tokens.
pub fn logprobs(sink: Sink, pieces: Option<&Many<Map<String, Value>>>) {
    let token = |piece: &Map<String, Value>| {
        let text = piece.get("text").and_then(Value::as_str).unwrap_or_default();
        let tokens = piece.get("logprobs").and_then(Value::as_array);
        // What several tokens in a row are worth is the product of their probabilities.
        let logprob: f64 = tokens.into_iter().flatten().filter_map(Value::as_f64).sum();
        json!({"token": text, "logprob": logprob, "bytes": text.as_bytes(), "top_logprobs": []})
    };
    if let Some(pieces) = pieces.filter(|pieces| !pieces.0.is_empty()) {
        sink.logprobs(pieces.0.iter().map(token).collect());
    }
}
