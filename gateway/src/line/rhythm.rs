//! How fast a line moves, measured: the time between two turns while somebody waits. It says
//! nothing before it has seen anything. While nobody could give a turn its clock stands still: an
//! outage is no rhythm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Turns that are looked back on.
const TURNS_MAX: usize = 32;

/// Turns of a new line before they count for more than those of the line before.
const TURNS_MIN: usize = 4;

/// The rhythm of one line.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// When the line began, then its last turns.
    turns: VecDeque<Instant>,
    /// Between two turns, in the line before this one.
    before: Option<Duration>,
    /// Since when nobody can give a turn.
    rests: Option<Instant>,
}

impl Rhythm {
    /// Nobody can give a turn.
    pub(super) fn rest(&mut self, now: Instant) {
        self.rests.get_or_insert(now);
    }

    /// Somebody can again: the time between counts for nothing.
    pub(super) fn go_on(&mut self, now: Instant) {
        let Some(since) = self.rests.take() else { return };
        let rested = now.saturating_duration_since(since);
        self.turns.iter_mut().for_each(|turn| *turn += rested);
    }

    /// Whether its clock stands still.
    pub(super) fn is_resting(&self) -> bool {
        self.rests.is_some()
    }

    /// Somebody waits where nobody did.
    pub(super) fn begin(&mut self, now: Instant) {
        self.turns.clear();
        self.turns.push_back(self.rests.unwrap_or(now));
    }

    /// Somebody has had a turn.
    pub(super) fn turn(&mut self, now: Instant) {
        self.turns.push_back(self.rests.unwrap_or(now));
        if self.turns.len() > TURNS_MAX + 1 {
            self.turns.pop_front();
        }
    }

    /// Nobody waits any more.
    pub(super) fn end(&mut self, now: Instant) {
        self.before = self.interval(now);
        self.turns.clear();
    }

    /// The time between two turns. It grows while there is none.
    pub(super) fn interval(&self, now: Instant) -> Option<Duration> {
        let (Some(first), Some(last)) = (self.turns.front(), self.turns.back()) else {
            return self.before;
        };
        let now = self.rests.unwrap_or(now);
        let count = self.turns.len() - 1;
        let since_last = now.saturating_duration_since(*last);
        match self.before {
            Some(before) if count < TURNS_MIN => Some(before.max(since_last)),
            before if count == 0 => before,
            _ => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                Some((now.saturating_duration_since(*first) / count).max(since_last))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_said_before_anything_was_seen_and_a_line_that_stands_is_slow() {
        let (mut rhythm, start) = (Rhythm::default(), Instant::now());
        assert_eq!(rhythm.interval(start), None);
        rhythm.begin(start);
        assert_eq!(rhythm.interval(start + SECOND), None);
        for turn in 1..=40 {
            rhythm.turn(start + turn * SECOND);
        }
        assert_eq!(rhythm.interval(start + 40 * SECOND), Some(SECOND));
        assert!(rhythm.interval(start + 50 * SECOND).unwrap() >= 10 * SECOND);
    }

    #[test]
    fn time_in_which_nobody_could_give_a_turn_is_no_rhythm() {
        let (mut rhythm, start) = (Rhythm::default(), Instant::now());
        rhythm.begin(start);
        rhythm.turn(start + SECOND);
        rhythm.end(start + SECOND);
        rhythm.rest(start + SECOND);
        rhythm.begin(start + 5 * SECOND);
        rhythm.rest(start + 6 * SECOND);
        assert_eq!(rhythm.interval(start + 300 * SECOND), Some(SECOND));
        rhythm.go_on(start + 300 * SECOND);
        for turn in 1..=4 {
            rhythm.turn(start + (300 + turn) * SECOND);
        }
        assert_eq!(rhythm.interval(start + 304 * SECOND), Some(SECOND));
        rhythm.end(start + 304 * SECOND);
        assert_eq!(rhythm.interval(start + 400 * SECOND), Some(SECOND));
        rhythm.go_on(start + 400 * SECOND);
        assert!(!rhythm.is_resting());
    }

    #[test]
    fn the_line_before_counts_until_there_are_a_few_turns() {
        let (mut rhythm, start) = (Rhythm::default(), Instant::now());
        rhythm.begin(start);
        rhythm.turn(start + 2 * SECOND);
        rhythm.end(start + 2 * SECOND);
        let again = start + 100 * SECOND;
        rhythm.begin(again);
        assert_eq!(rhythm.interval(again), Some(2 * SECOND));
        // A burst into free slots says nothing about the rhythm of a full pool.
        rhythm.turn(again);
        assert_eq!(rhythm.interval(again), Some(2 * SECOND));
    }
}
