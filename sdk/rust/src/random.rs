//! Numbers that look random and are the same every time.
//!
//! A plan has to be the same for the same request, and a user who stays at one target has to stay there with every
//! version of the plugin, so nothing here depends on the process or on the standard library. None of it is for secrets.

/// A sequence of numbers that looks random: the generator is SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match u64::try_from(end) {
            // Smaller than `end`, which is a size.
            Ok(end) if end > 0 => (self.next_number() % end) as usize,
            _ => 0,
        }
    }
}

/// The text as a number, evenly spread: FNV-1a, mixed once more as that leaves similar texts similar.
#[must_use]
pub fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    mixed(text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Another number for each number, without any likeness between those of neighbours.
#[must_use]
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The number as one above 0 and up to 1.
#[must_use]
pub fn unit(number: u64) -> f64 {
    // 53 bits are what a float holds exactly.
    ((number >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_neighbours_give_others() {
        let first = |seed| Random::new(seed).next_number();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        assert_eq!(Random::new(0).next_number(), 0xe220_a839_7b1d_cdaf, "as SplitMix64 is published");
        assert_eq!(Random::new(1).below(0), 0);
        assert_ne!(hash("user-1"), hash("user-2"));
    }

    #[test]
    fn a_unit_is_never_zero_and_spread_evenly() {
        assert!(unit(0) > 0.0 && unit(u64::MAX) <= 1.0);
        let below_half = (0..1000).filter(|&number| unit(mixed(number)) < 0.5).count();
        assert!((450..550).contains(&below_half), "{below_half}");
    }
}
