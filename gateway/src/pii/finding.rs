//! What a recogniser finds and how overlapping findings become disjoint spans. A finding holds
//! offsets only; it must never hold the value.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::kind::Kind;

/// A stretch of a text that holds personal data, in byte offsets of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

/// How sure a recogniser is: decides between findings that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Guessed from words and characters.
    Guess,
    /// A pattern fits.
    Pattern,
    /// A pattern fits and its surroundings say what it is.
    Context,
    /// A format or check digit that hardly occurs by chance.
    Proof,
    /// Nothing else is right in this place: a URL's password, of which a part looks like a mail.
    /// What the operator asked for is of this trust, and is joined with what is found there.
    Order,
}

/// A finding in the shadow text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    pub(super) trust: Trust,
}

/// So much of a guessed address that is left beside a winner is an address still.
const ADDRESS_BYTES_MIN: usize = 12;

/// Keeps the most trusted, then the longest of overlapping findings. A loser keeps what lies
/// outside of the winners, so that no part of a value that a pattern found gets through. Of a
/// guess hardly anything is left but of an address, into which the number after it was taken.
/// What is of a kind that weighs nothing wins over nothing: it would uncover the other one.
pub(super) fn resolve(mut findings: Vec<Finding>, weigh: impl Fn(Kind) -> u8) -> Vec<Finding> {
    findings.retain(|finding| finding.start < finding.end);
    findings.sort_by_key(|f| {
        let gives_way = f.trust < Trust::Order && weigh(f.kind) == 0;
        (gives_way, Reverse(f.trust), Reverse(f.end - f.start), f.start)
    });
    let mut kept = BTreeMap::<usize, Finding>::new();
    for finding in findings {
        let mut start = finding.start;
        let mut pieces = Vec::new();
        let mut ordered = false;
        if let Some((_, earlier)) = kept.range(..finding.start).next_back() {
            ordered |= earlier.trust == Trust::Order && earlier.end > start;
            start = start.max(earlier.end);
        }
        for winner in kept.range(finding.start..finding.end).map(|(_, winner)| winner) {
            ordered |= winner.trust == Trust::Order;
            pieces.push(start..winner.start.min(finding.end));
            start = winner.end;
        }
        pieces.push(start..finding.end);
        let whole = pieces.len() == 1 && pieces.iter().all(|p| *p == (finding.start..finding.end));
        if whole {
            kept.insert(finding.start, finding);
        } else if !ordered {
            let is_kept = |piece: &Range<usize>| match (finding.trust, finding.kind) {
                (Trust::Guess, Kind::Address) => {
                    piece.start == finding.start && piece.len() >= ADDRESS_BYTES_MIN
                }
                (trust, _) => trust > Trust::Guess && !piece.is_empty(),
            };
            for piece in pieces.into_iter().filter(is_kept) {
                kept.insert(piece.start, Finding { start: piece.start, end: piece.end, ..finding });
            }
        }
    }
    kept.into_values().collect()
}

/// Adds spans that were found in another reading of the same text, or by other patterns; all are
/// disjoint and sorted afterwards. Those that overlap become one, so that nothing of any gets
/// through: of the kind that weighs most, which a policy says, and of those of the longest one's.
pub(super) fn join(spans: &mut Vec<Span>, more: Vec<Span>, weigh: impl Fn(Kind) -> u8) {
    if more.is_empty() {
        return;
    }
    spans.extend(more);
    spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    let mut most = (0, 0);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans.drain(..) {
        let weight = (weigh(span.kind), span.end - span.start);
        match joined.last_mut().filter(|last| span.start < last.end) {
            Some(last) => {
                last.end = last.end.max(span.end);
                last.kind = if weight > most { span.kind } else { last.kind };
                most = most.max(weight);
            }
            None => {
                most = weight;
                joined.push(span);
            }
        }
    }
    *spans = joined;
}

/// Byte offsets to offsets in Unicode code points, in one pass over the text.
pub fn code_points(text: &str, spans: &[Span]) -> Vec<Span> {
    let mut offsets: Vec<usize> = spans.iter().flat_map(|s| [s.start, s.end]).collect();
    offsets.sort_unstable();
    let mut points = HashMap::with_capacity(offsets.len());
    let mut wanted = offsets.into_iter().peekable();
    let ends = std::iter::once(text.len());
    for (point, byte) in text.char_indices().map(|(byte, _)| byte).chain(ends).enumerate() {
        while wanted.next_if(|offset| *offset <= byte).is_some_and(|offset| {
            points.insert(offset, point);
            true
        }) {}
    }
    let point = |offset: usize| points.get(&offset).copied().unwrap_or(0);
    spans.iter().map(|s| Span { start: point(s.start), end: point(s.end), ..*s }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_weighs_nothing_wins_over_nothing() {
        let secret = Finding { start: 3, end: 20, kind: Kind::Secret, trust: Trust::Context };
        let phone = Finding { start: 5, end: 18, kind: Kind::Phone, trust: Trust::Pattern };
        let kinds = |off: Option<Kind>| {
            let found = resolve(vec![secret, phone], |kind| u8::from(Some(kind) != off));
            found.iter().map(|finding| finding.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(None), [Kind::Secret]);
        assert_eq!(kinds(Some(Kind::Phone)), [Kind::Secret]);
        assert!(kinds(Some(Kind::Secret)).contains(&Kind::Phone));
    }
}
