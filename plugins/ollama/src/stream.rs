//! A streamed answer: one JSON document a line, the last one with `done` and the counts.

use weir_plugin::openai::{self, Completion, StreamedAnswer};
use weir_plugin::{Call, Event, Failure, Operation, Progress, StreamDecoder};

use crate::decode;

/// The state of one stream.
#[derive(Debug)]
pub struct Stream {
    call: Call,
    created: u64,
    answer: StreamedAnswer,
}

weir_plugin::parkable!(struct Stream { call, created, answer });

impl Stream {
    /// Starts. `legacy` says that the client speaks of functions.
    pub fn new(call: Call, legacy: bool) -> Self {
        Self { answer: StreamedAnswer::new(call.clone(), legacy), created: openai::now(), call }
    }

    /// Adds the chunks that a line becomes. Returns whether it is the last.
    fn line(&mut self, text: &str, chunks: &mut Vec<String>) -> Result<bool, Failure> {
        let mut line = decode::line(text)?;
        let is_last = line.done == Some(true);
        let usage = decode::usage(&line).filter(|_| is_last);
        if self.call.operation == Operation::Completions {
            let reason = is_last.then(|| decode::finish_reason(&line));
            let chunk = || Completion::new(&self.call, self.created, self.call.model.as_str());
            chunks.push(openai::to_json(&chunk().with(line.response.take().unwrap_or_default(), reason))?);
            if usage.is_some() {
                chunks.push(openai::to_json(&Completion { usage, ..chunk() })?);
            }
            return Ok(is_last);
        }
        self.answer.identify(None, line.model.as_deref());
        decode::tell(&mut line, &mut self.answer);
        if is_last {
            self.answer.finish(decode::finish_reason(&line), usage.as_ref());
        }
        chunks.extend(self.answer.take());
        Ok(is_last)
    }
}

impl StreamDecoder for Stream {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let mut chunks = Vec::with_capacity(events.len() + 1);
        for event in events {
            if self.line(&event.data, &mut chunks)? {
                return Ok(Progress { chunks, ended: true });
            }
        }
        Ok(Progress { chunks, ended: false })
    }

    fn park(&self) -> Option<String> {
        weir_plugin::park(self)
    }
}
