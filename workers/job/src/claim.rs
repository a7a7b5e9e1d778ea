//! Asks the gateway whether a job may start. It covers a dead gateway, a client that left, a
//! deadline, a missing hold and a second execution in one question.

use crate::worker::Worker;
use infra::bus::pull::Delivery;
use schemas::job::{ChatJob, Claim, ClaimAnswer, ClaimV1};
use schemas::subjects;
use std::time::{Duration, Instant};

/// How long the gateway may take to answer.
const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(2);

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
    let claim = Claim::V1(ClaimV1 {
        request: job.request.clone(),
        attempt: job.attempt,
        delivered: delivery.delivered,
        worker: worker.id().clone(),
        acknowledge: delivery.acknowledge.clone(),
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
