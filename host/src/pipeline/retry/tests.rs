//! Plans carried out against targets that do as they are told, on a clock that stands still until somebody waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::time::{Instant, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a target does when it is asked: how long it takes, and what comes of it.
type Deed = (Duration, Result<(), Error>);

/// Targets with what they do, one deed for each time they are asked.
struct Script {
    retries: Retries,
    targets: Vec<RefCell<VecDeque<Deed>>>,
    /// Targets that cannot be asked.
    closed: Vec<usize>,
    /// Those of them that can be asked if there is nobody else.
    resting: Vec<usize>,
    /// How many attempts may be repeated, and made beside others.
    repeats: Cell<u32>,
    hedges: Cell<u32>,
    windows: Vec<u64>,
    /// When all of it has to be over.
    deadline: Option<Instant>,
    can_shorten: bool,
    cancelled: RefCell<Vec<usize>>,
}

impl Script {
    fn new<const N: usize>(targets: [Vec<Deed>; N]) -> Self {
        Self {
            retries: Retries { attempts: 3, ..Retries::default() },
            targets: targets.into_iter().map(|deeds| RefCell::new(deeds.into())).collect(),
            closed: Vec::new(),
            resting: Vec::new(),
            repeats: Cell::new(10),
            hedges: Cell::new(10),
            windows: vec![0; N],
            deadline: None,
            can_shorten: false,
            cancelled: RefCell::default(),
        }
    }

    /// The target that answered or the error, what was noted, and how long it took.
    async fn run(&self, plan: &[Step]) -> (Result<usize, Error>, Vec<String>, Duration) {
        let (mut notes, began) = (Written::default(), Instant::now());
        let outcome = carry_out(self, plan, self.targets.len(), &mut notes).await;
        (outcome.map(|(target, ())| target), notes.0, began.elapsed())
    }
}

/// Notes an attempt that is dropped before its end.
struct Cancelled<'a>(&'a Script, Option<usize>);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        self.0.cancelled.borrow_mut().extend(self.1);
    }
}

impl Trial for Script {
    type Work = ();
    type Leave = ();
    type Answer = ();

    fn retries(&self, _: usize) -> &Retries {
        &self.retries
    }

    fn may_repeat(&self, _: usize) -> bool {
        take(&self.repeats)
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline - Instant::now())
    }

    fn may_hedge(&self, _: usize) -> bool {
        take(&self.hedges)
    }

    fn has_more_room(&self, target: usize, than: usize) -> bool {
        self.windows[target] > self.windows[than]
    }

    async fn enter(&self, target: usize) -> Result<(), Error> {
        match self.closed.contains(&target) {
            true => Err(Error::new(Cause::Unavailable, "out of service")),
            false => Ok(()),
        }
    }

    fn enter_beside(&self, target: usize) -> Option<()> {
        (!self.closed.contains(&target)).then_some(())
    }

    async fn enter_anyway(&self, target: usize) -> Result<(), Error> {
        if self.resting.contains(&target) { Ok(()) } else { self.enter(target).await }
    }

    fn begin(&self, _: usize) -> Result<(), Error> {
        Ok(())
    }

    fn shorten(&self, _: usize, (): &mut (), _: &Error) -> bool {
        self.can_shorten
    }

    async fn attempt(&self, (): &mut (), step: &Step, (): ()) -> Result<(), Error> {
        let (takes, outcome) = self.targets[step.target].borrow_mut().pop_front().expect("a deed for each attempt");
        let mut cancelled = Cancelled(self, Some(step.target));
        sleep(takes).await;
        cancelled.1 = None;
        outcome
    }
}

#[derive(Default)]
struct Written(Vec<String>);

impl Notes for Written {
    fn begun(&mut self, target: usize, is_hedge: bool) {
        self.0.push(format!("{}{target}", if is_hedge { "beside " } else { "" }));
    }

    fn failed(&mut self, target: usize, error: &Error, follows: Follows) {
        self.0.push(format!("{target} {} -> {follows:?}", error.cause.label()));
    }

    fn kept(&mut self, target: usize) {
        self.0.push(format!("kept {target}"));
    }
}

fn take(budget: &Cell<u32>) -> bool {
    let left = budget.get();
    budget.set(left.saturating_sub(1));
    left > 0
}

fn good() -> Deed {
    (SECOND, Ok(()))
}

fn bad(cause: Cause) -> Deed {
    (SECOND, Err(Error::new(cause, "no")))
}

/// An error that may pass.
fn passing() -> Deed {
    (SECOND, Err(Error::new(Cause::Unavailable, "busy").retryable(None)))
}

fn steps<const N: usize>(targets: [usize; N]) -> [Step; N] {
    targets.map(|target| Step { target, ..Step::default() })
}

fn hedged(after: Duration) -> [Step; 2] {
    let [first, second] = steps([0, 1]);
    [Step { hedge: Some(after), ..first }, second]
}

#[tokio::test(start_paused = true)]
async fn the_first_target_that_answers_is_the_last_that_is_asked() {
    let script = Script::new([vec![bad(Cause::Connection)], vec![good()], vec![]]);
    let (outcome, notes, took) = script.run(&steps([0, 1, 2])).await;
    assert_eq!(outcome.unwrap(), 1);
    assert_eq!(notes, ["0", "0 connection -> Other", "1"]);
    assert_eq!(took, 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn every_error_that_may_be_the_targets_own_leads_to_the_next() {
    use Cause as C;
    let own = [
        (C::Unsupported, C::Authentication, C::Permission, C::NotFound, C::RateLimit, C::Unavailable),
        (C::Timeout, C::BadAnswer, C::Connection, C::Plugin, C::Overloaded, C::Unavailable),
    ];
    for cause in own.into_iter().flat_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f]) {
        let (outcome, ..) = Script::new([vec![bad(cause)], vec![good()]]).run(&steps([0, 1])).await;
        assert_eq!(outcome.unwrap(), 1, "{cause:?}");
    }
    for cause in [C::InvalidRequest, C::ContentFilter, C::Internal] {
        let (outcome, notes, _) = Script::new([vec![bad(cause)], vec![]]).run(&steps([0, 1])).await;
        assert_eq!((outcome.unwrap_err().cause, notes), (cause, vec!["0".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_only_where_there_is_more_room() {
    let mut script = Script::new([vec![bad(Cause::ContextLength)], vec![], vec![good()]]);
    script.windows = vec![8, 4, 16];
    let (outcome, notes, _) = script.run(&steps([0, 1, 2])).await;
    assert_eq!(outcome.unwrap(), 2);
    assert_eq!(notes, ["0", "0 context_length -> Other", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_is_made_shorter_once_where_nobody_has_more_room() {
    let mut script = Script::new([vec![bad(Cause::ContextLength), good()], vec![]]);
    script.can_shorten = true;
    let (outcome, notes, _) = script.run(&steps([0, 1])).await;
    assert_eq!((outcome.unwrap(), notes), (0, ["0", "0 context_length -> Same", "0"].map(str::to_owned).to_vec()));
    let mut script = Script::new([vec![bad(Cause::ContextLength), bad(Cause::ContextLength)]]);
    script.can_shorten = true;
    let (outcome, notes, _) = script.run(&steps([0])).await;
    assert_eq!((outcome.unwrap_err().cause, notes.len()), (Cause::ContextLength, 3));
}

#[tokio::test(start_paused = true)]
async fn the_same_target_is_asked_again_after_a_wait_and_only_so_often() {
    let script = Script::new([vec![passing(), passing(), passing()]]);
    let (outcome, notes, took) = script.run(&steps([0])).await;
    let error = outcome.unwrap_err();
    assert!(error.exhausted && error.cause == Cause::Unavailable);
    assert_eq!(notes, ["0", "0 unavailable -> Same", "0", "0 unavailable -> Same", "0"]);
    let waited = took - 3 * SECOND;
    assert!(waited >= (script.retries.backoff * 3) / 2 && waited <= script.retries.backoff * 3, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn without_budget_there_is_no_second_attempt_at_the_same_target_but_one_at_another() {
    let script = Script::new([vec![passing()], vec![passing()]]);
    script.repeats.set(0);
    let (outcome, notes, _) = script.run(&steps([0, 1])).await;
    assert!(outcome.is_err());
    assert_eq!(notes, ["0", "0 unavailable -> Other", "1"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_who_wants_to_be_left_alone_for_longer_than_there_is_time() {
    for (left, asked) in [(7 * SECOND, 2), (6 * SECOND, 1)] {
        let limited = || Error::new(Cause::RateLimit, "slow down").retryable(Some(5 * SECOND));
        let mut script = Script::new([vec![(SECOND, Err(limited())), good()]]);
        script.deadline = Some(Instant::now() + left);
        let (outcome, notes, _) = script.run(&steps([0])).await;
        assert_eq!(outcome.map_err(|error| error.cause), [Err(Cause::RateLimit), Ok(0)][asked - 1]);
        assert_eq!(notes.iter().filter(|note| *note == "0").count(), asked, "{notes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_gone_through_again_while_errors_may_pass() {
    let script = Script::new([vec![passing(), good()], vec![bad(Cause::Authentication)]]);
    let (outcome, notes, _) = script.run(&steps([0, 1])).await;
    assert_eq!(outcome.unwrap(), 0);
    assert_eq!(notes, ["0", "0 unavailable -> Other", "1", "1 authentication -> Same", "0"]);
}

#[tokio::test(start_paused = true)]
async fn targets_that_cannot_be_asked_are_passed_over() {
    let mut script = Script::new([vec![], vec![good()]]);
    script.closed = vec![0];
    let (outcome, notes, _) = script.run(&steps([0, 1])).await;
    assert_eq!(outcome.unwrap(), 1);
    assert_eq!(notes, ["0 unavailable -> Other", "1"]);
    let mut script = Script::new([vec![bad(Cause::RateLimit)], vec![]]);
    script.closed = vec![1];
    let (outcome, ..) = script.run(&steps([0, 1])).await;
    assert_eq!(outcome.unwrap_err().cause, Cause::RateLimit, "what was really said goes before what was not asked");
}

#[tokio::test(start_paused = true)]
async fn if_nobody_can_be_asked_the_first_that_only_rests_is_asked_once() {
    let mut script = Script::new([vec![], vec![passing()], vec![]]);
    (script.closed, script.resting) = (vec![0, 1, 2], vec![1, 2]);
    let (outcome, notes, took) = script.run(&steps([0, 1, 2])).await;
    assert_eq!(outcome.unwrap_err().message, "busy");
    assert_eq!((notes.last().map(String::as_str), took), (Some("1"), SECOND));
    let mut script = Script::new([vec![], vec![bad(Cause::NotFound)]]);
    (script.closed, script.resting) = (vec![0], vec![0]);
    let (outcome, ..) = script.run(&steps([0, 1])).await;
    assert_eq!(outcome.unwrap_err().cause, Cause::NotFound, "somebody was asked, so that who rests is let rest");
}

#[tokio::test(start_paused = true)]
async fn the_only_target_is_asked_again_though_it_rests() {
    let mut script = Script::new([vec![passing(), passing(), good()]]);
    (script.closed, script.resting) = (vec![0], vec![0]);
    let (outcome, notes, _) = script.run(&steps([0])).await;
    assert_eq!(outcome.unwrap(), 0);
    assert_eq!(notes.len(), 5, "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_asked_beside_another_may_still_be_the_next() {
    let late = Err(Error::new(Cause::BadAnswer, "no"));
    let mut script = Script::new([vec![(10 * SECOND, late)], vec![]]);
    script.closed = vec![1];
    let (outcome, notes, took) = script.run(&hedged(2 * SECOND)).await;
    assert_eq!(outcome.unwrap_err().cause, Cause::BadAnswer);
    assert_eq!((notes, took), (vec!["0".to_owned(), "0 bad_answer -> Other".to_owned()], 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_gets_another_beside_it_and_the_loser_is_cancelled() {
    let script = Script::new([vec![(10 * SECOND, Ok(()))], vec![good()]]);
    let (outcome, notes, took) = script.run(&hedged(2 * SECOND)).await;
    assert_eq!((outcome.unwrap(), took), (1, 3 * SECOND));
    assert_eq!(notes, ["0", "beside 1", "kept 1"]);
    assert_eq!(*script.cancelled.borrow(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_fails_leaves_the_first_to_answer() {
    let script = Script::new([vec![(10 * SECOND, Ok(()))], vec![bad(Cause::Connection)]]);
    let (outcome, notes, took) = script.run(&hedged(2 * SECOND)).await;
    assert_eq!((outcome.unwrap(), took), (0, 10 * SECOND));
    assert_eq!(notes, ["0", "beside 1", "kept 0"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_that_answers_in_time_or_that_the_budget_does_not_allow() {
    let script = Script::new([vec![good()], vec![]]);
    assert_eq!(script.run(&hedged(2 * SECOND)).await.1, ["0"]);
    let script = Script::new([vec![(10 * SECOND, Ok(()))], vec![]]);
    script.hedges.set(0);
    let (outcome, notes, took) = script.run(&hedged(2 * SECOND)).await;
    assert_eq!((outcome.unwrap(), notes, took), (0, vec!["0".to_owned()], 10 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_asked_beside_another_is_not_asked_as_the_next_step_again() {
    let late = Err(Error::new(Cause::BadAnswer, "no"));
    let script = Script::new([vec![(10 * SECOND, late)], vec![bad(Cause::NotFound)]]);
    let (outcome, notes, _) = script.run(&hedged(2 * SECOND)).await;
    assert_eq!(outcome.unwrap_err().cause, Cause::BadAnswer);
    assert_eq!(notes, ["0", "beside 1"]);
}

#[test]
fn the_upstreams_own_wait_is_kept_to_if_it_is_short() {
    let retries = Retries { attempts: 3, ..Retries::default() };
    let soon = Error::new(Cause::RateLimit, "slow down").retryable(Some(SECOND));
    assert_eq!(wait(&soon, 1, &retries), Some(SECOND));
    assert_eq!(wait(&soon, 3, &retries), None);
    let late = Error::new(Cause::RateLimit, "slow down").retryable(Some(3600 * SECOND));
    assert_eq!(wait(&late, 1, &retries), None);
    assert_eq!(wait(&Error::invalid_request("no"), 1, &retries), None);
}

#[test]
fn backoff_grows_and_stays_within_its_limit() {
    let retries = Retries::default();
    for made in 1..40 {
        let wait = backoff(made, &retries);
        assert!(wait <= retries.max_backoff && wait >= retries.backoff / 2, "{made}: {wait:?}");
    }
}
