//! Chance that can be repeated: all of it comes from the seed. It reads no clock and no system.

use fuzz::Numbers;
use std::time::Duration;

/// A sequence of numbers that looks random.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Numbers);

impl Dice {
    /// The dice of one purpose, so that two purposes don't disturb each other.
    pub(crate) fn of(seed: u64, purpose: &str) -> Self {
        Self(Numbers::new(seed ^ hash(purpose)))
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0.below(limit)
    }

    /// Whether something happens that happens so often in a hundred.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A time between two, in milliseconds.
    pub(crate) fn pause(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.0.any() % (to_ms - from_ms).max(1))
    }
}

/// A text's number (FNV-1a).
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_purpose_something_else() {
        let roll = |seed, purpose| {
            let mut dice = Dice::of(seed, purpose);
            [dice.below(1_000), dice.below(1_000), dice.below(1_000)]
        };
        assert_eq!(roll(1, "a"), roll(1, "a"));
        assert_ne!(roll(1, "a"), roll(1, "b"));
        assert_ne!(roll(1, "a"), roll(2, "a"));
    }
}
