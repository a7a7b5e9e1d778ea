//! Restoring: placeholders become their values again while an answer streams by, however it is
//! cut. Only a tail that may still become a placeholder is held back. It must never restore what
//! this request did not issue, and never read a restored value again.

use std::sync::Arc;

use super::escape;
use super::field::Field;
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
    /// Of JSON, what a backslash makes of the letter before.
    escaped: Escaped,
    /// Of JSON in which numbers may come back.
    field: Field,
}

/// What the last backslashes of JSON say.
#[derive(Default)]
struct Escaped {
    /// The next letter belongs to one.
    is_next: bool,
    /// The last one did.
    is_last: bool,
}

impl Escaped {
    fn pass(&mut self, text: &str) {
        for byte in text.bytes() {
            self.is_last = std::mem::replace(&mut self.is_next, false);
            self.is_next = byte == b'\\' && !self.is_last;
        }
    }

    /// The letter before, as a reader of the JSON sees it: a line's end or a tab is no letter.
    fn read(&self, before: Option<char>) -> Option<char> {
        before.filter(|letter| !(self.is_last && "ntrbf".contains(*letter)))
    }
}

/// Blanks between a string and the colon that makes a name of it.
const BLANKS_MAX: usize = 16;

impl Restorer {
    pub(super) fn new(values: Arc<Values>, escape: Escape) -> Self {
        let (escaped, field) = (Escaped::default(), Field::default());
        Self { values, escape, held: String::new(), before: None, escaped, field }
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
        let has_numbers = json && self.values.has_numbers();
        // Where the next quote is, as far as that matters: each is looked for once.
        let mut quote = if has_numbers { text.find('"').unwrap_or(text.len()) } else { text.len() };
        loop {
            // Most of an answer begins no placeholder: it is copied as it is.
            let rest = text.get(at..).unwrap_or_default();
            if has_numbers && quote < at {
                quote = rest.find('"').map_or(text.len(), |quote| at + quote);
            }
            let before_quote = text.get(at..quote).unwrap_or(rest);
            let (plain, rest) = rest.split_at(placeholder::may_begin_at(before_quote));
            if has_numbers {
                self.field.pass(plain);
            }
            if json {
                self.escaped.pass(plain);
            }
            shown.push_str(plain);
            self.before = plain.chars().next_back().or(self.before);
            at += plain.len();
            let Some(character) = rest.chars().next() else { return shown };
            let setting = Setting { before: self.escaped.read(self.before), complete, json };
            let is_number = character == '"';
            let found = match is_number {
                true => self.number_at(rest, setting),
                false => placeholder::read(rest, setting),
            };
            match found {
                Found::Unfinished => {
                    rest.clone_into(&mut self.held);
                    return shown;
                }
                Found::Placeholder { length, kind, number } => {
                    if let Some(value) = self.values.get(kind, number) {
                        match rest.get(..length).is_some_and(placeholder::is_in_url) {
                            true => shown.push_str(&escape::in_url(value)),
                            false => self.show(value, is_number, &mut shown),
                        }
                        self.before = rest.get(..length).and_then(|p| p.chars().next_back());
                        self.escaped = Escaped::default();
                        at += length;
                        continue;
                    }
                }
                Found::Nothing => {}
            }
            if has_numbers {
                self.field.pass(rest.get(..character.len_utf8()).unwrap_or_default());
            }
            if json {
                self.escaped.pass(rest.get(..character.len_utf8()).unwrap_or_default());
            }
            shown.push(character);
            self.before = Some(character);
            at += character.len_utf8();
        }
    }

    /// A placeholder that stands for a number, with its quotes, at the beginning of a text.
    fn number_at(&self, text: &str, setting: Setting) -> Found {
        let end = if setting.complete { Found::Nothing } else { Found::Unfinished };
        let Some(inside) = text.strip_prefix('"').filter(|_| !self.field.is_in_string()) else {
            return Found::Nothing;
        };
        if inside.is_empty() {
            return end;
        }
        let found = placeholder::read(inside, Setting { before: Some('"'), ..setting });
        let Found::Placeholder { length, kind, number } = found else { return found };
        if !self.values.is_number(kind, number, self.field.name()) {
            return Found::Nothing;
        }
        let Some(after) = inside.get(length..).filter(|after| !after.is_empty()) else {
            return end;
        };
        let Some(after) = after.strip_prefix('"') else { return Found::Nothing };
        let next = after.trim_start();
        // A name stays a string.
        match next.chars().next() {
            Some(':') => Found::Nothing,
            None if !setting.complete && after.len() <= BLANKS_MAX => Found::Unfinished,
            _ => Found::Placeholder { length: length + 2, kind, number },
        }
    }

    fn show(&self, value: &str, is_number: bool, shown: &mut String) {
        let escaped = match self.escape {
            Escape::Json if !is_number => serde_json::to_string(value).ok(),
            // A string is always valid JSON; the quotes around it are the answer's own.
            _ => None,
        };
        let inside = escaped.as_deref().map(|e| e.get(1..e.len() - 1).unwrap_or_default());
        shown.push_str(inside.unwrap_or(value));
    }
}
