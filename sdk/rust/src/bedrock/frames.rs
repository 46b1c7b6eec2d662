//! The streams of `InvokeModelWithResponseStream`: each event is the model's own, in base64 within an object.

use serde::Deserialize;

use super::failure;
use crate::openai::{Text, base64};
use crate::{Event, Failure, Progress, StreamDecoder};

/// A decoder of a model's own events, fed with those of Bedrock's that hold them.
pub struct Unwrapped<D>(pub D);

impl<D: StreamDecoder> StreamDecoder for Unwrapped<D> {
    fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
        let events: Vec<_> = events.iter().filter_map(|event| unwrap(event).transpose()).collect::<Result<_, _>>()?;
        self.0.push(events)
    }

    fn finish(&mut self) -> Result<Vec<String>, Failure> {
        self.0.finish()
    }

    fn park(&self) -> Option<String> {
        self.0.park()
    }
}

/// The event inside: without a name, which models that name their events do within them. None in events of a kind that
/// is unknown here.
///
/// # Errors
/// What an exception tells, and a frame that cannot be read.
pub fn unwrap(event: &Event) -> Result<Option<Event>, Failure> {
    /// The data of a `chunk`, less its padding.
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        bytes: Text<'a>,
    }
    match event.name.as_str() {
        "chunk" => {}
        name if name == "error" || name.ends_with("Exception") => return Err(failure::of_event(name, &event.data)),
        _ => return Ok(None),
    }
    let frame = serde_json::from_str(&event.data).ok();
    let data = frame.and_then(|Frame { bytes }| String::from_utf8(base64(&bytes)?).ok());
    let data = data.ok_or_else(|| Failure::bad_answer("The provider sent a frame that cannot be read."))?;
    Ok(Some(Event { name: String::new(), data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    /// Makes chunks of events as they are.
    struct Echo;

    impl StreamDecoder for Echo {
        fn push(&mut self, events: Vec<Event>) -> Result<Progress, Failure> {
            Ok(Progress { chunks: events.into_iter().map(|event| event.data).collect(), ended: false })
        }
    }

    #[test]
    fn events_are_taken_out_of_their_frames() {
        let unavailable = FailureKind::Unavailable;
        for (name, data, expected) in [
            ("chunk", r#"{"bytes":"eyJhIjoxfQ==","p":"abc"}"#, Ok(vec![r#"{"a":1}"#.to_owned()])),
            ("unknown", "{}", Ok(vec![])),
            ("chunk", r#"{"bytes":"*"}"#, Err(FailureKind::BadAnswer)),
            ("chunk", r#"{"p":"abc"}"#, Err(FailureKind::BadAnswer)),
            ("modelStreamErrorException", r#"{"message":"broke down"}"#, Err(unavailable)),
            ("error", r#"{"code":"internalServerException","message":"broke down"}"#, Err(unavailable)),
        ] {
            let event = Event { name: name.to_owned(), data: data.to_owned() };
            let pushed = Unwrapped(Echo).push(vec![event]);
            assert_eq!(pushed.map(|it| it.chunks).map_err(|failure| failure.kind), expected, "{name} {data}");
        }
    }
}
