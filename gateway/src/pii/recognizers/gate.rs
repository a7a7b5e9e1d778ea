//! The gate in front of the patterns: one look at a text tells which of them can't fit it. What a
//! text must hold for a pattern is worked out from the pattern itself, an operator's own as well.
//! It must never close before a text that a pattern fits.

use super::digits::{Digits, WORD_BYTES_MIN, Where};
use super::words::Words as Search;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Patterns beyond this many are always tried.
const GATED_MAX: usize = 128;
/// Classes of more characters say too little.
const CLASS_CHARACTERS_MAX: usize = 4;
/// A longer word is hardly rarer.
const TELLING_BYTES: usize = 4;

/// More words are hardly looked for quicker than the pattern.
const FEW_MAX: usize = 3;

/// What every text that a pattern fits holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::pii) struct Need {
    /// So many ASCII digits, anywhere.
    digits: usize,
    /// So many visible ASCII characters in a row.
    run: usize,
    /// One of these, in small letters.
    any: Option<Vec<Vec<u8>>>,
}

impl Need {
    /// What a pattern needs; nothing for what is no pattern.
    pub(in crate::pii) fn of(pattern: &str) -> Self {
        let Ok(hir) = regex_syntax::parse(pattern) else { return Self::default() };
        let run = if is_visible(&hir) { hir.properties().minimum_len().unwrap_or(0) } else { 0 };
        Self { digits: digits(&hir), run, any: words(&hir).any }
    }

    /// Of two patterns that both must fit.
    pub(super) fn and(self, other: Self) -> Self {
        let (digits, run) = (self.digits.max(other.digits), self.run.max(other.run));
        Self { digits, run, any: better(self.any, other.any) }
    }

    /// The words of which one is needed, where they are so few and so written that to look for them
    /// first is quicker than to try the pattern; else none.
    pub(super) fn few(self) -> Vec<String> {
        let any = self.any.unwrap_or_default();
        let words = any.iter().filter_map(|word| std::str::from_utf8(word).ok());
        let plain = words.filter(|word| !word.bytes().any(|byte| byte.is_ascii_alphabetic()));
        let plain: Vec<String> = plain.map(ToOwned::to_owned).collect();
        if plain.len() == any.len() && any.len() <= FEW_MAX { plain } else { Vec::new() }
    }
}

/// Where a pattern may fit a text.
pub(super) fn place(pattern: &str) -> Where {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Where::Anywhere };
    let visible = if is_visible(&hir) { hir.properties().minimum_len() } else { None };
    Where::of(&hir, digits(&hir), visible.unwrap_or(0))
}

/// All patterns' needs, ready for one look.
pub(in crate::pii) struct Gate {
    counts: Vec<(usize, usize)>,
    free: u128,
    letters: Vec<(u8, u128)>,
    anywhere: Search,
    /// What is looked for in long stretches alone, and how long they are at least: a pattern that
    /// is visible ASCII lies in one, with the words that it needs.
    in_stretches: Search,
    stretch: usize,
}

/// The patterns that may fit a text.
#[derive(Clone, Copy)]
pub(in crate::pii) struct Open(u128);

impl Open {
    /// Whether the pattern at this index has to be tried.
    pub(in crate::pii) fn holds(self, index: usize) -> bool {
        index >= GATED_MAX || self.0 >> index & 1 == 1
    }
}

impl Gate {
    /// A gate for patterns of these needs, by their index.
    pub(in crate::pii) fn new(needs: Vec<Need>) -> Self {
        let (mut free, mut stretch, mut letters) = (0, usize::MAX, Vec::<(u8, u128)>::new());
        let (mut anywhere, mut in_stretches) = (Vec::new(), Vec::new());
        let mut counts = Vec::with_capacity(needs.len());
        for (index, need) in needs.into_iter().take(GATED_MAX).enumerate() {
            let mark = 1 << index;
            counts.push((need.digits, need.run));
            let Some(any) = need.any else {
                free |= mark;
                continue;
            };
            let is_long = need.run >= WORD_BYTES_MIN;
            stretch = if is_long { stretch.min(need.run) } else { stretch };
            for word in any {
                match word.as_slice() {
                    [letter] => match letters.iter_mut().find(|(known, _)| known == letter) {
                        Some((_, marks)) => *marks |= mark,
                        None => letters.push((*letter, mark)),
                    },
                    _ if is_long => in_stretches.push((word, mark)),
                    _ => anywhere.push((word, mark)),
                }
            }
        }
        let (anywhere, in_stretches) = (Search::new(anywhere), Search::new(in_stretches));
        Self { counts, free, letters, anywhere, in_stretches, stretch }
    }

    /// Looks at a text with these digits once.
    pub(in crate::pii) fn open(&self, text: &str, digits: &Digits) -> Open {
        let mut wanted = u128::MAX;
        for (index, (count, run)) in self.counts.iter().enumerate() {
            if digits.count < *count || digits.longest < *run {
                wanted &= !(1 << index);
            }
        }
        let bytes = text.as_bytes();
        let mut met = self.free;
        for (letter, marks) in &self.letters {
            let is_missing = marks & wanted & !met != 0;
            let upper = letter.to_ascii_uppercase();
            if is_missing && (bytes.contains(letter) || upper != *letter && bytes.contains(&upper))
            {
                met |= marks;
            }
        }
        met |= self.anywhere.marks(bytes, wanted & !met);
        for stretch in digits.stretches(self.stretch) {
            let stretch = bytes.get(stretch).unwrap_or_default();
            met |= self.in_stretches.marks(stretch, wanted & !met);
        }
        Open(met & wanted)
    }
}

/// The least number of ASCII digits in a match.
fn digits(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().filter(|byte| byte.is_ascii_digit()).count(),
        HirKind::Class(class) => usize::from(is_within(class, '0', '9')),
        HirKind::Repetition(Repetition { min, sub, .. }) => *min as usize * digits(sub),
        HirKind::Capture(capture) => digits(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(digits).sum(),
        HirKind::Alternation(parts) => parts.iter().map(digits).min().unwrap_or(0),
    }
}

/// Whether a match is visible ASCII and nothing else.
fn is_visible(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.iter().all(u8::is_ascii_graphic),
        HirKind::Class(class) => is_within(class, '!', '~'),
        HirKind::Repetition(repetition) => is_visible(&repetition.sub),
        HirKind::Capture(capture) => is_visible(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_visible),
    }
}

fn is_within(class: &Class, least: char, most: char) -> bool {
    match class {
        Class::Unicode(class) => {
            class.iter().all(|range| least <= range.start() && range.end() <= most)
        }
        Class::Bytes(class) => class
            .iter()
            .all(|range| least <= char::from(range.start()) && char::from(range.end()) <= most),
    }
}

/// What is known of the words in a match.
#[derive(Default)]
struct Words {
    /// All of it, if every match is the same but for the case of letters.
    whole: Option<Vec<u8>>,
    /// One of these is in it.
    any: Option<Vec<Vec<u8>>>,
}

impl Words {
    fn whole(word: Vec<u8>) -> Self {
        let any = (!word.is_empty()).then(|| vec![word.clone()]);
        Self { whole: Some(word), any }
    }
}

fn words(hir: &Hir) -> Words {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Words::whole(Vec::new()),
        HirKind::Literal(literal) => Words::whole(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => class_words(class),
        HirKind::Capture(capture) => words(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min == 0 => Words::default(),
        HirKind::Repetition(repetition) => Words { whole: None, any: words(&repetition.sub).any },
        HirKind::Concat(parts) => joined(parts),
        HirKind::Alternation(parts) => {
            let each: Option<Vec<_>> = parts.iter().map(|part| words(part).any).collect();
            Words { whole: None, any: each.map(|each| each.into_iter().flatten().collect()) }
        }
    }
}

/// A letter in either case is one letter. Letters that only Unicode counts as the same are folded
/// in the shadow text already.
fn class_words(class: &Class) -> Words {
    let mut letters: Vec<Vec<u8>> = Vec::new();
    let Class::Unicode(class) = class else { return Words::default() };
    for character in class.iter().flat_map(|range| range.start()..=range.end()) {
        if super::super::shadow::widen(character) != character {
            continue;
        }
        let letter = character.to_ascii_lowercase().to_string().into_bytes();
        if !letters.contains(&letter) {
            letters.push(letter);
        }
        if letters.len() > CLASS_CHARACTERS_MAX {
            return Words::default();
        }
    }
    match letters.as_slice() {
        [] => Words::default(),
        [letter] => Words::whole(letter.clone()),
        _ => Words { whole: None, any: Some(letters) },
    }
}

/// Of all that a match must hold one after the other, what tells most.
fn joined(parts: &[Hir]) -> Words {
    let mut best = None;
    let mut run = Vec::new();
    let mut whole = true;
    for part in parts {
        let words = words(part);
        match words.whole {
            Some(word) => run.extend(word),
            None => {
                whole = false;
                let run = Words::whole(std::mem::take(&mut run));
                best = better(better(best, run.any), words.any);
            }
        }
    }
    let rest = Words::whole(run);
    Words { whole: rest.whole.filter(|_| whole), any: better(best, rest.any) }
}

fn better(one: Option<Vec<Vec<u8>>>, other: Option<Vec<Vec<u8>>>) -> Option<Vec<Vec<u8>>> {
    let worth = |words: &Option<Vec<Vec<u8>>>| {
        let words = words.as_ref()?;
        let shortest = words.iter().map(Vec::len).min()?;
        // Where patterns with digits are tried there are digits, and these signs are everywhere.
        let is_common =
            |word: &Vec<u8>| matches!(word.as_slice(), [b'0'..=b'9' | b' ' | b',' | b'.' | b'-']);
        let telling = if words.iter().any(is_common) { 0 } else { shortest.min(TELLING_BYTES) };
        Some((telling, std::cmp::Reverse(words.len())))
    };
    if worth(&other) > worth(&one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::{Digits, Gate, Need};

    fn any(pattern: &str) -> Option<Vec<String>> {
        let words = Need::of(pattern).any?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn a_need_is_what_every_match_holds() {
        assert_eq!(Need::of("[0-9]{3}-?[0-9]{4}|[0-9]{5}").digits, 5);
        assert_eq!(any("(?i)(?:電話|tel)[^0-9]{0,4}([0-9]+)").unwrap(), ["電話", "tel"]);
        assert_eq!(any(r"(?:sk|pk)_(?:live|test)_[a-z]{10,}").unwrap(), ["live", "test"]);
        assert_eq!(any("(?i)desk").unwrap(), ["desk"]);
        assert_eq!(any(r#""[a-z]+,"#).unwrap(), ["\""]);
        assert_eq!(any("a?b*"), None);
        assert_eq!(any("a|b*"), None);
        assert_eq!(Need::of("ey[a-z]{10,}[.]x").run, 14);
        assert_eq!(Need::of("ey [a-z]{10,}").run, 0);
        assert_eq!(Need::of("("), Need::default());
        let both = Need::of("[0-9]{4}-[0-9]").and(Need::of("birth|[0-9]born"));
        assert_eq!((both.digits, both.any.unwrap().len()), (5, 2));
    }

    #[test]
    fn a_gate_opens_for_what_may_fit() {
        let needs = ["(?i)key: ?([a-z]{4,})", "[0-9]{4}", "x*", "@[a-z]+"].map(Need::of);
        let gate = Gate::new(needs.into());
        let open = |text: &str| {
            let open = gate.open(text, &Digits::of(text));
            [0, 1, 2, 3].map(|index| open.holds(index))
        };
        assert_eq!(open("KEY: abcd"), [true, false, true, false]);
        assert_eq!(open("12 34@x"), [false, true, true, true]);
        assert_eq!(open(""), [false, false, true, false]);
    }
}
