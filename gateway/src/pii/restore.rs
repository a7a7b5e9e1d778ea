//! Restoring: placeholders become their values again while an answer streams by, however it is
//! cut. Only a tail that may still become a placeholder is held back. It must never restore what
//! this request did not issue, and never read a restored value again.

use std::sync::Arc;

use super::placeholder::{self, Found, Setting};
use super::vault::Values;

/// How a value is written into the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    /// As it is.
    None,
    /// As the inside of a JSON string.
    Json,
}

/// Restores the text of one choice, or the arguments of one tool call.
pub struct Restorer {
    values: Arc<Values>,
    escape: Escape,
    held: String,
    before: Option<char>,
}

impl Restorer {
    pub(super) fn new(values: Arc<Values>, escape: Escape) -> Self {
        Self { values, escape, held: String::new(), before: None }
    }

    /// Takes the next piece of the answer and gives what can be shown now.
    pub fn push(&mut self, piece: &str) -> String {
        if self.values.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        self.release(false)
    }

    /// Gives what was held back: the answer has ended.
    pub fn finish(&mut self) -> String {
        self.release(true)
    }

    fn release(&mut self, complete: bool) -> String {
        let text = std::mem::take(&mut self.held);
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        let json = self.escape == Escape::Json;
        loop {
            // Most of an answer begins no placeholder: it is copied as it is.
            let rest = text.get(at..).unwrap_or_default();
            let (plain, rest) = rest.split_at(placeholder::may_begin_at(rest));
            shown.push_str(plain);
            self.before = plain.chars().next_back().or(self.before);
            at += plain.len();
            let Some(character) = rest.chars().next() else { return shown };
            let setting = Setting { before: self.before, complete, json };
            match placeholder::read(rest, setting) {
                Found::Unfinished => {
                    rest.clone_into(&mut self.held);
                    return shown;
                }
                Found::Placeholder { length, kind, number } => {
                    if let Some(value) = self.values.get(kind, number) {
                        self.show(value, &mut shown);
                        self.before = rest.get(..length).and_then(|p| p.chars().next_back());
                        at += length;
                        continue;
                    }
                }
                Found::Nothing => {}
            }
            shown.push(character);
            self.before = Some(character);
            at += character.len_utf8();
        }
    }

    fn show(&self, value: &str, shown: &mut String) {
        let escaped = match self.escape {
            Escape::None => None,
            // A string is always valid JSON; the quotes around it are the answer's own.
            Escape::Json => serde_json::to_string(value).ok(),
        };
        let inside = escaped.as_deref().map(|e| e.get(1..e.len() - 1).unwrap_or_default());
        shown.push_str(inside.unwrap_or(value));
    }
}
