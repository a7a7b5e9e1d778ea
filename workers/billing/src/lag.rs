//! How far the view is behind the ledger, measured beside applying: it is of interest when nothing
//! can be applied. It changes neither.

use crate::Billing;
use infra::store::apply;
use schemas::subjects;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LAG_INTERVAL: Duration = Duration::from_secs(2);

/// How far each part of the view is, as far as this worker knows: at nothing until it has seen it.
#[derive(Debug)]
pub(crate) struct AppliedSequences(Vec<AtomicU64>);

impl Default for AppliedSequences {
    fn default() -> Self {
        Self(apply::partitions().map(|_| AtomicU64::new(0)).collect())
    }
}

impl AppliedSequences {
    /// The view of a part stands at a sequence now.
    pub(crate) fn note(&self, partition: u16, sequence: u64) {
        if let Some(at) = self.0.get(usize::from(partition)) {
            at.store(sequence, Ordering::Relaxed);
        }
    }

    fn at(&self, partition: u16) -> u64 {
        self.0.get(usize::from(partition)).map_or(0, |at| at.load(Ordering::Relaxed))
    }
}

/// Measures one part until `stop`. While NATS is away nobody knows, and the last figure stands.
pub(crate) async fn measure(
    billing: Arc<Billing>,
    applied: Arc<AppliedSequences>,
    partition: u16,
    stop: CancellationToken,
) {
    let filter = subjects::ledger_partition(partition);
    let gauge = billing.metrics.ledger_lag.with_label_values(&[&partition.to_string()]);
    let mut looks = tokio::time::interval(LAG_INTERVAL);
    // A look waits while NATS is silent: those that were missed say nothing more.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        match billing.bus.last_recorded(&filter).await {
            Ok(last) => {
                let behind = last.saturating_sub(applied.at(partition));
                gauge.set(i64::try_from(behind).unwrap_or(i64::MAX));
            }
            Err(error) => tracing::debug!(partition, %error, "the ledger's end can't be seen"),
        }
    }
}
