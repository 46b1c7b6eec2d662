//! A deadline that is moved often and missed rarely: its timer is registered only when someone waits for it, and not
//! again each time it moves.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A point in time that may be set or not.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    at: Option<Instant>,
    /// Fires at or before `at`; when it fires early it is moved. So a deadline that moves with every request costs
    /// one timer event in its own length of time.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the deadline, unless it is set.
    pub(super) fn arm(&mut self, after: Duration) {
        if self.at.is_none() {
            self.at = Some(Instant::now() + after);
        }
    }

    /// Whether it is set.
    pub(super) fn is_armed(&self) -> bool {
        self.at.is_some()
    }

    /// Takes the deadline away.
    pub(super) fn disarm(&mut self) {
        self.at = None;
    }

    /// Ready when the deadline has passed; pending, with the task woken in time, when it is yet to come; pending for
    /// ever when there is none.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn passes_after(deadline: &mut Deadline) -> Duration {
        let start = Instant::now();
        poll_fn(|context| deadline.poll(context)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_armed_deadline_passes_once_and_moves_only_when_it_was_disarmed() {
        let mut deadline = Deadline::default();
        deadline.arm(Duration::from_secs(5));
        deadline.arm(Duration::from_secs(1));
        assert_eq!(passes_after(&mut deadline).await, Duration::from_secs(5));
        assert_eq!(passes_after(&mut deadline).await, Duration::ZERO, "it stays in the past");
        for seconds in [7, 2, 9] {
            deadline.disarm();
            deadline.arm(Duration::from_secs(seconds));
            assert!(poll_fn(|context| Poll::Ready(deadline.poll(context))).await.is_pending());
            deadline.disarm();
            deadline.arm(Duration::from_secs(seconds));
            assert_eq!(passes_after(&mut deadline).await, Duration::from_secs(seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_not_set_never_passes() {
        let mut deadline = Deadline::default();
        deadline.arm(Duration::from_secs(1));
        deadline.disarm();
        let waiting = passes_after(&mut deadline);
        assert!(tokio::time::timeout(Duration::from_secs(1000), waiting).await.is_err());
    }
}
