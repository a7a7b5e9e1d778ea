//! The jobs that run here, and the word that stops one. A cancellation for an unknown request is
//! somebody else's.

use schemas::ids::RequestId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

type Table = HashMap<RequestId, Job>;

struct Job {
    attempt: u32,
    stop: CancellationToken,
    cancelled: CancellationToken,
}

/// All running jobs of a worker.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<Table>>);

/// One running job; dropping it forgets the job.
pub(crate) struct RunningJob {
    table: Running,
    request: RequestId,
    stop: CancellationToken,
    cancelled: CancellationToken,
}

impl Running {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, request: &RequestId, attempt: u32) -> RunningJob {
        let (stop, cancelled) = (CancellationToken::new(), CancellationToken::new());
        let job = Job { attempt, stop: stop.clone(), cancelled: cancelled.clone() };
        self.table().insert(request.clone(), job);
        RunningJob { table: self.clone(), request: request.clone(), stop, cancelled }
    }

    /// Nobody waits for a request any more, up to an attempt of it.
    pub(crate) fn cancel(&self, request: &RequestId, attempt: u32) {
        if let Some(job) = self.table().get(request).filter(|job| job.attempt <= attempt) {
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

    /// Whether its client left.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.table.table().remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_job_stops_and_the_end_forgets_it() {
        let running = Running::default();
        let (first, second) = (RequestId::fresh(), RequestId::fresh());
        let (one, two) = (running.begin(&first, 2), running.begin(&second, 1));
        running.cancel(&first, 1);
        assert!(!one.was_cancelled(), "an older attempt was meant");
        running.cancel(&first, 2);
        assert!(one.was_cancelled() && one.stop().is_cancelled());
        assert!(!two.stop().is_cancelled());
        drop(one);
        assert_eq!(running.table().len(), 1);
    }
}
