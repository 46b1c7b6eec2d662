//! The state of a breaker as one number of 64 bits.

use super::BreakerState;

/// The most openings in a row that are counted: so often the open time can double.
pub(super) const MOST_OPENINGS: u32 = 15;

const PROBES: u32 = 6;
const OPENINGS: u32 = 4;
const PHASE: u32 = 14;
/// Milliseconds: enough for eight years.
const AT: u32 = 38;

/// The number taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) state: BreakerState,
    /// Probes that are out, those of earlier phases among them.
    pub(super) probes: u32,
    /// How often it has opened without a calm time between.
    pub(super) openings: u32,
    /// The number of the half-open phase, so that a probe of an earlier one decides nothing. Starts over after 16384
    /// phases, by when no probe of the first is out any more.
    pub(super) phase: u16,
    /// Milliseconds: until when it is open; since when it is closed or half-open.
    pub(super) at: u64,
}

impl Word {
    /// How a breaker begins.
    pub(super) const CLOSED: Self = Self { state: BreakerState::Closed, probes: 0, openings: 0, phase: 0, at: 0 };

    pub(super) fn closed(self, at: u64) -> Self {
        Self { state: BreakerState::Closed, at, ..self }
    }

    pub(super) fn opened(self, until: u64, openings: u32) -> Self {
        Self { state: BreakerState::Open, at: until, openings, ..self }
    }

    pub(super) fn half_opened(self, at: u64) -> Self {
        let phase = (self.phase + 1) & mask(PHASE) as u16;
        Self { state: BreakerState::HalfOpen, at, phase, ..self }
    }

    pub(super) fn with_probe(self) -> Self {
        Self { probes: self.probes + 1, ..self }
    }

    pub(super) fn without_probe(self) -> Self {
        Self { probes: self.probes.saturating_sub(1), ..self }
    }

    pub(super) fn pack(self) -> u64 {
        let state = match self.state {
            BreakerState::Closed => 0,
            BreakerState::Open => 1,
            BreakerState::HalfOpen => 2,
        };
        let mut word: u64 = state;
        word = word << PROBES | u64::from(self.probes) & mask(PROBES);
        word = word << OPENINGS | u64::from(self.openings) & mask(OPENINGS);
        word = word << PHASE | u64::from(self.phase) & mask(PHASE);
        word << AT | self.at.min(mask(AT))
    }

    #[allow(clippy::cast_possible_truncation, reason = "each is cut to its bits before")]
    pub(super) fn unpack(word: u64) -> Self {
        let state = match word >> (AT + PHASE + OPENINGS + PROBES) {
            0 => BreakerState::Closed,
            1 => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        };
        Self {
            state,
            probes: (word >> (AT + PHASE + OPENINGS) & mask(PROBES)) as u32,
            openings: (word >> (AT + PHASE) & mask(OPENINGS)) as u32,
            phase: (word >> AT & mask(PHASE)) as u16,
            at: word & mask(AT),
        }
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_being_packed() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
            let word = Word {
                state: states[random.usize(..3)],
                probes: random.u32(..=63),
                openings: random.u32(..=MOST_OPENINGS),
                phase: random.u16(..1 << PHASE),
                at: random.u64(..1 << AT),
            };
            assert_eq!(Word::unpack(word.pack()), word);
        }
    }
}
