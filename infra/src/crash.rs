//! Points at which a test may let a process die: between a hold and its application, money must
//! survive a crash anywhere. Only code within the process can arm one, and only the tests' harness
//! does: no message, file or variable reaches this. An unarmed point costs one look at a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::ThreadId;
use tokio::sync::Notify;

type Armed = HashMap<(ThreadId, Point), Arc<Notify>>;

static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ARMED: LazyLock<Mutex<Armed>> = LazyLock::new(Mutex::default);

/// Where a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// A gateway has held credit; the job isn't queued.
    Held,
    /// The job is queued; the gateway doesn't wait for it yet.
    Published,
    /// The worker may start; nothing was asked of the vendor.
    Claimed,
    /// The answer is whole; its charge isn't written.
    Answered,
    /// The charge is durable; the gateway wasn't told.
    Settled,
    /// The gateway was told; its client wasn't.
    Ended,
    /// Billing has read events; none of them is applied.
    Followed,
    /// They are applied; billing doesn't know it.
    Applied,
}

impl Point {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Held,
        Self::Published,
        Self::Claimed,
        Self::Answered,
        Self::Settled,
        Self::Ended,
        Self::Followed,
        Self::Applied,
    ];

    /// Goes on at once, unless a test lets this process end here: then nothing goes on.
    pub async fn pass(self) {
        if !IS_ARMED.load(Ordering::Relaxed) {
            return;
        }
        let here = (std::thread::current().id(), self);
        let reached = ARMED.lock().unwrap_or_else(PoisonError::into_inner).get(&here).cloned();
        if let Some(reached) = reached {
            reached.notify_one();
            std::future::pending().await
        }
    }
}

/// Tells when a process has come to its end.
pub struct Reached(Arc<Notify>);

impl Reached {
    /// Waits until it has.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Lets whatever runs on a thread end at a point. A role of a test has a runtime with one thread of
/// its own.
pub fn arm(thread: ThreadId, point: Point) -> Reached {
    let reached = Arc::new(Notify::new());
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    armed.insert((thread, point), Arc::clone(&reached));
    IS_ARMED.store(true, Ordering::Relaxed);
    Reached(reached)
}
