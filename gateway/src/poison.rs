//! Jobs that were handed out as often as allowed without a first token: each of their workers fell
//! or gave up. NATS leaves them in the queue for ever, so their gateway ends the request and
//! removes them.

use crate::exchange::Ear;
use crate::state::Core;
use infra::bus::BusError;
use schemas::job::ChatJob;
use schemas::subjects;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// How often a poison job is looked at, when NATS doesn't answer: its advisory comes once.
const LOOKS_MAX: usize = 3;

/// Between two of these looks.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The part of NATS's advisory that we read.
#[derive(Deserialize)]
struct Advisory {
    stream_seq: u64,
}

/// Listens as long as the gateway lives.
pub(crate) async fn watch(core: &Arc<Core>) -> Result<(), BusError> {
    let subject = subjects::CHAT_POISON_ADVISORIES;
    let mut advisories = Ear::open(core, subject, "listening for poison jobs").await?;
    let watched = Arc::clone(core);
    core.background.spawn_vital("poison jobs", async move {
        while let Some(message) = advisories.next().await {
            match serde_json::from_slice::<Advisory>(&message.payload) {
                Ok(advisory) => end(&watched, advisory.stream_seq).await,
                Err(error) => tracing::warn!(%error, "an advisory can't be read"),
            }
        }
    });
    Ok(())
}

/// Ends the request of a poison job; asks again when NATS doesn't answer.
async fn end(core: &Core, sequence: u64) {
    for looks_left in (0..LOOKS_MAX).rev() {
        match remove(core, sequence).await {
            Ok(()) => return,
            Err(error) if looks_left > 0 => {
                tracing::warn!(%error, sequence, "a poison job couldn't be removed yet");
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%error, sequence, "a poison job is left: it goes at its deadline");
            }
        }
    }
}

/// Every gateway hears of every poison job; the one that it belongs to acts.
async fn remove(core: &Core, sequence: u64) -> Result<(), BusError> {
    let Some(job) = core.bus.queued_job(sequence).await? else { return Ok(()) };
    let (_, ChatJob { request, attempt, gateway: owner, .. }) = job.open();
    if owner != core.id {
        return Ok(());
    }
    tracing::error!(%request, attempt, "a job was handed out too often; it is removed");
    core.exchange.poisoned(&request, attempt);
    core.bus.remove_queued(&request, sequence).await
}
