//! A stream whose events tell an answer piece by piece: what all decoders of such streams have in common.

use super::StreamedAnswer;
use crate::{Call, Event, Failure, Parkable, Progress, StreamDecoder};

/// Reads the events of an upstream, one after the other.
pub trait EventReader: Parkable + 'static {
    /// Tells what an event says. Returns whether the answer is complete with it.
    ///
    /// # Errors
    /// The upstream's own in the middle of its stream, or `bad-answer` for what cannot be read.
    fn event(&mut self, event: &Event, answer: &mut StreamedAnswer) -> Result<bool, Failure>;

    /// Tells what is left when the stream is over and no event said that the answer is complete.
    fn end(&mut self, _answer: &mut StreamedAnswer) {}
}

/// The decoder of a stream that an [`EventReader`] reads.
#[derive(Debug)]
pub struct AnswerStream<R> {
    reader: R,
    answer: StreamedAnswer,
    has_ended: bool,
}

impl<R: EventReader> AnswerStream<R> {
    /// Begins. `legacy` says that the client speaks of functions ([`super::ChatRequest::adopt_functions`]).
    pub fn new(call: Call, legacy: bool, reader: R) -> Self {
        Self { reader, answer: StreamedAnswer::new(call, legacy), has_ended: false }
    }
}

impl<R: EventReader> StreamDecoder for AnswerStream<R> {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        for event in &events {
            self.has_ended = self.has_ended || self.reader.event(event, &mut self.answer)?;
        }
        Ok(Progress { chunks: self.answer.take(), ended: self.has_ended })
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        if !self.has_ended {
            self.reader.end(&mut self.answer);
        }
        Ok(self.answer.take())
    }

    fn park(&self) -> Option<String> {
        crate::park(self)
    }
}

impl<R: EventReader> Parkable for AnswerStream<R> {
    fn write(&self, state: &mut String) {
        self.reader.write(state);
        self.answer.write(state);
        self.has_ended.write(state);
    }

    fn read(state: &mut &str) -> Option<Self> {
        let (reader, answer) = (R::read(state)?, StreamedAnswer::read(state)?);
        Some(Self { reader, answer, has_ended: bool::read(state)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;
    use crate::openai::{AnswerSink, FinishReason};

    /// Repeats what events say, up to `end`.
    struct Echo;

    crate::parkable!(
        struct Echo {}
    );

    impl EventReader for Echo {
        fn event(&mut self, event: &Event, answer: &mut StreamedAnswer) -> Result<bool, Failure> {
            match event.data.as_str() {
                "fail" => Err(Failure::bad_answer("failed")),
                "end" => Ok(true),
                text => {
                    answer.text(text);
                    Ok(false)
                }
            }
        }

        fn end(&mut self, answer: &mut StreamedAnswer) {
            answer.finish(FinishReason::Length, None);
        }
    }

    fn stream() -> AnswerStream<Echo> {
        let call = Call {
            operation: Operation::Chat,
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            request_id: "r".to_owned(),
            headers: Vec::new(),
        };
        AnswerStream::new(call, false, Echo)
    }

    fn events(data: &[&str]) -> Vec<Event> {
        data.iter().map(|data| Event { name: String::new(), data: (*data).to_owned() }).collect()
    }

    #[test]
    fn a_stream_ends_with_the_event_that_says_so_and_with_the_last_one_if_none_does() {
        let mut ended = stream();
        let progress = ended.push(events(&["a", "end", "b"])).unwrap();
        assert_eq!((progress.chunks.len(), progress.ended), (2, true));
        assert!(ended.finish().unwrap().is_empty());
        let mut cut = stream();
        let progress = cut.push(events(&["a", "b"])).unwrap();
        assert_eq!((progress.chunks.len(), progress.ended), (3, false));
        assert_eq!(cut.finish().unwrap().len(), 1);
        assert!(stream().push(events(&["fail"])).is_err());
    }
}
