//! How much of a chat goes: found by going through it unit by unit, as it grew.

use super::conversation::{Conversation, Message, Role, Unit};
use super::written::note_weight;
use super::{Mode, Options};
use crate::chat::estimate::weight_of;

/// What the texts in the middle are shortened to, in tokens, from the mildest to the harshest. Few steps, so that the
/// next turn finds the same one.
const LEVELS: [u64; 6] = [2048, 1024, 512, 256, 128, 64];
/// What no text is shortened below, in tokens: a beginning, the remark, an end.
const SHORTEST: u64 = 32;

/// How many units more are left out for an exchange to go as a whole.
const REST_OF_EXCHANGE: usize = 4;

/// What becomes of each message.
#[derive(Debug)]
pub(super) struct Extent {
    /// One for each message.
    pub fates: Vec<Fate>,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// Whether it is left out.
    pub is_removed: bool,
    /// What each of its texts may weigh at most.
    pub limits: Vec<Option<u64>>,
}

/// What a prompt may weigh.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// At most.
    most: u64,
    /// Once it was more than that.
    target: u64,
}

impl Budget {
    /// The budget of a prompt, of which the given part is to be used.
    pub fn new(tokens: u64, target: f64) -> Self {
        let most = weight_of(tokens);
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
        let part = (most as f64 * target.clamp(0.0, 1.0)) as u64;
        Self { most, target: part.min(most) }
    }
}

/// How to bring the chat down to the budget, or `None` if that cannot be done.
pub(super) fn find(conversation: &Conversation, options: &Options, budget: &Budget) -> Option<Extent> {
    let course = Course::new(conversation, options);
    let mut step = Step::default();
    for end in 1..=course.units.len() {
        if course.weight(&step, end) > budget.most {
            step = course.next(&step, end, budget);
        }
    }
    let mut fates = course.fates(&step);
    let excess = course.weight(&step, course.units.len()).saturating_sub(budget.most);
    if excess > 0 {
        squeeze(conversation, &mut fates, excess)?;
    }
    Some(Extent { fates })
}

/// The units of a chat that may go, in the order in which they came, and what any part of them weighs.
struct Course<'a> {
    conversation: &'a Conversation,
    units: Vec<Unit>,
    /// For each position the last unit before it that is a message of the user.
    last_user: Vec<Option<usize>>,
    keep_last: usize,
    /// What every request weighs, whatever is left out, and what it weighs more once something is.
    fixed: u64,
    note: u64,
    /// For each level of shortening the sums of the weights of the units before each position. The first one is for
    /// texts as they are.
    sums: Vec<Vec<u64>>,
}

/// How far the middle has given way at some point of the chat.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// The units before this one are left out,
    cut: usize,
    /// and the texts of those before this one are shortened,
    shortened: usize,
    /// to this level.
    level: usize,
    /// This one is neither: the last message of the user then.
    spared: Option<usize>,
}

impl<'a> Course<'a> {
    fn new(conversation: &'a Conversation, options: &Options) -> Self {
        let messages = &conversation.messages;
        let leading = messages.iter().take_while(|message| message.role == Role::System).count();
        let first = messages.iter().position(|message| message.role == Role::User).filter(|_| options.keep_first);
        let is_fixed =
            |unit: &Unit| unit.messages.iter().any(|position| *position < leading || Some(*position) == first);
        let (fixed, units): (Vec<_>, Vec<_>) = conversation.units().into_iter().partition(is_fixed);
        let unit_weight =
            |unit: &Unit, limit| unit.messages.iter().map(|at| within(&messages[*at], limit)).sum::<u64>();
        let levels: &[u64] = match options.mode {
            Mode::Cut => &[],
            Mode::Shorten => &LEVELS,
        };
        let limits = [u64::MAX].into_iter().chain(levels.iter().map(|tokens| weight_of(*tokens)));
        let sums = limits.map(|limit| running_sums(units.iter().map(|unit| unit_weight(unit, limit)))).collect();
        let mut last_user = vec![None];
        for (index, unit) in units.iter().enumerate() {
            let is_user = messages[unit.messages[0]].role == Role::User;
            last_user.push(if is_user { Some(index) } else { last_user[index] });
        }
        Self {
            conversation,
            last_user,
            fixed: conversation.beside + fixed.iter().map(|unit| unit_weight(unit, u64::MAX)).sum::<u64>(),
            note: note_weight(),
            keep_last: options.keep_last,
            units,
            sums,
        }
    }

    /// What the chat weighs after the units before `end`, if this much of it goes.
    fn weight(&self, step: &Step, end: usize) -> u64 {
        let sum = |level: usize, from: usize, to: usize| self.sums[level][to] - self.sums[level][from];
        let shortened = step.shortened.max(step.cut);
        let spared = step.spared.map_or(0, |unit| match unit {
            cut if cut < step.cut => sum(0, unit, unit + 1),
            short if short < shortened => sum(0, unit, unit + 1) - sum(step.level, unit, unit + 1),
            _ => 0,
        });
        let note = if step.cut > 0 { self.note } else { 0 };
        self.fixed + note + spared + sum(step.level, step.cut, shortened) + sum(0, shortened, end)
    }

    /// The mildest step that brings the chat after the units before `end` down to the target. If there is none, the
    /// one that leaves the least.
    fn next(&self, before: &Step, end: usize, budget: &Budget) -> Step {
        let middle = end.saturating_sub(self.keep_last).max(before.cut);
        let spared = self.last_user[end].filter(|unit| *unit < middle);
        let last_level = self.sums.len() - 1;
        let at = |cut, level| Step { cut, shortened: middle, level, spared };
        let fits = |step: &Step| self.weight(step, end) <= budget.target;
        let shorter = (1..=last_level).map(|level| at(before.cut, level)).find(fits);
        let cut = || (before.cut..=middle).find(|cut| fits(&at(*cut, last_level)));
        shorter.unwrap_or_else(|| match cut() {
            None => at(middle, last_level),
            Some(least) => {
                // Exchanges go as a whole where that takes a little more: what follows begins with a question.
                let near = least..=middle.min(least + REST_OF_EXCHANGE);
                at(near.into_iter().find(|unit| self.is_user(*unit)).unwrap_or(least), last_level)
            }
        })
    }

    fn fates(&self, step: &Step) -> Vec<Fate> {
        let messages = &self.conversation.messages;
        let whole = |message: &Message| Fate { is_removed: false, limits: vec![None; message.passages.len()] };
        let mut fates: Vec<Fate> = messages.iter().map(whole).collect();
        let level = step.level.checked_sub(1).map(|level| weight_of(LEVELS[level]));
        for (index, unit) in self.units.iter().enumerate().filter(|(index, _)| step.spared != Some(*index)) {
            for position in &unit.messages {
                fates[*position].is_removed = index < step.cut;
                if index < step.shortened && may_be_shortened(&messages[*position]) {
                    fates[*position].limits.fill(level);
                }
            }
        }
        fates
    }

    fn is_user(&self, unit: usize) -> bool {
        self.last_user.get(unit + 1) == Some(&Some(unit))
    }
}

/// Shortens the longest texts among what stays until this much weight has gone. The last message of the user is left
/// as it is. `None` if there is not so much to take away.
fn squeeze(conversation: &Conversation, fates: &mut [Fate], excess: u64) -> Option<()> {
    let messages = &conversation.messages;
    let last_user = messages.iter().rposition(|message| message.role == Role::User);
    let mut open: Vec<(u64, &mut Option<u64>)> = Vec::new();
    for (position, (message, fate)) in messages.iter().zip(fates).enumerate() {
        if fate.is_removed || Some(position) == last_user || !may_be_shortened(message) {
            continue;
        }
        for (passage, limit) in message.passages.iter().zip(&mut fate.limits) {
            open.push((limit.map_or(passage.weight, |limit| passage.weight.min(limit)), limit));
        }
    }
    let gain = |limit: u64| open.iter().map(|(weight, _)| weight.saturating_sub(limit)).sum::<u64>();
    let longest = open.iter().map(|(weight, _)| *weight).max()?;
    let (mut low, mut high) = (weight_of(SHORTEST), longest);
    if low > high || gain(low) < excess {
        return None;
    }
    while low < high {
        let limit = low + (high - low).div_ceil(2);
        if gain(limit) >= excess { low = limit } else { high = limit - 1 }
    }
    let shared = stepped(low).max(weight_of(SHORTEST));
    for (weight, limit) in open {
        if weight > shared {
            *limit = Some(shared);
        }
    }
    Some(())
}

/// The number with only its three highest bits: the next turn, which leaves a little less room, then often finds the
/// same.
fn stepped(number: u64) -> u64 {
    let low_bits = (u64::BITS - number.leading_zeros()).saturating_sub(3);
    number >> low_bits << low_bits
}

/// What the message weighs if its texts weigh at most this much each.
fn within(message: &Message, limit: u64) -> u64 {
    let excess = message.passages.iter().map(|passage| passage.weight.saturating_sub(limit)).sum::<u64>();
    if may_be_shortened(message) { message.weight - excess } else { message.weight }
}

/// Instructions make no sense in part.
fn may_be_shortened(message: &Message) -> bool {
    message.role != Role::System
}

/// The sums of what comes before each position, and the sum of all.
fn running_sums(weights: impl Iterator<Item = u64>) -> Vec<u64> {
    let sums = weights.scan(0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    });
    std::iter::once(0).chain(sums).collect()
}
