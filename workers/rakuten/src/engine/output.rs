//! One answer's way to its reader: bytes, whole characters, stop strings, a bounded channel.
//!
//! Must never wait for the reader: the thread that calls this also writes everybody else's
//! answer. While a reader is slow its text is joined; the places of the last two events are
//! reserved from the beginning, so the end always arrives.

use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender, error::TrySendError};

use super::error::EngineError;
use super::request::{Event, Finished, TokenLogprob};
use super::stop::{Matched, StopMatcher};
use super::text::Utf8Assembler;

/// Events that may lie in the channel: enough for a reader that is descheduled for a second.
const EVENTS_MAX: usize = 64;

/// The writing end of one answer.
#[derive(Debug)]
pub(super) struct Output {
    events: Sender<Event>,
    last_text: OwnedPermit<Event>,
    last_event: OwnedPermit<Event>,
    characters: Utf8Assembler,
    stops: StopMatcher,
    /// The first space of the answer is the tokenizer's, not the model's.
    skip_space: bool,
    /// Text that may be shown and was not sent yet.
    text: String,
    /// Entries that belong to shown text and were not sent yet.
    ready: Vec<TokenLogprob>,
    /// Entries of text that is partly or wholly held back.
    held: Vec<TokenLogprob>,
    /// Bytes shown since the first entry of `held`.
    held_shown_bytes: usize,
}

impl Output {
    /// A new answer and its reading end.
    pub(super) fn new(
        stops: Vec<String>,
        skip_space: bool,
    ) -> Result<(Self, Receiver<Event>), EngineError> {
        let (events, reader) = mpsc::channel(EVENTS_MAX);
        let reserve = || events.clone().try_reserve_owned().map_err(|_| EngineError::Stopped);
        let output = Self {
            last_text: reserve()?,
            last_event: reserve()?,
            events,
            characters: Utf8Assembler::default(),
            stops: StopMatcher::new(stops),
            skip_space,
            text: String::new(),
            ready: Vec::new(),
            held: Vec::new(),
            held_shown_bytes: 0,
        };
        Ok((output, reader))
    }

    /// True when nobody will read the rest.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// What tells whether somebody will read the rest.
    pub(super) fn reader(&self) -> Sender<Event> {
        self.events.clone()
    }

    /// Says that a slot has taken the request.
    pub(super) fn start(&self, prompt_tokens: u32, cached_prompt_tokens: u32) {
        // The channel is empty or abandoned: there is nothing else to do about a failure.
        let _ = self.events.try_send(Event::Started { prompt_tokens, cached_prompt_tokens });
    }

    /// Adds a token; returns the stop string that ends the answer, if it did.
    pub(super) fn push(&mut self, bytes: &[u8], entry: Option<TokenLogprob>) -> Option<String> {
        self.held.extend(entry);
        let mut text = self.characters.push(bytes);
        if self.skip_space && !text.is_empty() {
            self.skip_space = false;
            if text.starts_with(' ') {
                text.remove(0);
            }
        }
        match self.stops.push(&text) {
            Matched::Open(text) => {
                self.held_shown_bytes += text.len();
                self.text.push_str(&text);
                if self.stops.is_clear() && self.characters.is_whole() {
                    self.ready.append(&mut self.held);
                    self.held_shown_bytes = 0;
                }
                None
            }
            Matched::Stopped { text, stop } => {
                self.held_shown_bytes += text.len();
                self.text.push_str(&text);
                self.keep_entries_of_shown_text();
                Some(stop)
            }
        }
    }

    /// Drops the entries of tokens that lie wholly in a stop string.
    fn keep_entries_of_shown_text(&mut self) {
        let mut start = 0;
        for entry in self.held.drain(..) {
            let bytes = entry.bytes.len();
            if start < self.held_shown_bytes {
                self.ready.push(entry);
            }
            start += bytes;
        }
    }

    /// Sends what is ready, if there is room.
    pub(super) fn flush(&mut self) {
        if self.text.is_empty() && self.ready.is_empty() {
            return;
        }
        let event = self.take_text();
        if let Err(TrySendError::Full(Event::Text { text, logprobs })) = self.events.try_send(event)
        {
            (self.text, self.ready) = (text, logprobs);
        }
    }

    fn take_text(&mut self) -> Event {
        Event::Text {
            text: std::mem::take(&mut self.text),
            logprobs: std::mem::take(&mut self.ready),
        }
    }

    /// Sends the rest and the end.
    pub(super) fn finish(mut self, finished: Finished) {
        if finished.stop.is_none() {
            let rest = self.stops.finish();
            self.text.push_str(&rest);
            self.ready.append(&mut self.held);
        }
        if !self.text.is_empty() || !self.ready.is_empty() {
            let (text, logprobs) = (self.text, self.ready);
            self.last_text.send(Event::Text { text, logprobs });
        }
        self.last_event.send(Event::Finished(finished));
    }

    /// Ends the answer with an error.
    pub(super) fn fail(self, error: EngineError) {
        self.last_event.send(Event::Failed(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::request::{FinishReason, Timing, Usage};

    fn end(stop: Option<String>) -> Finished {
        let (usage, timing) = (Usage::default(), Timing::default());
        Finished { reason: FinishReason::Stop, stop, usage, timing }
    }

    fn entry(text: &str) -> Option<TokenLogprob> {
        let bytes = text.as_bytes().to_vec();
        Some(TokenLogprob { token: 1, bytes, logprob: -1.0, top: Vec::new() })
    }

    fn drain(mut reader: Receiver<Event>) -> (String, Vec<String>, usize) {
        let (mut whole, mut tokens, mut events) = (String::new(), Vec::new(), 0);
        while let Ok(event) = reader.try_recv() {
            events += 1;
            if let Event::Text { text, logprobs } = event {
                whole.push_str(&text);
                tokens.extend(
                    logprobs.iter().map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned()),
                );
            }
        }
        (whole, tokens, events)
    }

    #[test]
    fn a_reader_who_does_not_read_stops_nobody_and_loses_nothing() {
        let (mut output, reader) = Output::new(Vec::new(), false).unwrap();
        output.start(3, 0);
        for _ in 0..10_000 {
            assert_eq!(output.push(b"ab", None), None);
            output.flush();
        }
        output.finish(end(None));
        let (text, _, events) = drain(reader);
        assert_eq!(text, "ab".repeat(10_000));
        assert_eq!(events, EVENTS_MAX);
    }

    #[test]
    fn entries_in_a_stop_string_are_dropped_with_it() {
        let (mut output, reader) = Output::new(vec!["<end>".into()], false).unwrap();
        for token in ["a", "b<", "en"] {
            assert_eq!(output.push(token.as_bytes(), entry(token)), None);
            output.flush();
        }
        let stop = output.push(b"d>c", entry("d>c"));
        assert_eq!(stop.as_deref(), Some("<end>"));
        output.finish(end(stop));
        let (text, tokens, _) = drain(reader);
        assert_eq!((text.as_str(), tokens), ("ab", vec!["a".into(), "b<".into()]));
    }

    #[test]
    fn held_text_comes_at_the_end_and_half_a_character_never() {
        let (mut output, reader) = Output::new(vec!["<end>".into()], true).unwrap();
        assert_eq!(output.push(b" x<en", entry(" x<en")), None);
        assert_eq!(output.push(&"楽".as_bytes()[..2], None), None);
        output.finish(end(None));
        let (text, tokens, _) = drain(reader);
        assert_eq!((text.as_str(), tokens), ("x<en", vec![" x<en".into()]));
    }

    #[test]
    fn an_abandoned_answer_is_noticed() {
        let (mut output, reader) = Output::new(Vec::new(), false).unwrap();
        assert!(!output.is_abandoned());
        drop(reader);
        assert!(output.is_abandoned());
        output.push(b"x", None);
        output.flush();
        output.fail(EngineError::Stopped);
    }
}
