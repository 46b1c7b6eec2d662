//! Chance that is the same for all policies: numbers that follow from a seed and from what they are for.

/// A number from 0 to 1 for these things.
pub fn unit(things: [u64; 4]) -> f64 {
    let mixed = things.into_iter().fold(0x5eed, |state, thing| mix(state ^ mix(thing)));
    // 53 bits are what a float holds; half a step keeps it from 0.
    ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// A number around 1 whose logarithm is distributed normally, with this deviation.
pub fn spread(things: [u64; 4], deviation: f64) -> f64 {
    let [first, second, third, fourth] = things;
    let radius = (-2.0 * unit([first, second, third, fourth ^ 1]).ln()).sqrt();
    let angle = std::f64::consts::TAU * unit([first, second, third, fourth ^ 2]);
    (deviation * radius * angle.cos()).exp()
}

/// The finaliser of SplitMix64.
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
