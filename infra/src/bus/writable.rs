//! Whether the ledger takes what is written. While it doesn't nothing that costs shall begin: an
//! answer whose charge can't be written has been paid to its vendor, and nobody may be told it.
//! From time to time one request may try.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Failures one after the other from which on the ledger counts as closed: a single one may be a
/// connection that broke.
const FAILURES_MIN: u32 = 3;

/// The first pause before a try; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest of these pauses.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// After so long without a success over a connection that holds, another of several servers of
/// NATS may do better; it doubles each time.
const SERVER_TIME_MIN: Duration = Duration::from_secs(5);

/// The longest time that one server is given.
const SERVER_TIME_MAX: Duration = Duration::from_secs(80);

/// What this process knows of the ledger, from what it writes.
#[derive(Debug)]
pub struct Writable {
    failures: AtomicU32,
    closed: Mutex<Closed>,
    moved: Notify,
}

#[derive(Debug)]
struct Closed {
    until: Instant,
    pause: Duration,
    /// When the first write began that failed over this connection.
    since: Option<Instant>,
    /// How long the server of this connection may fail.
    server_time: Duration,
}

impl Default for Writable {
    fn default() -> Self {
        let (until, server_time) = (Instant::now(), SERVER_TIME_MIN);
        let closed = Closed { until, pause: PAUSE_MIN, since: None, server_time };
        Self { failures: AtomicU32::new(0), closed: Mutex::new(closed), moved: Notify::new() }
    }
}

impl Writable {
    /// Something was written.
    pub fn open(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.closed().server_time = SERVER_TIME_MIN;
        self.renew();
    }

    /// There is a new connection, which says nothing yet: failures of the one before say no more.
    pub(super) fn renew(&self) {
        if self.failures.swap(0, Ordering::Relaxed) >= FAILURES_MIN {
            tracing::info!("the ledger may be written again");
        }
        let mut closed = self.closed();
        (closed.pause, closed.since) = (PAUSE_MIN, None);
        drop(closed);
        self.moved.notify_waiters();
    }

    /// Something was not written that was begun at a moment.
    pub(super) fn fail(&self, began: Instant) {
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        self.failures.store(failures, Ordering::Relaxed);
        if failures == FAILURES_MIN {
            tracing::error!("the ledger takes nothing: until it does nothing new is begun");
        }
        let mut closed = self.closed();
        closed.until = closed.until.max(Instant::now() + closed.pause);
        closed.since.get_or_insert(began);
        drop(closed);
        self.moved.notify_waiters();
    }

    /// Whether a connection that holds has been of no use for so long that another server is worth
    /// a try. It says so once for each connection.
    pub(super) fn outlasts_its_server(&self) -> bool {
        let mut closed = self.closed();
        let is_over = closed.since.is_some_and(|since| since.elapsed() >= closed.server_time);
        if !is_over || !self.is_failing() {
            return false;
        }
        closed.since = Some(Instant::now());
        closed.server_time = (closed.server_time * 2).min(SERVER_TIME_MAX);
        true
    }

    /// Whether something that costs may begin.
    pub fn is_open(&self) -> bool {
        !self.is_failing() || self.closed().until <= Instant::now()
    }

    /// Whether the last writes failed: then only one request at a time tries.
    pub fn is_failing(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MIN
    }

    /// Waits until nothing that costs may begin.
    pub(super) async fn closes(&self) {
        loop {
            let moved = self.moved.notified();
            if !self.is_open() {
                return;
            }
            moved.await;
        }
    }

    /// Waits until something that costs may begin.
    pub(super) async fn opens(&self) {
        loop {
            let moved = self.moved.notified();
            let until = self.closed().until;
            if self.is_open() {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Begins something that costs, if that may begin: while writes fail it is a try, and the next
    /// one comes later.
    pub fn begin(&self) -> bool {
        if !self.is_failing() {
            return true;
        }
        let mut closed = self.closed();
        let now = Instant::now();
        if now < closed.until {
            return false;
        }
        closed.pause = (closed.pause * 2).min(PAUSE_MAX);
        closed.until = now + closed.pause;
        drop(closed);
        self.moved.notify_waiters();
        true
    }

    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn after_failures_one_tries_at_a_time_and_a_success_opens_it() {
        let ledger = Writable::default();
        ledger.fail(Instant::now());
        ledger.fail(Instant::now());
        assert!(ledger.is_open() && ledger.begin() && ledger.begin());
        ledger.fail(Instant::now());
        assert!(!ledger.is_open() && !ledger.begin());
        tokio::time::advance(PAUSE_MIN).await;
        assert!(ledger.is_open() && ledger.begin(), "one may try");
        assert!(!ledger.is_open() && !ledger.begin(), "and no second");
        ledger.fail(Instant::now());
        tokio::time::advance(PAUSE_MIN).await;
        assert!(!ledger.begin(), "the next try comes later");
        tokio::time::advance(PAUSE_MIN).await;
        assert!(ledger.begin());
        ledger.open();
        assert!(ledger.begin() && ledger.begin() && !ledger.is_failing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_nothing_is_left_after_a_while_and_the_next_gets_longer() {
        let ledger = Writable::default();
        for server_time in [SERVER_TIME_MIN, SERVER_TIME_MIN * 2] {
            let began = Instant::now();
            (0..FAILURES_MIN).for_each(|_| ledger.fail(began));
            assert!(!ledger.outlasts_its_server());
            tokio::time::advance(server_time).await;
            assert!(ledger.outlasts_its_server() && !ledger.outlasts_its_server());
            ledger.renew();
            tokio::time::advance(PAUSE_MAX).await;
            assert!(!ledger.outlasts_its_server(), "nothing failed over the new connection");
        }
        ledger.fail(Instant::now());
        ledger.open();
        assert_eq!(ledger.closed().server_time, SERVER_TIME_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_that_it_closes_and_opens() {
        let ledger = Writable::default();
        ledger.opens().await;
        let closes = ledger.closes();
        tokio::pin!(closes);
        assert!(closes.as_mut().now_or_never().is_none());
        (0..FAILURES_MIN).for_each(|_| ledger.fail(Instant::now()));
        closes.await;
        let opens = ledger.opens();
        tokio::pin!(opens);
        assert!(opens.as_mut().now_or_never().is_none());
        ledger.open();
        opens.await;
        (0..FAILURES_MIN).for_each(|_| ledger.fail(Instant::now()));
        ledger.opens().await;
        assert!(ledger.is_failing() && ledger.is_open(), "the pause is over");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_at_once_don_t_make_the_pause_longer() {
        let ledger = Writable::default();
        (0..64).for_each(|_| ledger.fail(Instant::now()));
        assert_eq!(ledger.closed().until, Instant::now() + PAUSE_MIN);
        for _ in 0..20 {
            tokio::time::advance(PAUSE_MAX).await;
            assert!(ledger.begin());
        }
        assert_eq!(ledger.closed().until, Instant::now() + PAUSE_MAX);
    }
}
