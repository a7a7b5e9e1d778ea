//! Jobs that were handed out as often as allowed without a first token: each of their workers fell
//! or gave up. NATS leaves them in the queue for ever, so their gateway ends the request and
//! removes them.

use crate::state::Core;
use futures::StreamExt;
use infra::bus::BusError;
use schemas::job::{ChatJob, Job};
use schemas::subjects;
use serde::Deserialize;
use std::sync::Arc;

/// The part of NATS's advisory that we read.
#[derive(Deserialize)]
struct Advisory {
    stream_seq: u64,
}

/// Listens as long as the gateway lives.
pub(crate) async fn watch(core: &Arc<Core>) -> Result<(), BusError> {
    let subscribed = core.bus.client().subscribe(subjects::CHAT_POISON_ADVISORIES).await;
    let mut advisories =
        subscribed.map_err(|error| BusError::request("listening for poison jobs", error))?;
    let watched = Arc::clone(core);
    core.background.spawn_vital("poison jobs", async move {
        let stop = watched.background.stop().clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = advisories.next() => {
                    let Some(message) = message else { return };
                    match serde_json::from_slice::<Advisory>(&message.payload) {
                        Ok(advisory) => remove(&watched, advisory.stream_seq).await,
                        Err(error) => tracing::warn!(%error, "an advisory can't be read"),
                    }
                }
            }
        }
    });
    Ok(())
}

/// Every gateway hears of every poison job; the one that it belongs to acts.
async fn remove(core: &Core, sequence: u64) {
    let stream = core.bus.jetstream().get_stream_no_info(subjects::CHAT_STREAM).await;
    let Ok(stream) = stream else { return };
    let Ok(message) = stream.get_raw_message(sequence).await else { return };
    let Ok(job) = serde_json::from_slice::<Job>(&message.payload) else { return };
    let (_, ChatJob { request, attempt, gateway: owner, .. }) = job.open();
    if owner != core.id {
        return;
    }
    tracing::error!(%request, attempt, "a job was handed out too often; it is removed");
    core.exchange.poisoned(&request, attempt);
    if let Err(error) = stream.delete_message(sequence).await {
        tracing::warn!(%error, "a poison job couldn't be removed; it goes at its deadline");
    }
}
