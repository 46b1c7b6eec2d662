//! A streamed answer, event by event.
//!
//! v2 begins with `message-start`, tells content, plan, calls and citations in parts of a message, and ends with
//! `message-end`; `[DONE]` follows. v1 tells text with `text-generation`, each call once more when it is complete, and
//! ends with `stream-end`, which repeats the whole answer. Kinds that are not known here may stand anywhere.

use weir_plugin::openai::{AnswerSink, StreamedAnswer, odd_event};
use weir_plugin::{Call, Event, Failure, Progress, StreamDecoder};

use crate::answer::{Reader, broken_off, finish_reason, logprobs};
use crate::wire::Answer;

/// The translation of one stream.
#[derive(Debug)]
pub struct Stream {
    sink: StreamedAnswer,
    reader: Reader,
    ended: bool,
}

impl Stream {
    /// Starts. `legacy` as in [`crate::answer::whole`].
    pub fn new(call: Call, legacy: bool) -> Self {
        Self { sink: StreamedAnswer::new(call, legacy), reader: Reader::default(), ended: false }
    }

    fn event(&mut self, Event { name, data }: &Event) -> Result<(), Failure> {
        if data.trim() == "[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let Ok(event) = serde_json::from_str::<Answer>(data) else { return odd_event(data) };
        let (reader, sink) = (&mut self.reader, &mut self.sink);
        let index = event.index.map(|index| index as u64);
        // The data says what it is. The name of the event stands in for it where it does not.
        match event.kind.as_deref().or(event.event_type.as_deref()).unwrap_or(name) {
            "message-start" | "stream-start" => {
                sink.identify(event.id.as_deref().or(event.generation_id.as_deref()), None);
            }
            "tool-call-end" => reader.end_call(sink, index),
            "text-generation" | "citation-generation" | "search-results" | "tool-calls-generation" => {
                reader.v1(sink, &event);
            }
            "message-end" => return self.end(event.delta.as_deref().unwrap_or(&event), None),
            "stream-end" => return self.end(&event, event.response.as_deref()),
            "stream-error" => return Err(broken_off(&event)),
            "" | "error" => return odd_event(data),
            _ => {
                if let Some(message) = event.delta.as_deref().and_then(|delta| delta.message.as_ref()) {
                    reader.message(sink, message, index);
                }
                logprobs(sink, event.logprobs.as_ref());
            }
        }
        Ok(())
    }

    /// The upstream says that the answer is complete. In v1 it repeats the answer, and may give its calls only there.
    fn end(&mut self, end: &Answer, answer: Option<&Answer>) -> Result<(), Failure> {
        if let Some(answer) = answer.filter(|_| self.sink.calls() == 0 && self.sink.characters() == 0) {
            self.reader.v1(&mut self.sink, answer);
        }
        let reason = finish_reason(end)?;
        self.sink.finish(reason, end.usage().or(answer.and_then(Answer::usage)).as_ref());
        self.ended = true;
        Ok(())
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        for event in &events {
            if !self.ended {
                self.event(event)?;
            }
        }
        Ok(Progress { chunks: self.sink.take(), ended: self.ended })
    }
}
