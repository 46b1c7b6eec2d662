//! What an answer says, whole or event by event, handed to a sink of the SDK.
//!
//! A stream of v2 begins with `message-start`, tells content, plan, calls and citations in parts of a message, and ends
//! with `message-end`; `[DONE]` follows. One of v1 tells text with `text-generation`, each call once more when it is
//! complete, and ends with `stream-end`, which repeats the whole answer. Kinds that are not known here may stand
//! anywhere.

use serde_json::{Map, Value};
use weir_plugin::json::object;
use weir_plugin::openai::{
    AnswerSink, AnswerStream, EventReader, FinishReason, Many, StreamedAnswer, WholeAnswer, odd_answer, odd_event,
};
use weir_plugin::{Event, Failure, FailureKind};

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
    sink.finish(answer.id.as_deref(), None, reason, answer.usage())
}

/// Why an answer ended, in OpenAI's words.
///
/// # Errors
/// If it ended because the upstream failed, for which OpenAI has no word.
fn finish_reason(answer: &Answer) -> Result<FinishReason, Failure> {
    match answer.finish_reason.as_deref().unwrap_or_default() {
        "ERROR" | "TIMEOUT" => Err(broken_off(answer)),
        "ERROR_TOXIC" => Ok(FinishReason::ContentFilter),
        "ERROR_LIMIT" => Ok(FinishReason::Length),
        reason => Ok(FinishReason::from_upstream(reason)),
    }
}

/// The failure of an upstream that could not go on.
fn broken_off(answer: &Answer) -> Failure {
    let message = answer.error.as_deref().unwrap_or("The provider failed in the middle of its answer.");
    Failure::new(FailureKind::Unavailable, message)
}

/// The translation of one stream.
pub type Stream = AnswerStream<Reader>;

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

weir_plugin::parkable!(struct Reader { documents, blocks, calls });

impl Reader {
    /// Reads a message of v2, or the part of it that an event brings: then with the index of the event.
    fn message(&mut self, sink: Sink, message: &Message, index: Option<u64>) {
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
    fn v1(&mut self, sink: Sink, answer: &Answer) {
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
                sink.citation(place, citation.into());
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
        let document = document.cloned().map(Value::Object);
        object(vec![("type", "document".into()), ("id", id.clone()), ("document", document.into())]).into()
    }
}

/// Reads probabilities of tokens.
fn logprobs(sink: Sink, pieces: Option<&Many<Map<String, Value>>>) {
    let token = |piece: &Map<String, Value>| {
        let text = piece.get("text").and_then(Value::as_str).unwrap_or_default();
        let tokens = piece.get("logprobs").and_then(Value::as_array);
        // What several tokens in a row are worth is the product of their probabilities.
        let logprob: f64 = tokens.into_iter().flatten().filter_map(Value::as_f64).sum();
        let fields = vec![
            ("token", text.into()),
            ("logprob", logprob.into()),
            ("bytes", text.as_bytes().into()),
            ("top_logprobs", Value::Array(Vec::new())),
        ];
        object(fields).into()
    };
    if let Some(pieces) = pieces.filter(|pieces| !pieces.0.is_empty()) {
        sink.logprobs(pieces.0.iter().map(token).collect());
    }
}

impl EventReader for Reader {
    fn event(&mut self, Event { name, data }: &Event, sink: &mut StreamedAnswer) -> Result<bool, Failure> {
        if data.trim() == "[DONE]" {
            return Ok(true);
        }
        let Ok(event) = serde_json::from_str::<Answer>(data) else { return odd_event(data).map(|()| false) };
        let index = event.index.map(|index| index as u64);
        // The data says what it is. The name of the event stands in for it where it does not.
        match event.kind.as_deref().unwrap_or(name) {
            "message-start" | "stream-start" => sink.identify(event.id.as_deref(), None),
            "tool-call-end" => sink.end_call(self.place(index)),
            "text-generation" | "citation-generation" | "search-results" | "tool-calls-generation" => {
                self.v1(sink, &event);
            }
            "message-end" => return self.end(sink, event.delta.as_deref().unwrap_or(&event), None),
            "stream-end" => return self.end(sink, &event, event.response.as_deref()),
            "stream-error" => return Err(broken_off(&event)),
            "" | "error" => odd_event(data)?,
            _ => {
                if let Some(message) = event.delta.as_deref().and_then(|delta| delta.message.as_ref()) {
                    self.message(sink, message, index);
                }
                logprobs(sink, event.logprobs.as_ref());
            }
        }
        Ok(false)
    }
}

impl Reader {
    /// The upstream says that the answer is complete. In v1 it repeats the answer, and may give its calls only there.
    fn end(&mut self, sink: &mut StreamedAnswer, end: &Answer, answer: Option<&Answer>) -> Result<bool, Failure> {
        if let Some(answer) = answer.filter(|_| sink.calls() == 0 && sink.characters() == 0) {
            self.v1(sink, answer);
        }
        let reason = finish_reason(end)?;
        sink.finish(reason, end.usage().or(answer.and_then(Answer::usage)).as_ref());
        Ok(true)
    }
}
