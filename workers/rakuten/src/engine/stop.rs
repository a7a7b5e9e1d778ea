//! Stop strings across token borders.
//!
//! Must never let a stop string, or a part of one that was completed later, into the answer, and
//! must never hold back text that can no longer become one.

/// What a new piece of text means for the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// This much may be shown; the rest is held.
    Open(String),
    /// A stop string was completed: this much is the last text.
    Stopped {
        /// Text in front of the stop string.
        text: String,
        /// The stop string that matched.
        stop: String,
    },
}

/// Watches an answer for the first of several stop strings.
#[derive(Debug)]
pub(crate) struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

impl StopMatcher {
    /// Stop strings must not be empty: the caller has refused those.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// True when no text is held back.
    pub(crate) fn is_clear(&self) -> bool {
        self.held.is_empty()
    }

    /// Adds text and says what may be shown.
    pub(crate) fn push(&mut self, text: &str) -> Matched {
        self.held.push_str(text);
        if let Some((position, stop)) = self.first_match() {
            self.held.truncate(position);
            return Matched::Stopped { text: std::mem::take(&mut self.held), stop };
        }
        let tail = self.held.split_off(self.held.len() - self.open_suffix_bytes());
        Matched::Open(std::mem::replace(&mut self.held, tail))
    }

    /// The text that is still held when the answer ends without a stop string.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// The stop string that begins first; of two at the same place, the longer.
    fn first_match(&self) -> Option<(usize, String)> {
        self.stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|position| (position, stop)))
            .min_by_key(|(position, stop)| (*position, usize::MAX - stop.len()))
            .map(|(position, stop)| (position, stop.clone()))
    }

    /// Bytes of the longest suffix that is the beginning of a stop string.
    fn open_suffix_bytes(&self) -> usize {
        let longest = self.stops.iter().map(|stop| stop.len() - 1).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        self.held
            .char_indices()
            .map(|(position, _)| position)
            .skip_while(|position| *position < from)
            .find(|position| {
                self.stops.iter().any(|stop| stop.starts_with(&self.held[*position..]))
            })
            .map_or(0, |position| self.held.len() - position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::*;

    /// Feeds `text` cut into pieces of `step` characters; returns what was shown and the stop.
    fn run(stops: &[&str], text: &str, step: usize) -> (String, Option<String>) {
        let mut matcher = StopMatcher::new(stops.iter().map(ToString::to_string).collect());
        let characters: Vec<char> = text.chars().collect();
        let mut shown = String::new();
        for piece in characters.chunks(step) {
            match matcher.push(&piece.iter().collect::<String>()) {
                Matched::Open(text) => shown.push_str(&text),
                Matched::Stopped { text, stop } => return (shown + &text, Some(stop)),
            }
        }
        shown.push_str(&matcher.finish());
        (shown, None)
    }

    #[test]
    fn found_whatever_the_borders() {
        for step in 1..12 {
            let found = run(&["END", "終わり"], "これで終わりEND", step);
            assert_eq!(found, ("これで".into(), Some("終わり".into())));
            let found = run(&["END", "終わり"], "a EN ENDx終わり", step);
            assert_eq!(found, ("a EN ".into(), Some("END".into())));
        }
    }

    #[test]
    fn nothing_is_lost_when_it_does_not_come() {
        for step in 1..8 {
            assert_eq!(run(&["abcabd"], "abcabcabc", step), ("abcabcabc".into(), None));
            assert_eq!(run(&[], "abc", step), ("abc".into(), None));
        }
    }

    #[test]
    fn overlapping_beginnings_are_found() {
        for step in 1..8 {
            assert_eq!(run(&["abcabd"], "abcabcabd", step), ("abc".into(), Some("abcabd".into())));
        }
    }

    #[test]
    fn only_what_can_still_match_is_held() {
        let mut matcher = StopMatcher::new(vec!["</s>".into()]);
        assert_eq!(matcher.push("a < b"), Matched::Open("a < b".into()));
        assert!(matcher.is_clear());
        assert_eq!(matcher.push("x<"), Matched::Open("x".into()));
        assert!(!matcher.is_clear());
        assert_eq!(matcher.push("/"), Matched::Open(String::new()));
        assert_eq!(matcher.push("p>"), Matched::Open("</p>".into()));
    }

    #[test]
    fn the_longer_of_two_at_one_place_wins() {
        let mut matcher = StopMatcher::new(vec!["ab".into(), "abc".into()]);
        let Matched::Stopped { stop, .. } = matcher.push("xabc") else { panic!("no stop") };
        assert_eq!(stop, "abc");
    }
}
