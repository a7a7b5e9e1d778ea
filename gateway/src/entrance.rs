//! The entrance: so many requests at once are masked, let through their limits and reserved for;
//! the others wait, first come, first served. In a burst those that have begun come through before
//! others begin; without it all are late together, and what Redis says isn't heard in time.

use infra::metrics::Metrics;
use prometheus::IntGauge;
use schemas::error::{ErrorCode, Problem};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Requests that are inside at once. Enough to keep Redis busy while each waits for it; few enough
/// that each hears what Redis says soon, on a machine that gives us a tenth of a processor, too.
const TURNS: usize = 32;

/// A turn that comes to nothing within this shows that others get an answer all the same. Redis is
/// given up after as long as that.
const TURN_TIME_MAX: Duration = Duration::from_secs(1);

/// Who waits is refused when nobody has come through for so long.
const STUCK_TIME_MAX: Duration = Duration::from_secs(2);

/// The longest wait.
const WAIT_TIME_MAX: Duration = Duration::from_secs(30);

/// When a refused one may come again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// The entrance of a gateway.
pub(crate) struct Entrance {
    turns: Arc<Semaphore>,
    /// When somebody last came through.
    passed: Mutex<Instant>,
}

impl Default for Entrance {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), passed: Mutex::new(Instant::now()) }
    }
}

impl Entrance {
    /// Waits for a turn.
    ///
    /// # Errors
    /// When nobody comes through any more, or it takes too long.
    pub(crate) async fn turn(self: &Arc<Self>, metrics: &Metrics) -> Result<EntranceTurn, Problem> {
        let permit = match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(permit) => permit,
            // Boxed: a future is as large as its largest branch, and few wait. Without the box each
            // request would carry that state.
            Err(_) => Box::pin(self.wait(metrics)).await?,
        };
        let held = Held { entrance: Arc::clone(self), since: Instant::now(), _permit: permit };
        Ok(EntranceTurn { held: Mutex::new(Some(held)), follows: AtomicBool::new(false) })
    }

    async fn wait(&self, metrics: &Metrics) -> Result<OwnedSemaphorePermit, Problem> {
        let _counted = Counted::new(metrics.entrance_waiting.with_label_values::<&str>(&[]));
        let since = Instant::now();
        let mut next = std::pin::pin!(Arc::clone(&self.turns).acquire_owned());
        loop {
            match tokio::time::timeout(STUCK_TIME_MAX, &mut next).await {
                Ok(Ok(permit)) => return Ok(permit),
                // It is closed nowhere.
                Ok(Err(_)) => return Err(busy()),
                Err(_) => {
                    let stuck =
                        self.passed.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                    if stuck >= STUCK_TIME_MAX || since.elapsed() >= WAIT_TIME_MAX {
                        return Err(busy());
                    }
                }
            }
        }
    }

    fn pass(&self) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A request's turn. It is over when it is dropped, at the latest.
pub(crate) struct EntranceTurn {
    held: Mutex<Option<Held>>,
    follows: AtomicBool,
}

impl EntranceTurn {
    /// The request has what it came for.
    pub(crate) fn end(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(held) = held {
            held.entrance.pass();
        }
    }

    /// It waits for the answer of an equal one: nobody else shall wait for that.
    pub(crate) fn follow(&self) {
        self.follows.store(true, Ordering::Relaxed);
        self.end();
    }

    /// Whether it waits, or has waited, for the answer of an equal one.
    pub(crate) fn has_followed(&self) -> bool {
        self.follows.load(Ordering::Relaxed)
    }
}

/// One more waits, as long as this lives.
pub(crate) struct Counted(IntGauge);

impl Counted {
    pub(crate) fn new(waiting: IntGauge) -> Self {
        waiting.inc();
        Self(waiting)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Held {
    entrance: Arc<Entrance>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.since.elapsed() < TURN_TIME_MAX {
            self.entrance.pass();
        }
    }
}

/// Too many came at once.
pub(crate) fn busy() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "リクエストが集中しています。しばらくしてからもう一度お試しください。",
        "Too many requests at once. Try again in a moment.",
    )
    .retry_after_ms(RETRY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all_turns(entrance: &Arc<Entrance>, metrics: &Metrics) -> Vec<EntranceTurn> {
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            turns.push(entrance.turn(metrics).await.unwrap());
        }
        turns
    }

    async fn is_waiting(
        next: &mut (impl Future<Output = Result<EntranceTurn, Problem>> + Unpin),
    ) -> bool {
        tokio::time::timeout(Duration::from_millis(1), next).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_is_next() {
        let (entrance, metrics) = (Arc::new(Entrance::default()), Metrics::new().unwrap());
        let mut turns = all_turns(&entrance, &metrics).await;
        let (mut first, mut second) =
            (Box::pin(entrance.turn(&metrics)), Box::pin(entrance.turn(&metrics)));
        assert!(is_waiting(&mut first).await && is_waiting(&mut second).await);
        turns.pop();
        assert!(is_waiting(&mut second).await);
        let came = first.await.unwrap();
        assert!(is_waiting(&mut second).await);
        drop(came);
        assert!(second.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_follows_or_has_what_it_needs_keeps_nobody_waiting() {
        let (entrance, metrics) = (Arc::new(Entrance::default()), Metrics::new().unwrap());
        let turns = all_turns(&entrance, &metrics).await;
        turns[0].follow();
        turns[1].end();
        assert!(turns[0].has_followed() && !turns[1].has_followed());
        let two = (entrance.turn(&metrics).await, entrance.turn(&metrics).await);
        assert!(two.0.is_ok() && two.1.is_ok());
        assert!(is_waiting(&mut Box::pin(entrance.turn(&metrics))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_nobody_comes_through() {
        let (entrance, metrics) = (Arc::new(Entrance::default()), Metrics::new().unwrap());
        let turns = all_turns(&entrance, &metrics).await;
        let began = Instant::now();
        let refused = entrance.turn(&metrics).await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::ServiceUnavailable);
        assert_eq!(began.elapsed().as_secs(), STUCK_TIME_MAX.as_secs());
        // Those inside were refused by a Redis that said nothing: no sign of life.
        let mut next = Box::pin(entrance.turn(&metrics));
        assert!(is_waiting(&mut next).await);
        drop(turns);
        let _next = next.await.unwrap();
        let passed = *entrance.passed.lock().unwrap();
        assert!(passed.elapsed() >= STUCK_TIME_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_patient_while_others_come_through() {
        let (entrance, metrics) = (Arc::new(Entrance::default()), Metrics::new().unwrap());
        let _turns = all_turns(&entrance, &metrics).await;
        let began = Instant::now();
        let keeper = Arc::clone(&entrance);
        let passing = async {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                *keeper.passed.lock().unwrap() = Instant::now();
            }
        };
        tokio::select! {
            refused = entrance.turn(&metrics) => assert!(refused.is_err()),
            () = passing => {}
        }
        assert!(began.elapsed() >= WAIT_TIME_MAX);
    }
}
