//! May this job start? The one place that says so: a dead client, a deadline, an unknown request
//! and a second execution are all refused here, before any work. And which one's end counts.

use super::{Ear, Exchange, Execution, Stage};
use crate::state::Core;
use infra::bus::BusError;
use infra::clock;
use schemas::job::{Claim, ClaimAnswer, ClaimV1, EndClaimV1};
use schemas::subjects;
use std::sync::{Arc, Once};
use std::time::Instant;

/// The answer, and the execution that it takes the request away from.
type Decision = (ClaimAnswer, Option<Execution>);

impl Exchange {
    /// Decides about a claim.
    fn claim(&self, claim: &ClaimV1, losses: Option<u64>, now_ms: u64) -> Decision {
        let mut table = self.table();
        let unknown = (ClaimAnswer::Unknown, None);
        let Some(entry) = table.get_mut(&claim.request) else { return unknown };
        if claim.attempt != entry.attempt {
            return unknown;
        }
        let left_ms = entry.deadline_ms.saturating_sub(now_ms);
        if left_ms == 0 {
            return (ClaimAnswer::PastDeadline, None);
        }
        let replaced = match &*entry.stage.borrow() {
            Stage::Cancelled | Stage::Refused | Stage::Poisoned(_) => {
                return (ClaimAnswer::Cancelled, None);
            }
            Stage::Claimed(_) if entry.begun || entry.ending => {
                return (ClaimAnswer::AlreadyRunning, None);
            }
            // It was handed to this worker, which is late and wants to be sure.
            Stage::Claimed(before)
                if (before.delivered, claim.delivered) == (0, 0)
                    && before.worker == claim.worker =>
            {
                return (ClaimAnswer::Go { left_ms }, None);
            }
            // A later delivery of the same attempt: the queue gave up on the first worker.
            Stage::Claimed(before) if before.delivered >= claim.delivered => {
                return (ClaimAnswer::AlreadyRunning, None);
            }
            Stage::Claimed(before) => Some(before.clone()),
            Stage::Waiting => None,
        };
        entry.stage.send_replace(Stage::Claimed(Execution {
            worker: claim.worker.clone(),
            attempt: claim.attempt,
            delivered: claim.delivered,
            losses,
            since: Instant::now(),
        }));
        entry.place = None;
        (ClaimAnswer::Go { left_ms }, replaced)
    }

    /// Decides whether an execution that broke off is the one that counts. If it is, no other
    /// begins any more: what it produced and what another one answers would be two ends.
    fn end(&self, end: &EndClaimV1) -> ClaimAnswer {
        let mut table = self.table();
        let Some(entry) = table.get_mut(&end.request) else { return ClaimAnswer::Unknown };
        let current = match &*entry.stage.borrow() {
            Stage::Refused => return ClaimAnswer::AlreadyRunning,
            stage => stage.execution().map_or(0, |execution| execution.delivered),
        };
        if (end.attempt, end.delivered) < (entry.attempt, current) {
            return ClaimAnswer::AlreadyRunning;
        }
        entry.ending = true;
        ClaimAnswer::Settle
    }
}

/// Answers claims as long as the gateway lives.
pub(super) async fn serve(core: &Arc<Core>) -> Result<(), BusError> {
    let mut claims = Ear::open(core, subjects::claim(&core.id), "listening for claims").await?;
    let served = Arc::clone(core);
    core.background.spawn_vital("claims", async move {
        while let Some(message) = claims.next().await {
            answer(&served, message).await;
        }
    });
    Ok(())
}

async fn answer(core: &Core, message: async_nats::Message) {
    // An answer is written with our rights: nobody names another subject for it.
    let Some(reply) = message.reply.filter(|reply| subjects::is_inbox(reply)) else { return };
    if subjects::is_inbox_of_workers(&reply) {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "a worker's user is in the gateways' account of NATS, where NATS itself can be \
                 made to write for it: restart NATS with this version's nats.conf \
                 (docs/deploy.md)"
            );
        });
    }
    if message.payload.is_empty() {
        // A worker asks whether we live; that we answer is the answer.
        drop(core.bus.client().publish(reply, bytes::Bytes::new()).await);
        return;
    }
    let answer = match serde_json::from_slice(&message.payload) {
        Ok(Claim::V1(claim)) => {
            let pool = core.exchange.pool_of(&claim.request);
            let losses = pool.as_ref().and_then(|pool| core.fleet.losses(pool, &claim.worker));
            let (answer, replaced) = core.exchange.claim(&claim, losses, clock::steady_ms());
            if let (ClaimAnswer::Go { .. }, Some(pool)) = (&answer, pool)
                && let Some(slot) = core.fleet.claimed(&pool, &claim.worker)
            {
                core.exchange.take_slot(&claim.request, slot);
            }
            if let Some(before) = replaced {
                // It was silent for too long, but it may still live.
                super::replace_execution(core, &claim.request, &before).await;
            }
            answer
        }
        Ok(Claim::EndV1(end)) => core.exchange.end(&end),
        Err(error) => {
            tracing::warn!(%error, "a claim can't be read");
            ClaimAnswer::Unknown
        }
    };
    core.metrics.claims_total.with_label_values(&[answer.as_str()]).inc();
    let Ok(body) = serde_json::to_vec(&answer) else { return };
    if let Err(error) = core.bus.client().publish(reply, body.into()).await {
        tracing::warn!(%error, "a claim couldn't be answered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{Slot, Taker};
    use infra::store::holds::OpenHold;
    use schemas::ids::{AccountId, KeyId, RequestId, WorkerId};

    fn claim(request: &RequestId, attempt: u32, delivered: u64) -> ClaimV1 {
        ClaimV1 {
            request: request.clone(),
            attempt,
            delivered,
            worker: WorkerId::fresh(),
            acknowledge: String::new(),
        }
    }

    fn hold(request: &RequestId) -> OpenHold {
        OpenHold {
            request: request.clone(),
            account: AccountId::fresh(),
            key: KeyId::fresh(),
            amount: "1".into(),
            lifetime_ms: 1,
        }
    }

    fn answered(exchange: &Exchange, claimed: &ClaimV1, now_ms: u64) -> ClaimAnswer {
        exchange.claim(claimed, None, now_ms).0
    }

    #[test]
    fn one_execution_may_start_and_a_later_delivery_takes_over_until_it_has_begun() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let go = ClaimAnswer::Go { left_ms: 100 };
        assert_eq!(answered(&exchange, &claim(&request, 1, 1), 0), ClaimAnswer::Unknown);
        let _seat = exchange.enter(hold(&request), 100);
        let late = answered(&exchange, &claim(&request, 1, 1), 100);
        assert_eq!(late, ClaimAnswer::PastDeadline);
        assert_eq!(answered(&exchange, &claim(&request, 1, 1), 0), go);
        let again = answered(&exchange, &claim(&request, 1, 1), 0);
        assert_eq!(again, ClaimAnswer::AlreadyRunning);
        let (answer, replaced) = exchange.claim(&claim(&request, 1, 2), None, 0);
        assert_eq!((answer, replaced.map(|before| before.delivered)), (go, Some(1)));
        exchange.begun(&request);
        let begun = answered(&exchange, &claim(&request, 1, 3), 0);
        assert_eq!(begun, ClaimAnswer::AlreadyRunning);
    }

    #[test]
    fn who_broke_off_settles_only_what_no_other_answers_and_then_no_other_begins() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let end = |attempt, delivered| {
            exchange.end(&EndClaimV1 { request: request.clone(), attempt, delivered })
        };
        assert_eq!(end(1, 1), ClaimAnswer::Unknown);
        let _seat = exchange.enter(hold(&request), 100);
        let go = ClaimAnswer::Go { left_ms: 100 };
        assert_eq!(answered(&exchange, &claim(&request, 1, 1), 0), go);
        assert_eq!(answered(&exchange, &claim(&request, 1, 2), 0), go);
        assert_eq!(end(1, 1), ClaimAnswer::AlreadyRunning, "a later delivery has its place");
        assert_eq!(exchange.next_attempt(&request), Some(2));
        assert_eq!(end(1, 2), ClaimAnswer::AlreadyRunning, "so has a later attempt");
        assert_eq!(answered(&exchange, &claim(&request, 2, 1), 0), go);
        assert!(exchange.may_begin_anew(&request));
        assert_eq!(end(2, 1), ClaimAnswer::Settle);
        assert!(!exchange.may_begin_anew(&request));
        let late = answered(&exchange, &claim(&request, 2, 2), 0);
        assert_eq!((late, exchange.next_attempt(&request)), (ClaimAnswer::AlreadyRunning, None));
        exchange.cancel(&request);
        assert_eq!(end(2, 1), ClaimAnswer::Settle, "its gateway waits for what was produced");
    }

    #[test]
    fn a_cancelled_request_never_starts_and_an_old_attempt_is_unknown() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let _seat = exchange.enter(hold(&request), 100);
        assert_eq!(exchange.next_attempt(&request), Some(2));
        assert_eq!(answered(&exchange, &claim(&request, 1, 1), 0), ClaimAnswer::Unknown);
        assert_eq!(exchange.cancel(&request), None);
        assert_eq!(answered(&exchange, &claim(&request, 2, 1), 0), ClaimAnswer::Cancelled);
    }

    #[test]
    fn a_job_past_the_queue_is_its_workers_until_it_is_refused() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let _seat = exchange.enter(hold(&request), 100);
        let late = claim(&request, 1, 0);
        let (worker, slot) = (late.worker.clone(), Slot::default());
        exchange.hand(&request, Taker { worker, slot, losses: 0 });
        assert_eq!(answered(&exchange, &late, 0), ClaimAnswer::Go { left_ms: 100 });
        let another = answered(&exchange, &claim(&request, 1, 0), 0);
        assert_eq!(another, ClaimAnswer::AlreadyRunning);
        exchange.refused(&request, 2);
        assert_eq!(answered(&exchange, &late, 0), ClaimAnswer::Go { left_ms: 100 });
        exchange.refused(&request, 1);
        assert_eq!(answered(&exchange, &late, 0), ClaimAnswer::Cancelled);
        assert_eq!(exchange.next_attempt(&request), Some(2));
        exchange.refused(&request, 2);
        let go = answered(&exchange, &claim(&request, 2, 1), 0);
        assert_eq!(go, ClaimAnswer::Go { left_ms: 100 }, "the queue's job isn't meant");
    }

    #[test]
    fn a_cancelled_execution_is_told_and_no_other_starts() {
        let (exchange, request) = (Exchange::default(), RequestId::fresh());
        let _seat = exchange.enter(hold(&request), 100);
        exchange.claim(&claim(&request, 1, 1), None, 0);
        exchange.poisoned(&request, 1);
        assert_eq!(exchange.cancel(&request).map(|running| running.delivered), Some(1));
        assert_eq!(answered(&exchange, &claim(&request, 1, 2), 0), ClaimAnswer::Cancelled);
    }
}
