//! Repeats: a value that was found once is masked wherever else it stands in the same request,
//! also where nothing around it gives it away, and also inside of a longer number. It must never
//! take a part of a longer word, and its cost must not grow with the number of values.

use std::collections::BTreeMap;

use super::finding::Span;
use super::kind::Kind;

/// Values that begin alike beyond this many are not looked for again.
const ALIKE_MAX: usize = 16;
/// Bytes that are compared first.
const HEAD_BYTES: usize = 6;
/// Shorter values could be a part of anything.
const ASCII_BYTES_MIN: usize = 6;
/// Three kanji or kana: a full name. Two may be a surname and a town.
const WIDE_BYTES_MIN: usize = 9;

/// Adds the repeats of found values; spans stay sorted and disjoint.
pub(super) fn add(text: &str, spans: &mut Vec<Span>) {
    let heads = heads(text, spans);
    if heads.is_empty() {
        return;
    }
    let marks = Marks::of(&heads);
    let few = Few::of(&heads);
    let mut found = Vec::new();
    let (mut start, mut looked) = (0, 0);
    for (known, end) in spans.iter().map(|s| (s.start, s.end)).chain([(text.len(), text.len())]) {
        let mut at = start;
        while at < known {
            if at >= looked {
                looked = at + BLOCK_BYTES;
                if few.as_ref().is_some_and(|few| few.none_begins(text.as_bytes(), at)) {
                    at = looked;
                    continue;
                }
            }
            let may_begin = text.is_char_boundary(at) && marks.hold(text.as_bytes(), at);
            match may_begin.then(|| repeat_at(text, at, &heads)).flatten() {
                Some(span) if span.end <= known => {
                    at = span.end;
                    found.push(span);
                }
                _ => at += 1,
            }
        }
        start = end;
    }
    if !found.is_empty() {
        spans.extend(found);
        spans.sort_by_key(|span| span.start);
    }
}

/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;
/// More heads are not looked for one after the other.
const FEW_MAX: usize = 6;

/// The first and the last byte of a few heads: in most stretches of a text no head begins.
struct Few(Vec<[u8; 2]>);

impl Few {
    fn of(heads: &Heads) -> Option<Self> {
        let ends = |[first, .., last]: &[u8; HEAD_BYTES]| [*first, *last];
        (heads.len() <= FEW_MAX).then(|| Self(heads.keys().map(ends).collect()))
    }

    /// Whether no head begins in the block at this place.
    fn none_begins(&self, text: &[u8], at: usize) -> bool {
        let block = |at: usize| text.get(at..).and_then(|rest| rest.first_chunk::<BLOCK_BYTES>());
        let Some((starts, ends)) = block(at).zip(block(at + HEAD_BYTES - 1)) else { return false };
        self.0.iter().all(|[first, last]| {
            let pairs = starts.iter().zip(ends);
            !pairs.fold(false, |any, (start, end)| any | (start == first) & (end == last))
        })
    }
}

/// One bit for each head, by its hash: hardly any place of a text has to be looked up.
struct Marks([u64; 64]);

impl Marks {
    fn of(heads: &Heads) -> Self {
        let mut marks = [0_u64; 64];
        for head in heads.keys() {
            let place = Self::place(head);
            if let Some(word) = marks.get_mut(place >> 6) {
                *word |= 1 << (place & 63);
            }
        }
        Self(marks)
    }

    fn hold(&self, text: &[u8], at: usize) -> bool {
        let head = text.get(at..).and_then(|rest| rest.first_chunk());
        let place = head.map(Self::place);
        let word = place.and_then(|place| Some((self.0.get(place >> 6)?, place & 63)));
        word.is_some_and(|(word, bit)| word >> bit & 1 == 1)
    }

    fn place(&[a, b, c, d, e, f]: &[u8; HEAD_BYTES]) -> usize {
        let head = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        (head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
    }
}

/// By the first bytes the values that begin so.
type Heads<'a> = BTreeMap<[u8; HEAD_BYTES], Vec<(&'a str, Kind)>>;

fn heads<'a>(text: &'a str, spans: &[Span]) -> Heads<'a> {
    let mut heads = Heads::new();
    for span in spans {
        let value = text.get(span.start..span.end).unwrap_or_default();
        let least = if value.is_ascii() { ASCII_BYTES_MIN } else { WIDE_BYTES_MIN };
        let Some(head) = value.as_bytes().first_chunk().filter(|_| value.len() >= least) else {
            continue;
        };
        let alike = heads.entry(*head).or_default();
        if alike.len() < ALIKE_MAX && !alike.iter().any(|(known, _)| *known == value) {
            alike.push((value, span.kind));
        }
    }
    // The longest first, so that a value is not cut by one that it begins with.
    heads.values_mut().for_each(|alike| alike.sort_by_key(|(v, _)| std::cmp::Reverse(v.len())));
    heads
}

fn repeat_at(text: &str, at: usize, heads: &Heads) -> Option<Span> {
    let rest = text.get(at..)?;
    let alike = heads.get(rest.as_bytes().first_chunk()?)?;
    let before = text.get(..at)?.chars().next_back();
    alike.iter().find_map(|(value, kind)| {
        let after = rest.strip_prefix(value)?.chars().next();
        let joined = |inner: Option<char>, outer: Option<char>| {
            let is_word = |c: char| c.is_ascii_alphanumeric();
            inner.is_some_and(is_word) && outer.is_some_and(is_word)
        };
        let telling = value.bytes().any(|byte| byte.is_ascii_digit() || byte == b'@');
        let cut = !telling
            && (joined(value.chars().next(), before) || joined(value.chars().next_back(), after));
        (!cut).then_some(Span { start: at, end: at + value.len(), kind: *kind })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_repeats_are_added() {
        let text = "id abcdef xabcdef abcdefg (abcdef) 山田太郎と山田太郎氏";
        let name = text.find('山').unwrap();
        let mut spans = vec![
            Span { start: 3, end: 9, kind: Kind::Secret },
            Span { start: name, end: name + 12, kind: Kind::Person },
        ];
        add(text, &mut spans);
        let found: Vec<&str> = spans.iter().map(|s| &text[s.start..s.end]).collect();
        assert_eq!(found, ["abcdef", "abcdef", "山田太郎", "山田太郎"]);
    }
}
