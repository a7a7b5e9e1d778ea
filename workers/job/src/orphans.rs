//! Jobs whose gateway is gone: nobody reads their answers, so they are stopped and charged for what
//! they had produced. A gateway answers here as long as it lives; NATS says when nobody does.

use crate::worker::Worker;
use infra::bus::Bus;
use schemas::ids::GatewayId;
use schemas::subjects;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks at the gateways of running jobs.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A gateway that can't be found for so long is gone. After a restart of NATS it needs a moment to
/// be back.
const GATEWAY_LIFETIME: Duration = Duration::from_secs(2);

/// How long an answer may take; one that doesn't come says nothing.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(400);

/// Looks until told to stop.
pub(crate) async fn watch(worker: Arc<Worker>, stop: CancellationToken) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    let mut missing: HashMap<GatewayId, Instant> = HashMap::new();
    let mut connections = worker.bus().connections();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        if connections.has_changed().unwrap_or(false) || !worker.bus().is_connected() {
            // Ours was away: theirs may be, too.
            connections.borrow_and_update();
            missing.clear();
            continue;
        }
        let gateways = worker.running().gateways();
        missing.retain(|gateway, _| gateways.contains(gateway));
        for gateway in gateways {
            if !is_nobody(worker.bus(), &gateway).await {
                missing.remove(&gateway);
                continue;
            }
            let since = missing.entry(gateway.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= GATEWAY_LIFETIME {
                tracing::warn!(%gateway, "a gateway is gone; its jobs are stopped");
                worker.running().cancel_all_of(&gateway);
            }
        }
    }
}

/// Whether NATS says that nobody listens where the gateway does. An empty claim asks for nothing.
async fn is_nobody(bus: &Bus, gateway: &GatewayId) -> bool {
    let asked = bus.client().request(subjects::claim(gateway), bytes::Bytes::new());
    match tokio::time::timeout(ANSWER_TIME_MAX, asked).await {
        Ok(Err(error)) => error.kind() == async_nats::RequestErrorKind::NoResponders,
        Ok(Ok(_)) | Err(_) => false,
    }
}
