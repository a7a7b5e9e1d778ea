//! Named, tracked tasks. Nothing runs that a shutdown doesn't know of: `tokio::spawn` is banned
//! elsewhere by clippy.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of one role, and the word that ends them.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tasks that also stop when `stop` is cancelled.
    pub fn under(stop: &CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop: stop.child_token() }
    }

    /// Cancelled when the tasks should end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs a future in the background under a name. Lines of the log tell the name where details
    /// are asked for: it costs a task more at each step than many of its steps do.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(future.instrument(tracing::debug_span!(parent: None, "task", name)))
    }

    /// Runs a future that lives as long as the role: when it ends by itself or panics, the whole
    /// role is stopped, because half a role is worse than none.
    pub fn spawn_vital<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        let watched = async move {
            let guard = stop.clone().drop_guard();
            future.await;
            if !stop.is_cancelled() {
                tracing::error!(task = name, "a vital task ended; stopping the role");
            }
            drop(guard);
        };
        let watched = watched.instrument(tracing::info_span!(parent: None, "task", name));
        self.tracker.spawn(watched);
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all have ended by themselves.
    pub async fn finish(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Waits until all have ended by themselves, at most so long. Returns whether they have.
    #[must_use = "what hasn't ended goes on: say so, as finish_or_warn does"]
    pub async fn finish_within(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }

    /// The same, and the log says of what some tasks have not ended.
    pub async fn finish_or_warn(&self, limit: Duration, what: &str) {
        if !self.finish_within(limit).await {
            tracing::warn!(running = self.running(), "{what} did not end in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_vital_task_stops_the_role() {
        let tasks = Tasks::new();
        tasks.spawn_vital("doomed", async { panic!("planted") });
        tokio::time::timeout(Duration::from_secs(5), tasks.stop().cancelled()).await.unwrap();
        assert!(tasks.finish_within(Duration::from_secs(5)).await);
    }
}
