//! The keys of one upstream, balanced by latency and load: one that was refused or is at its limit
//! rests while others work. It never shows a key.

use crate::pace::{Pace, Running, in_turn};
use reqwest::header::{HeaderName, HeaderValue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// At most so many keys are tried for one request.
const KEYS_TRIED_MAX: usize = 8;

/// How long a key that the vendor refused rests: somebody has to mend it.
const REFUSED_REST: Duration = Duration::from_secs(60);

/// How long a key at its limit rests when the vendor doesn't say.
const LIMITED_REST: Duration = Duration::from_secs(5);

/// The longest rest that a vendor can ask for.
const REST_MAX: Duration = Duration::from_secs(300);

/// A header with a key in it; its value is marked as sensitive.
pub type KeyHeader = (HeaderName, HeaderValue);

/// One key and how it does.
#[derive(Debug)]
pub(crate) struct Key {
    header: Option<KeyHeader>,
    pace: Pace,
}

impl Key {
    fn new(header: Option<KeyHeader>) -> Self {
        Self { header, pace: Pace::default() }
    }

    /// The header to send; none for a server that wants no key.
    pub(crate) fn header(&self) -> Option<&KeyHeader> {
        self.header.as_ref()
    }

    /// A call begins; it counts until the value is dropped.
    pub(crate) fn begin(&self) -> InUse<'_> {
        InUse { key: self, running: self.pace.begin() }
    }
}

/// A call with a key.
pub(crate) struct InUse<'a> {
    key: &'a Key,
    running: Running<'a>,
}

impl InUse<'_> {
    /// The vendor took it.
    pub(crate) fn taken(&self) {
        self.key.pace.took(self.running.time());
        self.key.pace.wake();
    }

    /// The vendor refused the key (401) or holds it to its limit (429): others work meanwhile.
    pub(crate) fn refused(&self, status: u16, retry_after_ms: Option<u64>) {
        self.key.pace.rest(match (status, retry_after_ms) {
            (401, _) => REFUSED_REST,
            (_, Some(pause)) => Duration::from_millis(pause).min(REST_MAX),
            (_, None) => LIMITED_REST,
        });
    }
}

/// The keys of one upstream.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: Vec<Key>,
    next: AtomicUsize,
}

impl KeyRing {
    /// A ring of these; with none, requests go without a key.
    pub(crate) fn new(headers: Vec<KeyHeader>) -> Self {
        let mut keys: Vec<Key> = headers.into_iter().map(|header| Key::new(Some(header))).collect();
        if keys.is_empty() {
            keys.push(Key::new(None));
        }
        Self { keys, next: AtomicUsize::new(0) }
    }

    /// The keys to try for one request, in their order. At least one.
    pub(crate) fn turn(&self) -> Vec<&Key> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut order = in_turn(&self.keys, count, |key| &key.pace, |key| key.pace.rests());
        order.truncate(KEYS_TRIED_MAX);
        order
    }

    /// Whether none of them can be used just now.
    pub(crate) fn all_rest(&self) -> bool {
        self.keys.iter().all(|key| key.pace.rests())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(names: &[&'static str]) -> KeyRing {
        let header = |name| (HeaderName::from_static("k"), HeaderValue::from_static(name));
        KeyRing::new(names.iter().copied().map(header).collect())
    }

    fn turn(ring: &KeyRing) -> Vec<&str> {
        let headers = ring.turn().into_iter().filter_map(Key::header);
        headers.map(|(_, value)| value.to_str().unwrap()).collect()
    }

    #[test]
    fn equal_keys_are_used_in_turn() {
        let keys = ring(&["a", "b", "c"]);
        assert_eq!(turn(&keys), ["a", "b", "c"]);
        assert_eq!(turn(&keys), ["b", "c", "a"]);
        assert_eq!(turn(&keys), ["c", "a", "b"]);
        assert!(ring(&[]).turn()[0].header().is_none());
    }

    #[test]
    fn the_less_busy_of_two_is_asked_first() {
        let keys = ring(&["a", "b"]);
        let _busy = keys.keys[0].begin();
        assert_eq!((turn(&keys)[0], turn(&keys)[0]), ("b", "b"));
    }

    #[test]
    fn a_key_that_was_refused_rests_behind_the_others_and_is_not_forgotten() {
        let keys = ring(&["a", "b", "c"]);
        keys.keys[0].begin().refused(429, Some(60_000));
        keys.keys[1].begin().refused(401, None);
        for _ in 0..3 {
            let order = turn(&keys);
            assert_eq!((order[0], order.len()), ("c", 3));
        }
        keys.keys[2].begin().refused(429, None);
        assert!(keys.all_rest());
        keys.keys[1].begin().taken();
        assert_eq!((turn(&keys)[0], keys.all_rest()), ("b", false));
    }
}
