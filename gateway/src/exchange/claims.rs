//! May this job start? The one place that says so: a dead client, a deadline, an unknown request and
//! a second execution are all refused here, before any work.

use super::{Exchange, Execution, Stage};
use crate::state::Gateway;
use futures::StreamExt;
use infra::bus::BusError;
use infra::clock;
use schemas::job::{Claim, ClaimAnswer, ClaimV1};
use schemas::subjects;
use std::sync::Arc;
use std::time::Instant;

impl Exchange {
    /// Answers a claim; `alive` tells whether the worker that holds the request still lives.
    fn claim(&self, claim: &ClaimV1, now_ms: u64) -> ClaimAnswer {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&claim.request) else { return ClaimAnswer::Unknown };
        if claim.attempt != entry.attempt {
            return ClaimAnswer::Unknown;
        }
        if now_ms >= entry.deadline_ms {
            return ClaimAnswer::PastDeadline;
        }
        match &*entry.stage.borrow() {
            Stage::Cancelled => return ClaimAnswer::Cancelled,
            Stage::Claimed(_) if entry.begun => return ClaimAnswer::AlreadyRunning,
            // A later delivery of the same attempt: the queue gave up on the first worker.
            Stage::Claimed(before) if before.delivered >= claim.delivered => {
                return ClaimAnswer::AlreadyRunning;
            }
            Stage::Claimed(_) | Stage::Waiting => {}
        }
        entry.stage.send_replace(Stage::Claimed(Execution {
            worker: claim.worker.clone(),
            attempt: claim.attempt,
            delivered: claim.delivered,
            since: Instant::now(),
        }));
        ClaimAnswer::Go
    }
}

/// Answers claims as long as the gateway lives.
pub(super) async fn serve(gateway: &Arc<Gateway>) -> Result<(), BusError> {
    let subscribed = gateway.bus.client().subscribe(subjects::claim(&gateway.id)).await;
    let mut claims =
        subscribed.map_err(|error| BusError::request("listening for claims", error))?;
    let served = Arc::clone(gateway);
    gateway.background.spawn_vital("claims", async move {
        let stop = served.background.stop().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = claims.next() => {
                    let Some(message) = message else { return };
                    answer(&served, message).await;
                }
            }
        }
    });
    Ok(())
}

async fn answer(gateway: &Gateway, message: async_nats::Message) {
    let Some(reply) = message.reply else { return };
    let answer = match serde_json::from_slice(&message.payload) {
        Ok(Claim::V1(claim)) => gateway.exchange.claim(&claim, clock::unix_ms()),
        Err(error) => {
            tracing::warn!(%error, "a claim can't be read");
            ClaimAnswer::Unknown
        }
    };
    gateway.metrics.claims_total.with_label_values(&[answer.as_str()]).inc();
    let Ok(body) = serde_json::to_vec(&answer) else { return };
    if let Err(error) = gateway.bus.client().publish(reply, body.into()).await {
        tracing::warn!(%error, "a claim couldn't be answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::ids::{RequestId, WorkerId};

    fn claim(request: &RequestId, attempt: u32, delivered: u64) -> ClaimV1 {
        ClaimV1 {
            request: request.clone(),
            attempt,
            delivered,
            worker: WorkerId::fresh(),
            acknowledge: String::new(),
        }
    }

    #[test]
    fn one_execution_may_start_and_a_later_delivery_takes_over_until_it_has_begun() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        assert_eq!(exchange.claim(&claim(&request, 1, 1), 0), ClaimAnswer::Unknown);
        let _seat = exchange.enter(&request, 100);
        assert_eq!(exchange.claim(&claim(&request, 1, 1), 100), ClaimAnswer::PastDeadline);
        assert_eq!(exchange.claim(&claim(&request, 1, 1), 0), ClaimAnswer::Go);
        assert_eq!(exchange.claim(&claim(&request, 1, 1), 0), ClaimAnswer::AlreadyRunning);
        assert_eq!(exchange.claim(&claim(&request, 1, 2), 0), ClaimAnswer::Go);
        exchange.begun(&request);
        assert_eq!(exchange.claim(&claim(&request, 1, 3), 0), ClaimAnswer::AlreadyRunning);
    }

    #[test]
    fn a_cancelled_request_never_starts_and_an_old_attempt_is_unknown() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let _seat = exchange.enter(&request, 100);
        assert_eq!(exchange.next_attempt(&request), Some(2));
        assert_eq!(exchange.claim(&claim(&request, 1, 1), 0), ClaimAnswer::Unknown);
        assert_eq!(exchange.cancel(&request), None);
        assert_eq!(exchange.claim(&claim(&request, 2, 1), 0), ClaimAnswer::Cancelled);
    }
}
