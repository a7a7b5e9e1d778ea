//! What the relay sees when it looks up from the frames: a time that is over, a worker gone.
//! It judges and does nothing.

use super::relay::Live;
use crate::exchange::{Execution, Stage};
use crate::problems::{deadline_exceeded, interrupted, no_worker, queue_full, upstream_timeout};
use crate::state::Gateway;
use infra::clock;
use schemas::error::Problem;
use std::time::{Duration, Instant};

/// Between two looks into the ledger after NATS was away.
const DOUBT_INTERVAL: Duration = Duration::from_secs(1);

/// NATS was away while the answer ran, and its frames may have been lost without a later one to
/// show it: the ledger knows whether the worker has ended.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    pub(super) next_look: Instant,
    /// The ledger said so at the last look; the last frame may still be on its way.
    pub(super) ended: bool,
}

impl Doubt {
    pub(super) fn begin() -> Self {
        Self { next_look: Instant::now() + DOUBT_INTERVAL, ended: false }
    }
}

impl Live {
    /// Which time is over, if one is.
    pub(super) fn overdue(&self, gateway: &Gateway, stage: &Stage) -> Option<Problem> {
        let limits = &gateway.config.gateway;
        if clock::steady_ms() >= self.received().deadline_ms {
            return Some(deadline_exceeded());
        }
        if self.begun {
            let idle = Duration::from_secs(limits.stream_idle_seconds_max);
            return (self.last_frame.elapsed() >= idle).then(interrupted);
        }
        if self.published.ticket.is_some() {
            let pool = &self.published.model().pool;
            let wait_max = gateway.config.queue.wait_max_of(pool);
            let is_late = self.published.since.elapsed() >= wait_max;
            return is_late.then(|| queue_full(gateway.line.retry_after(pool)));
        }
        let waiting = *stage == Stage::Waiting;
        let first_token = Duration::from_secs(limits.first_token_seconds_max);
        // A whole answer has no first token: once somebody works on it, only the deadline counts.
        if self.published.sent.elapsed() < first_token || !(waiting || self.is_stream) {
            return None;
        }
        Some(if waiting { no_worker() } else { upstream_timeout() })
    }

    /// Whether a worker gives no sign of life.
    pub(super) fn is_silent(&self, gateway: &Gateway, execution: &Execution) -> bool {
        let pool = &self.published.model().pool;
        !gateway.fleet.is_alive(pool, &execution.worker) && is_settled_in(execution)
    }

    /// Whether a worker has lost its connection since it got the job, or seems not to have got it.
    pub(super) fn is_lost(&self, gateway: &Gateway, execution: &Execution) -> bool {
        let pool = &self.published.model().pool;
        gateway.fleet.has_lost(pool, &execution.worker, execution.losses)
            || self.is_unheard(gateway, execution)
    }

    /// Whether a job past the queue gives no sign of life. In the queue NATS would know, and hand
    /// it out again. The time in which we heard nothing of anybody is not its silence.
    fn is_unheard(&self, gateway: &Gateway, execution: &Execution) -> bool {
        let limit = Duration::from_secs(gateway.config.queue.acknowledge_seconds);
        let Some(hearing) = gateway.fleet.heard_since() else { return false };
        let heard = self.last_sign.max(execution.since).max(hearing);
        execution.delivered == 0 && heard.elapsed() >= limit
    }
}

/// A worker may claim before its first advert is known here: it gets two intervals of grace.
fn is_settled_in(execution: &Execution) -> bool {
    let grace = Duration::from_millis(2 * schemas::advert::ADVERT_INTERVAL_MS);
    execution.since.elapsed() >= grace
}
