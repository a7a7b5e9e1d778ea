//! Asks the gateway whether a job may start. It covers a dead gateway, a client that left, a
//! deadline, a missing hold and a second execution in one question.

use crate::worker::Worker;
use infra::bus::delivery::Delivery;
use infra::clock;
use schemas::job::{ChatJob, Claim, ClaimAnswer, ClaimV1};
use schemas::subjects;
use std::time::{Duration, Instant};

/// How long the gateway may take to answer.
const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(2);

/// A job that came past the queue needs no word when it is at most so old, in milliseconds: its
/// gateway has sent it to us and nobody else. An older one lay somewhere while we or NATS were
/// halted, or the clocks differ: then the gateway is asked.
const UNASKED_AGE_MS_MAX: u64 = 1_000;

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

/// Whether a job that had so much time when it was sent is young, by both clocks.
fn is_fresh(job: &ChatJob, left: Duration, now_ms: u64) -> bool {
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let sent_ms = job.deadline_ms.saturating_sub(left_ms);
    now_ms.abs_diff(sent_ms) <= UNASKED_AGE_MS_MAX
}
