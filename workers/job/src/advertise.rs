//! What a worker says of itself: every half second, when asked, and once more when it leaves.

use crate::worker::{Pool, Worker};
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::pull::Slots;
use schemas::advert::{ADVERT_INTERVAL_MS, Advert, AdvertV1};
use schemas::subjects;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Advertises one pool until `gone`, then says goodbye.
pub(crate) async fn advertise(
    worker: Arc<Worker>,
    pool: Pool,
    slots: Slots,
    gone: CancellationToken,
) -> Result<(), BusError> {
    let subscribed = worker.bus().client().subscribe(subjects::HEALTH_POLL).await;
    let mut asked =
        subscribed.map_err(|error| BusError::request("listening for health polls", error))?;
    let mut ticks = tokio::time::interval(Duration::from_millis(ADVERT_INTERVAL_MS));
    let mut is_draining = worker.is_draining();
    loop {
        tokio::select! {
            () = gone.cancelled() => break,
            // Gateways shall hear it at once, and hand over no more jobs.
            () = worker.begins_to_drain(), if !is_draining => is_draining = true,
            _ = ticks.tick() => {}
            question = asked.next() => if question.is_none() { break },
        }
        send(&worker, &pool, &slots, false).await;
    }
    send(&worker, &pool, &slots, true).await;
    worker.bus().flush().await;
    Ok(())
}

async fn send(worker: &Worker, pool: &Pool, slots: &Slots, leaving: bool) {
    let (all, free) = (slots.total(), slots.free());
    let metrics = worker.metrics();
    metrics.worker_slots.with_label_values(&[&pool.name]).set(i64::from(all));
    metrics.worker_slots_free.with_label_values(&[&pool.name]).set(i64::from(free));
    worker.backend().show();
    let served = worker.backend().models();
    let models = pool.models.iter().filter(|model| served.contains(model)).cloned().collect();
    let advert = Advert::V1(AdvertV1 {
        worker: worker.id().clone(),
        pool: pool.name.clone(),
        models,
        slots: all,
        slots_free: free,
        draining: worker.is_draining(),
        connection: Some(worker.bus().name().to_owned()),
        direct: !worker.bus().is_direct_denied(),
        leaving,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    let Ok(body) = serde_json::to_vec(&advert) else { return };
    let subject = subjects::health(&pool.name, worker.id());
    if let Err(error) = worker.bus().client().publish(subject, body.into()).await {
        tracing::debug!(%error, "an advert couldn't be sent");
    }
}
