//! What NATS says of the connection itself: that it is there or away, and what our user may not do.
//! It writes that down for those who ask, and decides nothing.

use super::writable;
use schemas::subjects;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Who listens, and where it is written down.
pub(super) struct Ears {
    pub(super) connected: watch::Sender<u64>,
    pub(super) denied: watch::Sender<Option<String>>,
    pub(super) direct_denied: Arc<AtomicBool>,
    pub(super) work_denied: Arc<AtomicBool>,
    pub(super) writable: Arc<writable::Writable>,
}

/// Whether NATS refused what no worker can do without: to be heard, to be given jobs, and to
/// charge. It quotes the subject.
fn denies_work(said: &str) -> bool {
    let pull = subjects::pull(subjects::CHAT_STREAM, "");
    let needed = [subjects::HEALTH_PREFIX, &pull, subjects::LEDGER_PREFIX];
    needed.iter().any(|beginning| said.contains(&format!("\"{beginning}")))
}

impl Ears {
    pub(super) fn hear(&self, event: &async_nats::Event) {
        match event {
            async_nats::Event::Connected => {
                self.writable.open();
                // What nats.conf refuses now it says again.
                self.work_denied.store(false, Ordering::Relaxed);
                self.direct_denied.store(false, Ordering::Relaxed);
                self.connected.send_modify(|count| *count += 1);
            }
            async_nats::Event::Disconnected => tracing::warn!("NATS is away"),
            async_nats::Event::Closed => tracing::debug!("the connection is closed"),
            async_nats::Event::ServerError(async_nats::ServerError::Other(said))
                if is_denial(said) =>
            {
                // Whoever asked only sees that no answer comes.
                tracing::error!(said, "NATS lets our user not do this: see nats.conf");
                if said.contains(subjects::DIRECT_PREFIX) {
                    self.direct_denied.store(true, Ordering::Relaxed);
                }
                if denies_work(said) {
                    self.work_denied.store(true, Ordering::Relaxed);
                }
                self.denied.send_replace(Some(said.clone()));
            }
            other => tracing::warn!(event = %other, "NATS says"),
        }
    }
}

fn is_denial(said: &str) -> bool {
    said.to_lowercase().starts_with("permissions violation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_work_is_told_from_others() {
        let said = |what: &str| format!("Permissions Violation for Publish to \"{what}\"");
        let worker = schemas::ids::WorkerId::fresh();
        let pull = |stream| subjects::pull(stream, "a");
        let chat = pull(subjects::CHAT_STREAM);
        for work in [subjects::health("a", &worker), chat, "led.0.a.use.b".into()] {
            assert!(is_denial(&said(&work)) && denies_work(&said(&work)), "{work}");
        }
        for other in [subjects::direct("a", &worker), "gw.a.led.b".into(), pull("KV_KEYS")] {
            assert!(is_denial(&said(&other)) && !denies_work(&said(&other)), "{other}");
        }
    }
}
