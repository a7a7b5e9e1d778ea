//! How something that is called does: how busy it is, how soon it answers, and whether it rests.
//! Out of several the better of two is taken (the power of two choices). It knows neither keys nor
//! addresses.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The weight of the newest latency in the mean, as one part of so many.
const LATENCY_PARTS: u64 = 8;

/// What was measured counts half after so long: who was slow once is asked again.
const LATENCY_HALF_LIFE: Duration = Duration::from_secs(10);

/// The pace of one of several.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    running: AtomicU32,
    /// The mean latency, in microseconds; 0 before the first.
    latency_us: AtomicU64,
    /// When it was measured, in microseconds since `started`.
    measured_us: AtomicU64,
    /// It rests until then, in microseconds since `started`.
    rests_until_us: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            running: AtomicU32::new(0),
            latency_us: AtomicU64::new(0),
            measured_us: AtomicU64::new(0),
            rests_until_us: AtomicU64::new(0),
        }
    }
}

impl Pace {
    /// A call begins; it counts until the value is dropped.
    pub(crate) fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running { pace: self, since: Instant::now() }
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Learns how long a call took.
    pub(crate) fn took(&self, time: Duration) {
        let newest = microseconds(time).max(1);
        let mean = match self.latency_us.load(Ordering::Relaxed) {
            0 => newest,
            mean => (mean * (LATENCY_PARTS - 1) + newest) / LATENCY_PARTS,
        };
        self.latency_us.store(mean, Ordering::Relaxed);
        self.measured_us.store(self.now_us(), Ordering::Relaxed);
    }

    /// Rests for so long, from now.
    pub(crate) fn rest(&self, time: Duration) {
        let until = self.now_us().saturating_add(microseconds(time));
        self.rests_until_us.store(until, Ordering::Relaxed);
    }

    /// Rests no more.
    pub(crate) fn wake(&self) {
        self.rests_until_us.store(0, Ordering::Relaxed);
    }

    /// Whether it rests.
    pub(crate) fn rests(&self) -> bool {
        self.rests_until_us.load(Ordering::Relaxed) > self.now_us()
    }

    /// What a further call would wait: the mean time, once for each call.
    fn load(&self) -> u64 {
        let running = u64::from(self.running.load(Ordering::Relaxed));
        let age = self.now_us().saturating_sub(self.measured_us.load(Ordering::Relaxed));
        let halvings = u32::try_from(age / microseconds(LATENCY_HALF_LIFE)).unwrap_or(u32::MAX);
        let latency = self.latency_us.load(Ordering::Relaxed);
        let latency = latency.checked_shr(halvings).unwrap_or(0);
        latency.max(1).saturating_mul(running + 1)
    }

    fn now_us(&self) -> u64 {
        microseconds(self.started.elapsed())
    }
}

/// A call that runs.
pub(crate) struct Running<'a> {
    pace: &'a Pace,
    since: Instant,
}

impl Running<'_> {
    /// How long it has run.
    pub(crate) fn time(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.pace.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All of several in the order in which to try them: the better of two first, beginning where the
/// last call (`count` is its number) did not; those that rest last.
pub(crate) fn in_turn<T>(
    all: &[T],
    count: usize,
    pace: impl Fn(&T) -> &Pace,
    rests: impl Fn(&T) -> bool,
) -> Vec<&T> {
    let (before, from) = all.split_at(count % all.len().max(1));
    let (mut order, resting): (Vec<&T>, Vec<&T>) =
        from.iter().chain(before).partition(|it| !rests(it));
    if order.len() > 1 {
        let other = 1 + scattered(count) % (order.len() - 1);
        if pace(order[other]).load() < pace(order[0]).load() {
            order.swap(0, other);
        }
    }
    order.extend(resting);
    order
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

    fn first(all: &[Pace], count: usize) -> usize {
        let order = in_turn(all, count, |pace| pace, Pace::rests);
        assert_eq!(order.len(), all.len());
        all.iter().position(|it| std::ptr::eq(it, order[0])).unwrap()
    }

    #[test]
    fn the_less_busy_of_two_and_the_sooner_goes_first() {
        let all = [Pace::default(), Pace::default()];
        assert_eq!((first(&all, 0), first(&all, 1)), (0, 1), "equals go in turn");
        let busy = all[0].begin();
        assert_eq!((first(&all, 0), first(&all, 1)), (1, 1));
        drop(busy);
        all[0].took(Duration::from_millis(9));
        all[1].took(Duration::from_millis(1));
        assert_eq!((first(&all, 0), first(&all, 1)), (1, 1));
        let _two = (all[1].begin(), all[1].begin());
        all[0].latency_us.store(2_500, Ordering::Relaxed);
        assert_eq!(first(&all, 1), 0, "one slow call is sooner than a third quick one");
    }

    #[test]
    fn what_was_slow_long_ago_is_asked_again() {
        let all = [Pace::default(), Pace::default()];
        all[0].took(Duration::from_secs(8));
        all[1].took(Duration::from_millis(1));
        let hour = Duration::from_secs(3_600);
        let long_ago = Instant::now().checked_sub(hour).unwrap_or_else(Instant::now);
        let mut old = Pace::default();
        (old.started, old.latency_us) = (long_ago, AtomicU64::new(8_000_000));
        assert_eq!(first(&[old, Pace::default()], 0), 0);
        assert_eq!(first(&all, 0), 1);
    }

    #[test]
    fn who_rests_comes_last_and_is_not_forgotten() {
        let all = [Pace::default(), Pace::default(), Pace::default()];
        all[0].rest(Duration::from_secs(60));
        all[2].rest(Duration::from_secs(60));
        assert!((0..3).all(|count| first(&all, count) == 1));
        all[0].wake();
        all[2].rest(Duration::ZERO);
        assert!(!all[0].rests() && !all[2].rests());
    }
}
