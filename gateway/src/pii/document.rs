//! All strings of a request as one document, so that a value split over messages, or labelled in
//! the message before, is found. It must never change what is not inside a found span, and it
//! never lives longer than the call that masks.

use super::finding::Span;
use super::json_text::{self, Piece};

/// What a label tells stands at its beginning: the rest would be there once for each string.
const LABEL_BYTES_MAX: usize = 128;

/// The strings of a request, joined by line ends, and where each of them is. A request may have
/// very many very short ones: what is kept of each is small.
#[derive(Default)]
pub(super) struct Document {
    text: String,
    /// The pieces of all strings; one that is not looked at has none.
    pieces: Vec<Placed>,
    /// Of each string, how many pieces there are up to its end.
    ends: Vec<u32>,
}

/// A piece of a string, as it stands in the text.
#[derive(Clone, Copy)]
struct Placed {
    kind: PieceKind,
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PieceKind {
    /// All of a string that is no JSON.
    Plain,
    /// The others are JSON's.
    Between,
    Literal,
    Number,
}

/// Where something stands in the text.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl Placed {
    fn place(self) -> Place {
        Place { start: self.start as usize, end: self.end as usize }
    }
}

/// Puts one found value away and says what stands for it.
pub(super) trait Replace {
    /// Why it can't.
    type Error;
    /// The placeholder for a value of the document.
    fn replace(&mut self, span: Span, value: &str) -> Result<String, Self::Error>;
    /// The same for a number of JSON.
    fn replace_number(&mut self, span: Span, number: &str) -> Result<String, Self::Error> {
        self.replace(span, number)
    }
}

impl Document {
    /// The whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Adds a string. The label (a key, an argument's name) is context only.
    pub(super) fn add(&mut self, label: &str, string: &str) {
        if !label.is_empty() {
            self.text.push_str(beginning(label));
            self.text.push_str(": ");
        }
        let (bytes, pieces) = (self.text.len(), self.pieces.len());
        if self.add_json(string).is_none() {
            self.text.truncate(bytes);
            self.pieces.truncate(pieces);
            self.append(PieceKind::Plain, string);
        }
        self.end();
        self.text.push('\n');
    }

    /// Adds a string as it is, JSON or not.
    pub(super) fn add_plain(&mut self, string: &str) {
        self.append(PieceKind::Plain, string);
        self.end();
        self.text.push('\n');
    }

    /// Counts a string that is not looked at, to keep step.
    pub(super) fn skip(&mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(offset(self.pieces.len()));
    }

    fn append(&mut self, kind: PieceKind, text: &str) {
        let start = offset(self.text.len());
        // With the line's end.
        self.text.reserve(text.len() + 1);
        self.text.push_str(text);
        self.pieces.push(Placed { kind, start, end: offset(self.text.len()) });
    }

    /// A line's end after each value keeps a finding from running into the next one.
    fn add_json(&mut self, string: &str) -> Option<()> {
        let mut after_literal = false;
        json_text::cut(string, |piece| {
            let is_key = matches!(piece, Piece::Between(b) if b.trim_start().starts_with(':'));
            if after_literal && !is_key {
                self.text.push('\n');
            }
            after_literal = matches!(piece, Piece::Literal(_));
            match piece {
                Piece::Between(text) => self.append(PieceKind::Between, text),
                Piece::Number(text) => self.append(PieceKind::Number, text),
                Piece::Literal(text) => {
                    self.text.push('"');
                    self.append(PieceKind::Literal, &text);
                    self.text.push('"');
                }
            }
        })
    }

    /// The string at this index with its values replaced, or nothing if it has none.
    pub(super) fn masked<R: Replace>(
        &self,
        index: usize,
        spans: &[Span],
        replace: &mut R,
    ) -> Result<Option<String>, R::Error> {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        match self.pieces.get(start..end(index)).unwrap_or_default() {
            [] => Ok(None),
            [whole] if whole.kind == PieceKind::Plain => {
                self.masked_place(whole.place(), spans, replace)
            }
            pieces => self.masked_json(pieces, spans, replace),
        }
    }

    fn masked_json<R: Replace>(
        &self,
        pieces: &[Placed],
        spans: &[Span],
        replace: &mut R,
    ) -> Result<Option<String>, R::Error> {
        let mut text = String::new();
        let mut changed = false;
        for piece in pieces {
            let place = piece.place();
            let inside = self.text.get(place.start..place.end).unwrap_or_default();
            match piece.kind {
                PieceKind::Plain | PieceKind::Between => text.push_str(inside),
                PieceKind::Number => match touching(place, spans).first() {
                    Some(span) if span.start >= place.start => {
                        text.push_str(&json_text::literal(&replace.replace_number(*span, inside)?));
                        changed = true;
                    }
                    _ => text.push_str(inside),
                },
                PieceKind::Literal => {
                    let masked = self.masked_place(place, spans, replace)?;
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

/// The beginning of a label.
fn beginning(label: &str) -> &str {
    let mut end = label.len().min(LABEL_BYTES_MAX);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.get(..end).unwrap_or_default()
}

/// An offset as it is kept: a longer text is refused.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The spans that lie in a place, at least in part; spans are sorted and disjoint.
fn touching(place: Place, spans: &[Span]) -> &[Span] {
    let first = spans.partition_point(|span| span.end <= place.start);
    let count = spans.get(first..).unwrap_or_default().partition_point(|s| s.start < place.end);
    spans.get(first..first + count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts a star there.
    struct Stars;

    impl Replace for Stars {
        type Error = std::convert::Infallible;

        fn replace(&mut self, _: Span, _: &str) -> Result<String, Self::Error> {
            Ok("*".to_owned())
        }
    }

    #[test]
    fn strings_are_found_again_by_their_number() {
        let mut document = Document::default();
        document.add("", "one");
        document.skip();
        document.add("x", r#"{"a": ["zwei", 3], "b\u0021": null}"#);
        // What only looks like JSON at first.
        document.add("", r#"["\ud800"]"#);
        document.add("", "two");
        let spans = ["one", "zwei", "3", "two"].map(|value| {
            let start = document.text().find(value).unwrap();
            Span { start, end: start + value.len(), kind: super::super::Kind::Custom }
        });
        let masked = |index| document.masked(index, &spans, &mut Stars).unwrap();
        assert_eq!(masked(0).as_deref(), Some("*"));
        assert_eq!(masked(1), None);
        assert_eq!(masked(2).as_deref(), Some(r#"{"a": ["*", "*"], "b!": null}"#));
        assert_eq!(masked(3), None);
        assert_eq!(masked(4).as_deref(), Some("*"));
        assert_eq!(masked(5), None);
    }

    #[test]
    fn a_long_label_is_not_there_once_for_each_string() {
        let mut document = Document::default();
        for _ in 0..100 {
            document.add(&"あ".repeat(10_000), "x");
        }
        assert!(document.text().len() < 100 * (LABEL_BYTES_MAX + 5));
    }
}
