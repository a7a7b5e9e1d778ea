//! A rule: a pattern, what it finds, and a check of the value and its surroundings. A rule must
//! never be given a pattern with nested unbounded repeats around an optional end.

use regex::{Regex, RegexBuilder};

use super::{Need, Recognizer};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// Memory that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes before a number in which a word can say what it is.
const CALLED_BYTES: usize = 36;

/// A value where a pattern found it.
#[derive(Clone, Copy)]
pub(super) struct Hit<'a> {
    text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Hit<'a> {
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self { text, start, end }
    }

    /// The value.
    pub(super) fn value(&self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// The value's digits.
    pub(super) fn digits(&self) -> Vec<u8> {
        self.value().bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
    }

    /// The character before it.
    pub(super) fn before(&self) -> Option<char> {
        self.text.get(..self.start)?.chars().next_back()
    }

    /// The character after it.
    pub(super) fn after(&self) -> Option<char> {
        self.text.get(self.end..)?.chars().next()
    }

    /// At least so many bytes before it (whole characters).
    pub(super) fn text_before(&self, bytes: usize) -> &'a str {
        let mut start = self.start.saturating_sub(bytes);
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        self.text.get(start..self.start).unwrap_or_default()
    }

    /// At least so many bytes after it (whole characters).
    pub(super) fn text_after(&self, bytes: usize) -> &'a str {
        let mut end = (self.end + bytes).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        self.text.get(self.end..end).unwrap_or_default()
    }

    /// Whether no letter, digit or joining sign touches it: it is no part of a longer token.
    pub(super) fn stands_alone(&self) -> bool {
        let joins = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let before = self.before().is_some_and(|c| joins(c) && c != '/');
        let after = self.after().is_some_and(|c| {
            joins(c) && !self.text_after(2).starts_with(". ") && !self.ends_sentence()
        });
        !before && !after
    }

    /// Whether the line calls the number something that is nobody's.
    pub(super) fn is_called_otherwise(&self) -> bool {
        const WORDS: [&str; 26] = [
            "注文番号",
            "注文no",
            "追跡番号",
            "伝票番号",
            "問い合わせ番号",
            "荷物番号",
            "請求書番号",
            "受付番号",
            "予約番号",
            "商品番号",
            "isbn",
            "jan",
            "issn",
            "order",
            "tracking",
            "ticket",
            "invoice",
            "型番",
            "法人番号",
            "登録番号",
            "座標",
            "coordinates",
            "epoch",
            "円周率",
            "part number",
            "桁の数",
        ];
        let before = self.text_before(CALLED_BYTES).to_lowercase();
        let line = before.rsplit('\n').next().unwrap_or_default();
        WORDS.iter().any(|word| line.contains(word))
    }

    fn ends_sentence(&self) -> bool {
        let mut rest = self.text_after(5).chars();
        rest.next() == Some('.') && rest.next().is_none_or(|c| !c.is_ascii_alphanumeric())
    }
}

/// A pattern for one kind. The value is the pattern's first group, or all of it.
pub(in crate::pii) struct Rule {
    pattern: Regex,
    kind: Kind,
    trust: Trust,
    accept: fn(&Hit) -> bool,
}

impl Rule {
    /// A rule that takes whatever its pattern fits.
    pub(in crate::pii) fn new(
        kind: Kind,
        trust: Trust,
        pattern: &str,
    ) -> Result<Self, regex::Error> {
        let pattern = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build()?;
        Ok(Self { pattern, kind, trust, accept: |_| true })
    }

    /// One of our own rules. `\b` means the edge of an ASCII word in them: kanji touch numbers
    /// without a blank, and the edge of a Unicode word would make the search slow.
    pub(super) fn own(kind: Kind, trust: Trust, pattern: &str) -> Result<Self, regex::Error> {
        Self::new(kind, trust, &pattern.replace(r"\b", r"(?-u:\b)"))
    }

    /// With a check of what the pattern fits.
    pub(super) fn accept(mut self, accept: fn(&Hit) -> bool) -> Self {
        self.accept = accept;
        self
    }
}

impl Recognizer for Rule {
    fn need(&self) -> Need {
        Need::of(self.pattern.as_str())
    }

    fn find(&self, text: &str, findings: &mut Vec<Finding>) {
        for captures in self.pattern.captures_iter(text) {
            let Some(found) = captures.get(1).or_else(|| captures.get(0)) else { continue };
            let hit = Hit::new(text, found.start(), found.end());
            if (self.accept)(&hit) {
                let (start, end) = (hit.start, hit.end);
                findings.push(Finding { start, end, kind: self.kind, trust: self.trust });
            }
        }
    }
}
