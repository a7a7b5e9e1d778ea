//! Gauges of the queue for autoscalers and of upstreams, and counters of alerts from the start on.
//! It changes nothing.

use crate::state::Core;
use async_nats::jetstream::consumer::pull;
use infra::metrics::Metrics;
use schemas::error::ErrorCode;
use schemas::subjects;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at the queue.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Creates the counters that alerts use, at 0: Prometheus' `increase()` misses the first count of a
/// series that did not exist.
fn show_watched(core: &Core) {
    let Metrics { holds_total, queue_refused_total, requests_total, stripe_events_total, .. } =
        &core.metrics;
    holds_total.with_label_values(&["rebuilding"]).inc_by(0);
    for pool in core.latest_config().models.pools() {
        queue_refused_total.with_label_values(&[&pool]).inc_by(0);
    }
    let codes = [ErrorCode::Internal, ErrorCode::ServiceUnavailable];
    for code in codes {
        requests_total.with_label_values(&["other", code.as_str()]).inc_by(0);
    }
    if core.desk.payments().is_some() {
        for object in ["session", "payment", "refund", "dispute"] {
            stripe_events_total.with_label_values(&[object, "passed_over"]).inc_by(0);
        }
    }
}

/// Measures as long as the gateway lives.
pub(crate) fn watch(core: &Arc<Core>) {
    show_watched(core);
    let measured = Arc::clone(core);
    core.background.spawn_vital("queue gauges", async move {
        let stop = measured.background.stop().clone();
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => measure(&measured).await,
            }
        }
    });
}

async fn measure(core: &Core) {
    let config = core.latest_config();
    for model in config.models.iter() {
        let standing = core.breakers.standing(&model.name, Instant::now()).number();
        core.metrics.upstream_state.with_label_values(&[&model.name]).set(standing);
    }
    for pool in config.models.pools() {
        let (workers, _, free) = core.fleet.pool(&pool);
        let metrics = &core.metrics;
        let waiting = i64::try_from(core.line.len(&pool)).unwrap_or(i64::MAX);
        metrics.queue_line.with_label_values(&[&pool]).set(waiting);
        metrics.workers.with_label_values(&[&pool]).set(i64::try_from(workers).unwrap_or(0));
        metrics.slots_free.with_label_values(&[&pool]).set(i64::from(free));
        let asked = core
            .bus
            .jetstream()
            .get_consumer_from_stream::<pull::Config, _, _>(
                subjects::chat_consumer(&pool),
                subjects::CHAT_STREAM,
            )
            .await;
        match asked {
            Ok(consumer) => {
                let info = consumer.cached_info();
                let pending = i64::try_from(info.num_pending).unwrap_or(i64::MAX);
                let waiting = i64::try_from(info.num_waiting).unwrap_or(i64::MAX);
                metrics.queue_pending.with_label_values(&[&pool]).set(pending);
                metrics.queue_waiting.with_label_values(&[&pool]).set(waiting);
            }
            Err(error) => tracing::debug!(%error, pool, "the queue can't be measured now"),
        }
    }
}
