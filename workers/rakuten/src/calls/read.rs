//! What a model wrote, as text and calls, while it is being written. Whatever is no call of an
//! offered function stays text: nothing of an answer is lost.
//!
//! Arguments go out as they come where a grammar holds the model to the schema, else at the end of
//! the call, when it is known that they are JSON.

use super::{CALLS_MAX, Calls, Choice, format::CallFormat};
use serde_json::Value;
use std::collections::VecDeque;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Words.
    Text(String),
    /// A call begins.
    Begin {
        /// Its number in the answer.
        index: usize,
        /// Its name, unique.
        id: String,
        /// The function.
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        /// The call's number.
        index: usize,
        /// JSON, or a part of it.
        text: String,
    },
}

/// Where the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In words, or before anything.
    Words,
    /// Behind an opening, before the call's first letter.
    Opened,
    /// In a call, whose beginning is in `pending`.
    Call,
    /// In the arguments of a call that can only be right; they go out as they come.
    Arguments,
    /// Behind a call.
    Closed,
}

/// Reads one choice of an answer.
#[derive(Debug)]
pub(crate) struct CallReader {
    format: CallFormat,
    names: Vec<String>,
    calls_max: usize,
    /// Nothing may be written but calls, word for word.
    is_forced: bool,
    /// A grammar holds the answer: what begins like a call is one.
    is_held: bool,
    id: String,
    state: State,
    /// Text whose meaning is not known yet.
    pending: String,
    /// How the text in front of a call was opened, to give it back should it be none.
    opened_by: String,
    scan: Scan,
    calls: usize,
    has_text: bool,
    pieces: VecDeque<Piece>,
}

impl CallReader {
    pub(super) fn new(calls: &Calls, id: String, is_held: bool) -> Self {
        let is_forced = calls.choice == Choice::Required;
        let opening = calls.opening();
        Self {
            format: calls.format,
            names: calls.functions.iter().map(|function| function.name.clone()).collect(),
            calls_max: if calls.parallel { CALLS_MAX } else { 1 },
            // Only then every brace is where the grammar put it.
            is_forced,
            is_held: is_held || is_forced,
            id,
            state: if opening.is_empty() { State::Words } else { State::Opened },
            pending: String::new(),
            opened_by: opening.to_owned(),
            scan: Scan::default(),
            calls: 0,
            has_text: false,
            pieces: VecDeque::new(),
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Takes more of the answer.
    pub(crate) fn push(&mut self, text: &str) -> Vec<Piece> {
        self.pending.push_str(text);
        while self.advance() {}
        self.pieces.drain(..).collect()
    }

    /// The answer is over: what was held back is text, unless it is a call that was cut off.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let rest = std::mem::take(&mut self.pending);
        // An answer in Llama's form that is JSON of its own begins like a call, too.
        let is_held = self.is_held && self.format != CallFormat::Llama;
        let is_cut = self.is_forced || is_held || self.calls > 0;
        match self.state {
            State::Words if self.is_forced => {}
            State::Words => self.say(&rest),
            State::Call if is_cut => {}
            State::Call => {
                let given_back = format!("{}{rest}", self.opened_by);
                self.say(&given_back);
            }
            State::Opened | State::Arguments | State::Closed => {}
        }
        self.pieces.drain(..).collect()
    }

    fn say(&mut self, text: &str) {
        // White space in front of everything, and behind a call, is nothing that is said.
        let text = if self.has_text { text } else { text.trim_start() };
        if !text.is_empty() {
            self.has_text = true;
            self.pieces.push_back(Piece::Text(text.to_owned()));
        }
    }

    /// One step through what is pending; false when more must come first.
    fn advance(&mut self) -> bool {
        match self.state {
            State::Words => self.words(),
            State::Opened => self.opened(),
            State::Call => self.call(),
            State::Arguments => self.arguments(),
            State::Closed => self.closed(),
        }
    }

    fn words(&mut self) -> bool {
        let opening = self.format.opening();
        let leading = self.pending.len() - self.pending.trim_start().len();
        let begins = self.pending[leading..].starts_with('{');
        if self.format == CallFormat::Llama && !self.has_text && begins {
            self.open(leading, leading);
            return true;
        }
        if let Some(at) = self.pending.find(opening) {
            self.open(at, at + opening.len());
            return true;
        }
        let keep = (1..opening.len())
            .rev()
            .filter(|length| opening.is_char_boundary(*length))
            .find(|length| self.pending.ends_with(&opening[..*length]))
            .unwrap_or(0);
        let shown = self.pending.len() - keep;
        // Words may end with white space that only leads to a call.
        let shown = self.pending[..shown].trim_end().len();
        if shown > 0 {
            let text: String = self.pending.drain(..shown).collect();
            self.say(&text);
        }
        false
    }

    fn open(&mut self, words: usize, end: usize) {
        let opened: String = self.pending.drain(..end).collect();
        self.say(opened[..words].trim_end());
        self.opened_by = opened[words..].to_owned();
        self.state = State::Opened;
    }

    fn opened(&mut self) -> bool {
        let skipped = |letter: char| {
            letter.is_whitespace() || (self.format == CallFormat::Mistral && letter == '[')
        };
        let start = self.pending.trim_start_matches(skipped);
        let Some(first) = start.chars().next() else { return false };
        let taken = self.pending.len() - start.len();
        self.opened_by.push_str(&self.pending[..taken]);
        self.pending.drain(..taken);
        self.scan = Scan::default();
        if first != '{' && self.format != CallFormat::Mistral {
            return self.give_back();
        }
        self.state = State::Call;
        true
    }

    /// It was no call: what was written stays text.
    fn give_back(&mut self) -> bool {
        let opened = std::mem::take(&mut self.opened_by);
        self.state = State::Words;
        self.say(&opened);
        // Behind an opening of Llama's that was a brace there is only text.
        self.has_text = true;
        true
    }

    fn call(&mut self) -> bool {
        if self.is_forced {
            return self.held_call();
        }
        let Some(brace) = self.pending.find('{') else {
            let is_name = self.pending.len() <= super::NAME_BYTES_MAX * 2;
            return !is_name && self.give_back();
        };
        let Some(end) = self.scan.end(&self.pending, brace) else { return false };
        let told = parsed(&self.pending[..brace], &self.pending[brace..end]);
        let Some((name, arguments)) = told.filter(|(name, _)| self.names.contains(name)) else {
            // Text, and what follows is looked at again.
            let opened = std::mem::take(&mut self.opened_by);
            let text: String = self.pending.drain(..end).collect();
            self.state = State::Words;
            self.say(&format!("{opened}{text}"));
            return true;
        };
        self.pending.drain(..end);
        if self.begin(name) {
            let index = self.calls - 1;
            self.pieces.push_back(Piece::Arguments { index, text: arguments });
        }
        self.state = State::Closed;
        true
    }

    /// A call that a grammar holds: its head is known word for word.
    fn held_call(&mut self) -> bool {
        let heads = self.names.iter().map(|name| (name.clone(), self.format.head(name)));
        let found = heads.into_iter().find(|(_, head)| self.pending.starts_with(head.as_str()));
        let Some((name, head)) = found else { return false };
        self.pending.drain(..head.len());
        self.scan = Scan::default();
        self.begin(name);
        self.state = State::Arguments;
        true
    }

    fn arguments(&mut self) -> bool {
        let end = self.scan.end(&self.pending, 0);
        let text: String = self.pending.drain(..end.unwrap_or(self.pending.len())).collect();
        if !text.is_empty() {
            let index = self.calls.saturating_sub(1);
            self.pieces.push_back(Piece::Arguments { index, text });
        }
        self.scan.taken();
        if end.is_some() {
            self.state = State::Closed;
        }
        end.is_some()
    }

    fn begin(&mut self, name: String) -> bool {
        if self.calls >= self.calls_max {
            return false;
        }
        let index = self.calls;
        self.calls += 1;
        self.pieces.push_back(Piece::Begin { index, id: format!("{}{index}", self.id), name });
        true
    }

    /// Skips what stands between two calls.
    fn closed(&mut self) -> bool {
        let closing = "</tool_call>";
        let between = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '}');
        let rest = self.pending.trim_start_matches(between);
        let taken = self.pending.len() - rest.len();
        self.pending.drain(..taken);
        let (next, length) = match self.format {
            CallFormat::Hermes | CallFormat::Instructed => {
                if self.pending.is_empty() || closing.starts_with(self.pending.as_str()) {
                    // The whole closing is taken at once.
                    if self.pending == closing {
                        self.pending.clear();
                    }
                    return false;
                }
                if self.pending.starts_with(closing) {
                    self.pending.drain(..closing.len());
                    return true;
                }
                (State::Words, 0)
            }
            CallFormat::Llama | CallFormat::Mistral => match self.pending.chars().next() {
                None => return false,
                Some('{') => (State::Opened, 0),
                Some(']') => (State::Words, 1),
                Some(_) => (State::Words, 0),
            },
        };
        self.pending.drain(..length);
        self.opened_by.clear();
        // Only white space was said since.
        self.has_text = self.format == CallFormat::Llama && next == State::Words;
        self.state = next;
        true
    }
}

/// The name and the arguments of a call. In Mistral's newer form the name stands in front.
fn parsed(front: &str, json: &str) -> Option<(String, String)> {
    let value: Value = serde_json::from_str(json).ok()?;
    if let Some(front) = front.trim().strip_suffix("[ARGS]") {
        let name = front.split("[CALL_ID]").next().unwrap_or(front);
        return Some((name.trim().to_owned(), json.to_owned()));
    }
    if !front.trim().is_empty() {
        return None;
    }
    let name = value["name"].as_str()?.to_owned();
    let arguments = value.get("arguments").or_else(|| value.get("parameters"));
    match arguments {
        None | Some(Value::Null) => Some((name, "{}".to_owned())),
        Some(arguments @ Value::Object(_)) => Some((name, arguments.to_string())),
        // Some models write the JSON as a string.
        Some(Value::String(text)) => {
            let inner: Value = serde_json::from_str(text).ok()?;
            inner.is_object().then(|| (name, inner.to_string()))
        }
        Some(_) => None,
    }
}

/// Finds the end of a JSON object letter by letter, so that no letter is looked at twice.
#[derive(Debug, Default)]
struct Scan {
    looked: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Scan {
    /// Where the object that begins at `from` ends, if it does.
    fn end(&mut self, text: &str, from: usize) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate().skip(from.max(self.looked)) {
            self.looked = at + 1;
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// What was looked at is gone.
    fn taken(&mut self) {
        self.looked = 0;
    }
}
