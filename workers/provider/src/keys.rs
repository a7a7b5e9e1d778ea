//! The keys of one upstream, balanced: of two the one that answers sooner and has less to do is
//! asked first (the power of two choices), and one that was refused or is at its limit rests while
//! others work. It never shows a key.

use reqwest::header::{HeaderName, HeaderValue};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// At most so many keys are tried for one request.
const KEYS_TRIED_MAX: usize = 8;

/// How long a key that the vendor refused rests: somebody has to mend it.
const REFUSED_REST: Duration = Duration::from_secs(60);

/// How long a key at its limit rests when the vendor doesn't say.
const LIMITED_REST: Duration = Duration::from_secs(5);

/// The longest rest that a vendor can ask for.
const REST_MAX: Duration = Duration::from_secs(300);

/// The weight of the newest latency in the mean, as one part of so many.
const LATENCY_PARTS: u64 = 8;

/// A header with a key in it; its value is marked as sensitive.
pub type KeyHeader = (HeaderName, HeaderValue);

/// One key and how it does.
#[derive(Debug)]
pub(crate) struct Key {
    header: Option<KeyHeader>,
    started: Instant,
    running: AtomicU32,
    /// The mean time to a vendor's headers, in microseconds; 0 before the first.
    latency_us: AtomicU64,
    /// It rests until then, in microseconds since `started`.
    rests_until_us: AtomicU64,
}

impl Key {
    fn new(header: Option<KeyHeader>) -> Self {
        Self {
            header,
            started: Instant::now(),
            running: AtomicU32::new(0),
            latency_us: AtomicU64::new(0),
            rests_until_us: AtomicU64::new(0),
        }
    }

    /// The header to send; none for a server that wants no key.
    pub(crate) fn header(&self) -> Option<&KeyHeader> {
        self.header.as_ref()
    }

    /// A call begins; it counts until the value is dropped.
    pub(crate) fn begin(&self) -> InUse<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        InUse { key: self, since: Instant::now() }
    }

    fn now_us(&self) -> u64 {
        microseconds(self.started.elapsed())
    }

    fn rests(&self) -> bool {
        self.rests_until_us.load(Ordering::Relaxed) > self.now_us()
    }

    /// What a further call would wait: the mean time, once for each call.
    fn load(&self) -> u64 {
        let running = u64::from(self.running.load(Ordering::Relaxed));
        self.latency_us.load(Ordering::Relaxed).max(1).saturating_mul(running + 1)
    }
}

/// A call with a key.
pub(crate) struct InUse<'a> {
    key: &'a Key,
    since: Instant,
}

impl InUse<'_> {
    /// The vendor took it.
    pub(crate) fn taken(&self) {
        let newest = microseconds(self.since.elapsed()).max(1);
        let mean = self.key.latency_us.load(Ordering::Relaxed);
        let mean = match mean {
            0 => newest,
            mean => (mean * (LATENCY_PARTS - 1) + newest) / LATENCY_PARTS,
        };
        self.key.latency_us.store(mean, Ordering::Relaxed);
        self.key.rests_until_us.store(0, Ordering::Relaxed);
    }

    /// The vendor refused the key (401) or holds it to its limit (429): others work meanwhile.
    pub(crate) fn refused(&self, status: u16, retry_after_ms: Option<u64>) {
        let rest = match (status, retry_after_ms) {
            (401, _) => REFUSED_REST,
            (_, Some(pause)) => Duration::from_millis(pause).min(REST_MAX),
            (_, None) => LIMITED_REST,
        };
        let until = self.key.now_us().saturating_add(microseconds(rest));
        self.key.rests_until_us.store(until, Ordering::Relaxed);
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.key.running.fetch_sub(1, Ordering::Relaxed);
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

    /// The keys to try for one request: the better of two first, beginning where the last request
    /// did not; those that rest last. At least one.
    pub(crate) fn turn(&self) -> Vec<&Key> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let first = count % self.keys.len();
        let (before, from) = self.keys.split_at(first);
        let (mut order, resting): (Vec<&Key>, Vec<&Key>) =
            from.iter().chain(before).partition(|key| !key.rests());
        if order.len() > 1 {
            let other = 1 + scattered(count) % (order.len() - 1);
            if order[other].load() < order[0].load() {
                order.swap(0, other);
            }
        }
        order.extend(resting);
        order.truncate(KEYS_TRIED_MAX);
        order
    }
}

/// A number that looks random, so that not always the same two are compared.
fn scattered(count: usize) -> usize {
    count.wrapping_mul(0x9E37_79B9) >> 16
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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
        let busy = keys.keys[0].begin();
        assert_eq!((turn(&keys)[0], turn(&keys)[0]), ("b", "b"));
        drop(busy);
        keys.keys[1].latency_us.store(1_000, Ordering::Relaxed);
        keys.keys[0].latency_us.store(9_000, Ordering::Relaxed);
        assert_eq!((turn(&keys)[0], turn(&keys)[0]), ("b", "b"), "the sooner");
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
        keys.keys[0].begin().refused(429, Some(0));
        keys.keys[1].begin().taken();
        assert!(!keys.keys[0].rests() && !keys.keys[1].rests());
    }
}
