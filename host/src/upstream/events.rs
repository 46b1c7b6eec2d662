//! A streamed answer, event by event, in the batches in which it arrives.

use std::time::Duration;

use futures_util::FutureExt;

use super::framing::{Event, Framing, Splitter, Trailing};
use super::incoming::Body;
use crate::error::Error;

/// How long, and for how many bytes, the end of a finished answer is waited for. See [`Events::release`].
const RELEASE_TIME: Duration = Duration::from_secs(1);
const RELEASE_BYTES: usize = 64 * 1024;

/// The events of a streamed answer. Dropping them cancels the call.
#[derive(Debug)]
pub struct Events {
    body: Body,
    splitter: Splitter,
    /// The most bytes of one event, and of what one frame may grow to when it is decompressed.
    limit: usize,
    /// A failure behind events that were given out first.
    failure: Option<Error>,
    trailing: Option<Trailing>,
    has_ended: bool,
}

impl Events {
    pub(super) fn new(body: Body, framing: Framing, limit: usize) -> Self {
        let splitter = Splitter::new(framing, limit);
        Self { body, splitter, limit, failure: None, trailing: None, has_ended: false }
    }

    /// The events that the next frame completes: it never waits for a second frame once there is one. `None` at the
    /// end of the body, and after an error.
    ///
    /// A batch may be empty: the upstream sent a comment or an empty event to show that it is alive. Waits without a
    /// limit, so the caller sets one; a call that was dropped while it waited has lost nothing.
    ///
    /// # Errors
    /// A body cut off, an event over the limit, bytes that are not UTF-8, or data that cannot be decompressed.
    pub async fn next(&mut self) -> Option<Result<Batch, Error>> {
        loop {
            if let Some(failure) = self.failure.take() {
                self.has_ended = true;
                return Some(Err(failure));
            }
            if self.has_ended {
                return None;
            }
            match self.body.chunk(self.limit, self.limit).await {
                Some(Ok(chunk)) => {
                    let mut batch = Batch::default();
                    self.failure = self.splitter.push(chunk, &mut batch).err();
                    if batch.has_lines {
                        return Some(Ok(batch));
                    }
                }
                Some(Err(error)) => self.failure = Some(error),
                None => match self.splitter.finish() {
                    Ok(trailing) => (self.trailing, self.has_ended) = (trailing, true),
                    Err(error) => self.failure = Some(error),
                },
            }
        }
    }

    /// What stood unfinished at the end of the body, once `next` has returned `None`. Nothing, if the stream ended
    /// between two events.
    pub fn trailing(&self) -> Option<&Trailing> {
        self.trailing.as_ref()
    }

    /// Says that the answer is complete as far as its content goes, and what follows does not matter.
    ///
    /// The last bytes of the body often come just after the last event. Dropping the events before they have come
    /// costs the connection; this waits for them, aside and for a moment, so that the next call can use it.
    pub fn release(mut self) {
        if self.has_ended || self.failure.is_some() {
            return;
        }
        let mut rest = Box::pin(async move {
            let mut budget = RELEASE_BYTES;
            while let Some(Ok(chunk)) = self.body.chunk(self.limit, self.limit).await {
                budget = budget.saturating_sub(chunk.len());
                if budget == 0 {
                    return;
                }
            }
        });
        if rest.as_mut().now_or_never().is_none() {
            tokio::spawn(tokio::time::timeout(RELEASE_TIME, rest));
        }
    }
}

/// Events that arrived together, in order. One alone, as nearly always, needs no allocation.
#[derive(Debug, Default)]
pub struct Batch {
    first: Option<Event>,
    others: Vec<Event>,
    /// Whether anything was complete, a comment included.
    pub(super) has_lines: bool,
}

impl Batch {
    pub(super) fn push(&mut self, event: Event) {
        if self.first.is_none() {
            self.first = Some(event);
        } else {
            self.others.push(event);
        }
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Whether the frame held only signs of life.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The events in order.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.first.iter().chain(&self.others)
    }
}

impl From<Event> for Batch {
    fn from(event: Event) -> Self {
        Self { first: Some(event), others: Vec::new(), has_lines: true }
    }
}

impl IntoIterator for Batch {
    type Item = Event;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Event>, std::vec::IntoIter<Event>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.others)
    }
}
