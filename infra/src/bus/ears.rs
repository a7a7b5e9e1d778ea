//! What NATS says of the connection itself: that it is there or away, and what our user may not do.
//! It writes that down for those who ask, and decides nothing.

use super::writable;
use schemas::subjects;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// For so long after a connection was made answers to questions that came over the one before it
/// are refused: the right to give them ended with that.
const LATE_ANSWERS_TIME: Duration = Duration::from_secs(10);

/// Who listens, and where it is written down.
pub(super) struct Ears {
    pub(super) connected: watch::Sender<u64>,
    pub(super) denied: watch::Sender<Option<String>>,
    pub(super) direct_denied: Arc<AtomicBool>,
    pub(super) work_denied: Arc<AtomicBool>,
    pub(super) writable: Arc<writable::Writable>,
    /// When the connection was made.
    pub(super) connected_at: Mutex<Option<Instant>>,
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
                *self.connected_at.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now());
                self.writable.renew();
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
                if is_answer(said) && self.is_new_connection() {
                    tracing::debug!(said, "an answer is too late for its connection");
                    return;
                }
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

    fn is_new_connection(&self) -> bool {
        let connected_at = self.connected_at.lock().unwrap_or_else(PoisonError::into_inner);
        connected_at.is_some_and(|at| at.elapsed() < LATE_ANSWERS_TIME)
    }
}

/// Whether it is about an answer to somebody's question.
fn is_answer(said: &str) -> bool {
    said.split_once("Publish to \"").is_some_and(|(_, subject)| subjects::is_inbox(subject))
}

fn is_denial(said: &str) -> bool {
    said.to_lowercase().starts_with("permissions violation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_late_for_its_connection_is_no_fault_of_nats_conf() {
        let (denied, denials) = watch::channel(None);
        let (direct_denied, work_denied, writable) = <(Arc<_>, Arc<_>, Arc<_>)>::default();
        let connected = watch::Sender::new(0);
        let connected_at = Mutex::default();
        let ears = Ears { connected, denied, direct_denied, work_denied, writable, connected_at };
        let denial = |subject: &str| {
            let said = format!("Permissions Violation for Publish to \"{subject}\"");
            async_nats::Event::ServerError(async_nats::ServerError::Other(said))
        };
        let answer = denial("_INBOX.worker-cloud.a.b");
        ears.hear(&async_nats::Event::Connected);
        ears.hear(&answer);
        ears.hear(&denial("_R_.asked.from.another.account"));
        assert_eq!(*denials.borrow(), None);
        ears.hear(&denial("led.0.a.use.b"));
        assert!(denials.borrow().as_ref().is_some_and(|said| said.contains("led.")));
        *ears.connected_at.lock().unwrap() = Instant::now().checked_sub(LATE_ANSWERS_TIME);
        ears.hear(&answer);
        assert!(denials.borrow().as_ref().is_some_and(|said| said.contains("_INBOX.")));
    }

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
