//! A rule: a pattern, what it finds, and a check of the value and its surroundings. A rule must
//! never be given a pattern with nested unbounded repeats around an optional end.

use regex::{CaptureLocations, Regex, RegexBuilder};
use std::ops::Range;

use super::digits::{Digits, Where, Window};
use super::part::{Part, is_listed};
use super::{Need, Recognizer, gate};
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

    /// Its first bytes alone, so many.
    pub(super) fn cut(self, bytes: usize) -> Self {
        Self { end: self.start + bytes, ..self }
    }

    /// The value.
    pub(super) fn value(&self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Without the brackets that stand around it, be it one that has no other.
    fn without_brackets(mut self) -> Self {
        loop {
            let value = self.value();
            let opened = value.matches('(').count();
            let closed = value.matches(')').count();
            let is_around = value.find(')').is_some_and(|at| at + 1 == value.len());
            let inner = match (value.strip_prefix('('), value.strip_suffix(')')) {
                (Some(inner), _) if opened > closed || is_around => inner.trim_start(),
                (_, Some(inner)) if closed > opened => {
                    self.end = self.start + inner.trim_end().len();
                    continue;
                }
                _ => return self,
            };
            self.start = self.end - inner.len();
        }
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
            joins(c)
                && !self.text_after(2).starts_with(". ")
                && !self.ends_sentence()
                && !self.is_before_slashed_word()
        });
        !before && !after
    }

    /// Whether a slash and a word of no path come next: `1234567/山田太郎`.
    fn is_before_slashed_word(&self) -> bool {
        let mut rest = self.text_after(2).chars();
        rest.next() == Some('/') && rest.next().is_some_and(|c| !c.is_ascii())
    }

    /// Whether the line calls the number something that is nobody's.
    pub(super) fn is_called_otherwise(&self) -> bool {
        const WORDS: [&str; 44] = [
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
            "part no",
            "model",
            "sku",
            "型式",
            "機種",
            "桁の数",
            "部品番号",
            "製造番号",
            "管理番号",
            "参照番号",
            "券番号",
            "品番",
            "シリアル",
            "会議id",
            "meeting id",
            "reference n",
            "confirmation n",
            "booking",
            "serial n",
        ];
        let before = small(self.text_before(CALLED_BYTES));
        let line = before.rsplit('\n').next().unwrap_or_default();
        WORDS.iter().any(|word| line.contains(word))
    }

    fn ends_sentence(&self) -> bool {
        let mut rest = self.text_after(5).chars();
        rest.next() == Some('.') && rest.next().is_none_or(|c| !c.is_ascii_alphanumeric())
    }
}

/// A text in small letters. Letters that have no capitals are most of a Japanese text.
pub(in crate::pii) fn small(text: &str) -> String {
    let has_no_case = |byte: u8| byte.is_ascii() || matches!(byte, 0x80..=0xBF | 0xE3..=0xE9);
    let plain = text.bytes().fold(true, |plain, byte| plain & has_no_case(byte));
    if plain { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

/// A pattern for one kind. The value is the pattern's first group, or all of it.
pub(in crate::pii) struct Rule {
    pattern: Pattern,
    kind: Kind,
    trust: Trust,
    accept: fn(&Hit) -> bool,
    /// Where what the pattern fits ends, when it took too much.
    end: fn(&Hit) -> usize,
    /// Whether brackets around what the pattern fits are no part of the value.
    is_unbracketed: bool,
    /// What is tried within a match that was refused.
    part: Option<Part>,
}

impl Rule {
    /// A rule that takes whatever its pattern fits.
    pub(in crate::pii) fn new(
        kind: Kind,
        trust: Trust,
        pattern: &str,
    ) -> Result<Self, regex::Error> {
        Ok(Self {
            pattern: Pattern::new(pattern)?,
            kind,
            trust,
            accept: |_| true,
            end: |hit| hit.end,
            is_unbracketed: false,
            part: None,
        })
    }

    /// One of our own rules. `\b` means the edge of an ASCII word in them: kanji touch numbers
    /// without a blank, and the edge of a Unicode word would make the search slow.
    pub(super) fn own(kind: Kind, trust: Trust, pattern: &str) -> Result<Self, regex::Error> {
        Ok(Self {
            pattern: Pattern::own(pattern)?,
            kind,
            trust,
            accept: |_| true,
            end: |hit| hit.end,
            is_unbracketed: false,
            part: None,
        })
    }

    /// With an end that is told by what the pattern fits.
    pub(super) fn shorten(mut self, end: fn(&Hit) -> usize) -> Self {
        self.end = end;
        self
    }

    /// Without the brackets around what the pattern fits: `(090-1234-5678)`.
    pub(super) fn unbracketed(mut self) -> Self {
        self.is_unbracketed = true;
        self
    }

    /// With a check of what the pattern fits.
    pub(super) fn accept(mut self, accept: fn(&Hit) -> bool) -> Self {
        self.accept = accept;
        self
    }

    /// With a look at what is within a refused match: from each word on with which a value may
    /// begin, up to where each word ends. The pattern must have a limit, and no group.
    pub(super) fn within(mut self, may_begin: fn(&str) -> bool, accept: fn(&Hit) -> bool) -> Self {
        self.part = Some(Part { may_begin, accept });
        self
    }

    /// The value of a match, if there is one that the check takes.
    pub(super) fn value(&self, hit: Hit, accept: fn(&Hit) -> bool) -> Option<Finding> {
        let hit = Hit { end: (self.end)(&hit), ..hit };
        let hit = if self.is_unbracketed { hit.without_brackets() } else { hit };
        let Hit { start, end, .. } = hit;
        accept(&hit).then_some(Finding { start, end, kind: self.kind, trust: self.trust })
    }
}

impl Recognizer for Rule {
    fn need(&self) -> Need {
        self.pattern.need()
    }

    fn find(&self, text: &str, digits: &Digits, findings: &mut Vec<Finding>) {
        // Where the last refused match ended.
        let mut refused = None;
        self.pattern.find_on(text, digits, |start, end| {
            let hit = Hit::new(text, start, end);
            let is_listed = refused.is_some_and(|at| is_listed(text, at, start));
            let accept = self.part.filter(|_| is_listed).map_or(self.accept, |part| part.accept);
            let value = self.value(hit, accept);
            findings.extend(value);
            let part = self.part.filter(|_| value.is_none())?;
            refused = Some(end);
            let shorter = part.shorter(self, hit);
            findings.extend(shorter);
            Some(shorter.map_or_else(|| part.next(hit), |found| found.end))
        });
    }
}

/// A compiled pattern that knows where it may fit.
pub(super) struct Pattern {
    regex: Regex,
    place: Where,
    has_group: bool,
    /// One of these is in every window with a match. None: this says nothing.
    any: Vec<String>,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build()?;
        let (has_group, any) = (regex.captures_len() > 1, Need::of(pattern).few());
        Ok(Self { regex, place: gate::place(pattern), has_group, any })
    }

    /// One of our own, see [`Rule::own`].
    pub(super) fn own(pattern: &str) -> Result<Self, regex::Error> {
        Self::new(&pattern.replace(r"\b", r"(?-u:\b)"))
    }

    /// What a text must hold for it.
    pub(super) fn need(&self) -> Need {
        Need::of(self.regex.as_str())
    }

    /// Whether it fits anywhere.
    pub(super) fn fits(&self, text: &str, digits: &Digits) -> bool {
        let mut fits = false;
        match self.place {
            Where::Anywhere => return self.regex.is_match(text),
            _ => self.find(text, digits, |_, _| fits = true),
        }
        fits
    }

    /// Visits the first group, or all, of every match.
    pub(super) fn find(&self, text: &str, digits: &Digits, mut visit: impl FnMut(usize, usize)) {
        self.find_on(text, digits, |start, end| {
            visit(start, end);
            None
        });
    }

    /// As [`Self::find`]. A visit may say where to go on, behind the match's start, if the pattern
    /// is one around digits.
    fn find_on(
        &self,
        text: &str,
        digits: &Digits,
        mut visit: impl FnMut(usize, usize) -> Option<usize>,
    ) {
        match self.place {
            Where::Anywhere if !self.has_group => {
                for found in self.regex.find_iter(text) {
                    visit(found.start(), found.end());
                }
            }
            Where::Anywhere => {
                for captures in self.regex.captures_iter(text) {
                    let found = captures.get(1).or_else(|| captures.get(0));
                    if let Some(found) = found {
                        visit(found.start(), found.end());
                    }
                }
            }
            Where::Digits(reach) => self.find_in(text, digits.windows(text, reach), visit),
            Where::Words(least) => self.find_in(text, digits.words(text, least), visit),
        }
    }

    /// A match in a window is never empty, and the next one begins at its end.
    fn find_in(
        &self,
        text: &str,
        windows: impl Iterator<Item = Window>,
        mut visit: impl FnMut(usize, usize) -> Option<usize>,
    ) {
        let (mut at, mut groups) = (0, None);
        for window in windows {
            let start = window.all.start;
            let part = text.get(window.all).unwrap_or_default();
            if !self.any.is_empty() && !self.any.iter().any(|word| part.contains(word.as_str())) {
                continue;
            }
            at = window.from.max(at);
            while let Some((found, all)) = self.found_at(part, at - start, &mut groups) {
                if start + all.start >= window.until {
                    break;
                }
                let next = visit(start + found.start, start + found.end);
                at = next.unwrap_or(start + all.end);
            }
        }
    }

    /// The first group, or all, of the next match, and where all of it is. Room for the groups is
    /// made once.
    fn found_at(
        &self,
        text: &str,
        at: usize,
        groups: &mut Option<CaptureLocations>,
    ) -> Option<(Range<usize>, Range<usize>)> {
        if !self.has_group {
            return self.regex.find_at(text, at).map(|found| (found.range(), found.range()));
        }
        let groups = groups.get_or_insert_with(|| self.regex.capture_locations());
        let all = self.regex.captures_read_at(groups, text, at)?.range();
        let first = groups.get(1).map(|(start, end)| start..end);
        Some((first.unwrap_or(all.clone()), all))
    }
}

#[cfg(test)]
mod tests {
    use super::{Digits, Pattern, small};

    #[test]
    fn small_letters_are_those_of_unicode() {
        for character in '\0'..=char::MAX {
            let text = format!("A電{character}Σ");
            assert_eq!(small(&text), text.to_lowercase());
            assert_eq!(small(&text[..text.len() - 2]), text[..text.len() - 2].to_lowercase());
        }
    }

    /// What a search of the whole text finds.
    fn all(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let regex = regex::Regex::new(pattern).unwrap();
        let captures = regex.captures_iter(text);
        let found = captures.filter_map(|c| c.get(1).or_else(|| c.get(0)));
        found.map(|found| (found.start(), found.end())).collect()
    }

    #[test]
    fn a_search_around_digits_finds_what_a_search_of_all_finds() {
        const PIECES: [&str; 14] =
            ["0", "12", "345", "6789", "-", " ", ".", "\n", "x", "AB", "あ", "：", "+", "tel"];
        const PATTERNS: [&str; 11] = [
            r"(?-u:\b)(?:tel|A)[A-Za-z0-9]{6,}\b|[A-Z0-9x+.]{9,}",
            r"^[!-~]{8,12}|[a-zA-Z]{8,}$",
            r"(?:\+ ?|\()?[0-9](?:[ \-().]{0,2}[0-9]){6,14}(?: ?(?:x|ext\.? ?)[0-9]{1,5})?",
            r"\b[0-9]{2}[.\-][0-9]{1,3}\b",
            r"(?m)^[^0-9\n]{0,12}(0[0-9]{1,4}-?\n[0-9]{4})[^0-9\n]{0,12}$",
            r"^[0-9]+",
            r"[0-9]+$",
            r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){3,9}",
            r"[^0-9]{0,5}[0-9][^0-9]{0,5}",
            r"(?i)tel[^0-9\n]{0,6}([0-9]{3,9})|[0-9]{6}",
            r"x?あ?[0-9][a-z0-9]{0,3}",
        ];
        let patterns = PATTERNS.map(|pattern| (pattern, Pattern::new(pattern).unwrap()));
        let mut dice = 7_u64;
        for _ in 0..150 {
            let mut text = String::new();
            for _ in 0..30 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                text.push_str(PIECES[usize::try_from(dice >> 33).unwrap() % PIECES.len()]);
            }
            let digits = Digits::of(&text);
            for (source, pattern) in &patterns {
                let mut found = Vec::new();
                pattern.find(&text, &digits, |start, end| found.push((start, end)));
                assert_eq!(found, all(source, &text), "{source} in {text:?}");
            }
        }
    }
}
