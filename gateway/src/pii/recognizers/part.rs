//! Values beside other digits: a match that took all of them together and was refused is looked
//! through for a value within it. It must stay linear in the text, and never make a value of the
//! numbers of a list.

use super::rule::{Hit, Rule};
use crate::pii::finding::Finding;

/// What a value looks like that stands beside other digits, with nothing but blanks or brackets
/// between: the pattern takes all of them together.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Whether a value may begin with this word; asked of every word in a refused match, so that
    /// lists of numbers cost no more.
    pub(super) may_begin: fn(&str) -> bool,
    /// The check: numbers of a list must not become a value only because they are side by side.
    pub(super) accept: fn(&Hit) -> bool,
}

impl Part {
    /// The longest beginning of a refused match, up to where a word ends, that is a value.
    pub(super) fn shorter(self, rule: &Rule, all: Hit) -> Option<Finding> {
        let value = all.value();
        if !(self.may_begin)(first_word(value)) {
            return None;
        }
        let ends = value.match_indices(BETWEEN).rev().filter_map(|(at, _)| value.get(..at));
        let mut parts = ends.map(|part| part.trim_end_matches(|c: char| !c.is_ascii_digit()));
        parts.find_map(|part| rule.value(all.cut(part.len()), self.accept))
    }

    /// Where the next value may begin behind the first word of a refused match. Its last word may
    /// go on behind it, and is then not known yet.
    pub(super) fn next(self, all: Hit) -> usize {
        let value = all.value();
        let goes_on = goes_on(all.text_after(2));
        let starts = value.match_indices(BETWEEN).map(|(at, sign)| at + usize::from(sign != "("));
        let mut starts = starts.filter(|at| *at > 0);
        let next = starts.find(|at| {
            let rest = value.get(*at..).unwrap_or_default();
            let word = first_word(rest);
            (self.may_begin)(word) || goes_on && word.len() == rest.len()
        });
        next.map_or(all.end, |at| all.start + at)
    }
}

/// What stands between two values, or around one.
const BETWEEN: [char; 3] = [' ', '(', ')'];

/// A value's first word, with the bracket that opens it.
fn first_word(value: &str) -> &str {
    let end = value.match_indices(BETWEEN).map(|(at, _)| at).find(|at| *at > 0);
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}

/// Whether what starts here is in one list with what was refused up to there: it is a part of it,
/// or only blanks and brackets are between.
pub(super) fn is_listed(text: &str, refused: usize, start: usize) -> bool {
    let between = text.as_bytes().get(refused..start).unwrap_or_default();
    between.len() <= BETWEEN.len() && between.iter().all(|byte| b" ().-".contains(byte))
}

/// Whether a text goes on with digits of the word before it.
fn goes_on(text: &str) -> bool {
    text.trim_start_matches(['-', '.']).starts_with(|c: char| c.is_ascii_digit())
}
