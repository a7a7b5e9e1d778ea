//! The billing worker: begin → follow; beside it expire, lapse, close, reconcile, recharge. It
//! turns the ledger into balances, exactly once, and settles what nobody settled. It never decides
//! a price and never sees a prompt.

/// 1. What an empty view begins with.
pub mod begin;

/// 2. The ledger's events, in order, from where the view stands.
mod follow;

/// Beside: how far the view is behind.
mod lag;

/// Beside: holds that nobody settled in time.
mod expire;

/// Beside: bought credit that ends.
mod lapse;

/// Beside: months of which nothing can come any more.
pub mod close;

/// Beside, where something is sold: payments whose webhook never came.
mod reconcile;

/// Beside, where something is sold: saved cards that are charged when credit runs out.
mod recharge;

use infra::bus::Bus;
use infra::metrics::Metrics;
use infra::store::{Store, apply};
use infra::tasks::Tasks;
use lag::AppliedSequences;
use payments::Payments;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the tasks may take to end.
const END_SECONDS_MAX: Duration = Duration::from_secs(2);

/// What a billing worker needs.
pub struct Billing {
    /// The ledger.
    pub bus: Bus,
    /// The view.
    pub store: Store,
    /// Counters.
    pub metrics: Metrics,
    /// Stripe; `None` when nothing is sold.
    pub payments: Option<Payments>,
}

/// Makes the counters that alerts watch, at 0: Prometheus's `increase()` misses the first count of
/// a series that wasn't there before.
fn show_watched(metrics: &Metrics) {
    metrics.holds_swept_total.with_label_values::<&str>(&[]).inc_by(0);
    for partition in apply::partitions() {
        metrics.ledger_late_total.with_label_values(&[&partition.to_string()]).inc_by(0);
    }
}

/// Works until `stop`. Any number of billing workers may run at once.
pub async fn run(billing: Billing, stop: CancellationToken) {
    let tasks = Tasks::under(&stop);
    show_watched(&billing.metrics);
    let (billing, applied) = (Arc::new(billing), Arc::new(AppliedSequences::default()));
    for partition in apply::partitions() {
        tasks.spawn_vital(
            "follow",
            follow::follow(
                Arc::clone(&billing),
                Arc::clone(&applied),
                partition,
                tasks.stop().clone(),
            ),
        );
        tasks.spawn_vital(
            "lag",
            lag::measure(
                Arc::clone(&billing),
                Arc::clone(&applied),
                partition,
                tasks.stop().clone(),
            ),
        );
        tasks.spawn_vital(
            "lapse",
            lapse::lapse(Arc::clone(&billing), partition, tasks.stop().clone()),
        );
        tasks.spawn_vital(
            "close",
            close::close(Arc::clone(&billing), partition, tasks.stop().clone()),
        );
        tasks.spawn_vital(
            "expire",
            expire::expire(Arc::clone(&billing), partition, tasks.stop().clone()),
        );
    }
    if billing.payments.is_some() {
        let reconcile = reconcile::reconcile(Arc::clone(&billing), tasks.stop().clone());
        tasks.spawn_vital("reconcile", reconcile);
        let recharge = recharge::recharge(Arc::clone(&billing), tasks.stop().clone());
        tasks.spawn_vital("recharge", recharge);
    }
    tasks.stop().cancelled().await;
    // What is unapplied then will be applied at the next start.
    tasks.finish_or_warn(END_SECONDS_MAX, "billing").await;
}
