//! Slips of the hand in short prompts: a word that no language knows is read as the known word one
//! slip away, so that a typing error doesn't decide which model is taken. Names, abbreviations and
//! code stay as they are; a text that is long enough to bear a slip stays, too. What is repaired is
//! only judged, never sent.

use super::grams;
use super::language::Language;
use super::weights::{Weights, weights};
use super::words::{Kind, words};

/// A slip in a longer text hardly moves its score.
const WORDS_MAX: usize = 64;

/// Words repaired in a text; more slips are no slips.
const REPAIRS_MAX: usize = 6;

/// Shorter words have too many neighbours, and most of those that nobody knows are abbreviations.
const LETTERS_MIN: usize = 4;

/// Longer words are hardly known.
const LETTERS_MAX: usize = 20;

/// How much more frequent, in steps of a known word's level, a candidate must be when letters were
/// added, left out or replaced than when two were swapped.
const SWAP_ADVANTAGE: u8 = 2;

/// Marks that stand at names of programs, files and variables.
const CODE_MARKS: &str = "`_/\\@#$<>{}=";

/// The folded text without its slips; nothing when there is none.
pub(super) fn repaired(folded: &[char], language: Language) -> Option<Vec<char>> {
    let dictionary = Dictionary { weights: weights()?, column: grams::latin_column(language)? };
    let mut spans = spans(folded)?;
    let mut repairs = 0;
    for at in 0..spans.len() {
        let (before, rest) = spans.split_at_mut(at);
        let Some((span, _)) = rest.split_first_mut().filter(|(span, _)| span.may_slip) else {
            continue;
        };
        if repairs == REPAIRS_MAX || dictionary.knows_of(&span.letters) {
            continue;
        }
        let moved = before.last_mut().is_some_and(|last| dictionary.move_blank(last, span));
        if moved {
            repairs += 1;
        } else if let Some(better) = dictionary.nearest(&span.letters) {
            span.letters = better;
            repairs += 1;
        }
    }
    (repairs > 0).then(|| spans.into_iter().flat_map(|span| span.with_gap()).collect())
}

/// A word, or nothing, with what stands behind it up to the next one.
struct Span {
    letters: Vec<char>,
    gap: Vec<char>,
    /// It is a word of small letters that stands in prose.
    may_slip: bool,
}

impl Span {
    fn with_gap(self) -> impl Iterator<Item = char> {
        self.letters.into_iter().chain(self.gap)
    }
}

/// The words of a text that is short enough; joined they are the text.
fn spans(folded: &[char]) -> Option<Vec<Span>> {
    let mut spans = vec![Span { letters: Vec::new(), gap: Vec::new(), may_slip: false }];
    let mut end = 0;
    for word in words(folded) {
        let start = offset(folded, word.letters);
        let gap = folded.get(end..start).unwrap_or_default();
        end = start + word.letters.len();
        let is_code = |mark: Option<&char>| mark.is_some_and(|mark| CODE_MARKS.contains(*mark));
        let plain = word.letters.iter().all(char::is_ascii_lowercase);
        let sized = (LETTERS_MIN..=LETTERS_MAX).contains(&word.letters.len());
        let alone = !is_code(gap.last()) && !is_code(folded.get(end));
        let may_slip = word.kind == Kind::Letters && plain && sized && alone;
        spans.last_mut()?.gap.extend_from_slice(gap);
        spans.push(Span { letters: word.letters.to_vec(), gap: Vec::new(), may_slip });
        if spans.len() > WORDS_MAX + 1 {
            return None;
        }
    }
    spans.last_mut()?.gap.extend_from_slice(folded.get(end..).unwrap_or_default());
    Some(spans)
}

/// Where a part of a text begins in it.
fn offset(text: &[char], part: &[char]) -> usize {
    (part.as_ptr() as usize - text.as_ptr() as usize) / size_of::<char>()
}

/// The known words of a language.
struct Dictionary {
    weights: &'static Weights,
    column: usize,
}

impl Dictionary {
    /// Whether any language knows a word.
    fn knows_of(&self, letters: &[char]) -> bool {
        grams::known_levels(self.weights, letters).next().is_some()
    }

    /// How frequent a word is in this language, from 0.
    fn level(&self, letters: &[char]) -> Option<u8> {
        let mut levels = grams::known_levels(self.weights, letters);
        levels.find(|(column, _)| *column == self.column).map(|(_, level)| level)
    }

    /// A blank that came a letter too soon or too late: "inJ ava", "thatr eplies".
    fn move_blank(&self, before: &mut Span, span: &mut Span) -> bool {
        if before.gap != [' '] {
            return false;
        }
        let mut joined = before.letters.clone();
        joined.extend_from_slice(&span.letters);
        let middle = before.letters.len();
        for at in [middle.wrapping_sub(1), middle + 1] {
            let Some((first, second)) = joined.split_at_checked(at) else { continue };
            let both_known = self.level(first).is_some() && self.level(second).is_some();
            if !first.is_empty() && !second.is_empty() && both_known {
                (before.letters, span.letters) = (first.to_vec(), second.to_vec());
                return true;
            }
        }
        false
    }

    /// The most frequent of the words that are one slip away.
    fn nearest(&self, letters: &[char]) -> Option<Vec<char>> {
        let mut best: Option<(u8, Vec<char>)> = None;
        let mut consider = |advantage: u8, word: &[char], level: Option<u8>| {
            let Some(worth) = level.map(|level| level + advantage) else { return };
            if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                best = Some((worth, word.to_vec()));
            }
        };
        let mut word = letters.to_vec();
        for at in 1..letters.len() {
            word.swap(at - 1, at);
            consider(SWAP_ADVANTAGE, &word, self.level(&word));
            word.swap(at - 1, at);
        }
        for at in 0..letters.len() {
            let letter = word.remove(at);
            let is_twice = at > 0 && letters.get(at - 1) == Some(&letter);
            consider(if is_twice { SWAP_ADVANTAGE } else { 0 }, &word, self.level(&word));
            word.insert(at, letter);
        }
        for at in 0..=letters.len() {
            word.insert(at, 'a');
            for letter in 'a'..='z' {
                word[at] = letter;
                consider(1, &word, self.level(&word));
            }
            word.remove(at);
        }
        for at in 0..letters.len() {
            for letter in 'a'..='z' {
                word[at] = letter;
                consider(0, &word, self.level(&word));
            }
            word[at] = letters[at];
        }
        for at in 2..letters.len().saturating_sub(1) {
            let (first, second) = letters.split_at(at);
            let level = self.level(first).zip(self.level(second)).map(|(a, b)| a.min(b));
            let apart = [first, &[' '], second].concat();
            consider(0, &apart, level);
        }
        best.map(|(_, word)| word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repair(text: &str, language: Language) -> Option<String> {
        let folded: Vec<char> = text.chars().map(super::super::words::fold).collect();
        repaired(&folded, language).map(|letters| letters.into_iter().collect())
    }

    #[test]
    fn slips_become_the_words_that_were_meant() {
        for (typed, meant) in [
            ("what is wrnog with it?", "what is wrong with it?"),
            ("Create a scirpt, please", "create a script, please"),
            ("please exlain this", "please explain this"),
            ("please expllain this", "please explain this"),
            ("a script thatr eplies to me", "a script that replies to me"),
            ("tell me aboutthe history", "tell me about the history"),
        ] {
            assert_eq!(repair(typed, Language::English).as_deref(), Some(meant), "{typed}");
        }
        let german = repair("Was bedeutet Geschwindikgeit?", Language::German);
        assert_eq!(german.as_deref(), Some("was bedeutet geschwindigkeit?"));
    }

    #[test]
    fn what_is_no_slip_stays() {
        for text in [
            "what is wrong with it?",
            "run `wrnog` and wrnog_name in /usr/wrnog",
            "the api of llm x1y2 in css",
            "",
        ] {
            assert_eq!(repair(text, Language::English), None, "{text}");
        }
        assert_eq!(repair("what is wrnog?", Language::Japanese), None);
        assert_eq!(repair(&"what is wrnog? ".repeat(40), Language::English), None, "long enough");
    }
}
