//! How long an upstream may be silent within a stream, and how slowly it may speak.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, Sleep};

use super::content;
use crate::config::Timeouts;
use crate::error::{Cause, Error};
use crate::standing::Speed;

/// Stands for "for ever" where a clock has to be set.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// After so much silence an upstream pauses, and what is not needed to wait for it is given back. A model that speaks
/// without a pause is heard more often.
const PAUSE: Duration = Duration::from_millis(100);

/// After so much silence the client is told that the stream lives, if the upstream says so.
const QUIET: Duration = Duration::from_secs(5);

/// Bounds how long an upstream may be silent: before its first event for `first_byte`, and from then on for `idle`.
/// Signs of life count as if something had been said, but nothing but signs of life is borne for `first_byte` only.
/// Where a speed is demanded, it is measured in the time in which the upstream is waited for.
pub(super) struct Silence {
    first_byte: Duration,
    idle: Duration,
    /// Set when it was last known to be needed; moved when it fires, not for every event.
    timer: Pin<Box<Sleep>>,
    last_line: Instant,
    last_event: Instant,
    last_kept_alive: Instant,
    has_begun: bool,
    /// Whether the upstream had paused before it was heard last: most likely it will again.
    pauses: bool,
    /// What was said since the last event, in characters, and how that goes together with the rest. `None` if it may
    /// be as slow as it likes.
    pace: Option<Pace>,
}

/// What is to be done when the upstream pauses.
pub(super) struct Rest<W> {
    /// Whether to do it as soon as nothing is there, pause or not.
    pub(super) at_once: bool,
    pub(super) work: W,
}

/// The speed of a stream.
struct Pace {
    speed: Speed,
    /// Characters of content that came and are not accounted for yet.
    said: usize,
}

impl Silence {
    /// The first event is due from now on.
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        let pace = Speed::watch(timeouts).map(|speed| Pace { speed, said: 0 });
        Self { pace, ..Self::of(timeouts.first_byte, timeouts.idle) }
    }

    fn of(first_byte: Duration, idle: Duration) -> Self {
        let now = Instant::now();
        let (first_byte, idle) = (first_byte.min(FOR_EVER), idle.min(FOR_EVER));
        let timer = Box::pin(tokio::time::sleep_until(now + first_byte));
        let (last_line, last_event, last_kept_alive) = (now, now, now);
        Self {
            first_byte,
            idle,
            timer,
            last_line,
            last_event,
            last_kept_alive,
            has_begun: false,
            pauses: false,
            pace: None,
        }
    }

    /// For what comes from no upstream.
    pub(super) fn unbounded() -> Self {
        Self::of(FOR_EVER, FOR_EVER)
    }

    /// The client has its first bytes.
    pub(super) fn has_begun(&mut self) {
        self.has_begun = true;
        let next = self.look_again();
        self.timer.as_mut().reset(next);
    }

    /// The upstream was heard: an event, or only a sign of life.
    pub(super) fn heard(&mut self, is_event: bool) {
        let now = Instant::now();
        // How long it takes to begin says nothing of how it goes on.
        self.pauses = self.has_begun && self.last_line + PAUSE <= now;
        self.last_line = now;
        if is_event {
            self.last_event = now;
        }
    }

    /// The client is about to get this event.
    pub(super) fn said(&mut self, event: &[u8]) {
        if let Some(pace) = &mut self.pace {
            pace.said += content::characters(event);
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

    /// Waits for what comes next, as long as the upstream may be silent. If there is something to be done when it pauses,
    /// that is done after a moment without an event, or at once if there was such a moment before the last one.
    pub(super) async fn wait<T>(
        &mut self,
        next: impl Future<Output = T>,
        mut rest: Option<Rest<impl Future<Output = Result<(), Error>>>>,
    ) -> Result<T, Error> {
        let mut next = pin!(next);
        if let Some(pace) = &mut self.pace {
            pace.begin(self.last_line)?;
        }
        let pause = self.last_line + PAUSE;
        match rest.take_if(|rest| rest.at_once || self.pauses) {
            Some(rest) => match next.as_mut().now_or_never() {
                Some(value) => return Ok(value),
                None => rest.work.await?,
            },
            None if rest.is_some() && pause < self.timer.deadline() => self.timer.as_mut().reset(pause),
            None => {}
        }
        loop {
            tokio::select! {
                biased;
                value = &mut next => return Ok(value),
                () = &mut self.timer => {
                    if self.deadline() <= Instant::now() {
                        return Err(self.too_long());
                    }
                    if let Some(pace) = &mut self.pace {
                        pace.check()?;
                    }
                    if let Some(rest) = rest.take_if(|_| pause <= Instant::now()) {
                        rest.work.await?;
                    }
                    let next = self.look_again();
                    self.timer.as_mut().reset(if rest.is_some() { pause.min(next) } else { next });
                }
            }
        }
    }

    /// When to look again whether the upstream is too slow or silent for too long.
    fn look_again(&self) -> Instant {
        let deadline = self.deadline();
        self.pace.as_ref().map_or(deadline, |pace| deadline.min(pace.speed.look_again(Instant::now())))
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

impl Pace {
    /// Accounts for what came at this time, and waits for more from now on.
    fn begin(&mut self, came: Instant) -> Result<(), Error> {
        self.speed.received(came, std::mem::take(&mut self.said));
        self.speed.waiting(Instant::now());
        self.check()
    }

    fn check(&mut self) -> Result<(), Error> {
        if self.speed.is_too_slow(Instant::now()) {
            return Err(Error::new(Cause::Timeout, "The upstream sent its answer too slowly."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{Ready, pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at_rest(outcome: Result<(), Error>) -> Option<Rest<Ready<Result<(), Error>>>> {
        Some(Rest { at_once: false, work: ready(outcome) })
    }

    async fn wait<T>(silence: &mut Silence, next: impl Future<Output = T>) -> Result<T, Error> {
        silence.wait(next, None::<Rest<Ready<Result<(), Error>>>>).await
    }

    /// How many seconds pass until the silence is too long, if the upstream is heard as told, one entry a second.
    async fn seconds_until_too_long(silence: &mut Silence, heard: &[Option<bool>]) -> u64 {
        let start = Instant::now();
        for heard in heard {
            let slept = tokio::time::sleep(SECOND);
            if wait(silence, slept).await.is_err() {
                return start.elapsed().as_secs();
            }
            if let Some(is_event) = heard {
                silence.heard(*is_event);
            }
        }
        let error = wait(silence, pending::<()>()).await.unwrap_err();
        assert_eq!(error.cause, Cause::Timeout);
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_event_may_take_longer_than_the_others() {
        let mut silence = Silence::of(SECOND * 10, SECOND * 3);
        assert_eq!(seconds_until_too_long(&mut silence, &[]).await, 10);
        let mut silence = Silence::of(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[]).await, 3);
        let mut silence = Silence::of(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[Some(true); 20]).await, 23);
    }

    /// How often a stream rests whose events come so many milliseconds after one another.
    async fn rests(gaps: &[u64], at_once: bool) -> usize {
        let (mut silence, rests) = (Silence::of(SECOND * 10, SECOND * 3), Cell::new(0));
        silence.has_begun();
        for gap in gaps {
            let next = tokio::time::sleep(Duration::from_millis(*gap));
            let work = async {
                rests.set(rests.get() + 1);
                Ok(())
            };
            assert!(silence.wait(next, Some(Rest { at_once, work })).await.is_ok());
            silence.heard(true);
        }
        rests.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_rests_once_in_each_pause_and_never_without_one() {
        for (gaps, expected) in [
            (vec![5; 100], 0),
            (vec![95; 100], 0),
            (vec![400, 400, 2_000, 400], 4),
            // After a pause the next one is expected at once, and not after events without one.
            (vec![5, 400, 5, 5, 400, 5, 5], 4),
            (vec![], 0),
        ] {
            assert_eq!(rests(&gaps, false).await, expected, "{gaps:?}");
            assert_eq!(rests(&gaps, true).await, gaps.len(), "{gaps:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_rests_is_ended_when_the_silence_is_too_long_or_the_rest_fails() {
        let mut silence = Silence::of(SECOND * 10, SECOND * 3);
        silence.has_begun();
        let start = Instant::now();
        let error = silence.wait(pending::<()>(), at_rest(Ok(()))).await.unwrap_err();
        assert_eq!((error.cause, start.elapsed().as_secs()), (Cause::Timeout, 3));
        silence.heard(true);
        let failing = at_rest(Err(Error::internal("no rest")));
        assert_eq!(silence.wait(pending::<()>(), failing).await.unwrap_err().cause, Cause::Internal);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_alone_are_not_progress_for_ever() {
        let mut silence = Silence::of(SECOND * 10, SECOND * 3);
        silence.has_begun();
        assert_eq!(seconds_until_too_long(&mut silence, &[Some(false); 60]).await, 10);
    }

    /// How many seconds pass until a stream is too slow that says so much each second, for which the client takes so
    /// long each time; `None` if it is not within two minutes.
    async fn seconds_until_too_slow(letters: usize, client: Duration) -> Option<u64> {
        let timeouts = Timeouts { min_speed: Some(10), speed_window: SECOND * 20, ..Timeouts::default() };
        let event = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(letters));
        let (mut silence, start) = (Silence::new(&timeouts), Instant::now());
        silence.has_begun();
        while start.elapsed() < SECOND * 120 {
            if let Err(error) = wait(&mut silence, tokio::time::sleep(SECOND)).await {
                assert_eq!(error.cause, Cause::Timeout);
                return Some(start.elapsed().as_secs());
            }
            silence.heard(true);
            silence.said(event.as_bytes());
            tokio::time::sleep(client).await;
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_trickles_is_too_slow_after_a_window_and_one_that_keeps_up_never_is() {
        assert_eq!(seconds_until_too_slow(11, Duration::ZERO).await, None);
        // The window begins with the first content, after a second.
        assert_eq!(seconds_until_too_slow(5, Duration::ZERO).await, Some(21));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_does_not_make_the_upstream_slow() {
        assert_eq!(seconds_until_too_slow(11, SECOND * 4).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_says_nothing_more_is_too_slow_before_it_is_silent_for_too_long() {
        let timeouts = Timeouts { min_speed: Some(10), speed_window: SECOND * 20, ..Timeouts::default() };
        let (mut silence, start) = (Silence::new(&timeouts), Instant::now());
        silence.has_begun();
        assert!(wait(&mut silence, ready(())).await.is_ok());
        silence.heard(true);
        silence.said(br#"{"text":"x"}"#);
        assert!(wait(&mut silence, pending::<()>()).await.is_err());
        assert!((20..=22).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}
