//! Jobs past the queue that were not taken: their worker says so, or NATS when the worker is gone.
//! Their requests go to the queue then.

use super::Ear;
use crate::state::Core;
use infra::bus::BusError;
use schemas::ids::RequestId;
use schemas::subjects;
use std::sync::Arc;

/// Hears refusals as long as the gateway lives.
pub(super) async fn serve(core: &Arc<Core>) -> Result<(), BusError> {
    let subject = subjects::direct_refused_all(&core.id);
    let mut refusals = Ear::open(core, subject, "listening for refusals").await?;
    let served = Arc::clone(core);
    core.background.spawn_vital("refusals", async move {
        while let Some(message) = refusals.next().await {
            heard(&served, &message.subject);
        }
    });
    Ok(())
}

fn heard(core: &Core, subject: &str) {
    let Some((request, attempt)) = subjects::direct_refused_names(subject) else { return };
    let Ok(request) = RequestId::parse(request) else { return };
    core.metrics.jobs_sent_total.with_label_values(&["refused"]).inc();
    core.exchange.refused(&request, attempt);
}
