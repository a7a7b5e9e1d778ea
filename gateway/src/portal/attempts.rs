//! How often somebody may guess a key. It counts failures alone, by where they come from: whoever
//! has a key is not kept out by others elsewhere, as long as so many places can be told apart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Wrong keys that one place may try in a minute, at one gateway.
pub(crate) const FAILURES_PER_MINUTE_MAX: u32 = 10;

/// Places that are remembered within a minute; more of them share what is left.
const PLACES_MAX: usize = 10_000;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// Who failed how often in this minute.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<(u64, HashMap<String, u32>)>);

impl Attempts {
    /// Whether a place may try now, or in how many milliseconds.
    pub(crate) fn admit(&self, place: &str, now_ms: u64) -> Result<(), u64> {
        let minute = now_ms / MINUTE_MS;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != minute {
            *known = (minute, HashMap::new());
        }
        let failures = known.1.get(shared(&known.1, place)).copied().unwrap_or(0);
        if failures >= FAILURES_PER_MINUTE_MAX {
            return Err((minute + 1) * MINUTE_MS - now_ms);
        }
        Ok(())
    }

    /// Counts a wrong key.
    pub(crate) fn failed(&self, place: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = shared(&known.1, place).to_owned();
        *known.1.entry(place).or_default() += 1;
    }
}

/// The name that a place is counted under.
fn shared<'a>(known: &HashMap<String, u32>, place: &'a str) -> &'a str {
    if known.len() < PLACES_MAX || known.contains_key(place) { place } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_ends_until_the_next_minute_and_only_there() {
        let attempts = Attempts::default();
        for _ in 0..FAILURES_PER_MINUTE_MAX {
            assert_eq!(attempts.admit("a", MINUTE_MS + 1), Ok(()));
            attempts.failed("a");
        }
        assert_eq!(attempts.admit("a", MINUTE_MS + 1), Err(MINUTE_MS - 1));
        assert_eq!(attempts.admit("b", MINUTE_MS + 1), Ok(()));
        assert_eq!(attempts.admit("a", 2 * MINUTE_MS), Ok(()));
    }

    #[test]
    fn too_many_places_share_what_is_left() {
        let attempts = Attempts::default();
        attempts.admit("first", 0).unwrap();
        for place in 0..PLACES_MAX + 100 {
            attempts.failed(&place.to_string());
        }
        assert!(attempts.admit("another", 0).is_err());
        assert!(attempts.admit("7", 0).is_ok());
    }
}
