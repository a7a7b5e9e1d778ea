//! Where a text has digits and long words: a pattern whose matches hold digits, near to each other,
//! or are visible ASCII without a blank, is tried there only. It must never leave out a place where
//! the pattern fits.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};
use std::ops::Range;

/// Digits farther from each other could as well be anywhere.
const BYTES_MAX: usize = 256;
/// The longest character: what stands beside a match can decide about it.
const CHARACTER_BYTES_MAX: usize = 4;

/// Shorter words are hardly what a pattern without blanks looks for.
pub(super) const WORD_BYTES_MIN: usize = 8;

/// The digits of a text, and its long words of visible ASCII: where each run is.
pub(in crate::pii) struct Digits {
    runs: Vec<Range<usize>>,
    words: Vec<Range<usize>>,
    /// How many digits there are.
    pub(super) count: usize,
    /// How long the longest word is, be it ever so short.
    pub(super) longest: usize,
}

/// Where a pattern may fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// Anywhere.
    Anywhere,
    /// Around digits.
    Digits(Reach),
    /// In words of at least so many bytes.
    Words(usize),
}

impl Where {
    /// Of a pattern with so many digits in each match, or of so many visible characters alone.
    pub(super) fn of(hir: &Hir, digits: usize, visible: usize) -> Self {
        match Reach::of(hir, digits) {
            Some(reach) => Self::Digits(reach),
            None if visible >= WORD_BYTES_MIN => Self::Words(visible),
            None => Self::Anywhere,
        }
    }
}

/// How far a match reaches around its digits, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// So many digits are in each match.
    digits: usize,
    /// Before the first of them.
    lead: usize,
    /// Between two of them.
    gap: usize,
    /// After the last.
    tail: usize,
}

impl Reach {
    /// The reach of a pattern with at least so many digits in each match, where there is a limit.
    fn of(hir: &Hir, digits: usize) -> Option<Self> {
        let Far { lead, gap, tail } = spread(hir).far?;
        let narrow = digits > 0 && lead.max(gap).max(tail) <= BYTES_MAX;
        narrow.then_some(Self { digits, lead, gap, tail })
    }
}

/// How the digits of a pattern's matches may lie; huge where there is no limit.
#[derive(Clone, Copy)]
struct Spread {
    /// The longest match without a digit, if there is one.
    bare: Option<usize>,
    /// Of matches with a digit, if there are any.
    far: Option<Far>,
}

#[derive(Clone, Copy, Default)]
struct Far {
    lead: usize,
    gap: usize,
    tail: usize,
}

const EMPTY: Spread = Spread { bare: Some(0), far: None };

/// The farther of both.
fn or(one: Option<Far>, other: Option<Far>) -> Option<Far> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let (lead, gap, tail) = (a.lead.max(b.lead), a.gap.max(b.gap), a.tail.max(b.tail));
    Some(Far { lead, gap, tail })
}

impl Spread {
    fn then(self, next: Self) -> Self {
        let both = self.far.zip(next.far).map(|(a, b)| {
            let gap = a.gap.max(b.gap).max(a.tail.saturating_add(b.lead));
            Far { lead: a.lead, gap, tail: b.tail }
        });
        let first = self.far.zip(next.bare).map(|(far, bare)| far.followed(bare));
        let second = self.bare.zip(next.far).map(|(bare, far)| far.after(bare));
        let bare = self.bare.zip(next.bare).map(|(a, b)| a.saturating_add(b));
        Self { bare, far: or(both, or(first, second)) }
    }

    fn or(self, other: Self) -> Self {
        Self { bare: self.bare.max(other.bare), far: or(self.far, other.far) }
    }

    fn repeated(self, repetition: &Repetition) -> Self {
        let most = repetition.max.map_or(usize::MAX, |max| max as usize);
        let between = self.bare.map_or(0, |bare| bare.saturating_mul(most));
        let bare = self.bare.map(|_| between).or((repetition.min == 0).then_some(0));
        let far = self.far.map(|far| {
            let inner = far.tail.saturating_add(between).saturating_add(far.lead);
            let gap = if most > 1 { far.gap.max(inner) } else { far.gap };
            let around = if most > 1 { between } else { 0 };
            Far { gap, ..far.after(around).followed(around) }
        });
        Self { bare, far }
    }
}

impl Far {
    fn after(self, bytes: usize) -> Self {
        Self { lead: self.lead.saturating_add(bytes), ..self }
    }

    fn followed(self, bytes: usize) -> Self {
        Self { tail: self.tail.saturating_add(bytes), ..self }
    }
}

fn spread(hir: &Hir) -> Spread {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => EMPTY,
        HirKind::Literal(literal) => {
            literal.0.iter().fold(EMPTY, |all, byte| all.then(one(byte.is_ascii_digit(), false, 1)))
        }
        HirKind::Class(class) => {
            let longest = hir.properties().maximum_len().unwrap_or(usize::MAX);
            let (some, others) = digits_and_others(class);
            one(some, others, longest)
        }
        HirKind::Repetition(repetition) => spread(&repetition.sub).repeated(repetition),
        HirKind::Capture(capture) => spread(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(spread).fold(EMPTY, Spread::then),
        HirKind::Alternation(parts) => parts.iter().map(spread).reduce(Spread::or).unwrap_or(EMPTY),
    }
}

/// One character, which may be a digit, or another of so many bytes.
fn one(digit: bool, other: bool, bytes: usize) -> Spread {
    let bare = (other || !digit).then_some(bytes);
    Spread { bare, far: digit.then(Far::default) }
}

/// Whether there are digits in a class, and others.
fn digits_and_others(class: &Class) -> (bool, bool) {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => {
            class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()
        }
        Class::Bytes(class) => {
            class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect()
        }
    };
    let (zero, nine) = (u32::from('0'), u32::from('9'));
    let digits = ranges.iter().any(|(start, end)| *start <= nine && zero <= *end);
    let others = ranges.iter().any(|(start, end)| *start < zero || nine < *end);
    (digits, others)
}

/// A stretch of a text in which matches may lie that hold digits of one group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// All of it, with what may stand beside a match.
    pub(super) all: Range<usize>,
    /// Where matches may begin.
    pub(super) from: usize,
    /// What begins here or later holds digits of another group.
    pub(super) until: usize,
}

impl Digits {
    /// Looks at a text once.
    pub(in crate::pii) fn of(text: &str) -> Self {
        let room = text.len() / BYTES_A_WORD;
        let words = Vec::with_capacity(room);
        let mut all = Self { runs: Vec::with_capacity(room), words, count: 0, longest: 0 };
        let (mut digits, mut visible) = (Open::default(), Open::default());
        for (block, start) in text.as_bytes().chunks(BLOCK_BYTES).zip((0..).step_by(BLOCK_BYTES)) {
            let marks = Marks::of(block);
            digits.go_on(marks.digits, start, |run| {
                all.count += run.len();
                all.runs.push(run);
            });
            visible.go_on(marks.visible, start, |word| {
                all.longest = all.longest.max(word.len());
                if word.len() >= WORD_BYTES_MIN {
                    all.words.push(word);
                }
            });
        }
        all.count += digits.end(text.len(), &mut all.runs, 1);
        all.longest = all.longest.max(visible.end(text.len(), &mut all.words, WORD_BYTES_MIN));
        all
    }

    /// Stretches in which each byte is visible ASCII, of at least so many bytes.
    pub(super) fn stretches(&self, least: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        self.words.iter().filter(move |word| word.len() >= least).cloned()
    }

    /// Words of at least so many bytes, with what stands beside them.
    pub(super) fn words<'a>(
        &'a self,
        text: &'a str,
        least: usize,
    ) -> impl Iterator<Item = Window> + 'a {
        self.words.iter().filter(move |word| word.len() >= least).map(|word| {
            let start = floor(text, word.start.saturating_sub(CHARACTER_BYTES_MAX));
            let all = start..ceil(text, word.end + CHARACTER_BYTES_MAX);
            Window { all, from: word.start, until: word.end }
        })
    }

    /// Where matches may lie: around each group of digits that are as near to each other as a
    /// match needs them, and as many. A match holds digits of one group only.
    pub(super) fn windows<'a>(
        &'a self,
        text: &'a str,
        reach: Reach,
    ) -> impl Iterator<Item = Window> + 'a {
        let mut runs = self.runs.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let first = runs.next()?;
                let (mut end, mut digits) = (first.end, first.len());
                while let Some(run) = runs.next_if(|run| run.start - end <= reach.gap) {
                    end = run.end;
                    digits += run.len();
                }
                if digits >= reach.digits {
                    let from = floor(text, first.start.saturating_sub(reach.lead));
                    let start = floor(text, from.saturating_sub(CHARACTER_BYTES_MAX));
                    let all = start..ceil(text, end + reach.tail + CHARACTER_BYTES_MAX);
                    return Some(Window { all, from, until: end });
                }
            }
        })
    }
}

/// Bytes that are looked at together: a bit each.
const BLOCK_BYTES: usize = u64::BITS as usize;

/// Which bytes of a block are digits, and which are visible ASCII.
#[derive(Default)]
struct Marks {
    digits: u64,
    visible: u64,
}

impl Marks {
    fn of(block: &[u8]) -> Self {
        let (words, rest) = block.as_chunks();
        let mut last = [0; WORD_BYTES];
        last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
        let mut marks = Self::default();
        for (word, shift) in words.iter().chain([&last]).zip((0..).step_by(WORD_BYTES)) {
            let word = u64::from_le_bytes(*word);
            // A whole block has no rest, and no room for it.
            let at = |bits: u64| bits.checked_shl(shift).unwrap_or(0);
            marks.digits |= at(within(word, b'0', b'9'));
            marks.visible |= at(within(word, b'!', b'~'));
        }
        marks
    }
}

/// Of so many bytes one is hardly more than one long word, or number.
const BYTES_A_WORD: usize = 32;

/// Bytes that one step looks at.
const WORD_BYTES: usize = 8;

/// A bit for each of eight bytes that is ASCII and between two others.
fn within(word: u64, least: u8, most: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    const TOGETHER: u64 = 0x0002_0408_1020_4081;
    let low = word & !HIGH;
    let reaches = |byte: u8| low + u64::from(0x80 - byte) * EACH;
    let inside = reaches(least) & !reaches(most + 1) & !word & HIGH;
    inside.wrapping_mul(TOGETHER) >> (u64::BITS - 8)
}

/// A run of marked bytes that may go on in the next block.
#[derive(Default)]
struct Open(Option<usize>);

impl Open {
    /// Visits the runs that end in a block.
    fn go_on(&mut self, mut marks: u64, start: usize, mut visit: impl FnMut(Range<usize>)) {
        let mut at = 0;
        loop {
            let begin = match self.0 {
                Some(begin) => begin,
                None if marks == 0 => return,
                None => {
                    let skipped = marks.trailing_zeros();
                    at += skipped;
                    marks >>= skipped;
                    start + at as usize
                }
            };
            let length = marks.trailing_ones();
            if at + length >= u64::BITS {
                self.0 = Some(begin);
                return;
            }
            at += length;
            marks >>= length;
            self.0 = None;
            visit(begin..start + at as usize);
        }
    }

    /// Adds a run that goes on up to the end, if it is long enough; says how long it is.
    fn end(&self, end: usize, runs: &mut Vec<Range<usize>>, least: usize) -> usize {
        let run = self.0.map(|begin| begin..end).filter(|run| !run.is_empty());
        let length = run.as_ref().map_or(0, Range::len);
        runs.extend(run.filter(|_| length >= least));
        length
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::gate::place;
    use super::{Digits, Reach, Where, Window};

    #[test]
    fn a_reach_is_as_far_as_any_match_goes() {
        let of = |pattern| match place(pattern) {
            Where::Digits(reach) => Some((reach.digits, reach.lead, reach.gap, reach.tail)),
            Where::Words(_) | Where::Anywhere => None,
        };
        assert_eq!(of("[0-9]{3}-[0-9]{2}(?: x)?"), Some((5, 0, 1, 2)));
        assert_eq!(of("a?(?:あ|bb)[0-9](?:[ .]{0,2}[0-9]){6,14}"), Some((7, 4, 2, 0)));
        assert_eq!(of("[0-9][A-Z0-9]{0,4}x9"), Some((2, 0, 5, 0)));
        assert_eq!(of("[A-Z]{2}[0-9]{2}(?:-?[0-9A-Z]){1,3}"), Some((2, 2, 7, 6)));
        assert_eq!(of("[0-9]+ [0-9]+"), Some((2, 0, 1, 0)));
        assert_eq!(of("[^0-9]*[0-9]"), None);
        assert_eq!(of("[a-z]{4}"), None);
        assert_eq!(place("[a-z]{4}"), Where::Anywhere);
        assert_eq!(place("s[.][a-z0-9]{24,}|ey[!-~]{9}"), Where::Words(11));
        assert_eq!(place("[a-z]{4} [a-z]{9}"), Where::Anywhere);
    }

    #[test]
    fn words_are_long_and_visible() {
        let text = "い12345678 short abcdefgh12\nxyz";
        let words: Vec<Window> = Digits::of(text).words(text, 9).collect();
        assert_eq!(words, [Window { all: 14..32, from: 18, until: 28 }]);
        assert_eq!(Digits::of(text).words(text, 8).count(), 2);
    }

    #[test]
    fn windows_reach_as_far_as_a_match() {
        let text = "あ12 3いいいい4567";
        let windows = |digits, gap| {
            let reach = Reach { digits, lead: 3, gap, tail: 1 };
            Digits::of(text).windows(text, reach).collect::<Vec<_>>()
        };
        let last = Window { all: 10..23, from: 16, until: 23 };
        let both = [Window { all: 0..13, from: 0, until: 7 }, last];
        assert_eq!(windows(3, 1), both);
        assert_eq!(windows(4, 1), both[1..]);
        assert_eq!(windows(5, 1), []);
        assert_eq!(windows(5, 12), [Window { all: 0..23, from: 0, until: 23 }]);
    }
}
