//! The jobs that run here, and the word that stops one. A cancellation for an unknown request is
//! somebody else's.

use schemas::ids::{GatewayId, RequestId};
use schemas::job::ChatJob;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// One execution: its request, its attempt, and the handing-out of that attempt.
type Name = (RequestId, u32, u64);

type Table = HashMap<Name, Job>;

struct Job {
    gateway: GatewayId,
    stop: CancellationToken,
    cancelled: CancellationToken,
    replaced: CancellationToken,
}

/// Words for jobs that don't run here which are remembered. Most are for other workers; but the
/// word for a job that came past the queue may be read a moment before the job.
const EARLY_WORDS_MAX: usize = 1_024;

/// All running jobs of a worker.
#[derive(Clone, Default)]
pub(crate) struct Running {
    table: Arc<Mutex<Table>>,
    early: Arc<Mutex<EarlyWords>>,
}

/// The last words for jobs that did not run here.
#[derive(Default)]
struct EarlyWords {
    /// Up to which execution it was meant, and whether another takes its place.
    words: HashMap<RequestId, (u32, u64, bool)>,
    order: VecDeque<RequestId>,
}

/// One running job; dropping it forgets the job.
pub(crate) struct RunningJob {
    table: Running,
    name: Name,
    stop: CancellationToken,
    cancelled: CancellationToken,
    replaced: CancellationToken,
}

impl Running {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows a job from now on. Called before its claim, so that no cancellation falls between.
    pub(crate) fn begin(&self, job: &ChatJob, delivered: u64) -> RunningJob {
        let name = (job.request.clone(), job.attempt, delivered);
        self.know(name, job.gateway.clone())
    }

    fn know(&self, name: Name, gateway: GatewayId) -> RunningJob {
        let (stop, cancelled) = (CancellationToken::new(), CancellationToken::new());
        let replaced = CancellationToken::new();
        let job = Job {
            gateway,
            stop: stop.clone(),
            cancelled: cancelled.clone(),
            replaced: replaced.clone(),
        };
        self.table().insert(name.clone(), job);
        self.heed_early_words(&name.0);
        RunningJob { table: self.clone(), name, stop, cancelled, replaced }
    }

    fn early(&self) -> MutexGuard<'_, EarlyWords> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What had been said of a request before it was known.
    fn heed_early_words(&self, request: &RequestId) {
        let early = self.early();
        if let Some((attempt, delivered, replaced)) = early.words.get(request) {
            self.stop_up_to(request, *attempt, *delivered, *replaced);
        }
    }

    /// Nobody waits any more for an execution of a request, nor for an earlier one; when it is
    /// `replaced`, another execution takes its place.
    pub(crate) fn heed(&self, request: &RequestId, attempt: u32, delivered: u64, replaced: bool) {
        let mut early = self.early();
        if self.stop_up_to(request, attempt, delivered, replaced) > 0 {
            return;
        }
        if early.words.insert(request.clone(), (attempt, delivered, replaced)).is_some() {
            return;
        }
        early.order.push_back(request.clone());
        if early.order.len() > EARLY_WORDS_MAX
            && let Some(oldest) = early.order.pop_front()
        {
            early.words.remove(&oldest);
        }
    }

    fn stop_up_to(
        &self,
        request: &RequestId,
        attempt: u32,
        delivered: u64,
        replaced: bool,
    ) -> usize {
        if replaced {
            self.replace(request, attempt, delivered)
        } else {
            self.cancel(request, attempt, delivered)
        }
    }

    /// Nobody waits any more for an execution of a request, which may be read on for its count, nor
    /// for an earlier one, which stops. Returns how
    /// many ran here.
    fn cancel(&self, request: &RequestId, attempt: u32, delivered: u64) -> usize {
        let mut stopped = 0;
        for (name, job) in self.table().iter() {
            if name.0 != *request || (name.1, name.2) > (attempt, delivered) {
                continue;
            }
            if (name.1, name.2) < (attempt, delivered) {
                job.replaced.cancel();
                job.stop.cancel();
            }
            job.cancelled.cancel();
            stopped += 1;
        }
        stopped
    }

    /// The same, and another execution takes its place.
    fn replace(&self, request: &RequestId, attempt: u32, delivered: u64) -> usize {
        for (name, job) in self.table().iter() {
            if name.0 == *request && (name.1, name.2) == (attempt, delivered) {
                job.replaced.cancel();
                job.stop.cancel();
            }
        }
        self.cancel(request, attempt, delivered)
    }

    /// The gateways that wait for running jobs.
    pub(crate) fn gateways(&self) -> HashSet<GatewayId> {
        self.table().values().map(|job| job.gateway.clone()).collect()
    }

    /// Nobody waits any more for what this gateway had asked for.
    pub(crate) fn cancel_all_of(&self, gateway: &GatewayId) {
        for job in self.table().values().filter(|job| job.gateway == *gateway) {
            job.cancelled.cancel();
            job.stop.cancel();
        }
    }

    /// Stops everything: the drain took too long.
    pub(crate) fn stop_all(&self) {
        for job in self.table().values() {
            job.stop.cancel();
        }
    }
}

impl RunningJob {
    /// Cancelled when the job should stop, for whatever reason.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Whether another execution of its request counts instead of it.
    pub(crate) fn was_replaced(&self) -> bool {
        self.replaced.is_cancelled()
    }

    /// Waits until its client has left.
    pub(crate) async fn is_cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Whether its client left.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.table.table().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(running: &Running, request: &RequestId, attempt: u32, delivered: u64) -> RunningJob {
        let gateway = GatewayId::parse("gw_1").unwrap();
        running.know((request.clone(), attempt, delivered), gateway)
    }

    #[test]
    fn a_word_that_comes_before_its_job_counts() {
        let (running, request) = (Running::default(), RequestId::fresh());
        running.heed(&request, 1, 0, false);
        assert!(begin(&running, &request, 1, 0).was_cancelled());
        let later = begin(&running, &request, 2, 1);
        assert!(!later.was_cancelled(), "a later attempt is another's");
        running.heed(&request, 2, 1, true);
        assert!(later.was_replaced());
        for _ in 0..2 * EARLY_WORDS_MAX {
            running.heed(&RequestId::fresh(), 1, 0, false);
        }
        assert_eq!(running.early().words.len(), EARLY_WORDS_MAX);
    }

    #[test]
    fn a_gone_gateways_jobs_stop_and_no_others() {
        let (running, request) = (Running::default(), RequestId::fresh());
        let mine = begin(&running, &request, 1, 1);
        let other = GatewayId::parse("gw_2").unwrap();
        let others = running.know((RequestId::fresh(), 1, 1), other.clone());
        assert_eq!(running.gateways().len(), 2);
        running.cancel_all_of(&other);
        assert!(others.was_cancelled() && others.stop().is_cancelled());
        assert!(!mine.was_cancelled() && !mine.stop().is_cancelled());
    }

    #[test]
    fn who_is_replaced_and_every_earlier_execution_charges_nothing() {
        let (running, request) = (Running::default(), RequestId::fresh());
        let (first, second) = (begin(&running, &request, 1, 1), begin(&running, &request, 1, 2));
        running.replace(&request, 1, 1);
        assert!(first.was_replaced() && first.stop().is_cancelled());
        assert!(!second.was_replaced() && !second.stop().is_cancelled());
        let third = begin(&running, &request, 2, 1);
        running.cancel(&request, 2, 1);
        assert!(second.was_replaced(), "a later one had taken its place");
        assert!(third.was_cancelled() && !third.was_replaced(), "its client left");
    }

    #[test]
    fn only_the_named_job_stops_and_the_end_forgets_it() {
        let running = Running::default();
        let (first, second) = (RequestId::fresh(), RequestId::fresh());
        let (one, two) = (begin(&running, &first, 2, 1), begin(&running, &second, 1, 1));
        running.cancel(&first, 1, 9);
        assert!(!one.was_cancelled(), "an older attempt was meant");
        let again = begin(&running, &first, 2, 2);
        running.cancel(&first, 2, 1);
        assert!(one.was_cancelled() && !one.stop().is_cancelled(), "it may be read on");
        assert!(!two.stop().is_cancelled() && !again.stop().is_cancelled());
        drop(one);
        running.cancel(&first, 2, 2);
        assert!(again.was_cancelled(), "the end of one execution doesn't hide another");
        drop(again);
        assert_eq!(running.table().len(), 1);
    }
}
