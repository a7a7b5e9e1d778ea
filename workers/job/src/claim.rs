//! Asks the gateway whether a job may start. It covers a dead gateway, a client that left, a
//! deadline, a missing hold and a second execution in one question. And asks, when an answer broke
//! off, whether it still counts.

use crate::worker::Worker;
use infra::bus::delivery::Delivery;
use infra::clock;
use schemas::job::{ChatJob, Claim, ClaimAnswer, ClaimV1, EndClaimV1};
use schemas::ledger::LATE_AFTER_MS;
use schemas::subjects;
use std::time::{Duration, Instant};

/// How long the gateway may take to answer.
const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(2);

/// A job that came past the queue needs no word when it is at most so old, in milliseconds: its
/// gateway has sent it to us and nobody else. An older one lay somewhere while we or NATS were
/// halted, or the clocks differ: then the gateway is asked.
const UNASKED_AGE_MS_MAX: u64 = 1_000;

/// How often a gateway that says nothing is asked whether a broken answer counts. While NATS or the
/// gateway is halted nothing can be settled or read either.
const END_ASKED_MAX: u32 = 3;

/// What to do with the job.
pub(crate) enum Verdict {
    /// Start it; so much time is left.
    Go(Duration),
    /// Remove it: nobody needs it.
    Never(&'static str),
    /// Hand it back: nobody could say.
    Later,
    /// We were halted meanwhile: somebody else may have the job, so nothing is said about it.
    Overtaken,
}

/// Asks.
pub(crate) async fn ask(worker: &Worker, job: &ChatJob, delivery: &Delivery) -> Verdict {
    let left = delivery.left_when_sent();
    if let Some(left) = left.filter(|left| is_fresh(job, *left, clock::steady_ms())) {
        return Verdict::Go(left);
    }
    let claim = Claim::V1(ClaimV1 {
        request: job.request.clone(),
        attempt: job.attempt,
        delivered: delivery.delivered,
        worker: worker.id().clone(),
        acknowledge: delivery.acknowledge_subject().to_owned(),
    });
    let Ok(body) = serde_json::to_vec(&claim) else { return Verdict::Later };
    let subject = subjects::claim(&job.gateway);
    let began = Instant::now();
    let asked = worker.bus().client().request(subject, body.into());
    match tokio::time::timeout(ANSWER_SECONDS_MAX, asked).await {
        // It came in time, but we did not read it in time: the gateway counts us as dead.
        Ok(Ok(_)) if began.elapsed() >= ANSWER_SECONDS_MAX => Verdict::Overtaken,
        Ok(Ok(answer)) => match serde_json::from_slice(&answer.payload) {
            Ok(ClaimAnswer::Go { left_ms }) => Verdict::Go(Duration::from_millis(left_ms)),
            Ok(answer) => Verdict::Never(answer.as_str()),
            Err(_) => Verdict::Later,
        },
        Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
            Verdict::Never("gateway_gone")
        }
        Ok(Err(_)) | Err(_) => Verdict::Later,
    }
}

/// Whether an answer that broke off is the one that counts. While we were out of reach the gateway
/// may have given the job to another: then that one's answer is the one that is paid. A gateway
/// that is gone, or stays silent, has no other.
pub(crate) async fn still_counts(worker: &Worker, job: &ChatJob, delivered: u64) -> bool {
    let (request, attempt) = (job.request.clone(), job.attempt);
    let claim = Claim::EndV1(EndClaimV1 { request, attempt, delivered });
    let Ok(body) = serde_json::to_vec(&claim) else { return true };
    for _ in 0..END_ASKED_MAX {
        let asked =
            worker.bus().client().request(subjects::claim(&job.gateway), body.clone().into());
        match tokio::time::timeout(ANSWER_SECONDS_MAX, asked).await {
            Ok(Ok(answer)) => {
                let answer = serde_json::from_slice(&answer.payload);
                return !matches!(answer, Ok(ClaimAnswer::AlreadyRunning));
            }
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                return true;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
    true
}

/// How far our clock is behind the gateway's, in milliseconds, when a job has so much time left by
/// that; 0 unless it is so far behind that our charges might count as late.
pub(crate) fn behind_ms(deadline_ms: u64, left: Duration, now_ms: u64) -> u64 {
    let left_ms = clock::milliseconds(left);
    let behind_ms = deadline_ms.saturating_sub(left_ms).saturating_sub(now_ms);
    if behind_ms > LATE_AFTER_MS / 2 { behind_ms } else { 0 }
}

/// Whether a job that had so much time when it was sent is young, by both clocks.
fn is_fresh(job: &ChatJob, left: Duration, now_ms: u64) -> bool {
    let left_ms = clock::milliseconds(left);
    let sent_ms = job.deadline_ms.saturating_sub(left_ms);
    now_ms.abs_diff(sent_ms) <= UNASKED_AGE_MS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_half_a_day_behind_is_known_by_the_job() {
        const HOUR_MS: u64 = 3_600_000;
        let (gateway_ms, left) = (1_000 * HOUR_MS, Duration::from_secs(600));
        let deadline_ms = gateway_ms + 600_000;
        let behind = |now_ms| behind_ms(deadline_ms, left, now_ms);
        assert_eq!(behind(gateway_ms), 0);
        assert_eq!(behind(gateway_ms + 30 * HOUR_MS), 0, "ahead");
        assert_eq!(behind(gateway_ms - 11 * HOUR_MS), 0, "in time all the same");
        assert_eq!(behind(gateway_ms - 25 * HOUR_MS), 25 * HOUR_MS);
    }
}
