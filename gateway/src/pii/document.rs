//! All strings of a request as one document, so that a value split over messages, or labelled in
//! the message before, is found. It must never change what is not inside a found span, and it
//! never lives longer than the call that masks.

use super::finding::Span;
use super::json_text::{self, Piece};

/// The strings of a request, joined by line ends, and where each of them is.
#[derive(Default)]
pub(super) struct Document {
    text: String,
    strings: Vec<Entry>,
}

/// One string of the request.
enum Entry {
    /// Plain text at this place.
    Plain(Place),
    /// JSON: its pieces, and the places of those that may be changed.
    Json(Vec<(Piece, Place)>),
    /// A string that is not looked at.
    Skipped,
}

#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

/// Puts one found value away and says what stands for it.
pub(super) trait Replace {
    /// Why it can't.
    type Error;
    /// The placeholder for a value of the document.
    fn replace(&mut self, span: Span, value: &str) -> Result<String, Self::Error>;
}

impl Document {
    /// The whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a string. The label (a key, an argument's name) is context only.
    pub(super) fn add(&mut self, label: &str, string: &str) {
        if !label.is_empty() {
            self.text.push_str(label);
            self.text.push_str(": ");
        }
        let entry = match json_text::cut(string) {
            Some(pieces) => Entry::Json(self.add_json(pieces)),
            None => Entry::Plain(self.append(string)),
        };
        self.strings.push(entry);
        self.text.push('\n');
    }

    /// Adds a string as it is, JSON or not.
    pub(super) fn add_plain(&mut self, string: &str) {
        let place = self.append(string);
        self.strings.push(Entry::Plain(place));
        self.text.push('\n');
    }

    /// Counts a string that is not looked at, to keep step.
    pub(super) fn skip(&mut self) {
        self.strings.push(Entry::Skipped);
    }

    fn append(&mut self, text: &str) -> Place {
        let start = self.text.len();
        // With the line's end.
        self.text.reserve(text.len() + 1);
        self.text.push_str(text);
        Place { start, end: self.text.len() }
    }

    /// A line's end after each value keeps a finding from running into the next one.
    fn add_json(&mut self, pieces: Vec<Piece>) -> Vec<(Piece, Place)> {
        let mut placed = Vec::with_capacity(pieces.len());
        let mut after_literal = false;
        for piece in pieces {
            let is_key = matches!(&piece, Piece::Between(b) if b.trim_start().starts_with(':'));
            if after_literal && !is_key {
                self.text.push('\n');
            }
            after_literal = matches!(piece, Piece::Literal(_));
            placed.push(self.add_piece(piece));
        }
        placed
    }

    fn add_piece(&mut self, piece: Piece) -> (Piece, Place) {
        let place = match &piece {
            Piece::Between(text) | Piece::Number(text) => self.append(text),
            Piece::Literal(text) => {
                self.text.push('"');
                let place = self.append(text);
                self.text.push('"');
                place
            }
        };
        (piece, place)
    }

    /// The string at this index with its values replaced, or nothing if it has none.
    pub(super) fn masked<R: Replace>(
        &self,
        index: usize,
        spans: &[Span],
        replace: &mut R,
    ) -> Result<Option<String>, R::Error> {
        match self.strings.get(index) {
            Some(Entry::Plain(place)) => self.masked_place(*place, spans, replace),
            Some(Entry::Json(pieces)) => self.masked_json(pieces, spans, replace),
            Some(Entry::Skipped) | None => Ok(None),
        }
    }

    fn masked_json<R: Replace>(
        &self,
        pieces: &[(Piece, Place)],
        spans: &[Span],
        replace: &mut R,
    ) -> Result<Option<String>, R::Error> {
        let mut text = String::new();
        let mut changed = false;
        for (piece, place) in pieces {
            match piece {
                Piece::Between(between) => text.push_str(between),
                Piece::Number(number) => match touching(*place, spans).first() {
                    Some(span) if span.start >= place.start => {
                        text.push_str(&json_text::literal(&replace.replace(*span, number)?));
                        changed = true;
                    }
                    _ => text.push_str(number),
                },
                Piece::Literal(inside) => {
                    let masked = self.masked_place(*place, spans, replace)?;
                    changed |= masked.is_some();
                    text.push_str(&json_text::literal(masked.as_deref().unwrap_or(inside)));
                }
            }
        }
        Ok(changed.then_some(text))
    }

    fn masked_place<R: Replace>(
        &self,
        place: Place,
        spans: &[Span],
        replace: &mut R,
    ) -> Result<Option<String>, R::Error> {
        let mut masked = String::new();
        let mut at = place.start;
        for span in touching(place, spans) {
            let (start, end) = self.trim(span.start.max(at), span.end.min(place.end));
            if start >= end {
                continue;
            }
            let start = self.with_backslashes(start, at);
            masked.push_str(self.text.get(at..start).unwrap_or_default());
            let value = self.text.get(start..end).unwrap_or_default();
            masked.push_str(&replace.replace(*span, value)?);
            at = end;
        }
        if at == place.start {
            return Ok(None);
        }
        masked.push_str(self.text.get(at..place.end).unwrap_or_default());
        Ok(Some(masked))
    }

    fn trim(&self, start: usize, end: usize) -> (usize, usize) {
        let piece = self.text.get(start..end).unwrap_or_default();
        let start = end - piece.trim_start().len();
        (start, start + self.text.get(start..end).map_or(0, |piece| piece.trim_end().len()))
    }

    /// A backslash before a placeholder reads as Markdown's when it comes back in an answer:
    /// one that was the client's own goes into the vault with the value.
    fn with_backslashes(&self, start: usize, least: usize) -> usize {
        let before = self.text.get(least..start).unwrap_or_default();
        start - (before.len() - before.trim_end_matches('\\').len())
    }
}

/// The spans that lie in a place, at least in part; spans are sorted and disjoint.
fn touching(place: Place, spans: &[Span]) -> &[Span] {
    let first = spans.partition_point(|span| span.end <= place.start);
    let count = spans.get(first..).unwrap_or_default().partition_point(|s| s.start < place.end);
    spans.get(first..first + count).unwrap_or_default()
}
