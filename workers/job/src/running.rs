//! The jobs that run here, and the word that stops one. A cancellation for an unknown request is
//! somebody else's.

use schemas::ids::RequestId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// One execution: its request, its attempt, and the handing-out of that attempt.
type Name = (RequestId, u32, u64);

type Table = HashMap<Name, Job>;

struct Job {
    stop: CancellationToken,
    cancelled: CancellationToken,
}

/// All running jobs of a worker.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Table>>);

/// One running job; dropping it forgets the job.
pub(crate) struct RunningJob {
    table: Running,
    name: Name,
    stop: CancellationToken,
    cancelled: CancellationToken,
}

impl Running {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows a job from now on. Called before its claim, so that no cancellation falls between.
    pub(crate) fn begin(&self, request: &RequestId, attempt: u32, delivered: u64) -> RunningJob {
        let name = (request.clone(), attempt, delivered);
        let (stop, cancelled) = (CancellationToken::new(), CancellationToken::new());
        let job = Job { stop: stop.clone(), cancelled: cancelled.clone() };
        self.table().insert(name.clone(), job);
        RunningJob { table: self.clone(), name, stop, cancelled }
    }

    /// Nobody waits for a request any more, up to an execution of it.
    pub(crate) fn cancel(&self, request: &RequestId, attempt: u32, delivered: u64) {
        for (name, job) in self.table().iter() {
            if name.0 == *request && (name.1, name.2) <= (attempt, delivered) {
                job.cancelled.cancel();
                job.stop.cancel();
            }
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

    #[test]
    fn only_the_named_job_stops_and_the_end_forgets_it() {
        let running = Running::default();
        let (first, second) = (RequestId::fresh(), RequestId::fresh());
        let (one, two) = (running.begin(&first, 2, 1), running.begin(&second, 1, 1));
        running.cancel(&first, 1, 9);
        assert!(!one.was_cancelled(), "an older attempt was meant");
        let again = running.begin(&first, 2, 2);
        running.cancel(&first, 2, 1);
        assert!(one.was_cancelled() && one.stop().is_cancelled());
        assert!(!two.stop().is_cancelled() && !again.stop().is_cancelled());
        drop(one);
        running.cancel(&first, 2, 2);
        assert!(again.was_cancelled(), "the end of one execution doesn't hide another");
        drop(again);
        assert_eq!(running.table().len(), 1);
    }
}
