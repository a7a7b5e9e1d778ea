//! The events of a response that runs in the background, with their numbers: for whoever follows it
//! now, and for whoever comes back later. It is bounded: what doesn't fit is left out, but never
//! the end.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What one log may hold, in bytes.
const LOG_BYTES_MAX: usize = 4_194_304;

/// One event as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbered {
    /// Its `sequence_number`.
    pub(super) number: u64,
    /// Its lines, with the blank one that ends it.
    pub(super) text: String,
}

/// The events of one response.
pub(super) struct Log {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Inner {
    events: Vec<Numbered>,
    bytes: usize,
    is_over: bool,
}

impl Log {
    /// Nothing was told yet.
    pub(super) fn new() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Takes what was written: whole events, and comments, which nobody needs later.
    pub(super) fn add(&self, written: &[u8]) {
        let mut inner = self.inner();
        for event in numbered(written) {
            if inner.bytes + event.text.len() <= LOG_BYTES_MAX {
                inner.bytes += event.text.len();
                inner.events.push(event);
            }
        }
        drop(inner);
        self.changed.send_replace(());
    }

    /// Takes the last events, which are told whatever their size is.
    pub(super) fn end(&self, written: &[u8]) {
        let mut inner = self.inner();
        inner.events.extend(numbered(written));
        inner.is_over = true;
        drop(inner);
        self.changed.send_replace(());
    }

    /// All events, with those that are to be the last.
    pub(super) fn with_last(&self, written: &[u8]) -> Vec<Numbered> {
        let mut events = self.inner().events.clone();
        events.extend(numbered(written));
        events
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.inner().events.len()
    }

    /// The text of all events from this place on, how many there are now, and whether all is told.
    pub(super) fn from(&self, place: usize) -> (String, usize, bool) {
        let inner = self.inner();
        let text = inner.events.iter().skip(place).map(|event| event.text.as_str()).collect();
        (text, inner.events.len(), inner.is_over)
    }

    /// Tells when something is new.
    pub(super) fn follow(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events in a written text, each by the number in it.
fn numbered(written: &[u8]) -> Vec<Numbered> {
    let text = String::from_utf8_lossy(written);
    let event = |text: &str| {
        let (_, rest) = text.strip_prefix("event: ")?.split_once("\"sequence_number\":")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Numbered { number: digits.parse().ok()?, text: text.to_owned() })
    };
    text.split_inclusive("\n\n").filter_map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, number: u64, filling: &str) -> String {
        let data = format!(r#"{{"type":"{name}","sequence_number":{number},"x":"{filling}"}}"#);
        format!("event: {name}\ndata: {data}\n\n")
    }

    #[test]
    fn events_are_numbered_and_the_last_is_told_whatever_came_before() {
        let log = Log::new();
        let second = event("b", 1, "");
        log.add(format!("{}: ping\n\n{second}", event("a", 0, "")).as_bytes());
        log.add(event("c", 2, &"x".repeat(LOG_BYTES_MAX)).as_bytes());
        assert_eq!(log.from(1), (second, 2, false));
        let last = event("d", 3, "");
        let all = log.with_last(last.as_bytes());
        let numbers: Vec<u64> = all.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [0, 1, 3], "the one between had no room");
        log.end(last.as_bytes());
        assert_eq!(log.from(2), (last, 3, true));
    }
}
