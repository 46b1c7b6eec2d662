//! How long an upstream may be silent within a stream.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::error::{Cause, Error};

/// Stands for "for ever" where a clock has to be set.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// After so much silence the client is told that the stream lives, if the upstream says so.
const QUIET: Duration = Duration::from_secs(5);

/// Bounds how long an upstream may be silent: before its first event for `first_byte`, and from then on for `idle`.
/// Signs of life count as if something had been said, but nothing but signs of life is borne for `first_byte` only.
pub(super) struct Silence {
    first_byte: Duration,
    idle: Duration,
    /// Set when it was last known to be needed; moved when it fires, not for every event.
    timer: Pin<Box<Sleep>>,
    last_line: Instant,
    last_event: Instant,
    last_kept_alive: Instant,
    has_begun: bool,
}

impl Silence {
    /// The first event is due from now on.
    pub(super) fn new(first_byte: Duration, idle: Duration) -> Self {
        let now = Instant::now();
        let (first_byte, idle) = (first_byte.min(FOR_EVER), idle.min(FOR_EVER));
        let timer = Box::pin(tokio::time::sleep_until(now + first_byte));
        Self { first_byte, idle, timer, last_line: now, last_event: now, last_kept_alive: now, has_begun: false }
    }

    /// For what comes from no upstream.
    pub(super) fn unbounded() -> Self {
        Self::new(FOR_EVER, FOR_EVER)
    }

    /// The client has its first bytes.
    pub(super) fn has_begun(&mut self) {
        self.has_begun = true;
        let deadline = self.deadline();
        self.timer.as_mut().reset(deadline);
    }

    /// The upstream was heard: an event, or only a sign of life.
    pub(super) fn heard(&mut self, is_event: bool) {
        let now = Instant::now();
        self.last_line = now;
        if is_event {
            self.last_event = now;
        }
    }

    /// Whether the client has heard nothing for so long that it should be told that the stream lives.
    pub(super) fn was_long(&mut self) -> bool {
        let quiet_since = self.last_event.max(self.last_kept_alive);
        let is_long = self.has_begun && quiet_since.elapsed() >= QUIET;
        if is_long {
            self.last_kept_alive = Instant::now();
        }
        is_long
    }

    /// Waits for what comes next, as long as the upstream may be silent.
    pub(super) async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Error> {
        let mut next = std::pin::pin!(next);
        loop {
            tokio::select! {
                biased;
                value = &mut next => return Ok(value),
                () = &mut self.timer => {
                    let deadline = self.deadline();
                    if deadline <= Instant::now() {
                        return Err(self.too_long());
                    }
                    self.timer.as_mut().reset(deadline);
                }
            }
        }
    }

    /// When the silence is too long, as things stand.
    fn deadline(&self) -> Instant {
        if self.has_begun {
            (self.last_line + self.idle).min(self.last_event + self.first_byte.max(self.idle))
        } else {
            self.last_event + self.first_byte
        }
    }

    fn too_long(&self) -> Error {
        let message = if self.has_begun {
            "The upstream went silent in the middle of its answer."
        } else {
            "The upstream accepted the request and then sent nothing."
        };
        Error::new(Cause::Timeout, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many seconds pass until the silence is too long, if the upstream is heard as told, one entry a second.
    async fn seconds_until_too_long(silence: &mut Silence, heard: &[Option<bool>]) -> u64 {
        let start = Instant::now();
        for heard in heard {
            let slept = tokio::time::sleep(SECOND);
            if silence.wait(slept).await.is_err() {
                return start.elapsed().as_secs();
            }
            if let Some(is_event) = heard {
                silence.heard(*is_event);
            }
        }
        let error = silence.wait(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.cause, Cause::Timeout);
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_event_may_take_longer_than_the_others() {
        let mut silence = Silence::new(SECOND * 10, SECOND * 3);
        assert_eq!(seconds_until_too_long(&mut silence, &[]).await, 10);
        let mut silence = Silence::new(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[]).await, 3);
        let mut silence = Silence::new(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[Some(true); 20]).await, 23);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_alone_are_not_progress_for_ever() {
        let mut silence = Silence::new(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[Some(false); 60]).await, 10);
    }
}
