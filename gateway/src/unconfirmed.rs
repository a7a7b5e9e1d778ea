//! Ledger events of this gateway that NATS did not confirm in time. They are kept, as many as a
//! named limit allows, and written again when NATS takes something: a hold doesn't stay until the
//! sweeper comes while its gateway lives. Each is safe to write again: who wrote first is right.

use crate::state::Core;
use infra::bus::ledger::Recorded;
use schemas::ledger::EventV1;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Events that are kept at most; further ones are left to the sweeper.
const UNCONFIRMED_MAX: usize = 10_000;

/// Between two attempts while NATS takes nothing. It is the gateway's own try whether it does.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The events, in the order in which they are written again.
#[derive(Default)]
pub(crate) struct Unconfirmed {
    events: Mutex<VecDeque<EventV1>>,
    came: Notify,
    /// Events that are being written for the first time.
    writing: AtomicUsize,
}

/// One that is being written; dropping it says that it is no more.
struct Writing<'a>(&'a AtomicUsize);

impl<'a> Writing<'a> {
    fn begin(writing: &'a AtomicUsize) -> Self {
        writing.fetch_add(1, Ordering::Relaxed);
        Self(writing)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Unconfirmed {
    fn events(&self) -> MutexGuard<'_, VecDeque<EventV1>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an event; whether there was room.
    fn keep(&self, event: EventV1) -> bool {
        let mut events = self.events();
        if events.len() >= UNCONFIRMED_MAX {
            return false;
        }
        events.push_back(event);
        self.came.notify_one();
        true
    }

    /// How many wait to be written again.
    pub(crate) fn count(&self) -> usize {
        self.events().len()
    }

    /// Whether nothing is being written, or waits to be written again.
    fn is_empty(&self) -> bool {
        self.writing.load(Ordering::Relaxed) == 0 && self.events().is_empty()
    }
}

impl Core {
    /// Writes an event until it is confirmed, at most for a while; then it is kept.
    pub(crate) async fn write_down(&self, event: &EventV1) -> Option<Recorded> {
        self.write_down_or(event, Some(event)).await
    }

    /// The same, but what is kept is another event of the same subject, if there is one.
    pub(crate) async fn write_down_or(
        &self,
        event: &EventV1,
        kept: Option<&EventV1>,
    ) -> Option<Recorded> {
        let _writing = Writing::begin(&self.unconfirmed.writing);
        let recorded = self.bus.record_patiently(event).await;
        if recorded.is_none() {
            let request = event.request();
            let kept = kept.filter(|kept| kept.is_possible());
            match kept.is_some_and(|kept| self.unconfirmed.keep(kept.clone())) {
                true => tracing::warn!(?request, "kept: no ledger event was confirmed yet"),
                false => {
                    tracing::error!(?request, "left to the sweeper: no ledger event was confirmed");
                }
            }
        }
        recorded
    }

    /// Whether the ledger takes what is written, as far as anybody has tried: while something is
    /// being written, or waits for that, a pause without a try says nothing.
    pub(crate) fn takes_charges(&self) -> bool {
        let ledger = self.bus.ledger();
        !ledger.is_failing() || (self.unconfirmed.is_empty() && ledger.is_open())
    }
}

/// Writes them again as long as the gateway lives.
pub(crate) fn watch(core: &Arc<Core>) {
    let written = Arc::clone(core);
    core.background.spawn_vital("unconfirmed events", async move {
        let stop = written.background.stop().clone();
        stop.run_until_cancelled(write_again(&written)).await;
    });
}

async fn write_again(core: &Core) {
    let mut connections = core.bus.connections();
    loop {
        let came = core.unconfirmed.came.notified();
        let Some(event) = core.unconfirmed.events().front().cloned() else {
            came.await;
            continue;
        };
        connections.borrow_and_update();
        match core.bus.record(&event).await {
            Ok(_) => {
                core.unconfirmed.events().pop_front();
                tracing::info!(request = ?event.request(), "a ledger event is confirmed after all");
            }
            Err(error) => {
                tracing::debug!(%error, "a ledger event is still not confirmed");
                tokio::select! {
                    _ = connections.changed() => {}
                    () = tokio::time::sleep(RETRY_INTERVAL) => {}
                }
                // One that can't be written keeps no other waiting.
                core.unconfirmed.events().rotate_left(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::ids::{AccountId, KeyId, RequestId};
    use schemas::ledger::{Void, VoidReason, Writer};

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let unconfirmed = Unconfirmed::default();
        assert!(unconfirmed.is_empty());
        let (request, key) = (RequestId::fresh(), KeyId::fresh());
        let void = Void { request, key, reason: VoidReason::Failed, writer: Writer::Gateway };
        let event = EventV1::void(AccountId::fresh(), 1, void);
        for _ in 0..UNCONFIRMED_MAX {
            assert!(unconfirmed.keep(event.clone()));
        }
        assert!(!unconfirmed.keep(event) && !unconfirmed.is_empty());
        unconfirmed.events().clear();
        let writing = Writing::begin(&unconfirmed.writing);
        assert!(!unconfirmed.is_empty());
        drop(writing);
        assert!(unconfirmed.is_empty());
    }
}
